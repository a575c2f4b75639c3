// Ops that move rows: embedding, take_rows, slice, reshape, last_row; concatenation is upstream's.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%ids: tensor<1x4xi32>, %table: tensor<100x8xf16>, %i: tensor<3xi32>) {
  %some = "focus.slice"(%ids) {offsets = array<i64: 0, 1>, sizes = array<i64: 1, 2>} : (tensor<1x4xi32>) -> tensor<1x2xi32>
  %e = "focus.embedding"(%some, %table) : (tensor<1x2xi32>, tensor<100x8xf16>) -> tensor<2x8xf16>
  %t = "focus.take_rows"(%table, %i) : (tensor<100x8xf16>, tensor<3xi32>) -> tensor<3x8xf16>
  %c = tensor.concat dim(0) %e, %t : (tensor<2x8xf16>, tensor<3x8xf16>) -> tensor<5x8xf16>
  %r = "focus.reshape"(%c) : (tensor<5x8xf16>) -> tensor<10x4xf16>
  %l = "focus.last_row"(%r) : (tensor<10x4xf16>) -> tensor<1x4xf16>
  return
}

// -----

func.func @embedding(%ids: tensor<1x4xi64>, %table: tensor<100x8xf16>) {
  // expected-error@below {{'focus.embedding' op ids must be a static rank-2 tensor of i32, but is tensor<1x4xi64>}}
  %e = "focus.embedding"(%ids, %table) : (tensor<1x4xi64>, tensor<100x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @concat_rows(%a: tensor<2x8xf16>) {
  // expected-error@below {{}}
  %c = tensor.concat dim(0) %a, %a : (tensor<2x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
  return
}

// -----

func.func @slice_bounds(%a: tensor<4x8xf16>) {
  // expected-error@below {{'focus.slice' op takes 3 rows from 2 on, but x has 4}}
  %c = "focus.slice"(%a) {offsets = array<i64: 2, 0>, sizes = array<i64: 3, 8>} : (tensor<4x8xf16>) -> tensor<3x8xf16>
  return
}

// -----

func.func @slice_result(%a: tensor<4x8xf16>) {
  // expected-error@below {{'focus.slice' op result has shape 2x4, expected 2x8 (sizes)}}
  %c = "focus.slice"(%a) {offsets = array<i64: 2, 0>, sizes = array<i64: 2, 8>} : (tensor<4x8xf16>) -> tensor<2x4xf16>
  return
}

// -----

func.func @reshape(%a: tensor<4x8xf16>) {
  // expected-error@below {{'focus.reshape' op result has 30 elements of f16, but x has 32 of f16}}
  %c = "focus.reshape"(%a) : (tensor<4x8xf16>) -> tensor<5x6xf16>
  return
}

// -----

func.func @last_row(%a: tensor<4x8xf16>) {
  // expected-error@below {{'focus.last_row' op result has shape 2x8, expected 1x8 (one row of x)}}
  %c = "focus.last_row"(%a) : (tensor<4x8xf16>) -> tensor<2x8xf16>
  return
}

// -----

func.func @take_rows(%a: tensor<4x8xf16>, %i: tensor<3xi32>) {
  // expected-error@below {{'focus.take_rows' op result has shape 2x8, expected 3x8 (number of indices by columns of x)}}
  %c = "focus.take_rows"(%a, %i) : (tensor<4x8xf16>, tensor<3xi32>) -> tensor<2x8xf16>
  return
}
