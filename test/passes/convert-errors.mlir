// The set of ops is closed: everything else is an error at the op, which names it.
// RUN: focus-opt %s --convert-torch-to-focus --split-input-file --verify-diagnostics

func.func @unknown(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  // expected-error@+1 {{no mapping for 'torch.aten.sin'}}
  %y = torch.aten.sin %x : !torch.vtensor<[6,8],f32> -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @unknown_operator(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  // expected-error@+1 {{no mapping for 'torch.vlm.fold'}}
  %y = torch.operator "torch.vlm.fold"(%x) : (!torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @norm_over_two_axes(%x: !torch.vtensor<[6,8],f32>, %w: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %6 = torch.constant.int 6
  %8 = torch.constant.int 8
  %over = torch.prim.ListConstruct %6, %8 : (!torch.int, !torch.int) -> !torch.list<int>
  %eps = torch.constant.float 1.0e-05
  %false = torch.constant.bool false
  // expected-error@+1 {{no mapping for 'torch.aten.layer_norm': it normalises over [6, 8] of [6, 8]; only the last axis is mapped}}
  %y = torch.aten.layer_norm %x, %over, %w, %w, %eps, %false : !torch.vtensor<[6,8],f32>, !torch.list<int>, !torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.float, !torch.bool -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @moves_data(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[48],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %48 = torch.constant.int 48
  %t = torch.aten.transpose.int %x, %0, %1 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[8,6],f32>
  %shape = torch.prim.ListConstruct %48 : (!torch.int) -> !torch.list<int>
  // expected-error@+1 {{no mapping for 'torch.aten.view': its result of shape [48] is no view of its operand; that would move data}}
  %y = torch.aten.view %t, %shape : !torch.vtensor<[8,6],f32>, !torch.list<int> -> !torch.vtensor<[48],f32>
  return %y : !torch.vtensor<[48],f32>
}

// -----

func.func @no_matrix(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[8,4],f32> {
  %0 = torch.constant.int 0
  %1 = torch.constant.int 1
  %none = torch.constant.none
  %w = torch.operator "torch.vlm.param"() {vlm.name = "w"} : () -> !torch.vtensor<[4,6],f32>
  %t = torch.aten.transpose.int %x, %0, %1 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[8,6],f32>
  // expected-error@+1 {{no mapping for 'torch.aten.linear': an operand of shape [8, 6] with strides [1, 8] is no matrix with adjacent features and one row stride}}
  %y = torch.aten.linear %t, %w, %none : !torch.vtensor<[8,6],f32>, !torch.vtensor<[4,6],f32>, !torch.none -> !torch.vtensor<[8,4],f32>
  return %y : !torch.vtensor<[8,4],f32>
}

// -----

func.func @alpha(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %2 = torch.constant.int 2
  // expected-error@+1 {{no mapping for 'torch.aten.add.Tensor': its alpha is 2; only 1 is mapped}}
  %y = torch.aten.add.Tensor %x, %x, %2 : !torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.int -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @features(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,16],f32> {
  %1 = torch.constant.int 1
  %list = torch.prim.ListConstruct %x, %x : (!torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>) -> !torch.list<vtensor>
  // expected-error@+1 {{no mapping for 'torch.aten.cat': it concatenates features, not rows}}
  %y = torch.aten.cat %list, %1 : !torch.list<vtensor>, !torch.int -> !torch.vtensor<[6,16],f32>
  return %y : !torch.vtensor<[6,16],f32>
}

// -----

func.func @no_weight(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %none = torch.constant.none
  %eps = torch.constant.float 1.000000e-05
  %8 = torch.constant.int 8
  %over = torch.prim.ListConstruct %8 : (!torch.int) -> !torch.list<int>
  // expected-error@+1 {{no mapping for 'torch.aten.rms_norm': it has no weight}}
  %y = torch.aten.rms_norm %x, %over, %none, %eps : !torch.vtensor<[6,8],f32>, !torch.list<int>, !torch.none, !torch.float
      -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

// expected-error@+1 {{'func.func' op argument 0 is !torch.vtensor<[?,8],f32>; a torch tensor of static shape expected}}
func.func @dynamic(%x: !torch.vtensor<[?,8],f32>) -> !torch.vtensor<[?,8],f32> {
  return %x : !torch.vtensor<[?,8],f32>
}

// -----

func.func @axis(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[1,8],f32> {
  %1 = torch.constant.int 1
  %7 = torch.constant.int 7
  // expected-error@+1 {{no mapping for 'torch.aten.slice.Tensor': there is no axis 7 in rank 2}}
  %y = torch.aten.slice.Tensor %x, %7, %1, %7, %1 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int, !torch.int, !torch.int -> !torch.vtensor<[1,8],f32>
  return %y : !torch.vtensor<[1,8],f32>
}

// -----

func.func @index(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[8],f32> {
  %0 = torch.constant.int 0
  %6 = torch.constant.int 6
  // expected-error@+1 {{no mapping for 'torch.aten.select.int': there is no index 6 in an axis of 6}}
  %y = torch.aten.select.int %x, %0, %6 : !torch.vtensor<[6,8],f32>, !torch.int, !torch.int -> !torch.vtensor<[8],f32>
  return %y : !torch.vtensor<[8],f32>
}

// -----

func.func @operands(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %1 = torch.constant.int 1
  // expected-error@+1 {{no mapping for 'torch.vlm.attention': it has 3 operands; 4 or more expected}}
  %y = torch.operator "torch.vlm.attention"(%x, %x, %x) : (!torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @kinds(%x: !torch.vtensor<[6,8],f32>, %w: !torch.vtensor<[8],f32>) -> !torch.vtensor<[6,8],f32> {
  %1 = torch.constant.int 1
  // expected-error@+1 {{no mapping for 'torch.vlm.head_norm': operand 2 is 1; float expected}}
  %y = torch.operator "torch.vlm.head_norm"(%x, %w, %1) : (!torch.vtensor<[6,8],f32>, !torch.vtensor<[8],f32>, !torch.int) -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}

// -----

func.func @segments(%x: !torch.vtensor<[6,8],f32>) -> !torch.vtensor<[6,8],f32> {
  %1 = torch.constant.int 1
  %7 = torch.constant.int 7
  %scale = torch.constant.float 1.000000e+00
  %false = torch.constant.bool false
  %segments = torch.prim.ListConstruct %1, %7 : (!torch.int, !torch.int) -> !torch.list<int>
  %cap = torch.constant.float 0.0
  // expected-error@+1 {{no mapping for 'torch.vlm.attention': 'focus.attention' op segments sum to 8, expected positive lengths that sum to the 6 rows of q}}
  %y = torch.operator "torch.vlm.attention"(%x, %x, %x, %1, %1, %scale, %cap, %false, %segments) : (!torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.vtensor<[6,8],f32>, !torch.int, !torch.int, !torch.float, !torch.float, !torch.bool, !torch.list<int>) -> !torch.vtensor<[6,8],f32>
  return %y : !torch.vtensor<[6,8],f32>
}
