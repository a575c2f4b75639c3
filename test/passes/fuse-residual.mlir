// A residual add goes into the linear layer whose result it takes; the layer moves to where the residual is known.
// RUN: focus-opt %s --fuse --split-input-file | filecheck %s

// CHECK-LABEL: func.func @both_sides
func.func @both_sides(%x: tensor<6x8xf16>, %r: tensor<6x8xf16>, %w: tensor<8x8xf16>) -> tensor<6x8xf16> {
  // CHECK-NEXT: [[A:%.*]] = "focus.linear"(%arg0, %arg2, %arg1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>}
  // CHECK-NEXT: [[B:%.*]] = "focus.linear"([[A]], %arg2, [[A]]) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>}
  // CHECK-NEXT: return [[B]]
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %a = "focus.add"(%r, %y) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %z = "focus.linear"(%a, %w) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %b = "focus.add"(%z, %a) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  return %b : tensor<6x8xf16>
}

// -----

// Of two linear layers the later one takes the earlier one's result.
// CHECK-LABEL: func.func @two
func.func @two(%x: tensor<6x8xf16>, %w: tensor<8x8xf16>, %v: tensor<8x8xf16>) -> tensor<6x8xf16> {
  // CHECK-NEXT: [[Y:%.*]] = "focus.linear"(%arg0, %arg1) {{.*}}array<i32: 1, 1, 0, 0, 0, 0>
  // CHECK-NEXT: [[Z:%.*]] = "focus.linear"(%arg0, %arg2, [[Y]]) {{.*}}array<i32: 1, 1, 0, 0, 0, 1>
  // CHECK-NEXT: return [[Z]]
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %z = "focus.linear"(%x, %v) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %a = "focus.add"(%z, %y) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  return %a : tensor<6x8xf16>
}

// -----

// A position embedding: its rows repeat.
// CHECK-LABEL: func.func @periodic
func.func @periodic(%x: tensor<6x8xf16>, %p: tensor<3x8xf16>, %w: tensor<8x8xf16>) -> tensor<6x8xf16> {
  // CHECK-NEXT: "focus.linear"(%arg0, %arg2, %arg1) {{.*}} (tensor<6x8xf16>, tensor<8x8xf16>, tensor<3x8xf16>) -> tensor<6x8xf16>
  // CHECK-NEXT: return
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %a = "focus.add"(%y, %p) : (tensor<6x8xf16>, tensor<3x8xf16>) -> tensor<6x8xf16>
  return %a : tensor<6x8xf16>
}

// -----

// Not when the linear result is also used alone, nor when it is the operand that repeats, nor twice.
// CHECK-LABEL: func.func @no
func.func @no(%x: tensor<6x8xf16>, %p: tensor<3x8xf16>, %w: tensor<8x8xf16>) -> (tensor<6x8xf16>, tensor<6x8xf16>, tensor<6x8xf16>) {
  // CHECK-COUNT-3: "focus.add"
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %a = "focus.add"(%y, %x) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %s = "focus.linear"(%p, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<3x8xf16>, tensor<8x8xf16>)
      -> tensor<3x8xf16>
  %b = "focus.add"(%x, %s) : (tensor<6x8xf16>, tensor<3x8xf16>) -> tensor<6x8xf16>
  %d = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<6x8xf16>, tensor<8x8xf16>)
      -> tensor<6x8xf16>
  %e = "focus.add"(%d, %d) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %f = "focus.add"(%a, %y) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  return %f, %b, %e : tensor<6x8xf16>, tensor<6x8xf16>, tensor<6x8xf16>
}
