// --dump-ir and --mlir-print-ir-tree-dir write a file a pass; each parses and verifies alone and keeps module paths.
// RUN: rm -rf %t && focus-opt %s --cse --canonicalize --dump-ir %t/dump --mlir-print-ir-tree-dir %t/tree -o %t.out
// RUN: ls %t/dump | filecheck %s --check-prefix DUMP
// DUMP:      00-input.mlir
// DUMP-NEXT: 01-cse.mlir
// DUMP-NEXT: 02-canonicalize.mlir
// RUN: ls %t/tree/builtin_module_no-symbol-name | filecheck %s --check-prefix TREE
// TREE:      0_cse.mlir
// TREE-NEXT: 1_canonicalize.mlir
// RUN: focus-opt %t/dump/01-cse.mlir --mlir-print-debuginfo | filecheck %s
// RUN: focus-opt %t/tree/builtin_module_no-symbol-name/0_cse.mlir | filecheck %s --check-prefix NAME
// CHECK: loc("layers.0.w")
// NAME: %{{.*}} = "focus.param"
func.func @f() -> tensor<4xf16> {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16> loc("layers.0.w")
  return %0 : tensor<4xf16>
}
