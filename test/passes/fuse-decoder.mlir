// A decoder layer is left with norm, three projections, RoPE, attention, o_proj with residual, norm, gate and up in one, down_proj with residual.
// RUN: focus-opt %S/Inputs/decoder.mlir --fuse | filecheck %s
// RUN: focus-opt %S/Inputs/decoder.mlir --fuse -o %t.once && focus-opt %t.once --fuse | filecheck %s --check-prefix=AGAIN

// CHECK-NOT: "focus.add"
// CHECK-NOT: "focus.mul"
// CHECK-NOT: "focus.activation"
// CHECK: %layers.1.norm1 = "focus.rms_norm"(%layers.0.mlp.down_proj#0, {{.*}}, %layers.0.mlp.down_proj#1)
// CHECK: %layers.1.attn.o_proj:2 = "focus.linear"(%layers.1.attn{{.*}}, %layers.0.mlp.down_proj#0)
// CHECK: %layers.1.norm2 = "focus.rms_norm"(%layers.1.attn.o_proj#0, {{.*}}, %layers.1.attn.o_proj#1)
// CHECK: %layers.1.mlp = "focus.linear"(%layers.1.norm2, {{.*}}activation = "swiglu"
// CHECK: %layers.1.mlp.down_proj:2 = "focus.linear"(%layers.1.mlp, {{.*}}, %layers.1.attn.o_proj#0)
// CHECK: %layers.2.mlp.down_proj = "focus.linear"(
// AGAIN-COUNT-5: :2 = "focus.linear"(
// AGAIN-NOT: :2 = "focus.linear"(
