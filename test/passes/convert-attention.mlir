// RoPE and attention on rows with heads side by side; one segment is none.
// RUN: focus-opt %s --convert-torch-to-focus --split-input-file | filecheck %s

// CHECK-LABEL: func.func @causal
func.func @causal(%q: !torch.vtensor<[6,16],f32>, %kv: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,16],f32> {
  %heads = torch.constant.int 4
  %kv_heads = torch.constant.int 2
  %scale = torch.constant.float 5.000000e-01
  %true = torch.constant.bool true
  %6 = torch.constant.int 6
  %cos = torch.operator "torch.vlm.param"() {vlm.name = "const.cos"} : () -> !torch.vtensor<[6,4],f32>
  %sin = torch.operator "torch.vlm.param"() {vlm.name = "const.sin"} : () -> !torch.vtensor<[6,4],f32>
  // CHECK: [[Q:%.*]] = "focus.rope"(%arg0, {{%.*}}, {{%.*}}) {head_dim = 4 : i64} : (tensor<6x16xf16>, tensor<6x4xf16>, tensor<6x4xf16>)
  // CHECK-SAME: -> tensor<6x16xf16>
  %r = torch.operator "torch.vlm.rope"(%q, %cos, %sin) : (!torch.vtensor<[6,16],f32>, !torch.vtensor<[6,4],f32>, !torch.vtensor<[6,4],f32>)
      -> !torch.vtensor<[6,16],f32>
  %segments = torch.prim.ListConstruct %6 : (!torch.int) -> !torch.list<int>
  // CHECK: "focus.attention"([[Q]], %arg1, %arg1)
  // CHECK-SAME: causal = true, head_dim = 4 : i64, heads = 4 : i64, kv_heads = 2 : i64
  // CHECK-SAME: scale = 5.000000e-01 : f64, segments = array<i64>}
  %cap = torch.constant.float 0.0
  %a = torch.operator "torch.vlm.attention"(%r, %kv, %kv, %heads, %kv_heads, %scale, %cap, %true, %segments)
      : (!torch.vtensor<[6,16],f32>, !torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.int, !torch.int, !torch.float, !torch.float, !torch.bool,
      !torch.list<int>) -> !torch.vtensor<[6,16],f32>
  return %a : !torch.vtensor<[6,16],f32>
}

// -----

// CHECK-LABEL: func.func @segments
func.func @segments(%q: !torch.vtensor<[6,16],f32>) -> !torch.vtensor<[6,16],f32> {
  %heads = torch.constant.int 2
  %scale = torch.constant.float 5.000000e-01
  %false = torch.constant.bool false
  %2 = torch.constant.int 2
  %4 = torch.constant.int 4
  %segments = torch.prim.ListConstruct %4, %2 : (!torch.int, !torch.int) -> !torch.list<int>
  // CHECK: causal = false
  // CHECK-SAME: segments = array<i64: 4, 2>
  %cap = torch.constant.float 0.0
  %a = torch.operator "torch.vlm.attention"(%q, %q, %q, %heads, %heads, %scale, %cap, %false, %segments)
      : (!torch.vtensor<[6,16],f32>, !torch.vtensor<[6,16],f32>, !torch.vtensor<[6,16],f32>, !torch.int, !torch.int, !torch.float, !torch.float, !torch.bool,
      !torch.list<int>) -> !torch.vtensor<[6,16],f32>
  return %a : !torch.vtensor<[6,16],f32>
}
