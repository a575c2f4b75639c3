// #focus.layout: the verifier proves that members of a window lie in different banks, and that the window fits the layouter.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!good = !focus.concentrated<12, 32, 8, 32, 1024, #focus.layout<array<i64: 2, 2, 2>, array<i64: 2, 2, 2>, 256, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
func.func @good(%c: !good, %w: tensor<16x32xf16>) {
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (!good, tensor<16x32xf16>)
      -> tensor<12x16xf16>
  return
}

// -----

// One bank along the width: a token and its left neighbour collide.
!banks = !focus.concentrated<12, 32, 8, 32, 1024, #focus.layout<array<i64: 2, 2, 1>, array<i64: 2, 2, 2>, 256, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
func.func @banks(%c: !banks, %w: tensor<16x32xf16>) {
  // expected-error@below {{layout of x: grid 0: visual tokens 1 and 0 of the window at token 1 both lie in bank (0, 0, 0)}}
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (!banks, tensor<16x32xf16>)
      -> tensor<12x16xf16>
  return
}

// -----

// The same banks are enough for a block that does not look left.
!narrow = !focus.concentrated<12, 32, 8, 32, 1024, #focus.layout<array<i64: 2, 2, 1>, array<i64: 2, 2, 1>, 256, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
func.func @narrow(%c: !narrow, %w: tensor<16x32xf16>) {
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (!narrow, tensor<16x32xf16>)
      -> tensor<12x16xf16>
  return
}

// -----

// Only the second grid has two frames, so only there a single frame bank collides: token 4 + 4 with the same place one frame before.
!second = !focus.concentrated<16, 32, 12, 32, 1024, #focus.layout<array<i64: 1, 2, 2>, array<i64: 2, 2, 2>, 256,
    array<i64: 0, 1, 2, 2, 4, 2, 1, 4, 2, 2, 2, 4, 2, 1>>>
func.func @second_grid(%c: !second, %w: tensor<16x32xf16>) {
  // expected-error@below {{layout of x: grid 1: visual tokens 8 and 4 of the window at token 8 both lie in bank (0, 0, 0)}}
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (!second, tensor<16x32xf16>)
      -> tensor<16x16xf16>
  return
}

// -----

!history = !focus.concentrated<12, 32, 8, 32, 1024, #focus.layout<array<i64: 2, 2, 2>, array<i64: 2, 2, 2>, 6, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
func.func @history(%c: !history, %w: tensor<16x32xf16>) {
  // expected-error@below {{layout of x: grid 0: a window reaches 7 tokens back, but the layouter holds 6 vectors}}
  %y = "focus.linear"(%c, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (!history, tensor<16x32xf16>)
      -> tensor<12x16xf16>
  return
}

// -----

func.func @block(%x: tensor<12x32xf16>, %ids: tensor<8xi32>) {
  // expected-error@below {{'focus.gather' op layout of result is for block [2, 2, 2], but the op's block is [1, 2, 2]}}
  %c = "focus.gather"(%x, %ids) {layer = 0 : i64, site = "q_proj", threshold = 0.9 : f64, block = array<i64: 1, 2, 2>, vector = 32 : i64,
      m_tile = 1024 : i64}
      : (tensor<12x32xf16>, tensor<8xi32>)
      -> !focus.concentrated<12, 32, 8, 32, 1024, #focus.layout<array<i64: 2, 2, 2>, array<i64: 2, 2, 2>, 256, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
  return
}
