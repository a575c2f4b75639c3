// focus.kernel and focus.window: body, rank, sizes, result type.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

"focus.kernel"() ({
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> memref<100x64xf16, #focus.space<"dram">>
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %c100 = arith.constant 100 : index
  scf.for %i = %c0 to %c100 step %c32 {
    %w = "focus.window"(%x, %i, %c0) {sizes = array<i64: 32, 64>} : (memref<100x64xf16, #focus.space<"dram">>, index, index)
        -> memref<32x64xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
    %v = "focus.window"(%w, %c0, %c32) {sizes = array<i64: 32, 32>}
        : (memref<32x64xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>, index, index)
        -> memref<32x32xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
  }
}) {name = "layers.0.mlp.down_proj"} : () -> ()

// -----

// expected-error@below {{'focus.kernel' op requires attribute 'name' (a string)}}
"focus.kernel"() ({
  %c0 = arith.constant 0 : index
}) : () -> ()

// -----

// expected-error@below {{'focus.kernel' op expects a body of one block without arguments}}
"focus.kernel"() ({
^bb0(%i: index):
  %c0 = arith.constant 0 : index
}) {name = "k"} : () -> ()

// -----

func.func @rank(%x: memref<100x64xf16, #focus.space<"dram">>, %i: index) {
  // expected-error@below {{'focus.window' op has 1 indices and 2 sizes, expected 2 (rank of base)}}
  %w = "focus.window"(%x, %i) {sizes = array<i64: 32, 64>} : (memref<100x64xf16, #focus.space<"dram">>, index)
      -> memref<32x64xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
  return
}

// -----

func.func @zero_size(%x: memref<100x64xf16, #focus.space<"dram">>, %i: index) {
  // expected-error@below {{'focus.window' op size 0 is 0, expected 1 to 100 (extent of base)}}
  %w = "focus.window"(%x, %i, %i) {sizes = array<i64: 0, 64>} : (memref<100x64xf16, #focus.space<"dram">>, index, index)
      -> memref<0x64xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
  return
}

// -----

func.func @too_large(%x: memref<100x64xf16, #focus.space<"dram">>, %i: index) {
  // expected-error@below {{'focus.window' op size 1 is 65, expected 1 to 64 (extent of base)}}
  %w = "focus.window"(%x, %i, %i) {sizes = array<i64: 32, 65>} : (memref<100x64xf16, #focus.space<"dram">>, index, index)
      -> memref<32x65xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
  return
}

// -----

func.func @result(%x: memref<100x64xf16, #focus.space<"dram">>, %i: index) {
  // expected-error@below {{'focus.window' op result is memref<32x32xf16, #focus.space<"dram">>, expected memref<32x32xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>}}
  %w = "focus.window"(%x, %i, %i) {sizes = array<i64: 32, 32>} : (memref<100x64xf16, #focus.space<"dram">>, index, index)
      -> memref<32x32xf16, #focus.space<"dram">>
  return
}

// -----

func.func @index_type(%x: memref<100x64xf16, #focus.space<"dram">>, %i: i64) {
  // expected-error@below {{'focus.window' op index 0 must have type index, but has i64}}
  %w = "focus.window"(%x, %i, %i) {sizes = array<i64: 32, 32>} : (memref<100x64xf16, #focus.space<"dram">>, i64, i64)
      -> memref<32x32xf16, strided<[64, 1], offset: ?>, #focus.space<"dram">>
  return
}
