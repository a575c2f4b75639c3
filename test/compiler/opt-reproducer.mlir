// A pass that fails leaves a reproducer, which --run-reproducer runs to the same end; passes that succeed leave none.
// RUN: rm -f %t.mlir && not focus-opt %s --cse --remove-concentration --schedule --mlir-pass-pipeline-crash-reproducer=%t.mlir 2>&1 | filecheck %s
// CHECK: error: 'focus.param' op is nothing for pass 'schedule'
// RUN: filecheck %s --check-prefix FILE --input-file %t.mlir
// FILE-COUNT-2: "focus.param"
// FILE: mlir_reproducer: {
// FILE-NEXT: pipeline: "builtin.module(cse,func.func(remove-concentration,schedule))",
// FILE-NEXT: disable_threading: true,
// FILE-NEXT: verify_each: true
// RUN: not focus-opt %t.mlir --run-reproducer 2>&1 | filecheck %s

// The local reproducer: the IR before the pass that failed, and that pass.
// RUN: not focus-opt %s --cse --schedule --mlir-pass-pipeline-crash-reproducer=%t.local.mlir --mlir-pass-pipeline-local-reproducer 2>&1 | filecheck %s
// RUN: filecheck %s --check-prefix LOCAL --input-file %t.local.mlir
// LOCAL-COUNT-1: "focus.param"
// LOCAL-NOT: "focus.param"
// LOCAL: pipeline: "builtin.module(func.func(schedule))",

// RUN: rm -f %t.none.mlir && focus-opt %s --cse --mlir-pass-pipeline-crash-reproducer=%t.none.mlir -o %t && not ls %t.none.mlir
// RUN: not focus-opt %s --run-reproducer 2>&1 | filecheck %s --check-prefix NONE
// NONE: error: {{.*}}opt-reproducer.mlir: is no reproducer: it holds no resource 'mlir_reproducer' with a pipeline
// RUN: not focus-opt %t.mlir --run-reproducer --cse 2>&1 | filecheck %s --check-prefix BOTH
// BOTH: focus-opt: error: --run-reproducer runs the passes that stand in the file; give no others
func.func @f() -> (tensor<4xf16>, tensor<4xf16>) {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  return %0, %1 : tensor<4xf16>, tensor<4xf16>
}
