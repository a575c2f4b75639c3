// Sums and products: the operand with the result's shape comes first, the other one may repeat over leading axes.
// RUN: focus-opt %s --convert-torch-to-focus --split-input-file | filecheck %s

// A position embedding for each of three frames, and the same with the operands exchanged.
// CHECK-LABEL: func.func @periodic
func.func @periodic(%x: !torch.vtensor<[3,5,8],f32>) -> !torch.vtensor<[3,5,8],f32> {
  %1 = torch.constant.int 1
  %p = torch.operator "torch.vlm.param"() {vlm.name = "position"} : () -> !torch.vtensor<[5,8],f32>
  // CHECK: [[X:%.*]] = "focus.reshape"(%arg0) : (tensor<3x5x8xf16>) -> tensor<15x8xf16>
  // CHECK: [[P:%.*]] = "focus.param"() {name = "position"
  // CHECK: [[A:%.*]] = "focus.add"([[X]], [[P]]) : (tensor<15x8xf16>, tensor<5x8xf16>) -> tensor<15x8xf16>
  %a = torch.aten.add.Tensor %x, %p, %1 : !torch.vtensor<[3,5,8],f32>, !torch.vtensor<[5,8],f32>, !torch.int -> !torch.vtensor<[3,5,8],f32>
  // CHECK: "focus.mul"([[A]], [[P]])
  %b = torch.aten.mul.Tensor %p, %a : !torch.vtensor<[5,8],f32>, !torch.vtensor<[3,5,8],f32> -> !torch.vtensor<[3,5,8],f32>
  return %b : !torch.vtensor<[3,5,8],f32>
}

// -----

// A vector repeats for every row: it is a matrix of one row.
// CHECK-LABEL: func.func @vector
func.func @vector(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %v = torch.operator "torch.vlm.param"() {vlm.name = "scale"} : () -> !torch.vtensor<[8],f32>
  // CHECK: "focus.mul"({{%.*}}, {{%.*}}) : (tensor<6x8xf16>, tensor<1x8xf16>) -> tensor<6x8xf16>
  %y = torch.aten.mul.Tensor %x, %v : !torch.vtensor<[6,8],f32>, !torch.vtensor<[8],f32> -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

// Operands that are permuted alike are added in memory order; the activation works in memory order too.
// CHECK-LABEL: func.func @permuted
func.func @permuted(%x: !torch.vtensor<[6,8],f32>, %y: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %none = torch.constant.str "none"
  %xt = torch.aten.transpose.int %x, %0, %1 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[8,6],f32>
  %yt = torch.aten.transpose.int %y, %0, %1 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[8,6],f32>
  // CHECK-NEXT: [[A:%.*]] = "focus.add"(%arg0, %arg1) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %a = torch.aten.add.Tensor %xt, %yt, %1 : !torch.vtensor<[8,6],f32>, !torch.vtensor<[8,6],f32>, !torch.int -> !torch.vtensor<[8,6],f32>
  // CHECK-NEXT: [[G:%.*]] = "focus.activation"([[A]]) {kind = "gelu_erf"}
  %g = torch.aten.gelu %a, %none : !torch.vtensor<[8,6],f32>, !torch.str -> !torch.vtensor<[8,6],f32>
  // CHECK-NEXT: return [[G]]
  %b = torch.aten.transpose.int %g, %0, %1 : !torch.vtensor<[8,6],f32>, !torch.int, !torch.int -> !torch.vtensor<[6,8],f32>
  return %b : !torch.vtensor<[6,8],f32>
}
