// The slice of the last row moves up through what is row-wise after the last layer: head, activation and final norm work on one row.
// RUN: focus-opt %s --annotate-tokens | filecheck %s

module {
  // CHECK-LABEL: func.func @main
  func.func @main(%visual: tensor<2x8xf16>, %ids: tensor<1x5xi32>) -> tensor<1x16xf16> attributes {
      focus.tokens = #focus.tokens<2, 5, array<i64: 1, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %w = "focus.param"() {name = "norm", row_order = "as_is"} : () -> tensor<8xf16>
    %i0 = "focus.slice"(%ids) {offsets = array<i64: 0, 0>, sizes = array<i64: 1, 1>} : (tensor<1x5xi32>) -> tensor<1x1xi32>
    %t0 = "focus.embedding"(%i0, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    %i1 = "focus.slice"(%ids) {offsets = array<i64: 0, 3>, sizes = array<i64: 1, 2>} : (tensor<1x5xi32>) -> tensor<1x2xi32>
    %t1 = "focus.embedding"(%i1, %table) : (tensor<1x2xi32>, tensor<16x8xf16>) -> tensor<2x8xf16>
    %x = tensor.concat dim(0) %t0, %visual, %t1 : (tensor<1x8xf16>, tensor<2x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
    %a = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<5x8xf16>, tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    // CHECK: [[Y:%.*]] = "focus.add"
    %y = "focus.add"(%x, %a) : (tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    // CHECK-NEXT: [[LAST:%.*]] = "focus.last_row"([[Y]]) : (tensor<5x8xf16>) -> tensor<1x8xf16>
    // CHECK-NEXT: [[N:%.*]] = "focus.rms_norm"([[LAST]], {{%.*}}) {eps = 1.000000e-05 : f64} : (tensor<1x8xf16>, tensor<8xf16>) -> tensor<1x8xf16>
    // CHECK-NEXT: [[H:%.*]] = "focus.linear"([[N]], {{.*}} -> tensor<1x16xf16>
    // CHECK-NEXT: [[R:%.*]] = "focus.activation"([[H]]) {kind = "relu"} : (tensor<1x16xf16>) -> tensor<1x16xf16>
    // CHECK-NEXT: return [[R]]
    %n = "focus.rms_norm"(%y, %w) {eps = 1.0e-5 : f64} : (tensor<5x8xf16>, tensor<8xf16>) -> tensor<5x8xf16>
    %h = "focus.linear"(%n, %table) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<5x8xf16>, tensor<16x8xf16>)
        -> tensor<5x16xf16>
    %r = "focus.activation"(%h) {kind = "relu"} : (tensor<5x16xf16>) -> tensor<5x16xf16>
    %last = "focus.slice"(%r) {offsets = array<i64: 4, 0>, sizes = array<i64: 1, 16>} : (tensor<5x16xf16>) -> tensor<1x16xf16>
    return %last : tensor<1x16xf16>
  }
}
