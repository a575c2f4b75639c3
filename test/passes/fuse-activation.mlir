// An activation goes into the linear layer before it, unless the linear result has another user or an activation already.
// RUN: focus-opt %s --fuse --split-input-file | filecheck %s

// CHECK-LABEL: func.func @yes
func.func @yes(%x: tensor<6x8xf16>, %w: tensor<4x8xf16>, %b: tensor<4xf16>) -> tensor<6x4xf16> {
  // CHECK-NEXT: [[Y:%.*]] = "focus.linear"(%arg0, %arg1, %arg2)
  // CHECK-SAME: {activation = "gelu_tanh", focus.layer = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
  // CHECK-NEXT: return [[Y]]
  %y = "focus.linear"(%x, %w, %b) {activation = "none", focus.layer = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
      : (tensor<6x8xf16>, tensor<4x8xf16>, tensor<4xf16>) -> tensor<6x4xf16>
  %a = "focus.activation"(%y) {kind = "gelu_tanh"} : (tensor<6x4xf16>) -> tensor<6x4xf16>
  return %a : tensor<6x4xf16>
}

// -----

// CHECK-LABEL: func.func @shared
func.func @shared(%x: tensor<6x8xf16>, %w: tensor<4x8xf16>) -> (tensor<6x4xf16>, tensor<6x4xf16>) {
  // CHECK: "focus.linear"({{.*}}activation = "none"
  // CHECK: "focus.activation"
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %a = "focus.activation"(%y) {kind = "relu"} : (tensor<6x4xf16>) -> tensor<6x4xf16>
  return %y, %a : tensor<6x4xf16>, tensor<6x4xf16>
}

// -----

// CHECK-LABEL: func.func @twice
func.func @twice(%x: tensor<6x8xf16>, %w: tensor<4x8xf16>) -> tensor<6x4xf16> {
  // CHECK: "focus.linear"({{.*}}activation = "silu"
  // CHECK: "focus.activation"({{.*}}kind = "relu"
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %a = "focus.activation"(%y) {kind = "silu"} : (tensor<6x4xf16>) -> tensor<6x4xf16>
  %c = "focus.activation"(%a) {kind = "relu"} : (tensor<6x4xf16>) -> tensor<6x4xf16>
  return %c : tensor<6x4xf16>
}
