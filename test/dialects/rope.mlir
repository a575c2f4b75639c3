// focus.rope: table shapes; with ids the table may have more rows than x.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%x: tensor<6x16xf16>, %t: tensor<6x8xf16>, %u: tensor<9x8xf16>, %ids: tensor<4xi32>) {
  %0 = "focus.rope"(%x, %t, %t) {head_dim = 8 : i64} : (tensor<6x16xf16>, tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x16xf16>
  %1 = "focus.rope"(%x, %u, %u, %ids) {head_dim = 8 : i64}
      : (tensor<6x16xf16>, tensor<9x8xf16>, tensor<9x8xf16>, tensor<4xi32>) -> tensor<6x16xf16>
  return
}

// -----

func.func @rows(%x: tensor<6x16xf16>, %t: tensor<9x8xf16>) {
  // expected-error@below {{'focus.rope' op cos has 9 rows, but x has 6}}
  %0 = "focus.rope"(%x, %t, %t) {head_dim = 8 : i64} : (tensor<6x16xf16>, tensor<9x8xf16>, tensor<9x8xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @head_dim(%x: tensor<6x16xf16>, %t: tensor<6x8xf16>) {
  // expected-error@below {{x has 16 columns and cos 8, expected a multiple of head_dim (16) and head_dim itself}}
  %0 = "focus.rope"(%x, %t, %t) {head_dim = 16 : i64} : (tensor<6x16xf16>, tensor<6x8xf16>, tensor<6x8xf16>) -> tensor<6x16xf16>
  return
}

// -----

func.func @odd(%x: tensor<6x15xf16>, %t: tensor<6x5xf16>) {
  // expected-error@below {{'focus.rope' op attribute 'head_dim' must be even, but is 5}}
  %0 = "focus.rope"(%x, %t, %t) {head_dim = 5 : i64} : (tensor<6x15xf16>, tensor<6x5xf16>, tensor<6x5xf16>) -> tensor<6x15xf16>
  return
}

// -----

func.func @ids(%x: tensor<6x16xf16>, %t: tensor<9x8xf16>, %ids: tensor<7xi32>) {
  // expected-error@below {{'focus.rope' op has 7 ids, 6 rows of x and 9 rows of cos, expected no more ids than rows and no more rows than cos has}}
  %0 = "focus.rope"(%x, %t, %t, %ids) {head_dim = 8 : i64}
      : (tensor<6x16xf16>, tensor<9x8xf16>, tensor<9x8xf16>, tensor<7xi32>) -> tensor<6x16xf16>
  return
}
