// Without passes: parse, verify, print.  Values are named after the module path of their op.
// RUN: focus-opt %s | filecheck %s
// RUN: focus-opt < %s | filecheck %s
// RUN: focus-opt %s | focus-opt | filecheck %s

// CHECK-LABEL: func.func @f(%{{.*}}: tensor<4x8xf16>) -> tensor<4x8xf16> {
// CHECK-NEXT:    %0 = "focus.activation"(%{{.*}}) {kind = "relu"} : (tensor<4x8xf16>) -> tensor<4x8xf16>
// CHECK-NEXT:    return %0
func.func @f(%x: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "focus.activation"(%x) {kind = "relu"} : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}
