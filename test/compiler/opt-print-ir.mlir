// --mlir-print-ir-before-all, -after-all and -after-change print to standard error, in MLIR's form.
// RUN: focus-opt %s --cse --canonicalize --mlir-print-ir-before-all -o %t 2>&1 | filecheck %s --check-prefix BEFORE
// RUN: focus-opt %s --cse --canonicalize --mlir-print-ir-after-all -o %t 2>&1 | filecheck %s --check-prefix AFTER
// RUN: focus-opt %s --cse --canonicalize --mlir-print-ir-after-change -o %t 2>&1 | filecheck %s --check-prefix CHANGE

// BEFORE: // -----// IR Dump Before cse //----- //
// BEFORE-COUNT-2: "focus.param"
// BEFORE: // -----// IR Dump Before canonicalize //----- //
// BEFORE-COUNT-1: "focus.param"
// AFTER: // -----// IR Dump After cse //----- //
// AFTER: // -----// IR Dump After canonicalize //----- //
// CHANGE: // -----// IR Dump After cse //----- //
// CHANGE-NOT: IR Dump After canonicalize
func.func @f() -> (tensor<4xf16>, tensor<4xf16>) {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  %1 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16>
  return %0, %1 : tensor<4xf16>, tensor<4xf16>
}
