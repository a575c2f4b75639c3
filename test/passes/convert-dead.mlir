// What the result does not need is not converted, so it needs no mapping either; functions of other dialects stay.
// RUN: focus-opt %s --convert-torch-to-focus | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %w = torch.operator "torch.vlm.param"() {vlm.name = "unused"} : () -> !torch.vtensor<[8,8],f32>
  %s = torch.aten.sin %w : !torch.vtensor<[8,8],f32> -> !torch.vtensor<[8,8],f32>
  // CHECK-NEXT: return %arg0 : tensor<6x8xf16>
  return %x : !torch.vtensor<[6,8],f32>
}

// CHECK-LABEL: func.func @other
func.func @other(%x: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK: arith.addf
  %y = arith.addf %x, %x : tensor<2xf32>
  return %y : tensor<2xf32>
}
