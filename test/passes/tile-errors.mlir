// What the tile pass cannot place: an op without a kernel, and queries so wide that no tiling fits a machine with small buffers.
// RUN: focus-opt %s --machine=%S/../end2end/Inputs/small.toml --fuse-concentration --map --tile --split-input-file --verify-diagnostics

func.func @main(%x: tensor<8x32xf16> {focus.name = "x"}) -> tensor<8x32xf16> {
  // expected-error@below {{'tensor.cast' op cannot be tiled: no kernel for this op}}
  %y = tensor.cast %x : tensor<8x32xf16> to tensor<8x32xf16>
  return %y : tensor<8x32xf16>
}

// -----

func.func @main(%x: tensor<64x32xf16> {focus.name = "x"}) -> tensor<64x4000xf16> {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4000x32xf16>
  %n = "focus.param"() {name = "n", row_order = "as_is"} : () -> tensor<4000xf16>
  %q = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (tensor<64x32xf16>, tensor<4000x32xf16>) -> tensor<64x4000xf16>
  // expected-error@below {{'focus.attention' op needs 132096 bytes of 'output', but machine 'small' has 40960}}
  %a = "focus.attention"(%q, %q, %q) {heads = 1 : i64, kv_heads = 1 : i64, head_dim = 4000 : i64, scale = 0.1 : f64, causal = false,
      segments = array<i64>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<64x4000xf16>, tensor<64x4000xf16>, tensor<64x4000xf16>)
          -> tensor<64x4000xf16>
  return %a : tensor<64x4000xf16>
}
