// A loop bound that grows with an outer counter is an extent: min(4, 1 + i) trips here.  A window indexed by both loops lies inside its base.
// RUN: focus-opt %s --lower-to-fisa | filecheck %s

!dram = memref<128x32xf16, #focus.space<"dram">>
!box = memref<32x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<32x32xf16, #focus.space<"wgt">>
func.func @triangle() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c32 = arith.constant 32 : index
    %c128 = arith.constant 128 : index
    scf.for %i = %c0 to %c128 step %c32 {
      %end = arith.addi %i, %c32 : index
      %upper = arith.minsi %c128, %end : index
      scf.for %j = %c0 to %upper step %c32 {
        %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 2 : i64} : () -> !rows
        %box = "focus.window"(%x, %j, %c0) {sizes = array<i64: 32, 32>} : (!dram, index, index) -> !box
        "focus.load"(%box, %rows) {stream = "kv"} : (!box, !rows) -> ()
      }
    }
  }) {name = "triangle"} : () -> ()
  return
}
// CHECK: "fisa.ext"() {full = 4 : i64, id = [[I:[0-9]+]] : i64, level = 0 : i64, step = 0 : i64, total = 4 : i64}
// CHECK: "fisa.ext"() {full = 4 : i64, id = [[J:[0-9]+]] : i64, level = 0 : i64, step = -1 : i64, total = 1 : i64}
// The rows move with the inner counter alone, and the ring turns with it.
// CHECK: "fisa.agu_stride"() {id = [[X:[0-9]+]] : i64, level = 1 : i64, stride = 2048 : i64}
// CHECK: "fisa.agu"() {{.*}}ring_level = 1 : i64, slot_bytes = 2048 : i64, slots = 2 : i64
// CHECK: "fisa.loop"() {trips = [[I]] : i64}
// CHECK-NEXT: "fisa.loop"() {trips = [[J]] : i64}
// CHECK-NEXT: "fisa.load"
