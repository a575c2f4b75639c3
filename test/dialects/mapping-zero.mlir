// A size of 0 in a mapping edited by hand is refused where the text is read.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @main(%x: tensor<8x32xf16>, %w: tensor<64x32xf16>) -> tensor<8x64xf16> {
  // expected-error@+1 {{weight_subs is 0, expected 1 or more}}
  %0 = "focus.linear"(%x, %w) {activation = "none", focus.mapping = #focus.mapping<"dense", [{kind = "gemm", m = 8 : i64, n = 64 : i64, weight_subs = 0 : i64}]>, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<8x32xf16>, tensor<64x32xf16>) -> tensor<8x64xf16>
  return %0 : tensor<8x64xf16>
}

// -----

func.func @main(%x: tensor<8x32xf16>, %w: tensor<64x32xf16>) -> tensor<8x64xf16> {
  // expected-error@+1 {{n is 0, expected 1 or more}}
  %0 = "focus.linear"(%x, %w) {activation = "none", focus.mapping = #focus.mapping<"dense", [{kind = "gemm", m = 8 : i64, n = 0 : i64}]>, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<8x32xf16>, tensor<64x32xf16>) -> tensor<8x64xf16>
  return %0 : tensor<8x64xf16>
}
