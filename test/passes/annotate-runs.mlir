// Several runs of visual tokens, one of them made of two pieces; nested concatenations count as their pieces.
// RUN: focus-opt %s --annotate-tokens | filecheck %s

module {
  // CHECK: func.func @main
  // CHECK-SAME: #focus.tokens<5 : i64, 8 : i64, array<i64: 0, 2, 3, 3>
  func.func @main(%a: tensor<2x8xf16>, %b: tensor<2x8xf16>, %line: tensor<1x8xf16>, %ids: tensor<1x8xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<5, 8, array<i64: 0, 2, 3, 3>, array<i64: 0, 1, 1, 2, 2, 2, 1, 2, 1, 1, 3, 3, 3, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %i0 = "focus.slice"(%ids) {offsets = array<i64: 0, 2>, sizes = array<i64: 1, 1>} : (tensor<1x8xi32>) -> tensor<1x1xi32>
    %t0 = "focus.embedding"(%i0, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    %i1 = "focus.slice"(%ids) {offsets = array<i64: 0, 6>, sizes = array<i64: 1, 2>} : (tensor<1x8xi32>) -> tensor<1x2xi32>
    %t1 = "focus.embedding"(%i1, %table) : (tensor<1x2xi32>, tensor<16x8xf16>) -> tensor<2x8xf16>
    %v = tensor.concat dim(0) %b, %line : (tensor<2x8xf16>, tensor<1x8xf16>) -> tensor<3x8xf16>
    %x = tensor.concat dim(0) %a, %t0, %v, %t1 : (tensor<2x8xf16>, tensor<1x8xf16>, tensor<3x8xf16>, tensor<2x8xf16>) -> tensor<8x8xf16>
    // CHECK: "focus.attention"{{.*}}focus.layer = 0
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<8x8xf16>, tensor<8x8xf16>, tensor<8x8xf16>) -> tensor<8x8xf16>
    // CHECK: "focus.last_row"
    %last = "focus.slice"(%y) {offsets = array<i64: 7, 0>, sizes = array<i64: 1, 8>} : (tensor<8x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}
