// Caches: sizes, appends, attention over them, the rotation of a step's tokens.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%q: tensor<2x16xf16>, %r: tensor<2x8xf16>, %t: tensor<4x8xf16>) {
  %k = "focus.cache"() {name = "layers.0.keys", requests = 2 : i64, lead = 1 : i64, held = 5 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  %v = "focus.cache"() {name = "layers.0.values", requests = 2 : i64, lead = 1 : i64, held = 5 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  %0 = "focus.step_rope"(%r, %t, %t) {head_dim = 8 : i64, new = 1 : i64} : (tensor<2x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<2x8xf16>
  %1 = "focus.cache_append"(%k, %0) : (tensor<20x8xf16>, tensor<2x8xf16>) -> tensor<20x8xf16>
  %2 = "focus.cache_append"(%v, %r) : (tensor<20x8xf16>, tensor<2x8xf16>) -> tensor<20x8xf16>
  %3 = "focus.cached_attention"(%q, %1, %2) {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, scale = 0.5 : f64}
      : (tensor<2x16xf16>, tensor<20x8xf16>, tensor<20x8xf16>) -> tensor<2x16xf16>
  return
}

// -----

func.func @rows() {
  // expected-error@below {{'focus.cache' op result has 19 rows, expected 20 (2 requests of 10)}}
  %k = "focus.cache"() {name = "k", requests = 2 : i64, lead = 1 : i64, held = 5 : i64, room = 4 : i64} : () -> tensor<19x8xf16>
  return
}

// -----

func.func @no_cache(%k: tensor<20x8xf16>, %r: tensor<2x8xf16>) {
  // expected-error@below {{'focus.cache_append' op appends to what is no focus.cache}}
  %0 = "focus.cache_append"(%k, %r) : (tensor<20x8xf16>, tensor<2x8xf16>) -> tensor<20x8xf16>
  return
}

// -----

func.func @too_many(%r: tensor<10x8xf16>) {
  %k = "focus.cache"() {name = "k", requests = 2 : i64, lead = 0 : i64, held = 6 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  // expected-error@below {{rows has shape 10x8, expected 8 columns and as many rows for each of 2 requests, at most 4}}
  %0 = "focus.cache_append"(%k, %r) : (tensor<20x8xf16>, tensor<10x8xf16>) -> tensor<20x8xf16>
  return
}

// -----

func.func @other_sizes(%q: tensor<2x16xf16>) {
  %k = "focus.cache"() {name = "k", requests = 2 : i64, lead = 0 : i64, held = 6 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  %v = "focus.cache"() {name = "v", requests = 2 : i64, lead = 1 : i64, held = 5 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  // expected-error@below {{has caches 'k' and 'v' of different sizes}}
  %0 = "focus.cached_attention"(%q, %k, %v) {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, scale = 0.5 : f64}
      : (tensor<2x16xf16>, tensor<20x8xf16>, tensor<20x8xf16>) -> tensor<2x16xf16>
  return
}

// -----

func.func @heads(%q: tensor<2x12xf16>) {
  %k = "focus.cache"() {name = "k", requests = 2 : i64, lead = 0 : i64, held = 6 : i64, room = 4 : i64} : () -> tensor<20x8xf16>
  // expected-error@below {{q has 12 columns, expected 16 (heads times head_dim)}}
  %0 = "focus.cached_attention"(%q, %k, %k) {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, scale = 0.5 : f64}
      : (tensor<2x12xf16>, tensor<20x8xf16>, tensor<20x8xf16>) -> tensor<2x12xf16>
  return
}

// -----

func.func @step_rope(%r: tensor<3x8xf16>, %t: tensor<4x8xf16>) {
  // expected-error@below {{attribute 'new' is 2, expected a divisor of the 3 rows of x, at most the 4 rows of cos}}
  %0 = "focus.step_rope"(%r, %t, %t) {head_dim = 8 : i64, new = 2 : i64} : (tensor<3x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<3x8xf16>
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.caches' must be #focus.caches, but is 3}}
func.func @main() attributes {focus.caches = 3 : i64} {
  return
}

// -----

// expected-error@below {{#focus.caches has 0 requests and room 4, expected positive numbers}}
func.func @main() attributes {focus.caches = #focus.caches<0, 4>} {
  return
}

// -----

// expected-error@below {{attribute 'focus.places' must be a dictionary of addresses}}
func.func @main() attributes {focus.places = {a = -1 : i64}} {
  return
}
