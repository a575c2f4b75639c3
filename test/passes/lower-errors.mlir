// What has no form as instructions: no address, a window that no one counter clips, a triangle whose slope its step does not divide, a bound that is
// no index of the kernel, too deep a nest, ops that have no place in a kernel, and calls of what is no routine or by one.
// RUN: focus-opt %s --lower-to-fisa --split-input-file --verify-diagnostics

!dram = memref<64x32xf16, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @no_address() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    // expected-error@below {{has no address; run allocate first}}
    %rows = "focus.buffer"() {name = "rows", kind = "tile"} : () -> !rows
    "focus.load"(%x, %rows) {stream = "activation"} : (!dram, !rows) -> ()
  }) {name = "no_address"} : () -> ()
  return
}

// -----

!dram = memref<100x32xf16, #focus.space<"dram">>
!box = memref<32x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<32x32xf16, #focus.space<"output">>
func.func @two_counters() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    scf.for %i = %c0 to %c64 step %c32 {
      scf.for %j = %c0 to %c64 step %c32 {
        %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64} : () -> !rows
        %at = arith.addi %i, %j : index
        %later = arith.addi %at, %c32 : index
        // expected-error@below {{is not contained in its base (extent 100, index up to 96) and cannot be clipped by one loop counter}}
        %box = "focus.window"(%x, %later, %c0) {sizes = array<i64: 32, 32>} : (!dram, index, index) -> !box
        "focus.load"(%box, %rows) {stream = "activation"} : (!box, !rows) -> ()
      }
    }
  }) {name = "two_counters"} : () -> ()
  return
}

// -----

!dram = memref<128x32xf16, #focus.space<"dram">>
!box = memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @slope() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %c128 = arith.constant 128 : index
    scf.for %i = %c0 to %c128 step %c32 {
      %end = arith.addi %i, %c32 : index
      %upper = arith.minsi %c128, %end : index
      // expected-error@below {{has a bound that grows by 32 per iteration, expected a multiple of its step 64}}
      scf.for %j = %c0 to %upper step %c64 {
        %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64} : () -> !rows
        %box = "focus.window"(%x, %j, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
        "focus.load"(%box, %rows) {stream = "kv"} : (!box, !rows) -> ()
      }
    }
  }) {name = "slope"} : () -> ()
  return
}

// -----

!dram = memref<128x32xf16, #focus.space<"dram">>
!box = memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @step() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %c128 = arith.constant 128 : index
    scf.for %i = %c0 to %c128 step %c32 {
      %end = arith.addi %i, %c32 : index
      %upper = arith.minsi %c128, %end : index
      // expected-error@below {{has a step of 0, expected a positive one}}
      scf.for %j = %c0 to %upper step %c0 {
        %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64} : () -> !rows
        %box = "focus.window"(%x, %j, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
        "focus.load"(%box, %rows) {stream = "kv"} : (!box, !rows) -> ()
      }
    }
  }) {name = "slope"} : () -> ()
  return
}

// -----

func.func @bound() {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %n = arith.addi %c4, %c1 : index
    // expected-error@below {{has an upper bound that is neither a constant nor the minimum of a constant and a linear index}}
    scf.for %i = %c0 to %n step %c1 {
    }
  }) {name = "bound"} : () -> ()
  return
}

// -----

func.func @deep() {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %a = %c0 to %c4 step %c1 {
      scf.for %b = %c0 to %c4 step %c1 {
        scf.for %c = %c0 to %c4 step %c1 {
          scf.for %d = %c0 to %c4 step %c1 {
            scf.for %e = %c0 to %c4 step %c1 {
              scf.for %f = %c0 to %c4 step %c1 {
                scf.for %g = %c0 to %c4 step %c1 {
                  // expected-error@below {{is nested 8 deep, the control unit has 7 loop levels}}
                  scf.for %h = %c0 to %c4 step %c1 {
                  }
                }
              }
            }
          }
        }
      }
    }
  }) {name = "deep"} : () -> ()
  return
}

// -----

func.func @place() {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    // expected-error@below {{has no place in a kernel: expected loops, buffers, windows and tile-level instructions}}
    %x = "focus.param"() {name = "p", row_order = "as_is"} : () -> tensor<8xf16>
  }) {name = "place"} : () -> ()
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
func.func @main() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  // expected-error@below {{'func.call' op calls '@public', expected a routine (a private function)}}
  func.call @public(%x) : (!dram) -> ()
  return
}
func.func @public(%x: !dram) {
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
func.func @main() {
  // expected-error@below {{has no address; run allocate first}}
  %x = "focus.buffer"() {name = "x", kind = "input"} : () -> !dram
  func.call @routine(%x) : (!dram) -> ()
  return
}
func.func private @routine(%x: !dram) {
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
func.func @main() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  // expected-error@below {{'func.call' op calls '@merge', which concentrates, and needs 'focus.site'}}
  func.call @merge(%x) : (!dram) -> ()
  return
}
func.func private @merge(%x: !dram) {
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
  }) {name = "merge", threshold = 0.9 : f64, block = array<i64: 2, 2, 2>} : () -> ()
  return
}

// -----

func.func private @outer() {
  // expected-error@below {{'func.call' op stands in the routine '@outer'; only a function that is not private calls}}
  func.call @inner() : () -> ()
  return
}
func.func private @inner() {
  return
}

// -----

!dram = memref<64x32xf16, #focus.space<"dram">>
// expected-error@below {{'func.func' op has arguments, expected buffers of its own (only a private function is a routine, which others call)}}
func.func @main(%x: !dram) {
  return
}

// -----

// Numbers that no instruction can hold.
!dram = memref<128x32xf16, #focus.space<"dram">>
!box = memref<64x32xf16, strided<[32, 1], offset: ?>, #focus.space<"dram">>
!rows = memref<64x32xf16, #focus.space<"output">>
func.func @step() {
  %x = "focus.buffer"() {name = "x", kind = "input", address = 0 : i64} : () -> !dram
  // expected-error@below {{takes 'ext' with total 4398046511104; -2147483648..2147483647 can be encoded}}
  "focus.kernel"() ({
    %c0 = arith.constant 0 : index
    %far = arith.constant 281474976710656 : index
    %c64 = arith.constant 64 : index
    %c128 = arith.constant 128 : index
    scf.for %i = %c0 to %c128 step %far {
      %end = arith.addi %i, %far : index
      %upper = arith.minsi %c128, %end : index
      scf.for %j = %c0 to %upper step %c64 {
        %rows = "focus.buffer"() {name = "rows", kind = "tile", address = 0 : i64} : () -> !rows
        %box = "focus.window"(%x, %j, %c0) {sizes = array<i64: 64, 32>} : (!dram, index, index) -> !box
        "focus.load"(%box, %rows) {stream = "kv"} : (!box, !rows) -> ()
      }
    }
  }) {name = "step"} : () -> ()
  return
}
