// A buffer that outlives a loop in which two units take turns: one slot; each waits for the other in every iteration, and the first has one credit.
// An accumulator whose last touch lies in an inner loop is handed on after that loop's last iteration (depth 1 of nesting 2).
// RUN: focus-opt %s --schedule | filecheck %s

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
!sums = memref<64x32xf32, #focus.space<"output">>
!half = memref<64x32xf16, strided<[64, 1], offset: ?>, #focus.space<"output">>
func.func @turns() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  %y = "focus.buffer"() {name = "y", kind = "output"} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %weights = "focus.buffer"() {name = "weights", kind = "tile"} : () -> memref<32x32xf16, #focus.space<"wgt">>
    scf.for %i = %c0 to %c4 step %c1 {
      // CHECK: name = "sums", slots = 4 : i64
      %sums = "focus.buffer"() {name = "sums", kind = "tile"} : () -> !sums
      // CHECK: name = "rows", slots = 1 : i64
      %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
      scf.for %j = %c0 to %c4 step %c1 {
        // CHECK: "focus.load"({{.*}}signal = {{\[}}#focus.sync<[[ARRAY:[0-9]+]] : i64, 2 : i64>]
        // CHECK-SAME: wait = {{\[}}#focus.sync<[[LOAD:[0-9]+]] : i64, 2 : i64>
        "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
        // CHECK: "focus.mm"({{.*}}signal = {{\[}}#focus.sync<[[SFU:[0-9]+]] : i64, 1 : i64>, #focus.sync<[[LOAD]] : i64, 2 : i64>]
        // CHECK-SAME: wait = {{\[}}#focus.sync<[[FREE:[0-9]+]] : i64, 1 : i64>, #focus.sync<[[ARRAY]] : i64, 2 : i64>
        "focus.mm"(%rows, %weights, %sums) {init = "first"} : (!rows, memref<32x32xf16, #focus.space<"wgt">>, !sums) -> ()
      }
      %half = "focus.recast"(%sums) : (!sums) -> !half
      // CHECK: "focus.v_map"({{.*}}signal = {{\[}}#focus.sync<[[STORE:[0-9]+]] : i64, 1 : i64>]
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[SFU]] : i64, 1 : i64>
      "focus.v_map"(%sums, %half) {op = "relu", scalar = 1.0 : f64} : (!sums, !half) -> ()
      // CHECK: "focus.store"({{.*}}signal = {{\[}}#focus.sync<[[FREE]] : i64, 1 : i64>]
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[STORE]] : i64, 1 : i64>
      "focus.store"(%half, %y) {stream = "result"} : (!half, !dram) -> ()
    }
    // CHECK: credits = {{\[}}#focus.credit<[[FREE]] : i64, 4 : i64>, #focus.credit<[[LOAD]] : i64, 1 : i64>
  }) {name = "turns"} : () -> ()
  return
}
