// What every op of ours checks before its own verifier: counts of operands and results, segment sizes, kinds of attributes.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @missing_attribute(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.activation' op requires attribute 'kind' (one of "none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu")}}
  %0 = "focus.activation"(%x) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @unknown_choice(%x: tensor<4x8xf16>) {
  // expected-error@below {{attribute 'kind' must be one of "none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu", but is "mish"}}
  %0 = "focus.activation"(%x) {kind = "mish"} : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @wrong_kind(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.matmul' op attribute 'batch' must be an i64, but is 1 : i32}}
  %0 = "focus.matmul"(%x, %x) {batch = 1 : i32} : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @too_few(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.add' op expects 2 operands (a, b), but has 1}}
  %0 = "focus.add"(%x) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @too_many(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.rms_norm' op expects 2 to 3 operands (x, weight, moments), but has 4}}
  %0 = "focus.rms_norm"(%x, %x, %x, %x) {eps = 0.0 : f64}
      : (tensor<4x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @no_result(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.add' op expects 1 result (result), but has 0}}
  "focus.add"(%x, %x) : (tensor<4x8xf16>, tensor<4x8xf16>) -> ()
  return
}

// -----

func.func @no_segments(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.linear' op requires attribute 'operandSegmentSizes' to tell its optional operands apart}}
  %0 = "focus.linear"(%x, %x) {activation = "none"} : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x4xf16>
  return
}

// -----

func.func @segment_sum(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.linear' op attribute 'operandSegmentSizes' sums to 3, but there are 2 operands}}
  %0 = "focus.linear"(%x, %x) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}
      : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x4xf16>
  return
}

// -----

func.func @segment_value(%x: tensor<4x8xf16>) {
  // expected-error@below {{'focus.linear' op attribute 'operandSegmentSizes' gives operand 'x' 0 values}}
  %0 = "focus.linear"(%x, %x) {activation = "none", operandSegmentSizes = array<i32: 0, 1, 1, 0, 0, 0>}
      : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x4xf16>
  return
}

// -----

func.func @segment_count(%x: tensor<4x8xf16>) {
  // expected-error@below {{must be an i32 array of 6 sizes (x, weight, bias, up_weight, up_bias, residual)}}
  %0 = "focus.linear"(%x, %x) {activation = "none", operandSegmentSizes = array<i32: 1, 1>}
      : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x4xf16>
  return
}
