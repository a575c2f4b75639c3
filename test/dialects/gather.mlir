// Similarity concentration: focus.gather and !focus.concentrated.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good(%x: tensor<12x40xf16>, %ids: tensor<8xi32>, %w: tensor<16x40xf16>) -> tensor<12x16xf16> {
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x40xf16>, tensor<8xi32>) -> !focus.concentrated<12, 40, 8, 32, 1024, unit>
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (!focus.concentrated<12, 40, 8, 32, 1024, unit>, tensor<16x40xf16>) -> tensor<12x16xf16>
  return %y : tensor<12x16xf16>
}

// -----

func.func @parameters(%x: tensor<12x40xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{result has (rows, width, visual, vector, m_tile) (12, 40, 7, 32, 1024), expected (12, 40, 8, 32, 1024)}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x40xf16>, tensor<8xi32>) -> !focus.concentrated<12, 40, 7, 32, 1024, unit>
  return
}

// -----

func.func @more_visual_than_rows(%x: tensor<6x40xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{'focus.gather' op result has 8 visual rows of 6, width 40, vector 32, m-tile 1024; expected}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<6x40xf16>, tensor<8xi32>) -> !focus.concentrated<6, 40, 8, 32, 1024, unit>
  return
}

// -----

func.func @site(%x: tensor<12x40xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{attribute 'site' must be one of "q_proj", "query", "o_proj", "gate_proj", "down_proj", "vision.q_proj", "vision.query", "vision.o_proj", "vision.fc1", "vision.fc2", but is "k_proj"}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "k_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x40xf16>, tensor<8xi32>) -> !focus.concentrated<12, 40, 8, 32, 1024, unit>
  return
}

// -----

func.func @block(%x: tensor<12x40xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{'focus.gather' op block must be three sides of 1 to 4, but is [2, 2, 5]}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 5>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x40xf16>, tensor<8xi32>) -> !focus.concentrated<12, 40, 8, 32, 1024, unit>
  return
}

// -----

func.func @result_type(%x: tensor<12x40xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{'focus.gather' op result must be !focus.concentrated, but is tensor<12x40xf16>}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x40xf16>, tensor<8xi32>) -> tensor<12x40xf16>
  return
}

// -----

func.func @width(%c: !focus.concentrated<12, 40, 8, 32, 1024, unit>, %w: tensor<16x64xf16>) {
  // expected-error@below {{'focus.linear' op weight has 64 columns, but x has 40}}
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (!focus.concentrated<12, 40, 8, 32, 1024, unit>, tensor<16x64xf16>) -> tensor<12x16xf16>
  return
}

// -----

func.func @layout_kind(%c: !focus.concentrated<12, 40, 8, 32, 1024, "rows">, %w: tensor<16x40xf16>) {
  // expected-error@below {{'focus.linear' op x has layout "rows", expected #focus.layout or unit}}
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (!focus.concentrated<12, 40, 8, 32, 1024, "rows">, tensor<16x40xf16>) -> tensor<12x16xf16>
  return
}
