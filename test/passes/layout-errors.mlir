// A window that does not fit the layouter, a machine without a concentrator, IR that is laid out already, and ops that depend on another row order.
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=sic --assign-layout=layouter-bytes=384 2>&1 \
// RUN:   | filecheck %s --check-prefix=SMALL
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=sic --assign-layout=machine=dense 2>&1 \
// RUN:   | filecheck %s --check-prefix=DENSE
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --assign-layout=machine=dense | filecheck %s --check-prefix=OFF
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --assign-layout --assign-layout 2>&1 | filecheck %s --check-prefix=TWICE
// RUN: not focus-opt %S/Inputs/decoder.mlir --assign-layout 2>&1 | filecheck %s --check-prefix=LAYOUT
// RUN: focus-opt %s --annotate-tokens --assign-layout --split-input-file --verify-diagnostics

// SMALL: 'focus.gather' op has no layout: grid 0: a window reaches 7 tokens back, but the layouter holds 6 vectors
// DENSE: 'focus.gather' op needs a similarity concentrator, which machine 'dense' does not have
// OFF: focus.row_order = "storage"
// TWICE: 'func.func' op is in storage order already
// LAYOUT: 'func.func' op has no op of a decoder layer (attribute 'focus.layer'), which annotate-tokens marks

// Merging neighbouring rows of the sequence.
module {
  func.func @main(%v: tensor<2x8xf16>, %ids: tensor<1x2xi32>) -> tensor<2x16xf16> attributes {
      focus.tokens = #focus.tokens<2, 4, array<i64: 0, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x2xi32>, tensor<16x8xf16>) -> tensor<2x8xf16>
    %x = tensor.concat dim(0) %v, %t : (tensor<2x8xf16>, tensor<2x8xf16>) -> tensor<4x8xf16>
    %y = "focus.attention"(%x, %x, %x) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<4x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
    // expected-error@+1 {{'focus.reshape' op moves rows of the decoder's sequence, whose order in storage is another}}
    %m = "focus.reshape"(%y) : (tensor<4x8xf16>) -> tensor<2x16xf16>
    return %m : tensor<2x16xf16>
  }
}

// -----

// Rows that repeat every two positions.
module {
  func.func @main(%v: tensor<2x8xf16>, %ids: tensor<1x2xi32>) -> tensor<1x8xf16> attributes {
      focus.tokens = #focus.tokens<2, 4, array<i64: 0, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    %table = "focus.param"() {name = "embed", row_order = "as_is"} : () -> tensor<16x8xf16>
    %p = "focus.param"() {name = "position", row_order = "as_is"} : () -> tensor<2x8xf16>
    %t = "focus.embedding"(%ids, %table) : (tensor<1x2xi32>, tensor<16x8xf16>) -> tensor<2x8xf16>
    %x = tensor.concat dim(0) %v, %t : (tensor<2x8xf16>, tensor<2x8xf16>) -> tensor<4x8xf16>
    // expected-error@+1 {{'focus.add' op has an operand of 2 rows that goes with the sequence; a parameter of S = 4 rows expected, which can be stored in another order}}
    %a = "focus.add"(%x, %p) : (tensor<4x8xf16>, tensor<2x8xf16>) -> tensor<4x8xf16>
    %y = "focus.attention"(%a, %a, %a) {causal = true, head_dim = 8 : i64, heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64,
        segments = array<i64>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<4x8xf16>, tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
    %last = "focus.slice"(%y) {offsets = array<i64: 3, 0>, sizes = array<i64: 1, 8>} : (tensor<4x8xf16>) -> tensor<1x8xf16>
    return %last : tensor<1x8xf16>
  }
}
