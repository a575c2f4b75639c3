// focus.add, focus.mul, focus.activation, focus.matmul: shapes and repeated rows.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%a: tensor<6x8xf16>, %b: tensor<3x8xf16>, %l: tensor<2x3xf16>) {
  %0 = "focus.add"(%a, %b) : (tensor<6x8xf16>, tensor<3x8xf16>) -> tensor<6x8xf16>
  %1 = "focus.mul"(%a, %a) : (tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x8xf16>
  %2 = "focus.activation"(%a) {kind = "relu"} : (tensor<6x8xf16>) -> tensor<6x8xf16>
  %3 = "focus.matmul"(%l, %a) {batch = 2 : i64} : (tensor<2x3xf16>, tensor<6x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @add_rows(%a: tensor<6x8xf16>, %b: tensor<4x8xf16>) {
  // expected-error@below {{'focus.add' op b has shape 4x8, expected 8 columns and rows that divide 6}}
  %0 = "focus.add"(%a, %b) : (tensor<6x8xf16>, tensor<4x8xf16>) -> tensor<6x8xf16>
  return
}

// -----

func.func @mul_columns(%a: tensor<6x8xf16>, %b: tensor<6x1xf16>) {
  // expected-error@below {{'focus.mul' op b has shape 6x1, expected 8 columns and rows that divide 6}}
  %0 = "focus.mul"(%a, %b) : (tensor<6x8xf16>, tensor<6x1xf16>) -> tensor<6x8xf16>
  return
}

// -----

func.func @matmul_rows(%l: tensor<2x3xf16>, %a: tensor<5x8xf16>) {
  // expected-error@below {{'focus.matmul' op rhs has 5 rows, expected 6 (batch 2 of lhs's 3 columns)}}
  %0 = "focus.matmul"(%l, %a) {batch = 2 : i64} : (tensor<2x3xf16>, tensor<5x8xf16>) -> tensor<4x8xf16>
  return
}

// -----

func.func @matmul_batch(%l: tensor<2x3xf16>, %a: tensor<3x8xf16>) {
  // expected-error@below {{'focus.matmul' op attribute 'batch' must be positive, but is 0}}
  %0 = "focus.matmul"(%l, %a) {batch = 0 : i64} : (tensor<2x3xf16>, tensor<3x8xf16>) -> tensor<2x8xf16>
  return
}
