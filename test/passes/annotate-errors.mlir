// Layouts that do not fit the function, and functions that need more than the last row.
// RUN: focus-opt %s --annotate-tokens --split-input-file --verify-diagnostics

// Text where the layout has visual tokens.
module {
  func.func @main(%visual: tensor<2x8xf16>, %ids: tensor<1x3xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<2, 5, array<i64: 0, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x3xi32>, tensor<16x8xf16>) -> tensor<3x8xf16>
    // expected-error@+1 {{'tensor.concat' op rows 0 to 2 of the sequence are text embeddings, but the token layout has visual tokens there; its runs (start, length) are [(0, 2)]}}
    %x = tensor.concat dim(0) %t, %visual : (tensor<3x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<5x8xf16>, tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 4, 0>, sizes = array<i64: 1, 8>} : (tensor<5x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}

// -----

// Another length.
module {
  func.func @main(%visual: tensor<2x8xf16>, %ids: tensor<1x3xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<2, 6, array<i64: 3, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x3xi32>, tensor<16x8xf16>) -> tensor<3x8xf16>
    // expected-error@+1 {{'tensor.concat' op makes a sequence of 5 rows, but the token layout has S = 6}}
    %x = tensor.concat dim(0) %t, %visual : (tensor<3x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<5x8xf16>, tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 4, 0>, sizes = array<i64: 1, 8>} : (tensor<5x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}

// -----

// No decoder.
module {
  // expected-error@+1 {{'func.func' op has no decoder: no sequence of S = 3 text embeddings and visual rows reaches a causal attention}}
  func.func @main(%x: tensor<3x8xf16>) -> tensor<3x8xf16> attributes {
      focus.tokens = #focus.tokens<0, 3, array<i64>, array<i64>>} {
    return %x : tensor<3x8xf16>
  }
}

// -----

// The logits of every position.
module {
  func.func @main(%ids: tensor<1x3xi32>) -> tensor<3x8xf16> attributes {
      focus.tokens = #focus.tokens<0, 3, array<i64>, array<i64>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %x = "focus.embedding"(%ids, %table) : (tensor<1x3xi32>, tensor<16x8xf16>) -> tensor<3x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
    // expected-error@+1 {{'func.return' op returns all 3 rows of the sequence; only the last token's logits can be a result}}
    return %y : tensor<3x8xf16>
  }
}

// -----

// Rows other than the last.
module {
  func.func @main(%ids: tensor<1x3xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<0, 3, array<i64>, array<i64>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %x = "focus.embedding"(%ids, %table) : (tensor<1x3xi32>, tensor<16x8xf16>) -> tensor<3x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x8xf16>, tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
    // expected-error@+1 {{'focus.slice' op takes 1 rows from 1 on of the sequence; only the last row, 2, may be taken alone}}
    %some = "focus.slice"(%y) {offsets = array<i64: 1, 0>, sizes = array<i64: 1, 8>} : (tensor<3x8xf16>) -> tensor<1x8xf16>
    return %some : tensor<1x8xf16>
  }
}
