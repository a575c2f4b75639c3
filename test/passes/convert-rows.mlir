// What moves rows: resampling by a constant matrix, a list of row numbers, concatenation; what is added to some of them.
// RUN: focus-opt %s --convert-torch-to-focus | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: !torch.vtensor<[3,6,8],f32>) -> !torch.vtensor<[17,8],f32> {
  %0 = torch.constant.int 0
  %12 = torch.constant.int 12
  %8 = torch.constant.int 8
  // CHECK-DAG: [[X:%.*]] = "focus.reshape"(%arg0) : (tensor<3x6x8xf16>) -> tensor<18x8xf16>
  // CHECK-DAG: [[POOL:%.*]] = "focus.param"() {name = "const.pool", row_order = "as_is"} : () -> tensor<4x6xf16>
  // CHECK: [[Y:%.*]] = "focus.matmul"([[POOL]], [[X]]) {batch = 3 : i64} : (tensor<4x6xf16>, tensor<18x8xf16>) -> tensor<12x8xf16>
  %pool = torch.operator "torch.vlm.param"() {vlm.name = "const.pool"} : () -> !torch.vtensor<[4,6],f32>
  %y = torch.operator "torch.vlm.resample"(%x, %pool) : (!torch.vtensor<[3,6,8],f32>, !torch.vtensor<[4,6],f32>) -> !torch.vtensor<[3,4,8],f32>
  %shape = torch.prim.ListConstruct %12, %8 : (!torch.int, !torch.int) -> !torch.list<int>
  %rows = torch.aten.view %y, %shape : !torch.vtensor<[3,4,8],f32>, !torch.list<int> -> !torch.vtensor<[12,8],f32>
  // CHECK-DAG: [[LINE:%.*]] = "focus.param"() {name = "newline", row_order = "as_is"} : () -> tensor<1x8xf16>
  %newline = torch.operator "torch.vlm.param"() {vlm.name = "newline"} : () -> !torch.vtensor<[8],f32>
  %line = torch.aten.unsqueeze %newline, %0 : !torch.vtensor<[8],f32>, !torch.int -> !torch.vtensor<[1,8],f32>
  // CHECK: [[ALL:%.*]] = tensor.concat dim(0) [[Y]], [[LINE]] : (tensor<12x8xf16>, tensor<1x8xf16>) -> tensor<13x8xf16>
  %list = torch.prim.ListConstruct %rows, %line : (!torch.vtensor<[12,8],f32>, !torch.vtensor<[1,8],f32>) -> !torch.list<vtensor>
  %all = torch.aten.cat %list, %0 : !torch.list<vtensor>, !torch.int -> !torch.vtensor<[13,8],f32>
  // CHECK: [[IDX:%.*]] = "focus.param"() {name = "const.rows", row_order = "as_is"} : () -> tensor<17xi32>
  // CHECK: "focus.take_rows"([[ALL]], [[IDX]]) : (tensor<13x8xf16>, tensor<17xi32>) -> tensor<17x8xf16>
  %index = torch.operator "torch.vlm.param"() {vlm.name = "const.rows"} : () -> !torch.vtensor<[17],si64>
  %taken = torch.operator "torch.vlm.take_rows"(%all, %index) : (!torch.vtensor<[13,8],f32>, !torch.vtensor<[17],si64>) -> !torch.vtensor<[17,8],f32>
  // CHECK: "focus.add_visual"({{%.*}}, [[Y]]) {runs = array<i64: 0, 8, 12, 4>} : (tensor<17x8xf16>, tensor<12x8xf16>) -> tensor<17x8xf16>
  %4 = torch.constant.int 4
  %runs = torch.prim.ListConstruct %0, %8, %12, %4 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
  %added = torch.operator "torch.vlm.add_visual"(%taken, %rows, %runs) : (!torch.vtensor<[17,8],f32>, !torch.vtensor<[12,8],f32>, !torch.list<int>)
      -> !torch.vtensor<[17,8],f32>
  return %added : !torch.vtensor<[17,8],f32>
}
