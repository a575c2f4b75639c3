// An error of the command line names the op and the module path it comes from, and nothing is written.
// RUN: not focus-opt %s --convert-torch-to-focus 2>&1 | filecheck %s

// CHECK: error: no mapping for 'torch.aten.sin'
// CHECK-SAME: model.visual.blocks.3
// CHECK-NOT: Traceback
func.func @main(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %y = torch.aten.sin %x : !torch.vtensor<[6,8],f32> -> !torch.vtensor<[6,8],f32> loc("model.visual.blocks.3")
  return %y : !torch.vtensor<[6,8],f32>
}
