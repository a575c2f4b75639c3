// On-chip buffers of a kernel lie side by side at multiples of 64 bytes, a ring with all its slots; the next kernel begins at 0 again.
// RUN: focus-opt %s --allocate | filecheck %s

!dram = memref<3x32xf16, #focus.space<"dram">>
!rows = memref<3x32xf16, #focus.space<"output">>
func.func @chip() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      // 192 bytes in each of three slots.
      // CHECK: address = 0 : i64, kind = "tile", name = "ring"
      %ring = "focus.buffer"() {name = "ring", kind = "tile", slots = 3 : i64} : () -> !rows
      // CHECK: address = 576 : i64, kind = "tile", name = "odd"
      %odd = "focus.buffer"() {name = "odd", kind = "tile", slots = 1 : i64} : () -> memref<3x7xf16, #focus.space<"output">>
      // CHECK: address = 640 : i64, kind = "tile", name = "last"
      %last = "focus.buffer"() {name = "last", kind = "tile"} : () -> !rows
      // CHECK: address = 0 : i64, kind = "tile", name = "elsewhere"
      %other = "focus.buffer"() {name = "elsewhere", kind = "tile"} : () -> memref<3x7xf16, #focus.space<"vector">>
      "focus.load"(%x, %ring) {stream = "activation"} : (!dram, !rows) -> ()
    }
  }) {name = "first"} : () -> ()
  "focus.kernel"() ({
    // CHECK: address = 0 : i64, kind = "tile", name = "again"
    %again = "focus.buffer"() {name = "again", kind = "tile"} : () -> !rows
    "focus.load"(%x, %again) {stream = "activation"} : (!dram, !rows) -> ()
  }) {name = "second"} : () -> ()
  return
}
