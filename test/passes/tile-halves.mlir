// SwiGLU of concentrated rows as gate, then up: sub-tiles of 32 columns are three at a time, the gate goes through DRAM, the product takes its place
// to be gathered, and the column sub-tile that is left over has a kernel of its own.
// RUN: echo "[\"u*\"]" > %t.toml && echo "form = \"halves\"" >> %t.toml && echo "n = 96" >> %t.toml
// RUN: focus-opt %s --fuse-concentration --map=overrides=%t.toml --tile | filecheck %s

!c = !focus.concentrated<1024, 2048, 1024, 32, 1024, unit>
!d = !focus.concentrated<1024, 320, 1024, 32, 1024, unit>
func.func @main(%x: tensor<1024x2048xf16> {focus.name = "x"}) -> tensor<1024x32xf16> attributes {
    focus.row_order = "storage", focus.tokens = #focus.tokens<1024, 1024, array<i64: 0, 1024>, array<i64: 0, 4, 16, 16, 256, 16, 1>>} {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<320x2048xf16>
  %v = "focus.param"() {name = "v", row_order = "as_is"} : () -> tensor<320x2048xf16>
  %o = "focus.param"() {name = "o", row_order = "as_is"} : () -> tensor<32x320xf16>
  %ids = "focus.token_ids"() : () -> tensor<1024xi32>
  %g = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "gate_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<1024x2048xf16>, tensor<1024xi32>) -> !c loc("gate")
  // CHECK: kind = "temp", name = "gate"{{.*}} -> memref<1024x320xf16
  // CHECK: "focus.kernel"
  // CHECK-COUNT-3: space<"output">
  // CHECK: op = "silu"
  // CHECK: "focus.store"({{.*}}stream = "result"
  // CHECK: "focus.kernel"
  // CHECK: "focus.load"([[WHERE:%.*]], [[GATE:%.*]]) {{.*}}stream = "residual"
  // CHECK: "focus.v_zip"({{%.*}}, [[GATE]], [[GATE]]) {{.*}}op = "mul"
  // CHECK: "focus.sic_gather"([[GATE]],
  // CHECK: "focus.kernel"
  // CHECK: op = "mul"
  // CHECK: "focus.sic_gather"
  // CHECK: name = "up"
  %p = "focus.linear"(%g, %w, %v) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!c, tensor<320x2048xf16>, tensor<320x2048xf16>) -> tensor<1024x320xf16> loc("up")
  %d = "focus.gather"(%p, %ids) {layer = 0 : i64, site = "down_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<1024x320xf16>, tensor<1024xi32>) -> !d
  %y = "focus.linear"(%d, %o) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!d, tensor<32x320xf16>) -> tensor<1024x32xf16> loc("down")
  return %y : tensor<1024x32xf16>
}
