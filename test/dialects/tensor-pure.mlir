// Tensor-level ops have no side effects: unused ones go, equal ones merge.
// RUN: focus-opt %s --cse --canonicalize | filecheck %s

// CHECK-LABEL: func.func @f
// CHECK-NEXT: %[[W:.*]] = "focus.param"() {name = "w"
// CHECK-NEXT: %[[A:.*]] = "focus.add"(%[[W]], %[[W]])
// CHECK-NEXT: return %[[A]]
func.func @f() -> tensor<4x8xf16> {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4x8xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4x8xf16>
  %2 = "focus.activation"(%0) {kind = "relu"} : (tensor<4x8xf16>) -> tensor<4x8xf16>
  %3 = "focus.add"(%0, %1) : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
  return %3 : tensor<4x8xf16>
}
