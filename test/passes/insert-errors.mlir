// Requests and schedules that leave nothing to concentrate, or no prompt to judge by.
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="layers=3 alphas=0.5" 2>&1 | filecheck %s --check-prefix=RANGE
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="layers=1,0 alphas=0.5,0.4" 2>&1 \
// RUN:   | filecheck %s --check-prefix=ORDER
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="layers=1 alphas=0.5,0.4" 2>&1 \
// RUN:   | filecheck %s --check-prefix=COUNT
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="vector=48" 2>&1 | filecheck %s --check-prefix=VECTOR
// RUN: not focus-opt %S/Inputs/decoder.mlir --insert-concentration 2>&1 | filecheck %s --check-prefix=LAYOUT
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration --insert-concentration 2>&1 | filecheck %s --check-prefix=TWICE
// RUN: focus-opt %s --annotate-tokens --insert-concentration --split-input-file --verify-diagnostics

// RANGE: error: Concentration: layer 3 is selected, but the decoder has layers 0..2
// ORDER: layers [1, 0] must be ascending
// COUNT: 1 layers but 2 alphas
// VECTOR: vector is 48
// LAYOUT: 'func.func' op has no op of a decoder layer (attribute 'focus.layer'), which annotate-tokens marks
// TWICE: 'func.func' op is concentrated already

// Text only.
module {
  // expected-error@+1 {{'func.func' op has no visual tokens to concentrate}}
  func.func @main(%ids: tensor<1x3xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<0, 3, array<i64>, array<i64>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %x = "focus.embedding"(%ids, %table) : (tensor<1x3xi32>, tensor<16x8xf16>) -> tensor<3x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 2, 0>, sizes = array<i64: 1, 8>} : (tensor<3x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}

// -----

// No text after the visual tokens.
module {
  // expected-error@+1 {{'func.func' op has no text after its visual tokens, from whose attention SEC takes the importance of each}}
  func.func @main(%v: tensor<2x8xf16>, %ids: tensor<1x1xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<2, 3, array<i64: 1, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    %x = tensor.concat dim(0) %t, %v : (tensor<1x8xf16>, tensor<2x8xf16>) -> tensor<3x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 2, 0>, sizes = array<i64: 1, 8>} : (tensor<3x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}

// -----

// An attention whose operands are no projections.
module {
  func.func @main(%v: tensor<2x8xf16>, %ids: tensor<1x1xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<2, 3, array<i64: 0, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    %x = tensor.concat dim(0) %v, %t : (tensor<2x8xf16>, tensor<1x8xf16>) -> tensor<3x8xf16>
    // expected-error@+1 {{'focus.attention' op has an operand that is no linear projection}}
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 2, 0>, sizes = array<i64: 1, 8>} : (tensor<3x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}
