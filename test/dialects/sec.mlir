// Semantic concentration: token_ids, importance, topk, select_ids, prune.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%q: tensor<12x32xf16>, %k: tensor<12x16xf16>, %x: tensor<12x8xf16>) attributes {
    focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  %i = "focus.importance"(%q, %k, %ids) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64}
      : (tensor<12x32xf16>, tensor<12x16xf16>, tensor<8xi32>) -> tensor<8xf32>
  %sel = "focus.topk"(%i) {k = 3 : i64} : (tensor<8xf32>) -> tensor<3xi32>
  %kept = "focus.select_ids"(%ids, %sel) : (tensor<8xi32>, tensor<3xi32>) -> tensor<3xi32>
  %y = "focus.prune"(%x, %sel) : (tensor<12x8xf16>, tensor<3xi32>) -> tensor<7x8xf16>
  return
}

// -----

func.func @no_layout() {
  // expected-error@below {{'focus.token_ids' op needs the token layout 'focus.tokens' on its function}}
  %ids = "focus.token_ids"() : () -> tensor<8xi32>
  return
}

// -----

func.func @count() attributes {focus.tokens = #focus.tokens<8, 12, array<i64: 2, 8>, array<i64: 0, 2, 2, 2, 4, 2, 1>>} {
  // expected-error@below {{'focus.token_ids' op result has 7 ids, expected 8 ids (the visual tokens of the function's token layout)}}
  %ids = "focus.token_ids"() : () -> tensor<7xi32>
  return
}

// -----

func.func @importance(%q: tensor<12x32xf16>, %k: tensor<12x16xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{'focus.importance' op result has shape 12, expected 8 (one value for each id)}}
  %i = "focus.importance"(%q, %k, %ids) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64}
      : (tensor<12x32xf16>, tensor<12x16xf16>, tensor<8xi32>) -> tensor<12xf32>
  return
}

// -----

func.func @topk(%i: tensor<8xf32>) {
  // expected-error@below {{'focus.topk' op keeps 9 of 8 tokens, expected 1 to 8}}
  %sel = "focus.topk"(%i) {k = 9 : i64} : (tensor<8xf32>) -> tensor<9xi32>
  return
}

// -----

func.func @topk_none(%i: tensor<8xf32>) {
  // expected-error@below {{'focus.topk' op keeps 0 of 8 tokens, expected 1 to 8}}
  %sel = "focus.topk"(%i) {k = 0 : i64} : (tensor<8xf32>) -> tensor<0xi32>
  return
}

// -----

func.func @select(%ids: tensor<4xi32>, %sel: tensor<5xi32>) {
  // expected-error@below {{'focus.select_ids' op sel has 5 row numbers, but there are 4 ids}}
  %kept = "focus.select_ids"(%ids, %sel) : (tensor<4xi32>, tensor<5xi32>) -> tensor<5xi32>
  return
}

// -----

func.func @prune(%x: tensor<12x8xf16>, %sel: tensor<3xi32>) {
  // expected-error@below {{'focus.prune' op result has shape 2x8, expected 3 kept and all text rows of x, which has shape 12x8}}
  %y = "focus.prune"(%x, %sel) : (tensor<12x8xf16>, tensor<3xi32>) -> tensor<2x8xf16>
  return
}
