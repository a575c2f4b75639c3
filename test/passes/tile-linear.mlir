// A linear layer becomes one kernel: loops over m-tiles, n-tiles and k-slices; bias and activation on the accumulators, the last step into fp16 in
// place.  Arguments, parameters and the result become DRAM buffers.
// RUN: focus-opt %s --fuse-concentration --map --tile | filecheck %s

// CHECK: func.func @main() attributes {focus.sites = []} {
func.func @main(%x: tensor<3000x96xf16> {focus.name = "pixels"}) -> tensor<3000x200xf16> {
  // CHECK: kind = "input", name = "pixels", shape = array<i64: 3000, 96>
  // CHECK: kind = "param", name = "w", row_order = "as_is", shape = array<i64: 200, 96>{{.*}} -> memref<200x96xf16
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<200x96xf16>
  // CHECK: kind = "param", name = "b", {{.*}} -> memref<1x200xf16
  %b = "focus.param"() {name = "b", row_order = "as_is"} : () -> tensor<200xf16>
  // CHECK: kind = "output", name = "logits"{{.*}} -> memref<3000x200xf16
  // CHECK: "focus.kernel"
  // CHECK: [[C96:%.*]] = arith.constant 96
  // CHECK-NEXT: [[C32:%.*]] = arith.constant 32
  // CHECK: [[COLUMNS:%.*]] = arith.constant 7 : index
  // CHECK: [[ROWS:%.*]] = arith.constant 3000 : index
  // CHECK-NEXT: scf.for {{%.*}} = {{%.*}} to [[ROWS]] step
  // CHECK: scf.for {{%.*}} = {{%.*}} to [[COLUMNS]] step
  // CHECK: scf.for {{%.*}} = {{%.*}} to [[C96]] step [[C32]] {
  // CHECK: "focus.load"({{.*}}stream = "weight"
  // CHECK: "focus.mm"({{.*}}init = "first"
  // CHECK: "focus.recast"
  // CHECK: "focus.v_zip"({{.*}}bcast = "row", op = "add"
  // CHECK: "focus.v_map"({{.*}}op = "gelu_tanh"
  // CHECK: "focus.store"({{.*}}stream = "result"
  // CHECK: name = "encoder.fc1"
  %y = "focus.linear"(%x, %w, %b) {activation = "gelu_tanh", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>, resultSegmentSizes = array<i32: 1,
      0>}
      : (tensor<3000x96xf16>, tensor<200x96xf16>, tensor<200xf16>) -> tensor<3000x200xf16> loc("encoder.fc1")
  // CHECK: return
  // CHECK-NOT: tensor
  return %y : tensor<3000x200xf16>
}
