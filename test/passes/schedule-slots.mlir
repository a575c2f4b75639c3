// Slots follow from what a memory has left: loads of the innermost loop come first, and a buffer of one owner, or outside all loops, needs only one.
// RUN: focus-opt %s --schedule | filecheck %s

!dram = memref<1024x32xf16, #focus.space<"dram">>
!rows = memref<1024x32xf16, #focus.space<"input">>
!small = memref<128x32xf16, #focus.space<"input">>
!sums = memref<128x32xf32, #focus.space<"output">>
!w = memref<32x32xf16, #focus.space<"wgt">>
func.func @slots() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  %y = "focus.buffer"() {name = "y", kind = "input"} : () -> memref<128x32xf16, #focus.space<"dram">>
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    // CHECK: name = "weights", slots = 1 : i64
    %weights = "focus.buffer"() {name = "weights", kind = "tile"} : () -> !w
    scf.for %i = %c0 to %c4 step %c1 {
      // CHECK: name = "large", slots = 1 : i64
      %large = "focus.buffer"() {name = "large", kind = "tile"} : () -> !rows
      // CHECK: name = "own", slots = 1 : i64
      %own = "focus.buffer"() {name = "own", kind = "tile"} : () -> !sums
      "focus.load"(%x, %large) {stream = "activation"} : (!dram, !rows) -> ()
      %part = "focus.window"(%large, %c0, %c0) {sizes = array<i64: 128, 32>}
          : (!rows, index, index) -> memref<128x32xf16, strided<[32, 1], offset: ?>, #focus.space<"input">>
      "focus.mm"(%part, %weights, %own) {init = "first"} : (memref<128x32xf16, strided<[32, 1], offset: ?>, #focus.space<"input">>, !w, !sums) -> ()
      scf.for %j = %c0 to %c4 step %c1 {
        // 65536 bytes are left: the inner operand has as many slots as there can be.
        // CHECK: name = "small", slots = 4 : i64
        %small = "focus.buffer"() {name = "small", kind = "tile"} : () -> !small
        "focus.load"(%y, %small) {stream = "activation"} : (memref<128x32xf16, #focus.space<"dram">>, !small) -> ()
        "focus.mm"(%small, %weights, %own) {init = "first"} : (!small, !w, !sums) -> ()
      }
    }
  }) {name = "slots"} : () -> ()
  return
}
