// Concentrated operands: a norm that only a gather reads is applied in the gather's sweep; a product that only a gather reads is concentrated as it
// leaves the accumulators.  The site table lists the m-tiles (first row, identity rows, visual rows); text joins the last tile.  Calls have the
// site numbers.
// RUN: focus-opt %s --fuse-concentration --map --tile | filecheck %s

!c = !focus.concentrated<50, 40, 44, 32, 16, unit>
!d = !focus.concentrated<50, 96, 44, 32, 16, unit>
// CHECK: focus.sites = [{layer = 3 : i64, site = "gate_proj", slices = 2 : i64, tiles = array<i64: 0, 0, 16, 16, 0, 16, 32, 6, 12>,
// CHECK-SAME: visual = 44 : i64, width = 40 : i64},
// CHECK-SAME:           {layer = 3 : i64, site = "down_proj", slices = 3 : i64, tiles = array<i64: 0, 0, 16, 16, 0, 16, 32, 6, 12>,
// CHECK-SAME: visual = 44 : i64, width = 96 : i64}]
func.func @main(%x: tensor<50x40xf16> {focus.name = "x"}) -> tensor<50x40xf16> attributes {
    focus.row_order = "storage", focus.tokens = #focus.tokens<44, 50, array<i64: 2, 44>, array<i64: 0, 1, 4, 11, 44, 11, 1>>} {
  %n = "focus.param"() {name = "n", row_order = "as_is"} : () -> tensor<40xf16>
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<96x40xf16>
  %v = "focus.param"() {name = "v", row_order = "as_is"} : () -> tensor<96x40xf16>
  %o = "focus.param"() {name = "o", row_order = "as_is"} : () -> tensor<40x96xf16>
  // CHECK: constant = "token_ids", kind = "param", name = "const.token_ids", role = "constant"
  %ids = "focus.token_ids"() : () -> tensor<44xi32>
  %normed = "focus.rms_norm"(%x, %n) {eps = 1.0e-06 : f64, operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<50x40xf16>, tensor<40xf16>)
      -> tensor<50x40xf16>
  // Six entries of (tile, slice), each with room for the largest tile.
  // CHECK: kind = "temp", name = "unique.0", role = "unique", site = 0 : i64} : () -> memref<108x32xf16
  // CHECK: kind = "temp", name = "map.0"{{.*}} -> memref<6x16xi16
  // CHECK: kind = "tile", name = "counts.0", role = "counts", site = 0 : i64} : () -> memref<1x6xi16, #focus.space<"counts">>
  // CHECK: call @gather_0({{.*}}focus.site = 0
  %g = "focus.gather"(%normed, %ids) {layer = 3 : i64, site = "gate_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 16 : i64}
      : (tensor<50x40xf16>, tensor<44xi32>) -> !c loc("gate")
  // CHECK: call @linear_0({{.*}}focus.site = 1
  %p = "focus.linear"(%g, %w, %v) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!c, tensor<96x40xf16>, tensor<96x40xf16>) -> tensor<50x96xf16> loc("up")
  %d = "focus.gather"(%p, %ids) {layer = 3 : i64, site = "down_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 16 : i64}
      : (tensor<50x96xf16>, tensor<44xi32>) -> !d
  // CHECK: call @linear_1
  // CHECK-NOT: focus.site
  %y = "focus.linear"(%d, %o, %x) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>, resultSegmentSizes = array<i32: 1, 0>}
      : (!d, tensor<40x96xf16>, tensor<50x40xf16>) -> tensor<50x40xf16> loc("down")
  // CHECK: func.func private @gather_0
  // Two tiles of one form in a loop, then the last with the text.
  // CHECK: "focus.kernel"
  // CHECK: [[TWO:%.*]] = arith.constant 2 : index
  // CHECK: scf.for {{%.*}} = {{%.*}} to [[TWO]] step
  // CHECK: "focus.v_normalize"([[SLICE:%.*]], {{.*}} [[SLICE]])
  // CHECK: "focus.sic_gather"([[SLICE]], {{.*}}identity = 0 : i64
  // CHECK: "focus.sic_gather"({{.*}}identity = 0 : i64
  // CHECK: block = array<i64: 2, 2, 2>, name = "gate", threshold = 9.000000e-01
  // CHECK: "focus.kernel"
  // CHECK: "focus.sic_gather"({{.*}}identity = 6 : i64
  // CHECK: func.func private @linear_0
  // CHECK: "focus.kernel"
  // CHECK: "focus.scatter"
  // CHECK: op = "silu"
  // CHECK: op = "mul"
  // CHECK: "focus.sic_gather"({{.*}}site = 0 : i64
  // CHECK: "focus.store"({{.*}}stream = "compact"
  // CHECK: name = "up", threshold
  // CHECK: func.func private @linear_1
  // CHECK: "focus.kernel"
  // CHECK: "focus.load"({{.*}}stream = "residual"
  // CHECK: name = "down"
  return %y : tensor<50x40xf16>
}
