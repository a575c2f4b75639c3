// #focus.tokens on a function: runs within the sequence, grids that cover the visual tokens.  Checked by the ops that use it.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

// Two runs, two grids, the second with a newline token after each row.
func.func @good() attributes {
    focus.tokens = #focus.tokens<18, 30, array<i64: 2, 8, 14, 10>, array<i64: 0, 2, 2, 2, 4, 2, 1, 8, 1, 3, 2, 9, 3, 1>>} {
  %ids = "focus.token_ids"() : () -> tensor<18xi32>
  return
}

// -----

func.func @no_visual_tokens() attributes {focus.tokens = #focus.tokens<0, 5, array<i64>, array<i64>>} {
  %ids = "focus.token_ids"() : () -> tensor<0xi32>
  return
}

// -----

func.func @runs_sum() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 7>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
  // expected-error@below {{token layout has runs of 7 visual tokens, expected 8}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @runs_overlap() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 4, 5, 4>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
  // expected-error@below {{token layout has a run of 4 at position 5; expected ascending runs within 12 positions}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @run_past_end() attributes {focus.tokens = #focus.tokens<8, 9, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
  // expected-error@below {{token layout has a run of 8 at position 2; expected ascending runs within 9 positions}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @grid_past_end() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 2, 2, 3, 6, 3, 1>>} {
  // expected-error@below {{grid 0 ends at visual token 11, but there are 8 visual tokens}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @grids_overlap() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 1, 2, 2, 4, 2, 1, 3, 1, 2, 2, 4, 2, 1>>} {
  // expected-error@below {{grid 1 starts at visual token 3, expected 4 or more}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @no_grid() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64>>} {
  // expected-error@below {{token layout has no grid for its 8 visual tokens}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @zero_stride() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 0, 1>>} {
  // expected-error@below {{grid 0 has sides (2, 2, 2) and strides (4, 0, 1); expected positive numbers}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @wrong_attribute() attributes {focus.tokens = 3 : i64} {
  // expected-error@below {{the function's 'focus.tokens' must be #focus.tokens, but is 3}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}
