// focus.buffer: kind and memory space belong together; slots and address are checked once they are there.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

%0 = "focus.buffer"() {name = "w", kind = "param"} : () -> memref<16x32xf16, #focus.space<"dram">>
%1 = "focus.buffer"() {name = "t", kind = "tile", slots = 2 : i64, address = 4096 : i64} : () -> memref<32x32xf16, #focus.space<"input">>
%2 = "focus.buffer"() {name = "m", kind = "tile"} : () -> memref<1x64xi16, #focus.space<"map">>

// -----

// expected-error@below {{'focus.buffer' op of kind "tile" must not be in dram, but is in dram}}
%0 = "focus.buffer"() {name = "t", kind = "tile"} : () -> memref<16x32xf16, #focus.space<"dram">>

// -----

// expected-error@below {{'focus.buffer' op of kind "temp" must be in dram, but is in input}}
%0 = "focus.buffer"() {name = "t", kind = "temp"} : () -> memref<16x32xf16, #focus.space<"input">>

// -----

// expected-error@below {{'focus.buffer' op result must be a static memref in a #focus.space of dram, input, wgt, conc, output, table, map, vector, stats, ids, importance, counts, but is memref<16x32xf16, #focus.space<"cache">>}}
%0 = "focus.buffer"() {name = "t", kind = "tile"} : () -> memref<16x32xf16, #focus.space<"cache">>

// -----

// expected-error@below {{'focus.buffer' op result must be a static memref in a #focus.space of}}
%0 = "focus.buffer"() {name = "t", kind = "tile"} : () -> memref<16x32xf16>

// -----

// expected-error@below {{'focus.buffer' op result has elements of i8, expected f16, f32, i32, i16}}
%0 = "focus.buffer"() {name = "t", kind = "tile"} : () -> memref<16x32xi8, #focus.space<"input">>

// -----

// expected-error@below {{'focus.buffer' op has slots 16 and address 0, expected 1 to 15 slots and an address of at least 0}}
%0 = "focus.buffer"() {name = "t", kind = "tile", slots = 16 : i64} : () -> memref<16x32xf16, #focus.space<"input">>
