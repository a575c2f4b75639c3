// What a buffer is for stands in its attributes, checked against its kind, memory and element type; its name is a label.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

%0 = "focus.buffer"() {name = "ids", kind = "input", role = "token_ids", port = 1 : i64} : () -> memref<1x8xi32, #focus.space<"dram">>
%1 = "focus.buffer"() {name = "a", kind = "param", role = "constant", constant = "positions"} : () -> memref<1x8xi32, #focus.space<"dram">>
%2 = "focus.buffer"() {name = "b", kind = "param", role = "constant", constant = "zeros"} : () -> memref<1x8xf32, #focus.space<"dram">>
%3 = "focus.buffer"() {name = "c", kind = "output", role = "retained"} : () -> memref<1x8xi32, #focus.space<"dram">>
%4 = "focus.buffer"() {name = "d", kind = "temp", role = "unique", site = 0 : i64} : () -> memref<8x32xf16, #focus.space<"dram">>
%5 = "focus.buffer"() {name = "e", kind = "temp", role = "map", site = 0 : i64} : () -> memref<1x8xi16, #focus.space<"dram">>
%6 = "focus.buffer"() {name = "f", kind = "tile", role = "counts", site = 0 : i64} : () -> memref<1x8xi16, #focus.space<"counts">>
%7 = "focus.buffer"() {name = "retained.0", kind = "output"} : () -> memref<1x8xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has role "kept", expected one of token_ids, constant, retained, unique, map, counts}}
%0 = "focus.buffer"() {name = "x", kind = "output", role = "kept"} : () -> memref<1x8xi32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has role 3 : i64, expected one of}}
%0 = "focus.buffer"() {name = "x", kind = "output", role = 3 : i64} : () -> memref<1x8xi32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op of role "retained" must be of kind "output" in dram with elements of i32, but is of kind "temp" in dram with elements of i32}}
%0 = "focus.buffer"() {name = "x", kind = "temp", role = "retained"} : () -> memref<1x8xi32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op of role "counts" must be of kind "tile" in counts with elements of i16, but is of kind "tile" in map with elements of i16}}
%0 = "focus.buffer"() {name = "x", kind = "tile", role = "counts", site = 0 : i64} : () -> memref<1x8xi16, #focus.space<"map">>

// -----

// expected-error@below {{'focus.buffer' op of role "token_ids" must be of kind "input" in dram with elements of i32, but is of kind "input" in dram with elements of f16}}
%0 = "focus.buffer"() {name = "x", kind = "input", role = "token_ids"} : () -> memref<1x8xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has constant none of i32 and role "constant"; expected "positions" of i32 or "rows" of i32 or "token_ids" of i32 or "zeros" of f32 or "identity" of f16 with role "constant"}}
%0 = "focus.buffer"() {name = "x", kind = "param", role = "constant"} : () -> memref<1x8xi32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has constant "ones" of f32 and role "constant"}}
%0 = "focus.buffer"() {name = "x", kind = "param", role = "constant", constant = "ones"} : () -> memref<1x8xf32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has constant "zeros" of f16 and role "constant"}}
%0 = "focus.buffer"() {name = "x", kind = "param", role = "constant", constant = "zeros"} : () -> memref<1x8xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has constant "zeros" of f32 and role none}}
%0 = "focus.buffer"() {name = "x", kind = "param", constant = "zeros"} : () -> memref<1x8xf32, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has site none, expected a number from 0 on with roles unique, map, counts and none otherwise}}
%0 = "focus.buffer"() {name = "x", kind = "temp", role = "unique"} : () -> memref<8x32xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has site -1 : i64, expected a number from 0 on with roles unique, map, counts and none otherwise}}
%0 = "focus.buffer"() {name = "x", kind = "temp", role = "unique", site = -1 : i64} : () -> memref<8x32xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has site 0 : i64, expected a number from 0 on with roles unique, map, counts and none otherwise}}
%0 = "focus.buffer"() {name = "x", kind = "temp", site = 0 : i64} : () -> memref<8x32xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has port 0 : i64, expected a number from 0 on with kind "input" and none otherwise}}
%0 = "focus.buffer"() {name = "x", kind = "temp", port = 0 : i64} : () -> memref<8x32xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op has port "first", expected a number from 0 on with kind "input" and none otherwise}}
%0 = "focus.buffer"() {name = "x", kind = "input", port = "first"} : () -> memref<8x32xf16, #focus.space<"dram">>
