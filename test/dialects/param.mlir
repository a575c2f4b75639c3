// focus.param: element types, name, row order.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

func.func @good() {
  %0 = "focus.param"() {name = "layers.0.weight", row_order = "as_is"} : () -> tensor<4x8xf16>
  %1 = "focus.param"() {name = "const.rows", row_order = "as_is"} : () -> tensor<7xi32>
  %2 = "focus.param"() {name = "const.cos", row_order = "storage"} : () -> tensor<9x64xf16>
  return
}

// -----

func.func @element_type() {
  // expected-error@below {{'focus.param' op result must be a static tensor of f16, f32 or i32, but is tensor<4xbf16>}}
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xbf16>
  return
}

// -----

func.func @no_name() {
  // expected-error@below {{'focus.param' op attribute 'name' must not be empty}}
  %0 = "focus.param"() {name = "", row_order = "as_is"} : () -> tensor<4xf16>
  return
}

// -----

func.func @row_order() {
  // expected-error@below {{'focus.param' op attribute 'row_order' must be one of "as_is", "storage", but is "reversed"}}
  %0 = "focus.param"() {name = "w", row_order = "reversed"} : () -> tensor<4xf16>
  return
}
