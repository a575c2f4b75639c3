// --emit-bytecode writes what focus-opt reads, the same module with its locations.
// RUN: focus-opt %s --emit-bytecode -o %t.mlirbc
// RUN: %python -c "import sys; print(open(sys.argv[1], 'rb').read(4))" %t.mlirbc | filecheck %s --check-prefix MAGIC
// MAGIC: b'ML\xefR'
// RUN: focus-opt %s --emit-bytecode > %t.stdout && cmp %t.mlirbc %t.stdout
// RUN: focus-opt %t.mlirbc --mlir-print-debuginfo | filecheck %s
// CHECK: "focus.param"() {name = "w", row_order = "as_is"} {{.*}}loc([[AT:#loc[0-9]*]])
// CHECK: [[AT]] = loc("layers.0.w"
func.func @f() -> tensor<4xf16> {
  %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<4xf16> loc("layers.0.w")
  return %0 : tensor<4xf16>
}
