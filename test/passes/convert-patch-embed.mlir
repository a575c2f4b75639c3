// Patch embedding takes pixels of four axes, whole inputs or some of their images, and weights as a matrix.
// RUN: focus-opt %s --convert-torch-to-focus --split-input-file | filecheck %s

// CHECK-LABEL: func.func @whole
func.func @whole(%x: !torch.vtensor<[1,2,3,8,12],f32>) -> !torch.vtensor<[12,16],f32> {
  %none = torch.constant.none
  %2 = torch.constant.int 2
  %3 = torch.constant.int 3
  %8 = torch.constant.int 8
  %12 = torch.constant.int 12
  %shape = torch.prim.ListConstruct %2, %3, %8, %12 : (!torch.int, !torch.int, !torch.int, !torch.int) -> !torch.list<int>
  // CHECK-DAG: [[X:%.*]] = "focus.reshape"(%arg0) : (tensor<1x2x3x8x12xf16>) -> tensor<2x3x8x12xf16>
  // CHECK-DAG: [[W:%.*]] = "focus.param"() {name = "conv", row_order = "as_is"} : () -> tensor<16x48xf16>
  // CHECK: "focus.patch_embed"([[X]], [[W]]) {patch = 4 : i64} : (tensor<2x3x8x12xf16>, tensor<16x48xf16>) -> tensor<12x16xf16>
  %f = torch.aten.view %x, %shape : !torch.vtensor<[1,2,3,8,12],f32>, !torch.list<int> -> !torch.vtensor<[2,3,8,12],f32>
  %w = torch.operator "torch.vlm.param"() {vlm.name = "conv"} : () -> !torch.vtensor<[16,3,4,4],f32>
  %y = torch.operator "torch.vlm.patch_embed"(%f, %w, %none) : (!torch.vtensor<[2,3,8,12],f32>, !torch.vtensor<[16,3,4,4],f32>, !torch.none)
      -> !torch.vtensor<[12,16],f32>
  return %y : !torch.vtensor<[12,16],f32>
}

// -----

// CHECK-LABEL: func.func @some
func.func @some(%x: !torch.vtensor<[3,3,4,4],f32>) -> !torch.vtensor<[2,16],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %3 = torch.constant.int 3
  // CHECK: [[ROWS:%.*]] = "focus.reshape"(%arg0) : (tensor<3x3x4x4xf16>) -> tensor<3x48xf16>
  // CHECK: [[TWO:%.*]] = "focus.slice"([[ROWS]]) {offsets = array<i64: 1, 0>, sizes = array<i64: 2, 48>}
  // CHECK: [[X:%.*]] = "focus.reshape"([[TWO]]) : (tensor<2x48xf16>) -> tensor<2x3x4x4xf16>
  // CHECK: "focus.patch_embed"([[X]]
  %two = torch.aten.slice.Tensor %x, %0, %1, %3, %1 : !torch.vtensor<[3,3,4,4],f32>, !torch.int, !torch.int, !torch.int, !torch.int
      -> !torch.vtensor<[2,3,4,4],f32>
  %w = torch.operator "torch.vlm.param"() {vlm.name = "conv"} : () -> !torch.vtensor<[16,3,4,4],f32>
  %b = torch.operator "torch.vlm.param"() {vlm.name = "conv.bias"} : () -> !torch.vtensor<[16],f32>
  %y = torch.operator "torch.vlm.patch_embed"(%two, %w, %b)
      : (!torch.vtensor<[2,3,4,4],f32>, !torch.vtensor<[16,3,4,4],f32>, !torch.vtensor<[16],f32>) -> !torch.vtensor<[2,16],f32>
  return %y : !torch.vtensor<[2,16],f32>
}
