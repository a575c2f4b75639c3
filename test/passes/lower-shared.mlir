// Equal generators and scalars are set up once, also for a later kernel; a ring is set up again for each outermost loop, where it begins at its
// first slot.  Semaphores keep their counts from kernel to kernel: only what differs is set.
// RUN: focus-opt %s --lower-to-fisa | filecheck %s

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @shared() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    // CHECK: "fisa.sem"() {credits = 2 : i64, id = 1 : i64}
    // CHECK-COUNT-2: "fisa.agu"
    // CHECK: "fisa.loop"
    scf.for %i = %c0 to %c4 step %c1 {
      %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 2 : i64} : () -> !rows
      "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<1, 1>], signal = [#focus.sync<2, 1>]} : (!dram, !rows) -> ()
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64, wait = [#focus.sync<2, 1>], signal = [#focus.sync<1, 1>]} : (!rows, !rows) -> ()
    }
    // CHECK: "fisa.endloop"
    // CHECK-NEXT: "fisa.agu"() {{.*}}slots = 2 : i64
    // CHECK-NEXT: "fisa.loop"
    scf.for %i = %c0 to %c4 step %c1 {
      %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 2 : i64} : () -> !rows
      "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<1, 1>], signal = [#focus.sync<2, 1>]} : (!dram, !rows) -> ()
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64, wait = [#focus.sync<2, 1>], signal = [#focus.sync<1, 1>]} : (!rows, !rows) -> ()
    }
  }) {name = "first", credits = [#focus.credit<1, 2>]} : () -> ()
  // CHECK: "fisa.drain"() {{.*}}end = 1 : i64
  // CHECK-NEXT: "fisa.sem"() {credits = 1 : i64, id = 1 : i64}
  // CHECK-NEXT: "fisa.agu"() {{.*}}base = 64 : i64
  // CHECK-NEXT: "fisa.load"
  // CHECK-NEXT: "fisa.v_map"
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 64 : i64, slots = 1 : i64} : () -> !rows
    "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<1, 1>], signal = [#focus.sync<2, 1>]} : (!dram, !rows) -> ()
    "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64, wait = [#focus.sync<2, 1>], signal = [#focus.sync<1, 1>]} : (!rows, !rows) -> ()
  }) {name = "second", credits = [#focus.credit<1, 1>]} : () -> ()
  // CHECK-COUNT-2: "fisa.sync"
  // CHECK: "fisa.drain"() {credits = 2 : i64, end = 1 : i64, id = 63 : i64}
  // CHECK-NEXT: "fisa.halt"
  return
}
