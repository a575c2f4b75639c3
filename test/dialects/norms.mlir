// focus.rms_norm and focus.layer_norm: widths of weight and bias, moments, epsilon.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%x: tensor<4x8xf16>, %w: tensor<8xf16>, %m: tensor<4x2xf32>) {
  %0 = "focus.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf16>, tensor<8xf16>) -> tensor<4x8xf16>
  %1 = "focus.rms_norm"(%x, %w, %m) {eps = 0.0 : f64} : (tensor<4x8xf16>, tensor<8xf16>, tensor<4x2xf32>) -> tensor<4x8xf16>
  %2 = "focus.layer_norm"(%x, %w, %w, %m) {eps = 1.0e-5 : f64}
      : (tensor<4x8xf16>, tensor<8xf16>, tensor<8xf16>, tensor<4x2xf32>) -> tensor<4x8xf16>
  return
}

// -----

func.func @heads(%x: tensor<4x8xf16>, %w: tensor<2xf16>) {
  %0 = "focus.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf16>, tensor<2xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @moments_of_rows(%x: tensor<4x8xf16>, %w: tensor<2xf16>, %m: tensor<4x2xf32>) {
  // expected-error@below {{'focus.rms_norm' op weight has shape 2, expected 8 (columns of x)}}
  %0 = "focus.rms_norm"(%x, %w, %m) {eps = 1.0e-6 : f64} : (tensor<4x8xf16>, tensor<2xf16>, tensor<4x2xf32>) -> tensor<4x8xf16>
  return
}

// -----

func.func @weight(%x: tensor<4x8xf16>, %w: tensor<3xf16>) {
  // expected-error@below {{'focus.rms_norm' op weight has shape 3, expected 8 (columns of x)}}
  %0 = "focus.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf16>, tensor<3xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @bias(%x: tensor<4x8xf16>, %w: tensor<8xf16>, %b: tensor<4xf16>) {
  // expected-error@below {{'focus.layer_norm' op bias has shape 4, expected 8 (columns of x)}}
  %0 = "focus.layer_norm"(%x, %w, %b) {eps = 1.0e-6 : f64} : (tensor<4x8xf16>, tensor<8xf16>, tensor<4xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @moments(%x: tensor<4x8xf16>, %w: tensor<8xf16>, %m: tensor<4x2xf16>) {
  // expected-error@below {{'focus.rms_norm' op moments must be a static rank-2 tensor of f32, but is tensor<4x2xf16>}}
  %0 = "focus.rms_norm"(%x, %w, %m) {eps = 0.0 : f64} : (tensor<4x8xf16>, tensor<8xf16>, tensor<4x2xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @eps(%x: tensor<4x8xf16>, %w: tensor<8xf16>) {
  // expected-error@below {{'focus.rms_norm' op attribute 'eps' must not be negative, but is -1.0}}
  %0 = "focus.rms_norm"(%x, %w) {eps = -1.0 : f64} : (tensor<4x8xf16>, tensor<8xf16>) -> tensor<4x8xf16>
  return
}
