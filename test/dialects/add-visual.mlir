// focus.add_visual: the shapes of x and of what is added to its visual rows, their runs, and the ids left.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%x: tensor<9x8xf16>, %f: tensor<5x8xf16>, %left: tensor<6x8xf16>, %ids: tensor<2xi32>) attributes {
    focus.tokens = #focus.tokens<5, 9, array<i64: 1, 3, 6, 2>, array<i64: 0, 1, 1, 5, 5, 5, 1>>} {
  %0 = "focus.add_visual"(%x, %f) {runs = array<i64: 1, 3, 6, 2>} : (tensor<9x8xf16>, tensor<5x8xf16>) -> tensor<9x8xf16>
  %1 = "focus.add_visual"(%left, %f, %ids) {runs = array<i64: 1, 3, 6, 2>} : (tensor<6x8xf16>, tensor<5x8xf16>, tensor<2xi32>) -> tensor<6x8xf16>
  return
}

// -----

func.func @other_runs(%x: tensor<9x8xf16>, %f: tensor<5x8xf16>) attributes {
    focus.tokens = #focus.tokens<5, 9, array<i64: 1, 3, 6, 2>, array<i64: 0, 1, 1, 5, 5, 5, 1>>} {
  // expected-error@below {{'focus.add_visual' op attribute 'runs' is [1, 5], expected [1, 3, 6, 2], those of the function's token layout}}
  %0 = "focus.add_visual"(%x, %f) {runs = array<i64: 1, 5>} : (tensor<9x8xf16>, tensor<5x8xf16>) -> tensor<9x8xf16>
  return
}

// -----

func.func @features(%x: tensor<9x8xf16>, %f: tensor<4x8xf16>) {
  // expected-error@below {{'focus.add_visual' op features has shape 4x8, expected 5 rows (lengths of the runs) of 8 columns}}
  %0 = "focus.add_visual"(%x, %f) {runs = array<i64: 1, 5>} : (tensor<9x8xf16>, tensor<4x8xf16>) -> tensor<9x8xf16>
  return
}

// -----

func.func @rows(%x: tensor<3x8xf16>, %f: tensor<5x8xf16>) {
  // expected-error@below {{'focus.add_visual' op x has 3 rows, expected at least the 5 visual ones}}
  %0 = "focus.add_visual"(%x, %f) {runs = array<i64: 1, 5>} : (tensor<3x8xf16>, tensor<5x8xf16>) -> tensor<3x8xf16>
  return
}
