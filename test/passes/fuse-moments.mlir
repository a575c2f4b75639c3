// A norm of a linear layer's result gets its row moments from that layer, even where the result has other users; two norms share them.
// RUN: focus-opt %s --fuse --split-input-file | filecheck %s

// CHECK-LABEL: func.func @rms
func.func @rms(%x: tensor<6x8xf16>, %w: tensor<8x8xf16>, %n: tensor<8xf16>) -> (tensor<6x8xf16>, tensor<6x8xf16>) {
  // CHECK-NEXT: [[Y:%.*]]:2 = "focus.linear"(%arg0, %arg1, %arg0) {{.*}} -> (tensor<6x8xf16>, tensor<6x2xf32>)
  // CHECK-NEXT: [[N:%.*]] = "focus.rms_norm"([[Y]]#0, %arg2, [[Y]]#1) {eps = 1.000000e-05 : f64, focus.layer = 1 : i64}
  // CHECK-NEXT: return [[Y]]#0, [[N]]
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %a = "focus.add"(%x, %y) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %r = "focus.rms_norm"(%a, %n) {eps = 1.0e-5 : f64, focus.layer = 1 : i64} : (tensor<6x8xf16>, tensor<8xf16>) -> tensor<6x8xf16>
  return %a, %r : tensor<6x8xf16>, tensor<6x8xf16>
}

// -----

// CHECK-LABEL: func.func @two_norms
func.func @two_norms(%x: tensor<6x8xf16>, %w: tensor<8x8xf16>, %n: tensor<8xf16>) -> (tensor<6x8xf16>, tensor<6x8xf16>) {
  // CHECK-NEXT: [[Y:%.*]]:2 = "focus.linear"
  // CHECK-NEXT: "focus.layer_norm"([[Y]]#0, %arg2, %arg2, [[Y]]#1)
  // CHECK-NEXT: "focus.rms_norm"([[Y]]#0, %arg2, [[Y]]#1)
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %l = "focus.layer_norm"(%y, %n, %n) {eps = 1.0e-5 : f64} : (tensor<6x8xf16>, tensor<8xf16>, tensor<8xf16>) -> tensor<6x8xf16>
  %r = "focus.rms_norm"(%y, %n) {eps = 1.0e-5 : f64} : (tensor<6x8xf16>, tensor<8xf16>) -> tensor<6x8xf16>
  return %l, %r : tensor<6x8xf16>, tensor<6x8xf16>
}

// -----

// Moments are of whole rows: a norm of heads has its own.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<6x8xf16>, %w: tensor<8x8xf16>, %n: tensor<4xf16>) -> tensor<6x8xf16> {
  // CHECK-NEXT: [[Y:%.*]] = "focus.linear"(%arg0, %arg1) {{.*}} -> tensor<6x8xf16>
  // CHECK-NEXT: "focus.rms_norm"([[Y]], %arg2) {
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (tensor<6x8xf16>, tensor<8x8xf16>) -> tensor<6x8xf16>
  %r = "focus.rms_norm"(%y, %n) {eps = 1.0e-5 : f64} : (tensor<6x8xf16>, tensor<4xf16>) -> tensor<6x8xf16>
  return %r : tensor<6x8xf16>
}

// -----

// What no linear layer makes has no moments; running the pass again changes nothing.
// CHECK-LABEL: func.func @no
func.func @no(%x: tensor<6x8xf16>, %n: tensor<8xf16>) -> tensor<6x8xf16> {
  // CHECK-NEXT: "focus.rms_norm"(%arg0, %arg1) {
  %r = "focus.rms_norm"(%x, %n) {eps = 1.0e-5 : f64} : (tensor<6x8xf16>, tensor<8xf16>) -> tensor<6x8xf16>
  return %r : tensor<6x8xf16>
}
