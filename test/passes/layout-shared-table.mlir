// A table that the decoder and something else read stays as it is for the latter.  Several runs: visual pieces in order, then text pieces in order.
// RUN: focus-opt %s --annotate-tokens --assign-layout | filecheck %s

module {
  // CHECK: func.func @main([[A:%.*]]: tensor<1x8xf16>, [[B:%.*]]: tensor<2x8xf16>, [[IDS:%.*]]: tensor<1x5xi32>, [[Z:%.*]]: tensor<5x8xf16>)
  func.func @main(%a: tensor<1x8xf16>, %b: tensor<2x8xf16>, %ids: tensor<1x5xi32>, %z: tensor<5x8xf16>)
      -> (tensor<1x8xf16>, tensor<5x8xf16>) attributes {
      focus.tokens = #focus.tokens<3, 5, array<i64: 1, 1, 3, 2>, array<i64: 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    // CHECK-DAG: [[PLAIN:%.*]] = "focus.param"() {name = "position", row_order = "as_is"}
    // CHECK-DAG: [[STORED:%.*]] = "focus.param"() {name = "position", row_order = "storage"}
    %p = "focus.param"() {name = "position", row_order = "as_is"} : () -> tensor<5x8xf16>
    // CHECK: "focus.add"([[Z]], [[PLAIN]])
    %other = "focus.add"(%z, %p) : (tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    %i0 = "focus.slice"(%ids) {offsets = array<i64: 0, 0>, sizes = array<i64: 1, 1>} : (tensor<1x5xi32>) -> tensor<1x1xi32>
    // CHECK: [[T0:%.*]] = "focus.embedding"
    %t0 = "focus.embedding"(%i0, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    %i1 = "focus.slice"(%ids) {offsets = array<i64: 0, 2>, sizes = array<i64: 1, 1>} : (tensor<1x5xi32>) -> tensor<1x1xi32>
    // CHECK: [[T1:%.*]] = "focus.embedding"
    %t1 = "focus.embedding"(%i1, %table) : (tensor<1x1xi32>, tensor<16x8xf16>) -> tensor<1x8xf16>
    // CHECK: [[X:%.*]] = tensor.concat dim(0) [[A]], [[B]], [[T0]], [[T1]]
    %x = tensor.concat dim(0) %t0, %a, %t1, %b : (tensor<1x8xf16>, tensor<1x8xf16>, tensor<1x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
    // CHECK: "focus.add"([[X]], [[STORED]])
    %y = "focus.add"(%x, %p) : (tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    %s = "focus.attention"(%y, %y, %y) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<5x8xf16>, tensor<5x8xf16>, tensor<5x8xf16>) -> tensor<5x8xf16>
    %last = "focus.slice"(%s) {offsets = array<i64: 4, 0>, sizes = array<i64: 1, 8>} : (tensor<5x8xf16>) -> tensor<1x8xf16>
    return %last, %other : tensor<1x8xf16>, tensor<5x8xf16>
  }
}
