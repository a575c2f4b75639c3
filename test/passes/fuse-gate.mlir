// silu(gate) * up becomes one linear layer with two weight matrices, whichever side the gate stands on.
// RUN: focus-opt %s --fuse --split-input-file | filecheck %s

// CHECK-LABEL: func.func @swiglu
func.func @swiglu(%x: tensor<6x8xf16>, %wg: tensor<4x8xf16>, %wu: tensor<4x8xf16>, %bg: tensor<4xf16>, %bu: tensor<4xf16>) -> tensor<6x4xf16> {
  // CHECK-NEXT: [[Y:%.*]] = "focus.linear"(%arg0, %arg1, %arg3, %arg2, %arg4)
  // CHECK-SAME: {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 0>}
  // CHECK-NEXT: return [[Y]]
  %g = "focus.linear"(%x, %wg, %bg) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
      : (tensor<6x8xf16>, tensor<4x8xf16>, tensor<4xf16>) -> tensor<6x4xf16>
  %s = "focus.activation"(%g) {kind = "silu"} : (tensor<6x4xf16>) -> tensor<6x4xf16>
  %u = "focus.linear"(%x, %wu, %bu) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
      : (tensor<6x8xf16>, tensor<4x8xf16>, tensor<4xf16>) -> tensor<6x4xf16>
  %p = "focus.mul"(%s, %u) : (tensor<6x4xf16>, tensor<6x4xf16>) -> tensor<6x4xf16>
  return %p : tensor<6x4xf16>
}

// -----

// CHECK-LABEL: func.func @exchanged
func.func @exchanged(%x: tensor<6x8xf16>, %wg: tensor<4x8xf16>, %wu: tensor<4x8xf16>) -> tensor<6x4xf16> {
  // CHECK-NEXT: "focus.linear"(%arg0, %arg1, %arg2) {activation = "swiglu"
  // CHECK-NEXT: return
  %u = "focus.linear"(%x, %wu) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %g = "focus.linear"(%x, %wg) {activation = "silu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %p = "focus.mul"(%u, %g) : (tensor<6x4xf16>, tensor<6x4xf16>) -> tensor<6x4xf16>
  return %p : tensor<6x4xf16>
}

// -----

// Another gate than silu, and projections of different values, stay products.
// CHECK-LABEL: func.func @no
func.func @no(%x: tensor<6x8xf16>, %z: tensor<6x8xf16>, %wg: tensor<4x8xf16>, %wu: tensor<4x8xf16>) -> (tensor<6x4xf16>, tensor<6x4xf16>) {
  // CHECK-COUNT-2: "focus.mul"
  %g = "focus.linear"(%x, %wg) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %u = "focus.linear"(%x, %wu) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %p = "focus.mul"(%g, %u) : (tensor<6x4xf16>, tensor<6x4xf16>) -> tensor<6x4xf16>
  %g2 = "focus.linear"(%x, %wg) {activation = "silu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %u2 = "focus.linear"(%z, %wu) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<4x8xf16>)
      -> tensor<6x4xf16>
  %p2 = "focus.mul"(%g2, %u2) : (tensor<6x4xf16>, tensor<6x4xf16>) -> tensor<6x4xf16>
  return %p, %p2 : tensor<6x4xf16>, tensor<6x4xf16>
}
