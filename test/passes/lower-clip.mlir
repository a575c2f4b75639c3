// Windows are clipped to their base: 100 rows in steps of 64 leave 36 for the last iteration.  A buffer is as large as what was last written to it,
// but one that is overwritten whole has its full size again.
// RUN: focus-opt %s --lower-to-fisa | filecheck %s

!dram = memref<100x40xf16, #focus.space<"dram">>
!box = memref<64x32xf16, strided<[40, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @clip() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  %y = "focus.buffer"() {name = "y", kind = "output", address = 8000 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %c100 = arith.constant 100 : index
    scf.for %i = %c0 to %c100 step %c64 {
      %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 2 : i64} : () -> !rows
      %box = "focus.window"(%x, %i, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
      "focus.load"(%box, %rows) {stream = "activation"} : (!box, !rows) -> ()
      // In place: as many rows as were loaded.
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64} : (!rows, !rows) -> ()
      %to = "focus.window"(%y, %i, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
      "focus.store"(%rows, %to) {stream = "result"} : (!rows, !box) -> ()
      // The eight columns that are left, into the same buffer.
      %rest = "focus.window"(%x, %i, %c32) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
      "focus.load"(%rest, %rows) {stream = "activation"} : (!box, !rows) -> ()
      %all = "focus.window"(%x, %c0, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
      "focus.load"(%all, %rows) {stream = "activation"} : (!box, !rows) -> ()
    }
  }) {name = "clip"} : () -> ()
  return
}
// CHECK: "fisa.ext"() {full = 2 : i64, id = [[TRIPS:[0-9]+]] : i64, level = 0 : i64, step = 0 : i64, total = 2 : i64}
// CHECK: "fisa.agu"() {base = 0 : i64, dtype = 0 : i64, id = [[X:[0-9]+]] : i64, pitch = 80 : i64, ring_level = 7 : i64, slot_bytes = 0 : i64,
// CHECK-SAME: slots = 1 : i64, space = 0 : i64}
// CHECK: "fisa.agu_stride"() {id = [[X]] : i64, level = 0 : i64, stride = 5120 : i64}
// CHECK: "fisa.agu"() {base = 0 : i64, dtype = 0 : i64, id = [[ROWS:[0-9]+]] : i64, pitch = 64 : i64, ring_level = 0 : i64,
// CHECK-SAME: slot_bytes = 4096 : i64, slots = 2 : i64, space = 4 : i64}
// CHECK: "fisa.ext"() {full = 64 : i64, id = [[CLIPPED:[0-9]+]] : i64, level = 0 : i64, step = 64 : i64, total = 100 : i64}
// CHECK: "fisa.ext"() {full = 32 : i64, id = [[WIDE:[0-9]+]] : i64
// CHECK: "fisa.ext"() {full = 8 : i64, id = [[REST:[0-9]+]] : i64
// CHECK: "fisa.ext"() {full = 64 : i64, id = [[WHOLE:[0-9]+]] : i64, level = 0 : i64, step = 0 : i64, total = 64 : i64}
// CHECK: "fisa.loop"() {trips = [[TRIPS]] : i64}
// CHECK-NEXT: "fisa.load"() {cols = [[WIDE]] : i64, dst = [[ROWS]] : i64, rows = [[CLIPPED]] : i64, src = [[X]] : i64
// CHECK-NEXT: "fisa.v_map"() {cols = [[WIDE]] : i64, dst = [[ROWS]] : i64, {{.*}}rows = [[CLIPPED]] : i64
// CHECK-NEXT: "fisa.store"() {cols = [[WIDE]] : i64, {{.*}}rows = [[CLIPPED]] : i64
// CHECK-NEXT: "fisa.load"() {cols = [[REST]] : i64, {{.*}}rows = [[CLIPPED]] : i64
// CHECK-NEXT: "fisa.load"() {cols = [[WIDE]] : i64, {{.*}}rows = [[WHOLE]] : i64
// CHECK-NEXT: "fisa.endloop"
