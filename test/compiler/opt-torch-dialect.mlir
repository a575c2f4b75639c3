// The torch dialect and its conversion casts parse in the same context as ours.
// RUN: focus-opt %s | filecheck %s
// CHECK: torch.aten.mm
// CHECK: torch_c.to_builtin_tensor
// CHECK: "focus.activation"
func.func @f(%a: !torch.vtensor<[4,8],f16>, %b: !torch.vtensor<[8,4],f16>) -> tensor<4x4xf16> {
  %0 = torch.aten.mm %a, %b : !torch.vtensor<[4,8],f16>, !torch.vtensor<[8,4],f16> -> !torch.vtensor<[4,4],f16>
  %1 = torch_c.to_builtin_tensor %0 : !torch.vtensor<[4,4],f16> -> tensor<4x4xf16>
  %2 = "focus.activation"(%1) {kind = "relu"} : (tensor<4x4xf16>) -> tensor<4x4xf16>
  return %2 : tensor<4x4xf16>
}
