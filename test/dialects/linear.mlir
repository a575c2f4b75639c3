// focus.linear: shapes of weight, bias, residual and moments; swiglu needs both weights.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>, %b: tensor<16xf16>, %r: tensor<3x16xf16>) {
  %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>) -> tensor<6x16xf16>
  %1:2 = "focus.linear"(%x, %w, %b, %r) {activation = "gelu_tanh", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1>}
      : (tensor<6x32xf16>, tensor<16x32xf16>, tensor<16xf16>, tensor<3x16xf16>) -> (tensor<6x16xf16>, tensor<6x2xf32>)
  %2 = "focus.linear"(%x, %w, %w) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>, tensor<16x32xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @columns(%x: tensor<6x32xf16>, %w: tensor<16x64xf16>) {
  // expected-error@below {{'focus.linear' op weight has 64 columns, but x has 32}}
  %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x64xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @result(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op y has shape 6x32, expected 6x16 (rows of x by rows of weight)}}
  %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @bias(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>, %b: tensor<32xf16>) {
  // expected-error@below {{'focus.linear' op bias has shape 32, expected 16 (rows of weight)}}
  %0 = "focus.linear"(%x, %w, %b) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>, tensor<32xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @residual(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>, %r: tensor<4x16xf16>) {
  // expected-error@below {{'focus.linear' op residual has shape 4x16, expected 16 columns and rows that divide 6}}
  %0 = "focus.linear"(%x, %w, %r) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>}
      : (tensor<6x32xf16>, tensor<16x32xf16>, tensor<4x16xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @moments(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op moments has shape 6x1, expected 6x2 (two values for each row of y)}}
  %0:2 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>) -> (tensor<6x16xf16>, tensor<6x1xf32>)
  return
}

// -----

func.func @swiglu(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op needs up_weight with activation "swiglu"}}
  %0 = "focus.linear"(%x, %w) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @up_weight(%x: tensor<6x32xf16>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op has up_weight with activation "silu"}}
  %0 = "focus.linear"(%x, %w, %w) {activation = "silu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>}
      : (tensor<6x32xf16>, tensor<16x32xf16>, tensor<16x32xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @element_type(%x: tensor<6x32xf32>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op x must be a static rank-2 tensor of f16, but is tensor<6x32xf32>}}
  %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<6x32xf32>, tensor<16x32xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @dynamic(%x: tensor<?x32xf16>, %w: tensor<16x32xf16>) {
  // expected-error@below {{'focus.linear' op x must be a static rank-2 tensor of f16, but is tensor<?x32xf16>}}
  %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<?x32xf16>, tensor<16x32xf16>) -> tensor<6x16xf16>
  return
}
