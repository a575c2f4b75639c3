// --mlir-print-ir-before=PASS and -after=PASS print around one pass; with -after-change only if it changed the IR; -after-failure where one failed.
// RUN: focus-opt %s --cse --canonicalize --mlir-print-ir-after=cse --mlir-print-ir-before=canonicalize -o %t 2>&1 | filecheck %s
// CHECK-NOT: IR Dump Before cse
// CHECK: // -----// IR Dump After cse //----- //
// CHECK: // -----// IR Dump Before canonicalize //----- //
// CHECK-NOT: IR Dump After canonicalize
// RUN: focus-opt %s --cse --canonicalize --mlir-print-ir-after=canonicalize --mlir-print-ir-after-change -o %t 2>&1 | filecheck %s --check-prefix CHANGE --allow-empty
// CHANGE-NOT: IR Dump
// RUN: not focus-opt %s --cse --schedule --mlir-print-ir-after-failure -o %t 2>&1 | filecheck %s --check-prefix FAILURE
// FAILURE-NOT: IR Dump After cse
// FAILURE: // -----// IR Dump After schedule Failed //----- //
// FAILURE-COUNT-1: "focus.param"
// FAILURE: 'focus.param' op is nothing for pass 'schedule'
// RUN: not focus-opt %s --cse --mlir-print-ir-after=canonicalize 2>&1 | filecheck %s --check-prefix NONE
// NONE: error: no IR can be printed around pass 'canonicalize': the pipeline has cse
func.func @f() -> (tensor<4xf16>, tensor<4xf16>) {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  return %0, %1 : tensor<4xf16>, tensor<4xf16>
}
