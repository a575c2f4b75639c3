// Similarity concentration alone: in every layer one gather for q, k and v, one for Q, one before o_proj, one for gate and up, one before down_proj.
// K and V, residuals and everything outside the decoder stay dense.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="sec=false threshold=0.8 block=2,1,2 m-tile=512" \
// RUN:   | filecheck %s

// CHECK: %token_ids = "focus.token_ids"() : () -> tensor<8xi32>
// CHECK: [[NORM:%.*]] = "focus.rms_norm"
// CHECK: [[Q_PROJ:%.*]] = "focus.gather"([[NORM]], %token_ids) {block = array<i64: 2, 1, 2>, layer = 0 : i64, m_tile = 512 : i64, site = "q_proj",
// CHECK-SAME: threshold = 8.000000e-01 : f64, vector = 32 : i64}
// CHECK-SAME: -> !focus.concentrated<12 : i64, 64 : i64, 8 : i64, 32 : i64, 512 : i64, unit>
// CHECK: [[Q:%.*]] = "focus.linear"([[Q_PROJ]],
// CHECK: [[K:%.*]] = "focus.linear"([[Q_PROJ]],
// CHECK: [[V:%.*]] = "focus.linear"([[Q_PROJ]],
// CHECK: [[RQ:%.*]] = "focus.rope"([[Q]],
// CHECK: [[QUERY:%.*]] = "focus.gather"([[RQ]], %token_ids) {{.*}} layer = 0 : i64, {{.*}} site = "query"
// CHECK: [[RK:%.*]] = "focus.rope"([[K]],
// CHECK: [[A:%.*]] = "focus.attention"([[QUERY]], [[RK]], [[V]])
// CHECK: [[O_PROJ:%.*]] = "focus.gather"([[A]], %token_ids) {{.*}} site = "o_proj"
// CHECK: [[Y:%.*]]:2 = "focus.linear"([[O_PROJ]], {{%.*}}, %sequence)
// CHECK: [[M:%.*]] = "focus.rms_norm"([[Y]]#0, {{%.*}}, [[Y]]#1)
// CHECK: [[GATE:%.*]] = "focus.gather"([[M]], %token_ids) {{.*}} site = "gate_proj"
// CHECK: [[P:%.*]] = "focus.linear"([[GATE]], {{.*}}activation = "swiglu"
// CHECK: [[DOWN:%.*]] = "focus.gather"([[P]], %token_ids) {{.*}} site = "down_proj"
// CHECK-SAME: !focus.concentrated<12 : i64, 96 : i64, 8 : i64
// CHECK: "focus.linear"([[DOWN]], {{%.*}}, [[Y]]#0)
// CHECK-COUNT-10: "focus.gather"
// CHECK-NOT: "focus.gather"
// CHECK-NOT: focus.prune
