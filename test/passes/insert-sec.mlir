// Semantic concentration alone, at layer 1: attention and o_proj still see all rows; the residual stream is pruned after the residual add, before
// the norm; that norm computes its own moments; all later ops work on 4 + 4 rows, RoPE and attention by the ids of the tokens left.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="layers=1 alphas=0.5 sic=false" | filecheck %s

// CHECK-NOT: focus.gather
// CHECK: %token_ids = "focus.token_ids"() : () -> tensor<8xi32>
// CHECK: "focus.attention"({{.*}}focus.layer = 0
// CHECK: [[Q:%.*]] = "focus.rope"({{.*}}focus.layer = 1
// CHECK: [[K:%.*]] = "focus.rope"({{.*}}focus.layer = 1
// CHECK: "focus.attention"([[Q]], [[K]], {{.*}}focus.layer = 1{{.*}} -> tensor<12x64xf16>
// CHECK: [[I:%.*]] = "focus.importance"([[Q]], [[K]], %token_ids)
// CHECK-SAME: {head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64, scale = 1.250000e-01 : f64} : {{.*}} -> tensor<8xf32>
// CHECK: [[SEL:%.*]] = "focus.topk"([[I]]) {k = 4 : i64} : (tensor<8xf32>) -> tensor<4xi32>
// CHECK: [[IDS:%.*]] = "focus.select_ids"(%token_ids, [[SEL]]) : (tensor<8xi32>, tensor<4xi32>) -> tensor<4xi32>
// CHECK: [[Y:%layers.1.attn.o_proj]] = "focus.linear"({{.*}} -> tensor<12x64xf16>
// CHECK: [[KEPT:%.*]] = "focus.prune"([[Y]], [[SEL]]) : (tensor<12x64xf16>, tensor<4xi32>) -> tensor<8x64xf16>
// CHECK: [[N:%.*]] = "focus.rms_norm"([[KEPT]], %layers.1.norm2.weight) {
// CHECK: [[P:%.*]] = "focus.linear"([[N]], {{.*}} -> tensor<8x96xf16>
// CHECK: "focus.linear"([[P]], {{%.*}}, [[KEPT]]) {{.*}} -> (tensor<8x64xf16>, tensor<8x2xf32>)
// CHECK: "focus.rope"({{%.*}}, %const.rope_cos, %const.rope_sin, [[IDS]]) {focus.layer = 2{{.*}} -> tensor<8x64xf16>
// CHECK: "focus.rope"({{%.*}}, %const.rope_cos, %const.rope_sin, [[IDS]]) {focus.layer = 2
// CHECK: "focus.attention"({{%.*}}, {{%.*}}, {{%.*}}, [[IDS]]) {{.*}}focus.layer = 2{{.*}} -> tensor<8x64xf16>
// CHECK: "focus.last_row"({{.*}} : (tensor<8x64xf16>) -> tensor<1x64xf16>
