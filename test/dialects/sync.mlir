// Semaphores are typed: `wait` and `signal` of an instruction are arrays of #focus.sync<semaphore, depth>, `credits` of a kernel one of
// #focus.credit<semaphore, count>; what a kernel waits for can come.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @good(%x: !dram) {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
      "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<62, 7>], signal = [#focus.sync<1, 0>]} : (!dram, !rows) -> ()
      "focus.v_map"(%rows, %rows) {op = "relu", scalar = 1.0 : f64, wait = [#focus.sync<1, 1>], signal = []} : (!rows, !rows) -> ()
    }
  }) {name = "good", credits = [#focus.credit<62, 65535>]} : () -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @text(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'wait' must be an array of #focus.sync, but is "no"}}
  "focus.load"(%x, %rows) {stream = "activation", wait = "no"} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @numbers(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' must be an array of #focus.sync, but is array<i64: 1, 2, 3>}}
  "focus.load"(%x, %rows) {stream = "activation", signal = array<i64: 1, 2, 3>} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @other_attribute(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' holds #focus.credit<1 : i64, 2 : i64>, expected #focus.sync of two i64}}
  "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.credit<1, 2>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @narrow(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' holds #focus.sync<1 : i32, 2 : i64>, expected #focus.sync of two i64}}
  "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.sync<1 : i32, 2>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @beyond(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'wait' names semaphore 99, expected 1 to 62}}
  "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<99, 0>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @the_one_of_the_drain(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' names semaphore 63, expected 1 to 62}}
  "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.sync<63, 0>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @none(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' names semaphore 0, expected 1 to 62}}
  "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.sync<0, 0>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @deep(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'wait' gives semaphore 1 the depth 8, expected 0 to 7}}
  "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<1, 8>]} : (!dram, !rows) -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @negative_depth(%x: !dram, %rows: !rows) {
  // expected-error@below {{'focus.load' op attribute 'signal' gives semaphore 1 the depth -1, expected 0 to 7}}
  "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.sync<1, -1>]} : (!dram, !rows) -> ()
  return
}

// -----

func.func @credits_text() {
  // expected-error@below {{'focus.kernel' op attribute 'credits' must be an array of #focus.credit, but is "two"}}
  "focus.kernel"() ({}) {name = "k", credits = "two"} : () -> ()
  return
}

// -----

func.func @negative_credits() {
  // expected-error@below {{'focus.kernel' op attribute 'credits' gives semaphore 3 a count of -1, expected 0 to 65535}}
  "focus.kernel"() ({
  ^bb0:
  }) {name = "k", credits = [#focus.credit<3, -1>]} : () -> ()
  return
}

// -----

func.func @many_credits() {
  // expected-error@below {{'focus.kernel' op attribute 'credits' gives semaphore 3 a count of 65536, expected 0 to 65535}}
  "focus.kernel"() ({
  ^bb0:
  }) {name = "k", credits = [#focus.credit<3, 65536>]} : () -> ()
  return
}

// -----

func.func @credits_twice() {
  // expected-error@below {{'focus.kernel' op attribute 'credits' names semaphore 3 twice}}
  "focus.kernel"() ({
  ^bb0:
  }) {name = "k", credits = [#focus.credit<3, 1>, #focus.credit<3, 2>]} : () -> ()
  return
}

// -----

func.func @credits_of_none() {
  // expected-error@below {{'focus.kernel' op attribute 'credits' names semaphore 63, expected 1 to 62}}
  "focus.kernel"() ({
  ^bb0:
  }) {name = "k", credits = [#focus.credit<63, 1>]} : () -> ()
  return
}

// -----

// Nobody signals what the load waits for: the signal stands in another kernel.
!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"input">>
func.func @never(%x: !dram) {
  "focus.kernel"() ({
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    "focus.load"(%x, %rows) {stream = "activation", signal = [#focus.sync<5, 0>]} : (!dram, !rows) -> ()
  }) {name = "first"} : () -> ()
  // expected-error@below {{'focus.kernel' op has 'focus.load' wait for semaphore 5, which nothing in the kernel signals and which has no credits}}
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
      "focus.load"(%x, %rows) {stream = "activation", wait = [#focus.sync<5, 0>]} : (!dram, !rows) -> ()
    }
  }) {name = "second", credits = [#focus.credit<4, 1>, #focus.credit<5, 0>]} : () -> ()
  return
}
