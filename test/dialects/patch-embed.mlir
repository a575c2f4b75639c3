// focus.patch_embed: taps of the weight, number of patches; a rest of the image that no patch covers is dropped.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%p: tensor<2x3x30x28xf16>, %w: tensor<16x588xf16>, %b: tensor<16xf16>) {
  %0 = "focus.patch_embed"(%p, %w, %b) {patch = 14 : i64} : (tensor<2x3x30x28xf16>, tensor<16x588xf16>, tensor<16xf16>) -> tensor<8x16xf16>
  return
}

// -----

func.func @taps(%p: tensor<2x3x28x28xf16>, %w: tensor<16x196xf16>) {
  // expected-error@below {{'focus.patch_embed' op weight has 196 columns, expected 588 (3 channels times patch 14 squared)}}
  %0 = "focus.patch_embed"(%p, %w) {patch = 14 : i64} : (tensor<2x3x28x28xf16>, tensor<16x196xf16>) -> tensor<8x16xf16>
  return
}

// -----

func.func @patches(%p: tensor<2x3x28x28xf16>, %w: tensor<16x588xf16>) {
  // expected-error@below {{'focus.patch_embed' op result has shape 4x16, expected 8x16 (patches of all frames by rows of weight)}}
  %0 = "focus.patch_embed"(%p, %w) {patch = 14 : i64} : (tensor<2x3x28x28xf16>, tensor<16x588xf16>) -> tensor<4x16xf16>
  return
}
