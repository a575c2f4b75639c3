// A decoder of 3 layers as convert-torch-to-focus leaves it: S = 12 positions, of which 2 to 9 are V = 8 visual tokens (2 frames of 2 x 2).
// Used by the tests in the folder above.
module {
  func.func @main(%visual: tensor<8x64xf16> {focus.name = "visual"}, %input_ids: tensor<1x12xi32> {focus.name = "input_ids"}) -> tensor<1x40xf16> attributes {
      focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
    %table = "focus.param"() {name = "embed.weight", row_order = "as_is"} : () -> tensor<40x64xf16> loc("embed.weight")
    %ids0 = "focus.slice"(%input_ids) {offsets = array<i64: 0, 0>, sizes = array<i64: 1, 2>} : (tensor<1x12xi32>) -> tensor<1x2xi32> loc("embed")
    %text0 = "focus.embedding"(%ids0, %table) : (tensor<1x2xi32>, tensor<40x64xf16>) -> tensor<2x64xf16> loc("embed")
    %ids1 = "focus.slice"(%input_ids) {offsets = array<i64: 0, 10>, sizes = array<i64: 1, 2>} : (tensor<1x12xi32>) -> tensor<1x2xi32> loc("embed")
    %text1 = "focus.embedding"(%ids1, %table) : (tensor<1x2xi32>, tensor<40x64xf16>) -> tensor<2x64xf16> loc("embed")
    %sequence = tensor.concat dim(0) %text0, %visual, %text1 : (tensor<2x64xf16>, tensor<8x64xf16>, tensor<2x64xf16>) -> tensor<12x64xf16>
        loc("sequence")
    %cos = "focus.param"() {name = "const.rope_cos", row_order = "as_is"} : () -> tensor<12x32xf16> loc("const.rope_cos")
    %sin = "focus.param"() {name = "const.rope_sin", row_order = "as_is"} : () -> tensor<12x32xf16> loc("const.rope_sin")
    %wn0 = "focus.param"() {name = "layers.0.norm1.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.0.norm1.weight")
    %normed0 = "focus.rms_norm"(%sequence, %wn0) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16>
        loc("layers.0.norm1")
    %wq0 = "focus.param"() {name = "layers.0.attn.q_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.0.attn.q_proj.weight")
    %bq0 = "focus.param"() {name = "layers.0.attn.q_proj.bias", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.0.attn.q_proj.bias")
    %q0 = "focus.linear"(%normed0, %wq0, %bq0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.0.attn.q_proj")
    %wk0 = "focus.param"() {name = "layers.0.attn.k_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.0.attn.k_proj.weight")
    %bk0 = "focus.param"() {name = "layers.0.attn.k_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.0.attn.k_proj.bias")
    %k0 = "focus.linear"(%normed0, %wk0, %bk0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.0.attn.k_proj")
    %wv0 = "focus.param"() {name = "layers.0.attn.v_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.0.attn.v_proj.weight")
    %bv0 = "focus.param"() {name = "layers.0.attn.v_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.0.attn.v_proj.bias")
    %v0 = "focus.linear"(%normed0, %wv0, %bv0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.0.attn.v_proj")
    %rq0 = "focus.rope"(%q0, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.0.attn")
    %rk0 = "focus.rope"(%k0, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x32xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x32xf16>
        loc("layers.0.attn")
    %attn0 = "focus.attention"(%rq0, %rk0, %v0) {causal = true, head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64,
        scale = 1.250000e-01 : f64, segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.0.attn")
    %wo0 = "focus.param"() {name = "layers.0.attn.o_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.0.attn.o_proj.weight")
    %o0 = "focus.linear"(%attn0, %wo0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>) -> tensor<12x64xf16> loc("layers.0.attn.o_proj")
    %mid0 = "focus.add"(%sequence, %o0) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.0")
    %wm0 = "focus.param"() {name = "layers.0.norm2.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.0.norm2.weight")
    %m0 = "focus.rms_norm"(%mid0, %wm0) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.0.norm2")
    %wg0 = "focus.param"() {name = "layers.0.mlp.gate_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16>
        loc("layers.0.mlp.gate_proj.weight")
    %g0 = "focus.linear"(%m0, %wg0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.0.mlp.gate_proj")
    %s0 = "focus.activation"(%g0) {kind = "silu"} : (tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.0.mlp.act")
    %wu0 = "focus.param"() {name = "layers.0.mlp.up_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16> loc("layers.0.mlp.up_proj.weight")
    %u0 = "focus.linear"(%m0, %wu0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.0.mlp.up_proj")
    %p0 = "focus.mul"(%s0, %u0) : (tensor<12x96xf16>, tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.0.mlp")
    %wd0 = "focus.param"() {name = "layers.0.mlp.down_proj.weight", row_order = "as_is"} : () -> tensor<64x96xf16>
        loc("layers.0.mlp.down_proj.weight")
    %d0 = "focus.linear"(%p0, %wd0) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x96xf16>, tensor<64x96xf16>) -> tensor<12x64xf16> loc("layers.0.mlp.down_proj")
    %x0 = "focus.add"(%mid0, %d0) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.0")
    %wn1 = "focus.param"() {name = "layers.1.norm1.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.1.norm1.weight")
    %normed1 = "focus.rms_norm"(%x0, %wn1) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.1.norm1")
    %wq1 = "focus.param"() {name = "layers.1.attn.q_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.1.attn.q_proj.weight")
    %bq1 = "focus.param"() {name = "layers.1.attn.q_proj.bias", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.1.attn.q_proj.bias")
    %q1 = "focus.linear"(%normed1, %wq1, %bq1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.1.attn.q_proj")
    %wk1 = "focus.param"() {name = "layers.1.attn.k_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.1.attn.k_proj.weight")
    %bk1 = "focus.param"() {name = "layers.1.attn.k_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.1.attn.k_proj.bias")
    %k1 = "focus.linear"(%normed1, %wk1, %bk1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.1.attn.k_proj")
    %wv1 = "focus.param"() {name = "layers.1.attn.v_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.1.attn.v_proj.weight")
    %bv1 = "focus.param"() {name = "layers.1.attn.v_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.1.attn.v_proj.bias")
    %v1 = "focus.linear"(%normed1, %wv1, %bv1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.1.attn.v_proj")
    %rq1 = "focus.rope"(%q1, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.1.attn")
    %rk1 = "focus.rope"(%k1, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x32xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x32xf16>
        loc("layers.1.attn")
    %attn1 = "focus.attention"(%rq1, %rk1, %v1) {causal = true, head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64,
        scale = 1.250000e-01 : f64, segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.1.attn")
    %wo1 = "focus.param"() {name = "layers.1.attn.o_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.1.attn.o_proj.weight")
    %o1 = "focus.linear"(%attn1, %wo1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>) -> tensor<12x64xf16> loc("layers.1.attn.o_proj")
    %mid1 = "focus.add"(%x0, %o1) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.1")
    %wm1 = "focus.param"() {name = "layers.1.norm2.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.1.norm2.weight")
    %m1 = "focus.rms_norm"(%mid1, %wm1) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.1.norm2")
    %wg1 = "focus.param"() {name = "layers.1.mlp.gate_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16>
        loc("layers.1.mlp.gate_proj.weight")
    %g1 = "focus.linear"(%m1, %wg1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.1.mlp.gate_proj")
    %s1 = "focus.activation"(%g1) {kind = "silu"} : (tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.1.mlp.act")
    %wu1 = "focus.param"() {name = "layers.1.mlp.up_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16> loc("layers.1.mlp.up_proj.weight")
    %u1 = "focus.linear"(%m1, %wu1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.1.mlp.up_proj")
    %p1 = "focus.mul"(%s1, %u1) : (tensor<12x96xf16>, tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.1.mlp")
    %wd1 = "focus.param"() {name = "layers.1.mlp.down_proj.weight", row_order = "as_is"} : () -> tensor<64x96xf16>
        loc("layers.1.mlp.down_proj.weight")
    %d1 = "focus.linear"(%p1, %wd1) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x96xf16>, tensor<64x96xf16>) -> tensor<12x64xf16> loc("layers.1.mlp.down_proj")
    %x1 = "focus.add"(%mid1, %d1) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.1")
    %wn2 = "focus.param"() {name = "layers.2.norm1.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.2.norm1.weight")
    %normed2 = "focus.rms_norm"(%x1, %wn2) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.2.norm1")
    %wq2 = "focus.param"() {name = "layers.2.attn.q_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.2.attn.q_proj.weight")
    %bq2 = "focus.param"() {name = "layers.2.attn.q_proj.bias", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.2.attn.q_proj.bias")
    %q2 = "focus.linear"(%normed2, %wq2, %bq2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.2.attn.q_proj")
    %wk2 = "focus.param"() {name = "layers.2.attn.k_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.2.attn.k_proj.weight")
    %bk2 = "focus.param"() {name = "layers.2.attn.k_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.2.attn.k_proj.bias")
    %k2 = "focus.linear"(%normed2, %wk2, %bk2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.2.attn.k_proj")
    %wv2 = "focus.param"() {name = "layers.2.attn.v_proj.weight", row_order = "as_is"} : () -> tensor<32x64xf16> loc("layers.2.attn.v_proj.weight")
    %bv2 = "focus.param"() {name = "layers.2.attn.v_proj.bias", row_order = "as_is"} : () -> tensor<32xf16> loc("layers.2.attn.v_proj.bias")
    %v2 = "focus.linear"(%normed2, %wv2, %bv2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<12x32xf16> loc("layers.2.attn.v_proj")
    %rq2 = "focus.rope"(%q2, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.2.attn")
    %rk2 = "focus.rope"(%k2, %cos, %sin) {head_dim = 32 : i64} : (tensor<12x32xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x32xf16>
        loc("layers.2.attn")
    %attn2 = "focus.attention"(%rq2, %rk2, %v2) {causal = true, head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64,
        scale = 1.250000e-01 : f64, segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<12x64xf16>, tensor<12x32xf16>, tensor<12x32xf16>) -> tensor<12x64xf16>
        loc("layers.2.attn")
    %wo2 = "focus.param"() {name = "layers.2.attn.o_proj.weight", row_order = "as_is"} : () -> tensor<64x64xf16> loc("layers.2.attn.o_proj.weight")
    %o2 = "focus.linear"(%attn2, %wo2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<64x64xf16>) -> tensor<12x64xf16> loc("layers.2.attn.o_proj")
    %mid2 = "focus.add"(%x1, %o2) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.2")
    %wm2 = "focus.param"() {name = "layers.2.norm2.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("layers.2.norm2.weight")
    %m2 = "focus.rms_norm"(%mid2, %wm2) {eps = 1.000000e-06 : f64} : (tensor<12x64xf16>, tensor<64xf16>) -> tensor<12x64xf16> loc("layers.2.norm2")
    %wg2 = "focus.param"() {name = "layers.2.mlp.gate_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16>
        loc("layers.2.mlp.gate_proj.weight")
    %g2 = "focus.linear"(%m2, %wg2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.2.mlp.gate_proj")
    %s2 = "focus.activation"(%g2) {kind = "silu"} : (tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.2.mlp.act")
    %wu2 = "focus.param"() {name = "layers.2.mlp.up_proj.weight", row_order = "as_is"} : () -> tensor<96x64xf16> loc("layers.2.mlp.up_proj.weight")
    %u2 = "focus.linear"(%m2, %wu2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x64xf16>, tensor<96x64xf16>) -> tensor<12x96xf16> loc("layers.2.mlp.up_proj")
    %p2 = "focus.mul"(%s2, %u2) : (tensor<12x96xf16>, tensor<12x96xf16>) -> tensor<12x96xf16> loc("layers.2.mlp")
    %wd2 = "focus.param"() {name = "layers.2.mlp.down_proj.weight", row_order = "as_is"} : () -> tensor<64x96xf16>
        loc("layers.2.mlp.down_proj.weight")
    %d2 = "focus.linear"(%p2, %wd2) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<12x96xf16>, tensor<64x96xf16>) -> tensor<12x64xf16> loc("layers.2.mlp.down_proj")
    %x2 = "focus.add"(%mid2, %d2) : (tensor<12x64xf16>, tensor<12x64xf16>) -> tensor<12x64xf16> loc("layers.2")
    %last = "focus.slice"(%x2) {offsets = array<i64: 11, 0>, sizes = array<i64: 1, 64>} : (tensor<12x64xf16>) -> tensor<1x64xf16> loc("last")
    %wf = "focus.param"() {name = "norm.weight", row_order = "as_is"} : () -> tensor<64xf16> loc("norm.weight")
    %final = "focus.rms_norm"(%last, %wf) {eps = 1.000000e-06 : f64} : (tensor<1x64xf16>, tensor<64xf16>) -> tensor<1x64xf16> loc("norm")
    %wl = "focus.param"() {name = "lm_head.weight", row_order = "as_is"} : () -> tensor<40x64xf16> loc("lm_head.weight")
    %logits = "focus.linear"(%final, %wl) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
        : (tensor<1x64xf16>, tensor<40x64xf16>) -> tensor<1x40xf16> loc("lm_head")
    return %logits : tensor<1x40xf16> loc("prefill")
  }
}
