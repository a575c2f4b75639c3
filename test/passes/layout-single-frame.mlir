// One frame has no frame before it: its window history is a row and a token, however large the frame stride that the grid states.
// RUN: focus-opt %s --annotate-tokens --fuse --insert-concentration=mode=sic --assign-layout=layouter-bytes=192 | filecheck %s
// RUN: not focus-opt %s --annotate-tokens --fuse --insert-concentration=mode=sic --assign-layout=layouter-bytes=128 2>&1 \
// RUN:   | filecheck %s --check-prefix=SMALL

// CHECK: #focus.layout<array<i64: 2, 2, 2>, array<i64: 2, 2, 2>, 3 : i64, array<i64: 0, 1, 2, 2, 4, 2, 1>>
// SMALL: a window reaches 3 tokens back, but the layouter holds 2 vectors
module {
  func.func @main(%v: tensor<4x32xf16>, %ids: tensor<1x1xi32>, %w: tensor<32x32xf16>, %n: tensor<32xf16>) -> tensor<1x32xf16> attributes {
      focus.tokens = #focus.tokens<4, 5, array<i64: 0, 4>, array<i64: 0, 1, 2, 2, 4, 2, 1>>} {
    %t = "focus.embedding"(%ids, %w) : (tensor<1x1xi32>, tensor<32x32xf16>) -> tensor<1x32xf16>
    %x = tensor.concat dim(0) %v, %t : (tensor<4x32xf16>, tensor<1x32xf16>) -> tensor<5x32xf16>
    %x1 = "focus.rms_norm"(%x, %n) {eps = 1.0e-5 : f64} : (tensor<5x32xf16>, tensor<32xf16>) -> tensor<5x32xf16>
    %q = "focus.linear"(%x1, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x32xf16>, tensor<32x32xf16>)
        -> tensor<5x32xf16>
    %k = "focus.linear"(%x1, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x32xf16>, tensor<32x32xf16>)
        -> tensor<5x32xf16>
    %a = "focus.attention"(%q, %k, %k) {causal = true, head_dim = 32 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<5x32xf16>, tensor<5x32xf16>, tensor<5x32xf16>) -> tensor<5x32xf16>
    %o = "focus.linear"(%a, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x32xf16>, tensor<32x32xf16>)
        -> tensor<5x32xf16>
    %y = "focus.add"(%x, %o) : (tensor<5x32xf16>, tensor<5x32xf16>) -> tensor<5x32xf16>
    %m = "focus.rms_norm"(%y, %n) {eps = 1.0e-5 : f64} : (tensor<5x32xf16>, tensor<32xf16>) -> tensor<5x32xf16>
    %h = "focus.linear"(%m, %w) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x32xf16>, tensor<32x32xf16>)
        -> tensor<5x32xf16>
    %d = "focus.linear"(%h, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x32xf16>, tensor<32x32xf16>)
        -> tensor<5x32xf16>
    %z = "focus.add"(%y, %d) : (tensor<5x32xf16>, tensor<5x32xf16>) -> tensor<5x32xf16>
    %last = "focus.slice"(%z) {offsets = array<i64: 4, 0>, sizes = array<i64: 1, 32>} : (tensor<5x32xf16>) -> tensor<1x32xf16>
    return %last : tensor<1x32xf16>
  }
}
