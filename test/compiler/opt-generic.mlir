// --mlir-print-op-generic prints upstream ops in the generic form, too.
// RUN: focus-opt %s --mlir-print-op-generic | filecheck %s
// CHECK: "func.func"() <{function_type = () -> (), sym_name = "f"}> ({
// CHECK-NEXT: "func.return"() : () -> ()
func.func @f() {
  return
}
