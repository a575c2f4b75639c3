// Pruning twice: the ratio refers to the original 8 tokens, ids are compacted from ids, and each site sees the tokens left at that point.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="layers=0,2 alphas=0.5,0.13" | filecheck %s

// CHECK: {{.*}}layer = 0{{.*}}site = "o_proj"{{.*}} -> !focus.concentrated<12 : i64, 64 : i64, 8 : i64
// CHECK: [[IDS:%.*]] = "focus.select_ids"(%token_ids,
// CHECK: layer = 0{{.*}}site = "gate_proj"{{.*}} -> !focus.concentrated<8 : i64, 64 : i64, 4 : i64
// CHECK: layer = 0{{.*}}site = "down_proj"{{.*}} -> !focus.concentrated<8 : i64, 96 : i64, 4 : i64
// CHECK: layer = 1{{.*}}site = "query"{{.*}} -> !focus.concentrated<8 : i64, 64 : i64, 4 : i64
// CHECK: [[Q:%.*]] = "focus.rope"({{.*}}focus.layer = 2
// CHECK: "focus.gather"([[Q]], [[IDS]]) {{.*}}layer = 2{{.*}}site = "query"
// CHECK: [[K:%.*]] = "focus.rope"({{.*}}focus.layer = 2
// The importance of the prompt's rows, which are text and never merged, comes from the dense Q.
// CHECK: [[I:%.*]] = "focus.importance"([[Q]], [[K]], [[IDS]]) {{.*}} -> tensor<4xf32>
// CHECK: [[SEL:%.*]] = "focus.topk"([[I]]) {k = 1 : i64}
// CHECK: "focus.select_ids"([[IDS]], [[SEL]]) : (tensor<4xi32>, tensor<1xi32>) -> tensor<1xi32>
// CHECK: "focus.prune"({{%.*}}, [[SEL]]) : (tensor<8x64xf16>, tensor<1xi32>) -> tensor<5x64xf16>
// CHECK: layer = 2{{.*}}site = "down_proj"{{.*}} -> !focus.concentrated<5 : i64, 96 : i64, 1 : i64
// CHECK: "focus.last_row"({{.*}} : (tensor<5x64xf16>)
