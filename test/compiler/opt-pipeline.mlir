// Pipelines mix nesting, upstream passes and ours; passes as flags run in the order given.
// RUN: focus-opt %s --pass-pipeline='builtin.module(func.func(cse,canonicalize),symbol-dce)' | filecheck %s
// RUN: focus-opt %s --pass-pipeline='func.func(cse), canonicalize{top-down=false max-iterations=2}' | filecheck %s
// RUN: focus-opt %s --pass-pipeline='builtin.module()' | filecheck %s --check-prefix SAME
// RUN: focus-opt %s --pass-pipeline='' | filecheck %s --check-prefix SAME
// RUN: focus-opt %s --cse --canonicalize | filecheck %s
// RUN: focus-opt %s --canonicalize="top-down=false" --cse | filecheck %s
// RUN: focus-opt %s --pass-pipeline='fuse,func.func(fuse),builtin.module(fuse)' 2>&1 | filecheck %s --check-prefix NEST

// CHECK:      "focus.param"
// CHECK-NOT:  "focus.param"
// SAME-COUNT-2: "focus.param"
// NEST: module
func.func @f() -> (tensor<4xf16>, tensor<4xf16>) {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  return %0, %1 : tensor<4xf16>, tensor<4xf16>
}
