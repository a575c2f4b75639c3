// What cannot be scheduled: buffers beyond the memory, turns that do not hand the buffer over, a loop of turns that another unit should take over
// from.
// RUN: focus-opt %s --schedule --split-input-file --verify-diagnostics

!dram = memref<2048x64xf16, #focus.space<"dram">>
!rows = memref<2048x64xf16, #focus.space<"input">>
func.func @too_large() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  // expected-error@below {{'focus.kernel' op needs 262144 bytes of 'input', but machine 'focus' has 131072}}
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
  }) {name = "too_large"} : () -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @no_turns() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    // expected-error@below {{its loop begins and ends an iteration on unit 'load' but other units use it between}}
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    scf.for %i = %c0 to %c4 step %c1 {
      "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64} : (!rows, !rows) -> ()
      "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
    }
  }) {name = "no_turns"} : () -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @another_unit() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  %y = "focus.buffer"() {name = "y", kind = "output"} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    // expected-error@below {{after a loop of several units it goes to 'store', which did not begin the loop}}
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    scf.for %i = %c0 to %c4 step %c1 {
      "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64} : (!rows, !rows) -> ()
    }
    "focus.store"(%rows, %y) {stream = "result"} : (!rows, !dram) -> ()
  }) {name = "another_unit"} : () -> ()
  return
}
