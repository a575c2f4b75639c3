// A routine becomes a fisa.routine, lowered once: it sets up all it uses, and generators on its arguments count from the addresses that calls give.
// A program calls it with these addresses, where a window begins included; it configures the concentrator itself, where that changes.  A kernel in
// the program itself finds nothing set up after a call.
// RUN: focus-opt %s --lower-to-fisa --mlir-print-debuginfo | filecheck %s

!dram = memref<64x32xf16, #focus.space<"dram">>
!part = memref<32x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<32x32xf16, #focus.space<"output">>
!counts = memref<1x2xi16, #focus.space<"counts">>
// CHECK: func.func @main() attributes {focus.tokens
func.func @main() attributes {focus.tokens = #focus.tokens<64:i64, 64:i64, array<i64: 0, 64>, array<i64: 0, 1, 8, 8, 64, 8, 1>>} {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %x = "focus.buffer"() {name = "x", kind = "input", address = 128 : i64} : () -> !dram
  %y = "focus.buffer"() {name = "y", kind = "output", address = 8192 : i64} : () -> !dram
  %c = "focus.buffer"() {name = "counts.0", kind = "tile", address = 64 : i64} : () -> !counts
  %x1 = "focus.window"(%x, %c32, %c0) {sizes = array<i64: 32, 32>} : (!dram, index, index) -> !part
  %y1 = "focus.window"(%y, %c32, %c0) {sizes = array<i64: 32, 32>} : (!dram, index, index) -> !part
  // CHECK: "fisa.program"() ({
  // CHECK-NEXT: "fisa.call"() {addresses = array<i64: 2176, 10240>, callee = @copy} : () -> () loc([[A:#.*]])
  func.call @copy(%x1, %y1) : (!part, !part) -> () loc("a")
  // CHECK-NEXT: "fisa.sic_config"() {{.*}} loc([[B:#.*]])
  // CHECK-NEXT: "fisa.sic_grid"() {{.*}} loc([[B]])
  // CHECK-NEXT: "fisa.call"() {addresses = array<i64: 2176, 64>, callee = @merge, site = 5 : i64} : () -> () loc([[B]])
  func.call @merge(%x1, %c) {focus.site = 5 : i64} : (!part, !counts) -> () loc("b")
  // CHECK-NEXT: "fisa.call"() {addresses = array<i64: 10240, 64>, callee = @merge, site = 6 : i64}
  func.call @merge(%y1, %c) {focus.site = 6 : i64} : (!part, !counts) -> () loc("c")
  // CHECK-NEXT: "fisa.sem"() {credits = 0 : i64, id = 1 : i64} : () -> () loc([[D:#.*]])
  // CHECK-COUNT-2: "fisa.agu"
  // CHECK: "fisa.load"
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 1 : i64} : () -> !rows
    "focus.load"(%x1, %rows) {stream = "activation", signal = [#focus.sync<1, 0>]} : (!part, !rows) -> ()
    "focus.store"(%rows, %y1) {stream = "result", wait = [#focus.sync<1, 0>]} : (!rows, !part) -> ()
  }) {name = "d", credits = []} : () -> ()
  // CHECK: "fisa.halt"
  return
}
// CHECK: "fisa.routine"() ({
// CHECK-NEXT: "fisa.sem"() {credits = 0 : i64, id = 1 : i64}
// CHECK-NEXT: "fisa.agu"() {base = 0 : i64, {{.*}}fisa.arg = 0 : i64, id = [[SRC:.*]] : i64, pitch = 64 : i64
// CHECK-NEXT: "fisa.agu"() {base = 0 : i64,
// CHECK-NOT: fisa.arg
// CHECK: "fisa.load"() {{.*}}src = [[SRC]] : i64
// CHECK: "fisa.agu"() {base = 1024 : i64, {{.*}}fisa.arg = 1 : i64, id = [[DST:.*]] : i64, pitch = 64 : i64
// CHECK: "fisa.store"() {{.*}}dst = [[DST]] : i64
// CHECK: "fisa.drain"
// CHECK-NEXT: }) {arguments = 2 : i64, sym_name = "copy"}
func.func private @copy(%from: !part, %to: !part) {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 1 : i64} : () -> !rows
    "focus.load"(%from, %rows) {stream = "activation", signal = [#focus.sync<1, 0>]} : (!part, !rows) -> ()
    %half = "focus.window"(%rows, %c16, %c0) {sizes = array<i64: 16, 32>} : (!rows, index, index)
        -> memref<16x32xf16, strided<[32, 1], offset: ?>, #focus.space<"output">>
    %there = "focus.window"(%to, %c16, %c0) {sizes = array<i64: 16, 32>} : (!part, index, index)
        -> memref<16x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
    "focus.store"(%half, %there) {stream = "result", wait = [#focus.sync<1, 0>]}
        : (memref<16x32xf16, strided<[32, 1], offset: ?>, #focus.space<"output">>, memref<16x32xf16, strided<[32, 1], offset: ?>,
            #focus.space<"dram">>) -> ()
  }) {name = "copy", credits = []} : () -> ()
  return
}
// CHECK-NEXT: {{^}}  "fisa.routine"() ({
// CHECK-NOT: fisa.sic_config
// CHECK: "fisa.agu"() {base = 2 : i64, {{.*}}fisa.arg = 1 : i64
// CHECK: "fisa.sic_gather"() {{.*}}site = 0 : i64
// CHECK: }) {arguments = 2 : i64, sym_name = "merge"}
// CHECK-NOT: func.func
func.func private @merge(%from: !part, %counts: !counts) {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64, slots = 1 : i64} : () -> !rows
    %table = "focus.buffer"() {name = "unique", kind = "tile", address = 0 : i64, slots = 1 : i64} : () -> memref<32x32xf16, #focus.space<"table">>
    %count = "focus.window"(%counts, %c0, %c1) {sizes = array<i64: 1, 1>} : (!counts, index, index)
        -> memref<1x1xi16, strided<[2, 1], offset: ?>, #focus.space<"counts">>
    "focus.load"(%from, %rows) {stream = "activation", signal = [#focus.sync<1, 0>]} : (!part, !rows) -> ()
    "focus.sic_gather"(%rows, %table, %count) {identity = 32 : i64, site = 0 : i64, wait = [#focus.sync<1, 0>], operandSegmentSizes = array<i32: 1, 1,
        1, 0, 0>}
        : (!rows, memref<32x32xf16, #focus.space<"table">>, memref<1x1xi16, strided<[2, 1], offset: ?>, #focus.space<"counts">>) -> ()
  }) {name = "merge", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>, credits = []} : () -> ()
  return
}
// CHECK-DAG: [[A]] = loc("a")
// CHECK-DAG: [[B]] = loc("b")
// CHECK-DAG: [[D]] = loc("d")
