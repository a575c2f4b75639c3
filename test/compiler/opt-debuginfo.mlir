// --mlir-print-debuginfo keeps module paths; printing and parsing again gives the same.
// RUN: focus-opt %s --mlir-print-debuginfo | filecheck %s
// RUN: focus-opt %s --mlir-print-debuginfo > %t.1
// RUN: focus-opt %t.1 --mlir-print-debuginfo > %t.2
// RUN: cmp %t.1 %t.2

// CHECK: %layers.0.mlp.act = "focus.activation"(%{{.*}}) {kind = "relu"} {{.*}} loc(#[[LOC:loc[0-9]+]])
// CHECK: #[[LOC]] = loc("layers.0.mlp.act")
func.func @f(%x: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "focus.activation"(%x) {kind = "relu"} : (tensor<4x8xf16>) -> tensor<4x8xf16> loc("layers.0.mlp.act")
  return %0 : tensor<4x8xf16>
}
