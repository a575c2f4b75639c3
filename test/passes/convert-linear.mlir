// A linear layer: f32 becomes f16, parameters become focus.param under their names, locations (module paths) stay.
// RUN: focus-opt %s --convert-torch-to-focus --mlir-print-debuginfo | filecheck %s

// CHECK: func.func @main([[X:%.*]]: tensor<2x3x8xf16> {focus.name = "x"} {{.*}}) -> tensor<6x4xf16>
func.func @main(%x: !torch.vtensor<[2,3,8],f32> {focus.name = "x"}) -> !torch.vtensor<[2,3,4],f32> {
  %none = torch.constant.none
  // CHECK-DAG: [[XM:%.*]] = "focus.reshape"([[X]]) : (tensor<2x3x8xf16>) -> tensor<6x8xf16>
  // CHECK-DAG: [[W:%.*]] = "focus.param"() {name = "fc1.weight", row_order = "as_is"} : () -> tensor<5x8xf16>
  // CHECK-DAG: [[B:%.*]] = "focus.param"() {name = "fc1.bias", row_order = "as_is"} : () -> tensor<5xf16>
  %w = torch.operator "torch.vlm.param"() {vlm.name = "fc1.weight"} : () -> !torch.vtensor<[5,8],f32> loc("fc1.weight")
  %b = torch.operator "torch.vlm.param"() {vlm.name = "fc1.bias"} : () -> !torch.vtensor<[5],f32> loc("fc1.bias")
  // CHECK: [[Y:%.*]] = "focus.linear"([[XM]], [[W]], [[B]]) {activation = "none"
  // CHECK-SAME: (tensor<6x8xf16>, tensor<5x8xf16>, tensor<5xf16>) -> tensor<6x5xf16> loc([[FC1:#.*]])
  %y = torch.aten.linear %x, %w, %b : !torch.vtensor<[2,3,8],f32>, !torch.vtensor<[5,8],f32>, !torch.vtensor<[5],f32> -> !torch.vtensor<[2,3,5],f32>
      loc("fc1")
  %w2 = torch.operator "torch.vlm.param"() {vlm.name = "fc2.weight"} : () -> !torch.vtensor<[4,5],bf16> loc("fc2.weight")
  // CHECK: [[Z:%.*]] = "focus.linear"([[Y]], {{%.*}}) {activation = "none"
  %z = torch.aten.linear %y, %w2, %none : !torch.vtensor<[2,3,5],f32>, !torch.vtensor<[4,5],bf16>, !torch.none -> !torch.vtensor<[2,3,4],f32>
      loc("fc2")
  // CHECK: return [[Z]] : tensor<6x4xf16>
  return %z : !torch.vtensor<[2,3,4],f32>
}
// CHECK: [[FC1]] = loc("fc1")
