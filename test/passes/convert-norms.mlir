// Norms over the features of any number of leading axes; activations by their kind.
// RUN: focus-opt %s --convert-torch-to-focus | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: !torch.vtensor<[2,3,8],f32>) -> (!torch.vtensor<[2,3,8],f32>, !torch.vtensor<[6,24],f32>) {
  %eps = torch.constant.float 1.000000e-05
  %false = torch.constant.bool false
  %8 = torch.constant.int 8
  %over = torch.prim.ListConstruct %8 : (!torch.int) -> !torch.list<int>
  %tanh = torch.constant.str "tanh"
  %w = torch.operator "torch.vlm.param"() {vlm.name = "w"} : () -> !torch.vtensor<[8],f32>
  %b = torch.operator "torch.vlm.param"() {vlm.name = "b"} : () -> !torch.vtensor<[8],f32>
  // CHECK: "focus.rms_norm"({{%.*}}, {{%.*}}) {eps = 1.000000e-05 : f64} : (tensor<6x8xf16>, tensor<8xf16>) -> tensor<6x8xf16>
  %0 = torch.aten.rms_norm %x, %over, %w, %eps : !torch.vtensor<[2,3,8],f32>, !torch.list<int>, !torch.vtensor<[8],f32>, !torch.float
      -> !torch.vtensor<[2,3,8],f32>
  // CHECK: "focus.layer_norm"({{%.*}}, {{%.*}}, {{%.*}}) {eps = 1.000000e-05 : f64} : (tensor<6x8xf16>, tensor<8xf16>, tensor<8xf16>)
  // CHECK-SAME: -> tensor<6x8xf16>
  %1 = torch.aten.layer_norm %0, %over, %w, %b, %eps, %false : !torch.vtensor<[2,3,8],f32>, !torch.list<int>, !torch.vtensor<[8],f32>,
      !torch.vtensor<[8],f32>, !torch.float, !torch.bool -> !torch.vtensor<[2,3,8],f32>
  // CHECK: "focus.activation"({{%.*}}) {kind = "silu"}
  %2 = torch.aten.silu %1 : !torch.vtensor<[2,3,8],f32> -> !torch.vtensor<[2,3,8],f32>
  // CHECK: "focus.activation"({{%.*}}) {kind = "relu"}
  %3 = torch.aten.relu %2 : !torch.vtensor<[2,3,8],f32> -> !torch.vtensor<[2,3,8],f32>
  // CHECK: "focus.activation"({{%.*}}) {kind = "gelu_tanh"}
  %4 = torch.aten.gelu %3, %tanh : !torch.vtensor<[2,3,8],f32>, !torch.str -> !torch.vtensor<[2,3,8],f32>
  // CHECK: "focus.activation"({{%.*}}) {kind = "gelu_quick"}
  %5 = torch.operator "torch.vlm.gelu_quick"(%4) : (!torch.vtensor<[2,3,8],f32>) -> !torch.vtensor<[2,3,8],f32>
  // Norms of heads as wide as their weight.
  %rows = torch.operator "torch.vlm.param"() {vlm.name = "rows"} : () -> !torch.vtensor<[6,24],f32>
  // CHECK: [[HEADS:%.*]] = "focus.rms_norm"({{%.*}}, {{%.*}}) {eps = 1.000000e-05 : f64} : (tensor<6x24xf16>, tensor<8xf16>) -> tensor<6x24xf16>
  %6 = torch.operator "torch.vlm.head_norm"(%rows, %w, %eps) : (!torch.vtensor<[6,24],f32>, !torch.vtensor<[8],f32>, !torch.float)
      -> !torch.vtensor<[6,24],f32>
  return %5, %6 : !torch.vtensor<[2,3,8],f32>, !torch.vtensor<[6,24],f32>
}
