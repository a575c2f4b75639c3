// Where memories share a scratchpad, a kernel gives whole banks to those that it uses, one after the other, and at least as many as they are wide.
// RUN: focus-opt %s --allocate=machine=focus-unified | filecheck %s
// RUN: focus-opt %s --allocate | filecheck %s --check-prefix=APART

// Spaces are numbered as in the table of instructions: output 4, vector 7, stats 8.
!dram = memref<3x32xf16, #focus.space<"dram">>
!rows = memref<3x32xf16, #focus.space<"output">>
!wide = memref<300x32xf16, #focus.space<"vector">>
func.func @chip() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    %wide = "focus.buffer"() {name = "wide", kind = "tile"} : () -> !wide
    %stats = "focus.buffer"() {name = "stats", kind = "tile"} : () -> memref<3x2xf32, #focus.space<"stats">>
    "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
  // CHECK: {name = "first", parts = array<i64: 4, 0, 262144, 7, 262144, 24576, 8, 286720, 8192>}
  // APART: {name = "first"}
  }) {name = "first"} : () -> ()
  return
}
