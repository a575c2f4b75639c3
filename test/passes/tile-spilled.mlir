// Concentrated queries whose probabilities go through DRAM: a kernel for each shape of m-tile makes them, another uses them.  On the default machine,
// where traffic weighs more, the same queries are expanded.
// RUN: focus-opt %s --machine=focus-published --fuse-concentration --map --tile | filecheck %s
// RUN: focus-opt %s --fuse-concentration --map --tile | filecheck %s --check-prefix=EXPAND

!c = !focus.concentrated<2050, 128, 2048, 32, 1024, unit>
func.func @main(%q: tensor<2050x128xf16> {focus.name = "q"}, %k: tensor<2050x64xf16> {focus.name = "k"}, %v: tensor<2050x64xf16> {focus.name = "v"})
    -> tensor<2050x128xf16> attributes {
    focus.row_order = "storage", focus.tokens = #focus.tokens<2048, 2050, array<i64: 0, 2048>, array<i64: 0, 8, 16, 16, 256, 16, 1>>} {
  %ids = "focus.token_ids"() : () -> tensor<2048xi32>
  %c = "focus.gather"(%q, %ids) {layer = 0 : i64, site = "query", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<2050x128xf16>, tensor<2048xi32>) -> !c loc("gather")
  // Two heads of 2048 x 2048; 66 key tiles with a factor for each row.
  // CHECK: kind = "temp", name = "probabilities"{{.*}} -> memref<4096x2048xf16
  // CHECK: kind = "temp", name = "factors"{{.*}} -> memref<270336x1xf32
  // CHECK: kind = "temp", name = "states"{{.*}} -> memref<4096x4xf32
  // Heads, and steps of 96 columns up to the last row of each m-tile, which no multiple of 96 is: a kernel for each of the two.
  // CHECK: "focus.kernel"
  // CHECK: arith.constant {{.*}}96 : index
  // CHECK: "focus.scatter"
  // CHECK: "focus.v_softmax"{{.*}}init = "first"
  // CHECK: "focus.store"({{.*}}stream = "score"
  // CHECK: "focus.store"({{.*}}stream = "score"
  // CHECK: "focus.v_softmax"{{.*}}init = "never"
  // CHECK: "focus.v_softmax"{{.*}}init = "never"
  // CHECK-NOT: "focus.v_rescale"
  // CHECK: "focus.kernel"
  // CHECK: "focus.v_softmax"{{.*}}init = "first"
  // CHECK-NOT: "focus.v_rescale"
  // Used in tiles of 416 rows.  The first two lie in the first m-tile; of the third, 192 rows see 1024 columns and 224 rows see more.
  // CHECK: "focus.kernel"
  // CHECK: "focus.load"({{.*}}stream = "score"} : ({{.*}} -> ()
  // CHECK: "focus.v_rescale"{{.*}}init = "first"{{.*}}memref<416x32xf32
  // CHECK: "focus.mm_kn"
  // CHECK: "focus.v_finish"
  // CHECK: "focus.kernel"
  // CHECK-NOT: init = "never"
  // CHECK: "focus.kernel"
  // CHECK: "focus.v_rescale"{{.*}}init = "first"{{.*}}memref<416x32xf32
  // CHECK: "focus.v_rescale"{{.*}}init = "never"{{.*}}memref<224x32xf32
  // CHECK: "focus.mm_kn"{{.*}}init = "never"
  // CHECK: "focus.v_finish"{{.*}}memref<416x32xf32
  // EXPAND: "focus.expand"
  // EXPAND-NOT: stream = "score"
  %y = "focus.attention"(%c, %k, %v) {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 64 : i64, scale = 0.125 : f64, causal = true,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!c, tensor<2050x64xf16>, tensor<2050x64xf16>) -> tensor<2050x128xf16> loc("attention")
  return %y : tensor<2050x128xf16>
}
