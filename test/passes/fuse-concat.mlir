// A concatenation that only another one uses is taken apart, so that each row is copied once.
// RUN: focus-opt %s --fuse | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%a: tensor<2x8xf16>, %b: tensor<3x8xf16>, %c: tensor<1x8xf16>) -> (tensor<11x8xf16>, tensor<4x8xf16>) {
  // CHECK-NEXT: [[KEPT:%.*]] = tensor.concat dim(0) %arg1, %arg2 :
  // CHECK-NEXT: [[ALL:%.*]] = tensor.concat dim(0) %arg0, %arg1, %arg0, [[KEPT]] :
  // CHECK-NEXT: return [[ALL]], [[KEPT]]
  %kept = tensor.concat dim(0) %b, %c : (tensor<3x8xf16>, tensor<1x8xf16>) -> tensor<4x8xf16>
  %inner = tensor.concat dim(0) %b, %a : (tensor<3x8xf16>, tensor<2x8xf16>) -> tensor<5x8xf16>
  %outer = tensor.concat dim(0) %a, %inner, %kept : (tensor<2x8xf16>, tensor<5x8xf16>, tensor<4x8xf16>) -> tensor<11x8xf16>
  return %outer, %kept : tensor<11x8xf16>, tensor<4x8xf16>
}
