// An input of a concat is written where the concat has it, if nothing else uses it; views and arguments are copied, once.  A copy of another
// shape is another routine.
// A result that no kernel makes in place is copied out.
// RUN: focus-opt %s --fuse-concentration --map --tile | filecheck %s

// CHECK: [[TWELVE:%.*]] = arith.constant 12
// CHECK-NEXT: [[EIGHT:%.*]] = arith.constant 8
func.func @main(%x: tensor<8x32xf16> {focus.name = "x"}) -> tensor<2x32xf16> {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<32x32xf16>
  // CHECK: [[PLACE:%.*]] = "focus.buffer"() {kind = "temp", name = "concat"} : () -> memref<20x32xf16
  // CHECK-NEXT: [[MADE:%.*]] = "focus.window"([[PLACE]], [[ZERO:%.*]], [[ZERO]]) {sizes = array<i64: 8, 32>}
  // CHECK-NEXT: call @linear_0({{%.*}}, {{%.*}}, [[MADE]])
  %made = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0>}
      : (tensor<8x32xf16>, tensor<32x32xf16>) -> tensor<8x32xf16> loc("made")
  %part = "focus.slice"(%x) {offsets = array<i64: 2, 0>, sizes = array<i64: 4, 32>} : (tensor<8x32xf16>) -> tensor<4x32xf16>
  // CHECK: [[PART:%.*]] = "focus.window"([[PLACE]], [[EIGHT]], [[ZERO]]) {sizes = array<i64: 4, 32>}
  // CHECK-NEXT: call @copy_0({{%.*}}, [[PART]])
  // CHECK: [[X:%.*]] = "focus.window"([[PLACE]], [[TWELVE]], [[ZERO]]) {sizes = array<i64: 8, 32>}
  // CHECK-NEXT: call @copy_1({{%.*}}, [[X]])
  %all = tensor.concat dim(0) %made, %part, %x : (tensor<8x32xf16>, tensor<4x32xf16>, tensor<8x32xf16>) -> tensor<20x32xf16> loc("joined")
  %end = "focus.slice"(%all) {offsets = array<i64: 18, 0>, sizes = array<i64: 2, 32>} : (tensor<20x32xf16>) -> tensor<2x32xf16>
  // CHECK: kind = "output", name = "logits"
  // CHECK-NEXT: call @copy_2
  // CHECK: func.func private @linear_0(%{{.*}}, %{{.*}}, [[OUT:%.*]]: memref<8x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>)
  // CHECK: "focus.mm"
  // CHECK: "focus.store"({{%.*}}, [[OUT]])
  // CHECK: name = "made"
  // CHECK: func.func private @copy_0
  // CHECK: name = "joined"
  // CHECK: func.func private @copy_1
  // CHECK: func.func private @copy_2
  // CHECK: name = "output"
  return %end : tensor<2x32xf16>
}
