// Upstream passes keep instructions that write, and merge equal windows.
// RUN: focus-opt %s --cse --canonicalize | filecheck %s

!d = memref<64x32xf16, #focus.space<"dram">>
!w = memref<32x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!t = memref<32x32xf16, #focus.space<"input">>
func.func @kernel(%d: !d, %t: !t) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %a = "focus.window"(%d, %c0, %c0) {sizes = array<i64: 32, 32>} : (!d, index, index) -> !w
  %b = "focus.window"(%d, %c0, %c0) {sizes = array<i64: 32, 32>} : (!d, index, index) -> !w
  %unused = "focus.window"(%d, %c32, %c0) {sizes = array<i64: 32, 32>} : (!d, index, index) -> !w
  "focus.load"(%a, %t) {stream = "activation"} : (!w, !t) -> ()
  "focus.v_map"(%t, %t) {op = "relu", scalar = 1.0 : f64} : (!t, !t) -> ()
  "focus.v_map"(%t, %t) {op = "relu", scalar = 1.0 : f64} : (!t, !t) -> ()
  "focus.store"(%t, %b) {stream = "result"} : (!t, !w) -> ()
  return
}
// CHECK:      %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[W:.*]] = "focus.window"(%{{.*}}, %[[C0]], %[[C0]])
// CHECK-NEXT: "focus.load"(%[[W]], %[[T:[^)]*]])
// CHECK-NEXT: "focus.v_map"(%[[T]], %[[T]])
// CHECK-NEXT: "focus.v_map"(%[[T]], %[[T]])
// CHECK-NEXT: "focus.store"(%[[T]], %[[W]])
// CHECK-NEXT: return
