// focus.recast and focus.view: other element types and shapes of the same bytes.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!acc = memref<64x96xf32, #focus.space<"output">>
!half = memref<64x96xf16, strided<[192, 1]>, #focus.space<"output">>
!row = memref<1x128xi32, #focus.space<"ids">>
!box = memref<4x32xi32, #focus.space<"ids">>
func.func @good(%a: !acc, %r: !row) {
  %0 = "focus.recast"(%a) : (!acc) -> !half
  %1 = "focus.view"(%r) : (!row) -> !box
  %2 = "focus.view"(%1) : (!box) -> !row
  return
}

// -----

!half = memref<64x96xf16, #focus.space<"output">>
!acc = memref<64x96xf32, strided<[48, 1]>, #focus.space<"output">>
func.func @wider(%a: !half) {
  // expected-error@below {{'focus.recast' op result has elements of f32, expected a type no wider than f16}}
  %0 = "focus.recast"(%a) : (!half) -> !acc
  return
}

// -----

!acc = memref<64x96xf32, #focus.space<"output">>
!half = memref<64x96xf16, #focus.space<"output">>
func.func @pitch(%a: !acc) {
  // expected-error@below {{'focus.recast' op result has strides [96, 1], expected [192, 1] (the byte pitch of base)}}
  %0 = "focus.recast"(%a) : (!acc) -> !half
  return
}

// -----

!acc = memref<64x96xf32, #focus.space<"output">>
!half = memref<64x96xf16, strided<[192, 1]>, #focus.space<"input">>
func.func @memory(%a: !acc) {
  // expected-error@below {{expected shape and memory of base, which is memref<64x96xf32, #focus.space<"output">>}}
  %0 = "focus.recast"(%a) : (!acc) -> !half
  return
}

// -----

!row = memref<1x128xi32, #focus.space<"ids">>
!box = memref<4x31xi32, #focus.space<"ids">>
func.func @elements(%r: !row) {
  // expected-error@below {{'focus.view' op result is memref<4x31xi32, #focus.space<"ids">>, expected as many elements}}
  %1 = "focus.view"(%r) : (!row) -> !box
  return
}

// -----

!gaps = memref<4x32xi32, strided<[64, 1]>, #focus.space<"ids">>
!row = memref<1x128xi32, #focus.space<"ids">>
func.func @gaps(%r: !gaps) {
  // expected-error@below {{'focus.view' op base is memref<4x32xi32, strided<[64, 1]>, #focus.space<"ids">>, whose rows are not contiguous}}
  %1 = "focus.view"(%r) : (!gaps) -> !row
  return
}
