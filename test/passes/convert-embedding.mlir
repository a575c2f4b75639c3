// Token ids become i32; the text between visual runs is looked up piece by piece, by slices of the input.
// RUN: focus-opt %s --convert-torch-to-focus | filecheck %s

// CHECK: func.func @main([[IDS:%.*]]: tensor<1x9xi32> {focus.name = "input_ids"}) -> tensor<4x8xf16>
func.func @main(%ids: !torch.vtensor<[1,9],si64> {focus.name = "input_ids"}) -> !torch.vtensor<[4,8],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %4 = torch.constant.int 4
  %8 = torch.constant.int 8
  %false = torch.constant.bool false
  %table = torch.operator "torch.vlm.param"() {vlm.name = "embed"} : () -> !torch.vtensor<[40,8],f32>
  %row = torch.aten.select.int %ids, %0, %0 : !torch.vtensor<[1,9],si64>, !torch.int, !torch.int -> !torch.vtensor<[9],si64>
  %part = torch.aten.slice.Tensor %row, %0, %4, %8, %1 : !torch.vtensor<[9],si64>, !torch.int, !torch.int, !torch.int, !torch.int
      -> !torch.vtensor<[4],si64>
  // CHECK: [[PART:%.*]] = "focus.slice"([[IDS]]) {offsets = array<i64: 0, 4>, sizes = array<i64: 1, 4>} : (tensor<1x9xi32>) -> tensor<1x4xi32>
  // CHECK: "focus.embedding"([[PART]], {{%.*}}) : (tensor<1x4xi32>, tensor<40x8xf16>) -> tensor<4x8xf16>
  %e = torch.aten.embedding %table, %part, %0, %false, %false : !torch.vtensor<[40,8],f32>, !torch.vtensor<[4],si64>, !torch.int, !torch.bool,
      !torch.bool -> !torch.vtensor<[4,8],f32>
  return %e : !torch.vtensor<[4,8],f32>
}
