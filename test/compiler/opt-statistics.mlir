// --mlir-pass-statistics: how many ops each pass found, left, added and removed, on standard error.
// RUN: focus-opt %s --pass-pipeline="func.func(cse),symbol-dce" --mlir-pass-statistics -o %t 2>&1 | filecheck %s
// CHECK:      ... Pass statistics report ...
// CHECK:      'builtin.module' Pipeline
// CHECK-NEXT:   'func.func' Pipeline
// CHECK-NEXT:     cse
// CHECK-NEXT:       (S) 7 ops-before
// CHECK-NEXT:       (S) 6 ops-after
// CHECK-NEXT:       (S) 1 focus.param-removed
// CHECK-NEXT:   symbol-dce
// CHECK-NEXT:     (S) 6 ops-before
// CHECK-NEXT:     (S) 4 ops-after
// CHECK-NEXT:     (S) 1 func.func-removed
// CHECK-NEXT:     (S) 1 func.return-removed
func.func @f() -> (tensor<4xf16>, tensor<4xf16>) {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  return %0, %1 : tensor<4xf16>, tensor<4xf16>
}
func.func private @g() {
  return
}
