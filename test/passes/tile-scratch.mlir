// A routine that needs DRAM for itself has it as one more argument, and every call brings a buffer: here SwiGLU's gate, where the two products are
// made one after the other.
// RUN: echo "[\"*\"]" > %t.toml && echo "form = \"halves\"" >> %t.toml
// RUN: focus-opt %s --machine=dense-published --fuse-concentration --map=overrides=%t.toml --tile | filecheck %s

!x = tensor<4096x512xf16>
!w = tensor<512x512xf16>
func.func @main(%x: !x {focus.name = "x"}) -> !x {
  %g = "focus.param"() {name = "gate", row_order = "as_is"} : () -> !w
  %u = "focus.param"() {name = "up", row_order = "as_is"} : () -> !w
  // CHECK: [[X:%.*]] = "focus.buffer"() {kind = "input"
  // CHECK: [[Y:%.*]] = "focus.buffer"() {kind = "temp", name = "y"}
  // CHECK-NEXT: [[A:%.*]] = "focus.buffer"() {kind = "temp", name = "gate"} : () -> memref<4096x512xf16
  // CHECK-NEXT: call @linear_0([[X]], {{%.*}}, {{%.*}}, [[Y]], [[A]])
  %0 = "focus.linear"(%x, %g, %u) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!x, !w, !w) -> !x loc("layers.0")
  // CHECK: [[Z:%.*]] = "focus.buffer"() {kind = "output"
  // CHECK-NEXT: [[B:%.*]] = "focus.buffer"() {kind = "temp", name = "gate"}
  // CHECK-NEXT: call @linear_0([[Y]], {{%.*}}, {{%.*}}, [[Z]], [[B]])
  %1 = "focus.linear"(%0, %g, %u) {activation = "swiglu", operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!x, !w, !w) -> !x loc("layers.1")
  return %1 : !x
}
// CHECK: func.func private @linear_0({{.*}}, [[GATE:%[a-z0-9._]*]]: memref<4096x512xf16, #focus.space<"dram">>) {
// CHECK: "focus.kernel"
// CHECK: op = "silu"
// CHECK: "focus.store"
// CHECK: "focus.kernel"
// CHECK: "focus.window"([[GATE]],
// CHECK: op = "mul"
