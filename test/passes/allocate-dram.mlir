// DRAM: parameters (a name has one place), inputs, outputs; then intermediates, each in the lowest room free from its first kernel to its last.
// Count entries live across kernels too, in their own memory.
// RUN: focus-opt %s --allocate | filecheck %s

!m = memref<4x32xf16, #focus.space<"dram">>
!t = memref<4x32xf16, #focus.space<"output">>
// CHECK: focus.dram_bytes = 1344 : i64
func.func @places() {
  // CHECK: address = 320 : i64, kind = "input"
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !m
  // CHECK: address = 0 : i64, kind = "param", name = "w"
  %w = "focus.buffer"() {name = "w", kind = "param"} : () -> !m
  // CHECK: address = 0 : i64, kind = "param", name = "w"
  %again = "focus.buffer"() {name = "w", kind = "param"} : () -> !m
  // CHECK: address = 256 : i64, kind = "param", name = "bias"
  %bias = "focus.buffer"() {name = "bias", kind = "param"} : () -> memref<1x7xf16, #focus.space<"dram">>
  // CHECK: address = 832 : i64, kind = "temp", lives = array<i64: 0, 1>, name = "a"
  %a = "focus.buffer"() {name = "a", kind = "temp"} : () -> !m
  // CHECK: address = 1088 : i64, kind = "temp", lives = array<i64: 1, 2>, name = "b"
  %b = "focus.buffer"() {name = "b", kind = "temp"} : () -> !m
  // `a` is dead when `c` begins.
  // CHECK: address = 832 : i64, kind = "temp", lives = array<i64: 2, 2>, name = "c"
  %c = "focus.buffer"() {name = "c", kind = "temp"} : () -> !m
  // CHECK: address = 0 : i64, kind = "temp", name = "unused"
  %unused = "focus.buffer"() {name = "unused", kind = "temp"} : () -> !m
  // CHECK: address = 576 : i64, kind = "output"
  %y = "focus.buffer"() {name = "y", kind = "output"} : () -> !m
  "focus.kernel"() ({
    %r = "focus.buffer"() {name = "r", kind = "tile"} : () -> !t
    "focus.load"(%x, %r) {stream = "activation"} : (!m, !t) -> ()
    "focus.store"(%r, %a) {stream = "result"} : (!t, !m) -> ()
  }) {name = "x_to_a"} : () -> ()
  "focus.kernel"() ({
    %r = "focus.buffer"() {name = "r", kind = "tile"} : () -> !t
    "focus.load"(%a, %r) {stream = "activation"} : (!m, !t) -> ()
    "focus.store"(%r, %b) {stream = "result"} : (!t, !m) -> ()
  }) {name = "a_to_b"} : () -> ()
  "focus.kernel"() ({
    %r = "focus.buffer"() {name = "r", kind = "tile"} : () -> !t
    "focus.load"(%b, %r) {stream = "activation"} : (!m, !t) -> ()
    "focus.store"(%r, %c) {stream = "result"} : (!t, !m) -> ()
    "focus.store"(%r, %y) {stream = "result"} : (!t, !m) -> ()
  }) {name = "b_to_c_and_y"} : () -> ()
  return
}
