// The decoder's ops get their layer: what leads from the residual stream to an attention belongs to that attention's layer, what follows up to the
// next residual add too.  The token layout moves from the module to the function.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens | filecheck %s

// CHECK-NOT: focus.token_layout
// CHECK: func.func @main
// CHECK-SAME: focus.tokens = #focus.tokens<8 : i64, 12 : i64, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 2, 1>>
// CHECK: tensor.concat
// CHECK: %layers.0.norm1 = {{.*}}focus.layer = 0
// CHECK: %layers.0.attn.q_proj = {{.*}}focus.layer = 0
// CHECK: "focus.rope"{{.*}}focus.layer = 0
// CHECK: "focus.attention"{{.*}}focus.layer = 0
// CHECK: %layers.0.attn.o_proj = {{.*}}focus.layer = 0
// CHECK: %layers.0.norm2 = {{.*}}focus.layer = 0
// CHECK: %layers.0.mlp.gate_proj = {{.*}}focus.layer = 0
// CHECK: %layers.0.mlp.down_proj = {{.*}}focus.layer = 0
// CHECK: %layers.1.norm1 = {{.*}}focus.layer = 1
// CHECK: "focus.attention"{{.*}}focus.layer = 1
// CHECK: %layers.2.mlp.down_proj = {{.*}}focus.layer = 2
// CHECK: [[X:%.*]] = "focus.add"
// CHECK: [[LAST:%.*]] = "focus.last_row"([[X]]) : (tensor<12x64xf16>) -> tensor<1x64xf16>
// CHECK-NOT: focus.layer
// CHECK: "focus.rms_norm"([[LAST]]
