// focus.sic_gather and the semantic concentrator's instructions.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!src = memref<64x32xf16, #focus.space<"vector">>
!table = memref<64x32xf16, #focus.space<"table">>
!count = memref<1x1xi16, #focus.space<"counts">>
!ids = memref<1x60xi32, #focus.space<"ids">>
!map = memref<1x60xi16, #focus.space<"map">>
func.func @good(%src: !src, %table: !table, %count: !count, %ids: !ids, %map: !map) {
  "focus.sic_gather"(%src, %table, %count, %ids, %map) {identity = 4 : i64, site = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}
      : (!src, !table, !count, !ids, !map) -> ()
  // A tile of text rows only has neither ids nor a map.
  "focus.sic_gather"(%src, %table, %count) {identity = 64 : i64, site = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
      : (!src, !table, !count) -> ()
  return
}

// -----

!src = memref<64x32xf16, #focus.space<"vector">>
!table = memref<64x32xf16, #focus.space<"table">>
!count = memref<1x1xi16, #focus.space<"counts">>
!ids = memref<1x60xi32, #focus.space<"ids">>
func.func @ids_without_map(%src: !src, %table: !table, %count: !count, %ids: !ids) {
  // expected-error@below {{'focus.sic_gather' op operand 'ids' has 60 columns, expected 0 (columns of 'map')}}
  "focus.sic_gather"(%src, %table, %count, %ids) {identity = 64 : i64, site = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}
      : (!src, !table, !count, !ids) -> ()
  return
}

// -----

!src = memref<64x136xf16, #focus.space<"vector">>
!table = memref<64x136xf16, #focus.space<"table">>
!count = memref<1x1xi16, #focus.space<"counts">>
func.func @wide(%src: !src, %table: !table, %count: !count) {
  // expected-error@below {{'focus.sic_gather' op extent 'cols' is 136, expected at most 128}}
  "focus.sic_gather"(%src, %table, %count) {identity = 64 : i64, site = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>}
      : (!src, !table, !count) -> ()
  return
}

// -----

!p = memref<4x60xf32, #focus.space<"output">>
!imp = memref<1x60xf32, #focus.space<"importance">>
!sel = memref<1x20xi32, #focus.space<"ids">>
!ids = memref<1x60xi32, #focus.space<"ids">>
func.func @sec(%p: !p, %imp: !imp, %sel: !sel, %ids: !ids) {
  "focus.sec_importance"(%p, %imp) {init = "first"} : (!p, !imp) -> ()
  "focus.sec_topk"(%imp, %sel) : (!imp, !sel) -> ()
  "focus.sec_select"(%ids, %sel, %sel) : (!ids, !sel, !sel) -> ()
  return
}

// -----

!p = memref<4x60xf32, #focus.space<"output">>
!imp = memref<1x50xf32, #focus.space<"importance">>
func.func @importance(%p: !p, %imp: !imp) {
  // expected-error@below {{'focus.sec_importance' op operand 'dst' has 50 columns, expected 60 (columns of 'src')}}
  "focus.sec_importance"(%p, %imp) {init = "first"} : (!p, !imp) -> ()
  return
}

// -----

!imp = memref<1x50xf32, #focus.space<"importance">>
!sel = memref<1x20xf32, #focus.space<"ids">>
func.func @topk(%imp: !imp, %sel: !sel) {
  // expected-error@below {{'focus.sec_topk' op operand 'dst' has elements of f32, expected i32}}
  "focus.sec_topk"(%imp, %sel) : (!imp, !sel) -> ()
  return
}
