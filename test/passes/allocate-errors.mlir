// More than a memory holds: slots that do not fit, and count entries of all sites that are alive at once. What no memory on chip but 'counts' does:
// outlive a kernel.
// RUN: focus-opt %s --allocate --split-input-file --verify-diagnostics

!dram = memref<1024x32xf16, #focus.space<"dram">>
!rows = memref<1024x32xf16, #focus.space<"input">>
func.func @slots() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  // expected-error@below {{'focus.kernel' op needs 196608 bytes of 'input', but machine 'focus' has 131072}}
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile", slots = 3 : i64} : () -> !rows
    "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
  }) {name = "slots"} : () -> ()
  return
}

// -----

!counts = memref<1x40000xi16, #focus.space<"counts">>
!rows = memref<64x32xf16, #focus.space<"output">>
!table = memref<64x32xf16, #focus.space<"table">>
!one = memref<1x1xi16, strided<[40000, 1], offset: ?>, #focus.space<"counts">>
func.func @counts() {
  // expected-error@below {{needs 80000 bytes of 'counts', but machine 'focus' has 65536}}
  %counts = "focus.buffer"() {name = "counts.0", kind = "tile"} : () -> !counts
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    %table = "focus.buffer"() {name = "table", kind = "tile"} : () -> !table
    %one = "focus.window"(%counts, %c0, %c0) {sizes = array<i64: 1, 1>} : (!counts, index, index) -> !one
    "focus.sic_gather"(%rows, %table, %one) {site = 0 : i64, identity = 64 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
        : (!rows, !table, !one) -> ()
  }) {name = "counts"} : () -> ()
  return
}

// -----

!stats = memref<4x2xf32, #focus.space<"stats">>
!dram = memref<4x2xf32, #focus.space<"dram">>
func.func @outside() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  // expected-error@below {{lies in 'stats' outside kernels, where of the memories on chip only 'counts' lasts}}
  %kept = "focus.buffer"() {name = "kept", kind = "tile"} : () -> !stats
  "focus.kernel"() ({
    "focus.load"(%x, %kept) {stream = "stats"} : (!dram, !stats) -> ()
  }) {name = "outside"} : () -> ()
  return
}
