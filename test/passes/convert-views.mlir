// Shape ops are arithmetic on strides: what is a matrix again in the end costs at most a reshape and a slice of memory.
// RUN: focus-opt %s --convert-torch-to-focus --split-input-file | filecheck %s

// Columns of a fused qkv projection.
// CHECK-LABEL: func.func @columns
func.func @columns(%qkv: !torch.vtensor<[6,24],f32>) -> !torch.vtensor<[6,8],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %2 = torch.constant.int 2
  %3 = torch.constant.int 3
  %4 = torch.constant.int 4
  %6 = torch.constant.int 6
  %shape = torch.prim.ListConstruct %6, %3, %2, %4 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
  %v = torch.aten.view %qkv, %shape : !torch.vtensor<[6,24],f32>, !torch.list<int> -> !torch.vtensor<[6,3,2,4],f32>
  %order = torch.prim.ListConstruct %1, %0, %2, %3 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
  %p = torch.aten.permute %v, %order : !torch.vtensor<[6,3,2,4],f32>, !torch.list<int> -> !torch.vtensor<[3,6,2,4],f32>
  %k = torch.aten.select.int %p, %0, %1 : !torch.vtensor<[3,6,2,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[6,2,4],f32>
  %minus = torch.constant.int -1
  %flat = torch.prim.ListConstruct %6, %minus : (!torch.int, !torch.int) -> !torch.list<int>
  // CHECK-NEXT: [[K:%.*]] = "focus.slice"({{%.*}}) {offsets = array<i64: 0, 8>, sizes = array<i64: 6, 8>} : (tensor<6x24xf16>) -> tensor<6x8xf16>
  // CHECK-NEXT: return [[K]]
  %m = torch.aten.view %k, %flat : !torch.vtensor<[6,2,4],f32>, !torch.list<int> -> !torch.vtensor<[6,8],f32>
  return %m : !torch.vtensor<[6,8],f32>
}

// -----

// A merge of four rows into one is a reshape of the memory.
// CHECK-LABEL: func.func @merge
func.func @merge(%x: !torch.vtensor<[8,4],f32>) -> !torch.vtensor<[2,16],f32> {
  %16 = torch.constant.int 16
  %minus = torch.constant.int -1
  %shape = torch.prim.ListConstruct %minus, %16 : (!torch.int, !torch.int) -> !torch.list<int>
  // CHECK-NEXT: [[Y:%.*]] = "focus.reshape"({{%.*}}) : (tensor<8x4xf16>) -> tensor<2x16xf16>
  // CHECK-NEXT: return [[Y]]
  %y = torch.aten.view %x, %shape : !torch.vtensor<[8,4],f32>, !torch.list<int> -> !torch.vtensor<[2,16],f32>
  return %y : !torch.vtensor<[2,16],f32>
}

// -----

// There and back emits nothing.
// CHECK-LABEL: func.func @round_trip
func.func @round_trip(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %2 = torch.constant.int 2
  %4 = torch.constant.int 4
  %6 = torch.constant.int 6
  %8 = torch.constant.int 8
  %heads = torch.prim.ListConstruct %6, %2, %4 : (!torch.int, !torch.int, !torch.int) -> !torch.list<int>
  %v = torch.aten.view %x, %heads : !torch.vtensor<[6,8],f32>, !torch.list<int> -> !torch.vtensor<[6,2,4],f32>
  %t = torch.aten.transpose.int %v, %0, %1 : !torch.vtensor<[6,2,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[2,6,4],f32>
  %u = torch.aten.unsqueeze %t, %0 : !torch.vtensor<[2,6,4],f32>, !torch.int -> !torch.vtensor<[1,2,6,4],f32>
  %b = torch.aten.transpose.int %u, %1, %2 : !torch.vtensor<[1,2,6,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,6,2,4],f32>
  %s = torch.aten.squeeze.dim %b, %0 : !torch.vtensor<[1,6,2,4],f32>, !torch.int -> !torch.vtensor<[6,2,4],f32>
  %flat = torch.prim.ListConstruct %6, %8 : (!torch.int, !torch.int) -> !torch.list<int>
  %y = torch.aten.view %s, %flat : !torch.vtensor<[6,2,4],f32>, !torch.list<int> -> !torch.vtensor<[6,8],f32>
  // CHECK-NEXT: return %arg0
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

// The last row, counted from the end and up to infinity as torch writes it; every other row.
// CHECK-LABEL: func.func @rows
func.func @rows(%x: !torch.vtensor<[7,4],f32>) -> (!torch.vtensor<[1,4],f32>, !torch.vtensor<[4,4],f32>) {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %2 = torch.constant.int 2
  %minus = torch.constant.int -1
  %end = torch.constant.int 9223372036854775807
  // CHECK: [[LAST:%.*]] = "focus.slice"(%arg0) {offsets = array<i64: 6, 0>, sizes = array<i64: 1, 4>}
  %last = torch.aten.slice.Tensor %x, %0, %minus, %end, %1 : !torch.vtensor<[7,4],f32>, !torch.int, !torch.int, !torch.int, !torch.int
      -> !torch.vtensor<[1,4],f32>
  // CHECK: [[TWO:%.*]] = "focus.slice"(%arg0) {offsets = array<i64: 1, 0>, sizes = array<i64: 4, 4>}
  %four = torch.constant.int 5
  %some = torch.aten.slice.Tensor %x, %0, %1, %four, %1 : !torch.vtensor<[7,4],f32>, !torch.int, !torch.int, !torch.int, !torch.int
      -> !torch.vtensor<[4,4],f32>
  // CHECK: return [[LAST]], [[TWO]]
  return %last, %some : !torch.vtensor<[1,4],f32>, !torch.vtensor<[4,4],f32>
}
