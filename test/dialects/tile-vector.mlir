// Instructions of the vector unit: broadcasts, moments, norms, rotary embedding, softmax.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!t = memref<64x32xf32, #focus.space<"output">>
!h = memref<64x32xf16, #focus.space<"input">>
!row = memref<1x32xf16, #focus.space<"vector">>
!col = memref<64x1xf32, #focus.space<"stats">>
!two = memref<64x2xf32, #focus.space<"stats">>
!state = memref<64x4xf32, #focus.space<"stats">>
!qpos = memref<1x64xi32, #focus.space<"ids">>
!kpos = memref<1x32xi32, #focus.space<"ids">>
func.func @good(%t: !t, %h: !h, %row: !row, %col: !col, %two: !two, %state: !state, %q: !qpos, %k: !kpos) {
  "focus.v_map"(%t, %h) {op = "copy", scalar = 1.0 : f64} : (!t, !h) -> ()
  "focus.v_zip"(%t, %row, %h) {op = "add", bcast = "row"} : (!t, !row, !h) -> ()
  "focus.v_zip"(%t, %col, %t) {op = "mul", bcast = "col"} : (!t, !col, !t) -> ()
  "focus.v_zip"(%t, %h, %t) {op = "max", bcast = "full"} : (!t, !h, !t) -> ()
  "focus.v_reduce"(%t, %two) {op = "moments", init = "first"} : (!t, !two) -> ()
  "focus.v_reduce"(%t, %col) {op = "max", init = "always"} : (!t, !col) -> ()
  "focus.v_stats"(%two, %two) {kind = "rms", inv = 0.03 : f64, eps = 1.0e-6 : f64} : (!two, !two) -> ()
  "focus.v_normalize"(%t, %two, %row, %h) : (!t, !two, !row, !h) -> ()
  "focus.v_normalize"(%t, %two, %row, %h, %row) : (!t, !two, !row, !h, !row) -> ()
  "focus.v_rope"(%h, %h, %h, %h) : (!h, !h, !h, !h) -> ()
  "focus.v_softmax"(%t, %state, %h, %q, %k) {scalar = 0.125 : f64, init = "first", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}
      : (!t, !state, !h, !qpos, !kpos) -> ()
  "focus.v_prob"(%t, %state, %t) {scalar = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (!t, !state, !t) -> ()
  "focus.v_rescale"(%t, %state) {init = "first"} : (!t, !state) -> ()
  "focus.v_finish"(%t, %state, %h) : (!t, !state, !h) -> ()
  return
}

// -----

!t = memref<64x32xf32, #focus.space<"output">>
!row = memref<1x32xf16, #focus.space<"vector">>
func.func @broadcast(%t: !t, %row: !row) {
  // expected-error@below {{'focus.v_zip' op operand 'b' has 1 row, expected 64 (by bcast)}}
  "focus.v_zip"(%t, %row, %t) {op = "add", bcast = "col"} : (!t, !row, !t) -> ()
  return
}

// -----

!t = memref<64x32xf32, #focus.space<"output">>
!one = memref<64x1xf32, #focus.space<"stats">>
func.func @moments(%t: !t, %one: !one) {
  // expected-error@below {{'focus.v_reduce' op operand 'dst' has 1 column, expected 2 (values of a row)}}
  "focus.v_reduce"(%t, %one) {op = "moments", init = "first"} : (!t, !one) -> ()
  return
}

// -----

!t = memref<64x32xf32, #focus.space<"output">>
!state = memref<64x2xf32, #focus.space<"stats">>
func.func @state(%t: !t, %s: !state) {
  // expected-error@below {{'focus.v_rescale' op operand 'state' has 2 columns, expected 4}}
  "focus.v_rescale"(%t, %s) {init = "first"} : (!t, !state) -> ()
  return
}

// -----

!t = memref<64x32xi32, #focus.space<"output">>
func.func @integers(%t: !t) {
  // expected-error@below {{'focus.v_map' op operand 'dst' has elements of i32, expected f16 or f32}}
  "focus.v_map"(%t, %t) {op = "copy", scalar = 1.0 : f64} : (!t, !t) -> ()
  return
}

// -----

!t = memref<64x32xf32, #focus.space<"output">>
func.func @scalar(%t: !t) {
  // expected-error@below {{'focus.v_map' op attribute 'scalar' must be an f64, but is 1.000000e+00 : f32}}
  "focus.v_map"(%t, %t) {op = "scale", scalar = 1.0 : f32} : (!t, !t) -> ()
  return
}
