// A call is one step for the lives of what it is given, windows included; its routine's kernels have their own buffers placed, once. Lives are
// noted in kernels: the second routine has two, the third none.
// RUN: focus-opt %s --allocate | filecheck %s

!m = memref<4x32xf16, #focus.space<"dram">>
!row = memref<1x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!t = memref<4x32xf16, #focus.space<"output">>
!c = memref<1x8xi16, #focus.space<"counts">>
// CHECK: func.func @main() attributes {focus.dram_bytes = 1024 : i64}
func.func @main() {
  %c0 = arith.constant 0 : index
  // CHECK: address = 0 : i64, kind = "input", name = "x"
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !m
  // CHECK: address = 512 : i64, kind = "temp", lives = array<i64: 0, 2>, name = "a"
  %a = "focus.buffer"() {name = "a", kind = "temp"} : () -> !m
  // CHECK: address = 768 : i64, kind = "temp", lives = array<i64: 1, 2>, name = "b"
  %b = "focus.buffer"() {name = "b", kind = "temp"} : () -> !m
  // `a` is alive in the third call, as its row; so `c` cannot have its place, but that of `b`.
  // CHECK: address = 768 : i64, kind = "temp", lives = array<i64: 3, 4>, name = "c"
  %c = "focus.buffer"() {name = "c", kind = "temp"} : () -> !m
  // CHECK: address = 0 : i64, kind = "tile", lives = array<i64: 1, 2>, name = "counts.0"
  %n0 = "focus.buffer"() {name = "counts.0", kind = "tile"} : () -> !c
  // CHECK: address = 0 : i64, kind = "tile", lives = array<i64: 3, 4>, name = "counts.1"
  %n1 = "focus.buffer"() {name = "counts.1", kind = "tile"} : () -> !c
  // An output has its place for good; nothing is noted of what no kernel uses.
  // CHECK: address = 256 : i64, kind = "output", name = "y"
  %y = "focus.buffer"() {name = "y", kind = "output"} : () -> !m
  %row = "focus.window"(%a, %c0, %c0) {sizes = array<i64: 1, 32>} : (!m, index, index) -> !row
  func.call @copy(%x, %a) : (!m, !m) -> ()
  func.call @counted(%a, %b, %n0) : (!m, !m, !c) -> ()
  func.call @row(%row, %c) : (!row, !m) -> ()
  func.call @counted(%c, %y, %n1) : (!m, !m, !c) -> ()
  // CHECK: address = 512 : i64, kind = "temp", name = "d"
  %d = "focus.buffer"() {name = "d", kind = "temp"} : () -> !m
  %top = "focus.window"(%x, %c0, %c0) {sizes = array<i64: 1, 32>} : (!m, index, index) -> !row
  func.call @row(%top, %d) : (!row, !m) -> ()
  return
}
// CHECK: func.func private @copy({{[^{]*}}) {
func.func private @copy(%from: !m, %to: !m) {
  "focus.kernel"() ({
    // CHECK: address = 0 : i64, kind = "tile", name = "r"
    %r = "focus.buffer"() {name = "r", kind = "tile", slots = 2 : i64} : () -> !t
    // CHECK: address = 512 : i64, kind = "tile", name = "s"
    %s = "focus.buffer"() {name = "s", kind = "tile", slots = 1 : i64} : () -> !t
    "focus.load"(%from, %r) {stream = "activation"} : (!m, !t) -> ()
    "focus.store"(%r, %to) {stream = "result"} : (!t, !m) -> ()
  }) {name = "copy"} : () -> ()
  return
}
// CHECK-NOT: focus.dram_bytes
func.func private @counted(%from: !m, %to: !m, %counts: !c) {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
  }) {name = "counted"} : () -> ()
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
  }) {name = "more"} : () -> ()
  return
}
func.func private @row(%from: !row, %to: !m) {
  return
}
