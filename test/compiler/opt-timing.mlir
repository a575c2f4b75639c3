// --mlir-timing reports the seconds of each pass on standard error.
// RUN: focus-opt %s --cse --canonicalize --mlir-timing -o %t 2>&1 | filecheck %s
// CHECK: Total Execution Time: 0.{{[0-9]+}} seconds
// CHECK: ----Wall Time----  ----Name----
// CHECK: ({{ *[0-9.]+}}%)  cse
// CHECK-NEXT: ({{ *[0-9.]+}}%)  canonicalize
// CHECK-NEXT: (100.0%)  Total
func.func @f() {
  return
}
