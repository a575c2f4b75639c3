// focus.load, focus.load_rows, focus.store: spaces, shapes, element types.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!dram = memref<64x32xf16, #focus.space<"dram">>
!tile = memref<64x32xf16, #focus.space<"input">>
!table = memref<1000x32xf16, #focus.space<"dram">>
!ids = memref<1x64xi32, #focus.space<"ids">>
!count = memref<1x1xi16, #focus.space<"counts">>
func.func @good(%d: !dram, %t: !tile, %table: !table, %ids: !ids, %n: !count) {
  "focus.load"(%d, %t) {stream = "activation"} : (!dram, !tile) -> ()
  "focus.load"(%d, %t, %n) {stream = "compact"} : (!dram, !tile, !count) -> ()
  "focus.load_rows"(%table, %t, %ids) {stream = "param"} : (!table, !tile, !ids) -> ()
  "focus.store"(%t, %d) {stream = "result"} : (!tile, !dram) -> ()
  return
}

// -----

func.func @load_from_chip(%a: memref<64x32xf16, #focus.space<"output">>, %b: memref<64x32xf16, #focus.space<"input">>) {
  // expected-error@below {{'focus.load' op operand 'src' is in output, expected dram}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<64x32xf16, #focus.space<"output">>, memref<64x32xf16, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @load_to_dram(%a: memref<64x32xf16, #focus.space<"dram">>) {
  // expected-error@below {{'focus.load' op operand 'dst' is in dram, expected an on-chip memory}}
  "focus.load"(%a, %a) {stream = "activation"} : (memref<64x32xf16, #focus.space<"dram">>, memref<64x32xf16, #focus.space<"dram">>) -> ()
  return
}

// -----

func.func @load_to_counts(%a: memref<1x4xi16, #focus.space<"dram">>, %b: memref<1x4xi16, #focus.space<"counts">>) {
  // expected-error@below {{'focus.load' op operand 'dst' is in counts, where only counts of vectors are written}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<1x4xi16, #focus.space<"dram">>, memref<1x4xi16, #focus.space<"counts">>) -> ()
  return
}

// -----

func.func @store_to_chip(%a: memref<64x32xf16, #focus.space<"output">>, %b: memref<64x32xf16, #focus.space<"input">>) {
  // expected-error@below {{'focus.store' op operand 'dst' is in input, expected dram}}
  "focus.store"(%a, %b) {stream = "result"} : (memref<64x32xf16, #focus.space<"output">>, memref<64x32xf16, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @shape(%a: memref<64x32xf16, #focus.space<"dram">>, %b: memref<32x32xf16, #focus.space<"input">>) {
  // expected-error@below {{'focus.load' op operand 'src' has 64 rows, expected 32 (rows of 'dst')}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<64x32xf16, #focus.space<"dram">>, memref<32x32xf16, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @ids(%a: memref<99x32xf16, #focus.space<"dram">>, %b: memref<32x32xf16, #focus.space<"input">>, %i: memref<1x31xi32, #focus.space<"ids">>) {
  // expected-error@below {{'focus.load_rows' op operand 'ids' has 31 columns, expected 32 (rows of 'dst')}}
  "focus.load_rows"(%a, %b, %i) {stream = "param"}
      : (memref<99x32xf16, #focus.space<"dram">>, memref<32x32xf16, #focus.space<"input">>, memref<1x31xi32, #focus.space<"ids">>) -> ()
  return
}

// -----

func.func @convert(%a: memref<64x32xf16, #focus.space<"dram">>, %b: memref<64x32xf32, #focus.space<"input">>) {
  // expected-error@below {{'focus.load' op operand 'dst' has elements of f32, expected f16 as src; a DMA does not convert}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<64x32xf16, #focus.space<"dram">>, memref<64x32xf32, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @rank(%a: memref<64xf16, #focus.space<"dram">>, %b: memref<64xf16, #focus.space<"input">>) {
  // expected-error@below {{'focus.load' op operand 'src' must be a static rank-2 memref in a #focus.space, but is memref<64xf16, #focus.space<"dram">>}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<64xf16, #focus.space<"dram">>, memref<64xf16, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @stream(%a: memref<64x32xf16, #focus.space<"dram">>, %b: memref<64x32xf16, #focus.space<"input">>) {
  // expected-error@below {{attribute 'stream' must be one of "activation", "weight", "result", "kv"}}
  "focus.load"(%a, %b) {stream = "tokens"} : (memref<64x32xf16, #focus.space<"dram">>, memref<64x32xf16, #focus.space<"input">>) -> ()
  return
}

// -----

func.func @transposed(%a: memref<64x32xf16, strided<[1, 64]>, #focus.space<"dram">>, %b: memref<64x32xf16, #focus.space<"input">>) {
  // expected-error@below {{'focus.load' op operand 'src' has column stride 64, expected 1}}
  "focus.load"(%a, %b) {stream = "activation"} : (memref<64x32xf16, strided<[1, 64]>, #focus.space<"dram">>, memref<64x32xf16,
      #focus.space<"input">>) -> ()
  return
}
