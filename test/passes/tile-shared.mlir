// Ops of one form become calls of one routine: other operands, other names, other DRAM buffers around them do not matter.  Another activation, an
// operand used twice, another place in its buffer's rows (a window: another pitch or type) or another number of rows make another routine.
// RUN: focus-opt %s --fuse-concentration --map --tile | filecheck %s

!x = tensor<64x32xf16>
!w = tensor<32x32xf16>
func.func @main(%x: !x {focus.name = "x"}) -> !x {
  %w0 = "focus.param"() {name = "w0", row_order = "as_is"} : () -> !w
  %w1 = "focus.param"() {name = "w1", row_order = "as_is"} : () -> !w
  %w2 = "focus.param"() {name = "w2", row_order = "as_is"} : () -> !w
  // CHECK: [[X:%.*]] = "focus.buffer"() {kind = "input"
  // CHECK: [[W0:%.*]] = "focus.buffer"() {{.*}}name = "w0"
  // CHECK: [[W1:%.*]] = "focus.buffer"() {{.*}}name = "w1"
  // CHECK: [[W2:%.*]] = "focus.buffer"() {{.*}}name = "w2"
  // CHECK: [[Y0:%.*]] = "focus.buffer"() {{.*}}name = "y"
  // CHECK-NEXT: call @linear_0([[X]], [[W0]], [[Y0]])
  %0 = "focus.linear"(%x, %w0) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!x, !w) -> !x loc("layers.0.fc")
  // CHECK-NEXT: [[Y1:%.*]] = "focus.buffer"() {{.*}}name = "y"
  // CHECK-NEXT: call @linear_0([[Y0]], [[W1]], [[Y1]])
  %1 = "focus.linear"(%0, %w1) {activation = "relu", focus.layer = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>,
      resultSegmentSizes = array<i32: 1, 0>}
      : (!x, !w) -> !x loc("layers.1.fc")
  // CHECK-NEXT: [[Y2:%.*]] = "focus.buffer"() {{.*}}name = "y"
  // CHECK-NEXT: call @linear_1([[Y1]], [[W2]], [[Y2]])
  %2 = "focus.linear"(%1, %w2) {activation = "silu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!x, !w) -> !x loc("layers.2.fc")
  // CHECK: call @elementwise_0([[Y2]], [[Y1]],
  %3 = "focus.add"(%2, %1) : (!x, !x) -> !x loc("layers.2")
  // CHECK: call @elementwise_0({{%.*}}, [[Y0]],
  %4 = "focus.add"(%3, %0) : (!x, !x) -> !x loc("layers.3")
  // CHECK: [[SUM:%.*]] = "focus.buffer"() {{.*}}name = "combined"
  // CHECK-NEXT: call @elementwise_1([[FOUR:%.*]], [[SUM]])
  %5 = "focus.add"(%4, %4) : (!x, !x) -> !x loc("layers.4")
  // CHECK: [[TOP:%.*]] = "focus.window"([[SUM]]
  // CHECK: [[Y6:%.*]] = "focus.buffer"() {{.*}}name = "y"
  // CHECK-NEXT: call @linear_2([[TOP]], [[W2]], [[Y6]])
  %top = "focus.slice"(%5) {offsets = array<i64: 0, 0>, sizes = array<i64: 32, 32>} : (!x) -> !w
  %6 = "focus.linear"(%top, %w2) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!w, !w) -> !w loc("layers.5.fc")
  // CHECK: call @linear_3([[Y6]], [[W2]],
  %7 = "focus.linear"(%6, %w2) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!w, !w) -> !w loc("layers.6.fc")
  // CHECK: call @linear_3({{%.*}}, [[W2]],
  %8 = "focus.linear"(%7, %w2) {activation = "relu", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (!w, !w) -> !w loc("layers.7.fc")
  // CHECK: call @copy_0
  // CHECK: call @copy_0
  %all = tensor.concat dim(0) %8, %8 : (!w, !w) -> !x
  return %all : !x
}
// The first user gives kernels their name.
// CHECK: func.func private @linear_0({{%.*}}: memref<64x32xf16, #focus.space<"dram">>, {{%.*}}: memref<32x32xf16, {{.*}}, {{%.*}}: memref<64x32xf16
// CHECK: name = "layers.0.fc"
// CHECK: func.func private @linear_1
// CHECK: func.func private @elementwise_0
// CHECK: func.func private @elementwise_1
// CHECK: func.func private @linear_2({{%.*}}: memref<32x32xf16, strided<[32, 1], offset: ?>
// CHECK: func.func private @linear_3
// CHECK: func.func private @copy_0
// CHECK-NOT: func.func
