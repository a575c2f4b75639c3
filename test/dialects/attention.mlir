// focus.attention: heads, groups, segments, ids.
// RUN: focus-opt %s --split-input-file --verify-diagnostics | filecheck %s

func.func @good(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>, %ids: tensor<4xi32>) {
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = false,
      segments = array<i64: 2, 4>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>) -> tensor<6x32xf16>
  %1 = "focus.attention"(%q, %k, %k, %ids) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = true,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>, tensor<4xi32>) -> tensor<6x32xf16>
  return
}

// -----

// Scores are bounded where the op says so; an op that says nothing bounds none.
// CHECK: @bounded
// CHECK: cap = 5.000000e+01 : f64
// CHECK-NOT: cap
func.func @bounded(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>) {
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, cap = 50.0 : f64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @bound(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>) {
  // expected-error@below {{'focus.attention' op attribute 'cap' must be a bound of scores, or 0 for none, but is -1.0}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, cap = -1.0 : f64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @bound_type(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>) {
  // expected-error@below {{'focus.attention' op attribute 'cap' must be an f64, but is 3 : i64}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, cap = 3 : i64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @groups(%q: tensor<6x32xf16>, %k: tensor<6x24xf16>) {
  // expected-error@below {{'focus.attention' op heads (4) must be a multiple of kv_heads (3)}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 3 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x24xf16>, tensor<6x24xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @heads(%q: tensor<6x32xf16>, %k: tensor<6x32xf16>) {
  // expected-error@below {{'focus.attention' op q has 32 columns, expected 64 (heads times head_dim)}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 0.35 : f64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x32xf16>, tensor<6x32xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @values(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>, %v: tensor<5x16xf16>) {
  // expected-error@below {{'focus.attention' op v has shape 5x16, expected 6x16 (the shape of k)}}
  %0 = "focus.attention"(%q, %k, %v) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = false,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<5x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @segments(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>) {
  // expected-error@below {{'focus.attention' op segments sum to 5, expected positive lengths that sum to the 6 rows of q and 6 of k}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = false,
      segments = array<i64: 2, 3>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @causal(%q: tensor<6x32xf16>, %k: tensor<8x16xf16>) {
  // expected-error@below {{'focus.attention' op q has 6 rows and k 8, expected equal numbers in causal attention}}
  %0 = "focus.attention"(%q, %k, %k) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = true,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<6x32xf16>, tensor<8x16xf16>, tensor<8x16xf16>) -> tensor<6x32xf16>
  return
}

// -----

func.func @ids(%q: tensor<6x32xf16>, %k: tensor<6x16xf16>, %ids: tensor<7xi32>) {
  // expected-error@below {{'focus.attention' op has 7 ids for 6 rows of q}}
  %0 = "focus.attention"(%q, %k, %k, %ids) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 8 : i64, scale = 0.35 : f64, causal = true,
      segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>} : (tensor<6x32xf16>, tensor<6x16xf16>, tensor<6x16xf16>, tensor<7xi32>) -> tensor<6x32xf16>
  return
}
