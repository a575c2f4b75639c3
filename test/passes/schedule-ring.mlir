// A pipeline of four units in a loop: every buffer gets slots as the memories allow, and every hand-over a pair of semaphores.  The last owner
// hands a slot back to the first, which may begin as many lives as there are slots: the semaphore's credits.
// RUN: focus-opt %s --schedule | filecheck %s

func.func @pipeline() {
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> memref<256x32xf16, #focus.space<"dram">>
  %w = "focus.buffer"() {name = "w", kind = "param"} : () -> memref<32x32xf16, #focus.space<"dram">>
  %y = "focus.buffer"() {name = "y", kind = "output"} : () -> memref<256x32xf16, #focus.space<"dram">>
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c64 = arith.constant 64 : index
    %c256 = arith.constant 256 : index
    // The weights live as long as the kernel: one slot, and the array waits for them in its first iteration only (depth 0).
    // CHECK: "focus.buffer"() {kind = "tile", name = "weights", slots = 1 : i64}
    %weights = "focus.buffer"() {name = "weights", kind = "tile"} : () -> memref<32x32xf16, #focus.space<"wgt">>
    // CHECK: "focus.load"({{.*}}signal = {{\[}}#focus.sync<[[W:[0-9]+]] : i64, 0 : i64>
    "focus.load"(%w, %weights) {stream = "weight", operandSegmentSizes = array<i32: 1, 1, 0>}
        : (memref<32x32xf16, #focus.space<"dram">>, memref<32x32xf16, #focus.space<"wgt">>) -> ()
    scf.for %m = %c0 to %c256 step %c64 {
      // CHECK: name = "rows", slots = 4 : i64
      %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> memref<64x32xf16, #focus.space<"input">>
      // CHECK: name = "sums", slots = 4 : i64
      %sums = "focus.buffer"() {name = "sums", kind = "tile"} : () -> memref<64x32xf32, #focus.space<"output">>
      %from = "focus.window"(%x, %m, %c0) {sizes = array<i64: 64, 32>}
          : (memref<256x32xf16, #focus.space<"dram">>, index, index) -> memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
      // CHECK: "focus.load"({{.*}}signal = {{\[}}#focus.sync<[[R:[0-9]+]] : i64, 1 : i64>
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[FREE:[0-9]+]] : i64, 1 : i64>
      "focus.load"(%from, %rows) {stream = "activation", operandSegmentSizes = array<i32: 1, 1, 0>}
          : (memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>, memref<64x32xf16, #focus.space<"input">>) -> ()
      // CHECK: "focus.mm"({{.*}}signal = {{\[}}#focus.sync<[[FREE]] : i64, 1 : i64>, #focus.sync<[[S:[0-9]+]] : i64, 1 : i64>
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[W]] : i64, 0 : i64>, #focus.sync<[[R]] : i64, 1 : i64>, #focus.sync<[[SFREE:[0-9]+]] : i64, 1 : i64>
      "focus.mm"(%rows, %weights, %sums) {init = "first", operandSegmentSizes = array<i32: 1, 1, 1, 0>}
          : (memref<64x32xf16, #focus.space<"input">>, memref<32x32xf16, #focus.space<"wgt">>, memref<64x32xf32, #focus.space<"output">>) -> ()
      %half = "focus.recast"(%sums) : (memref<64x32xf32, #focus.space<"output">>)
          -> memref<64x32xf16, strided<[64, 1], offset: ?>, #focus.space<"output">>
      // CHECK: "focus.v_map"({{.*}}signal = {{\[}}#focus.sync<[[H:[0-9]+]] : i64, 1 : i64>]
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[S]] : i64, 1 : i64>
      "focus.v_map"(%sums, %half) {op = "relu", scalar = 1.0 : f64}
          : (memref<64x32xf32, #focus.space<"output">>, memref<64x32xf16, strided<[64, 1], offset: ?>, #focus.space<"output">>) -> ()
      %to = "focus.window"(%y, %m, %c0) {sizes = array<i64: 64, 32>}
          : (memref<256x32xf16, #focus.space<"dram">>, index, index) -> memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
      // CHECK: "focus.store"({{.*}}signal = {{\[}}#focus.sync<[[SFREE]] : i64, 1 : i64>
      // CHECK-SAME: wait = {{\[}}#focus.sync<[[H]] : i64, 1 : i64>
      "focus.store"(%half, %to) {stream = "result", operandSegmentSizes = array<i32: 1, 1, 0>}
          : (memref<64x32xf16, strided<[64, 1], offset: ?>, #focus.space<"output">>, memref<64x32xf16, strided<[32, 1], offset: ?>,
              #focus.space<"dram">>) -> ()
    }
    // Two loops' worth of credits: slots of `rows` and of `sums`.
    // CHECK: credits = {{\[}}#focus.credit<[[FREE]] : i64, 4 : i64>, #focus.credit<[[SFREE]] : i64, 4 : i64>
  }) {name = "pipeline"} : () -> ()
  return
}
