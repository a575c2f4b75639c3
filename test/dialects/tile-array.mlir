// focus.mm, focus.mm_kn, focus.scatter: orientation of the weight tile, array width, mapped and identity rows.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!x = memref<64x24xf16, #focus.space<"input">>
!w = memref<16x24xf16, #focus.space<"wgt">>
!wt = memref<24x16xf16, #focus.space<"wgt">>
!p = memref<64x16xf32, #focus.space<"conc">>
!acc = memref<64x16xf32, #focus.space<"output">>
!map = memref<1x60xi16, #focus.space<"map">>
func.func @good(%x: !x, %w: !w, %wt: !wt, %p: !p, %acc: !acc, %m: !map) {
  "focus.mm"(%x, %w, %p) {init = "first"} : (!x, !w, !p) -> ()
  "focus.mm_kn"(%x, %wt, %p) {init = "never"} : (!x, !wt, !p) -> ()
  "focus.scatter"(%p, %acc, %m) {identity = 4 : i64, init = "always"} : (!p, !acc, !map) -> ()
  "focus.scatter"(%p, %acc) {identity = 64 : i64, init = "first"} : (!p, !acc) -> ()
  return
}

// -----

!x = memref<64x24xf16, #focus.space<"input">>
!wt = memref<24x16xf16, #focus.space<"wgt">>
!p = memref<64x16xf32, #focus.space<"conc">>
func.func @orientation(%x: !x, %wt: !wt, %p: !p) {
  // expected-error@below {{'focus.mm' op operand 'wgt' has 24 rows, expected 16 (columns of 'dst')}}
  "focus.mm"(%x, %wt, %p) {init = "first"} : (!x, !wt, !p) -> ()
  return
}

// -----

!x = memref<64x136xf16, #focus.space<"input">>
!w = memref<16x136xf16, #focus.space<"wgt">>
!p = memref<64x16xf32, #focus.space<"conc">>
func.func @too_wide(%x: !x, %w: !w, %p: !p) {
  // expected-error@below {{'focus.mm' op extent 'k' is 136, expected at most 128}}
  "focus.mm"(%x, %w, %p) {init = "first"} : (!x, !w, !p) -> ()
  return
}

// -----

!x = memref<64x24xf16, #focus.space<"input">>
!w = memref<16x24xf16, #focus.space<"wgt">>
!p = memref<64x16xf16, #focus.space<"conc">>
func.func @sums(%x: !x, %w: !w, %p: !p) {
  // expected-error@below {{'focus.mm' op operand 'dst' has elements of f16, expected f32}}
  "focus.mm"(%x, %w, %p) {init = "first"} : (!x, !w, !p) -> ()
  return
}

// -----

!p = memref<64x16xf32, #focus.space<"conc">>
!map = memref<1x60xi16, #focus.space<"map">>
func.func @identity(%p: !p, %m: !map) {
  // expected-error@below {{'focus.scatter' op operand 'src' has 64 rows, expected 63 (identity rows and unique vectors)}}
  "focus.scatter"(%p, %p, %m) {identity = 3 : i64, init = "first"} : (!p, !p, !map) -> ()
  return
}

// -----

!p = memref<64x16xf32, #focus.space<"conc">>
!map = memref<1x60xi32, #focus.space<"map">>
func.func @map_type(%p: !p, %m: !map) {
  // expected-error@below {{'focus.scatter' op operand 'map' has elements of i32, expected i16}}
  "focus.scatter"(%p, %p, %m) {identity = 4 : i64, init = "first"} : (!p, !p, !map) -> ()
  return
}

// -----

!p = memref<64x16xf32, #focus.space<"dram">>
func.func @dram(%p: !p) {
  // expected-error@below {{'focus.scatter' op operand 'src' is in dram, expected an on-chip memory}}
  "focus.scatter"(%p, %p) {identity = 64 : i64, init = "first"} : (!p, !p) -> ()
  return
}

// -----

!p = memref<64x16xf32, #focus.space<"conc">>
func.func @init(%p: !p) {
  // expected-error@below {{'focus.scatter' op attribute 'init' must be one of "first", "never", "always", "inner", but is "once"}}
  "focus.scatter"(%p, %p) {identity = 64 : i64, init = "once"} : (!p, !p) -> ()
  return
}
