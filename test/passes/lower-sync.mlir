// An instruction has three waits and three signals; what is more goes to sync instructions of its unit, before and after.  "first" counts from the
// loops around the accumulator: depth 1 of nesting 2.
// RUN: focus-opt %s --lower-to-fisa | filecheck %s

!rows = memref<64x32xf16, #focus.space<"input">>
!w = memref<32x32xf16, #focus.space<"wgt">>
!sums = memref<64x32xf32, #focus.space<"output">>
func.func @sync() {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64} : () -> !rows
    %w = "focus.buffer"() {name = "w", kind = "tile", address = 0 : i64} : () -> !w
    scf.for %i = %c0 to %c4 step %c1 {
      %sums = "focus.buffer"() {name = "sums", kind = "tile", address = 0 : i64} : () -> !sums
      scf.for %j = %c0 to %c4 step %c1 {
        "focus.mm"(%rows, %w, %sums) {init = "first", wait = [#focus.sync<1, 1>, #focus.sync<2, 1>, #focus.sync<3, 1>, #focus.sync<4, 2>],
            signal = [#focus.sync<5, 1>, #focus.sync<6, 1>, #focus.sync<7, 1>, #focus.sync<8, 2>]}
            : (!rows, !w, !sums) -> ()
      }
    }
  }) {name = "sync", credits = [#focus.credit<1, 4>, #focus.credit<2, 4>, #focus.credit<3, 4>, #focus.credit<4, 16>]} : () -> ()
  return
}
// CHECK: "fisa.sync"() {unit = 3 : i64, wait0 = 1 : i64, wait0_depth = 1 : i64, wait1 = 2 : i64, wait1_depth = 1 : i64, wait2 = 3 : i64,
// CHECK-SAME: wait2_depth = 1 : i64}
// CHECK-NEXT: "fisa.mm"() {{.*}}init = 1 : i64, {{.*}}signal0 = 5 : i64, {{.*}}signal2 = 7 : i64, {{.*}}wait0 = 4 : i64, wait0_depth = 2 : i64
// CHECK-NEXT: "fisa.sync"() {signal0 = 8 : i64, signal0_depth = 2 : i64, unit = 3 : i64}
