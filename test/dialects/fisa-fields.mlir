// fisa instructions: ranges, enumerations, required and unknown fields.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

"fisa.load"() {src = 0 : i64, dst = 126 : i64, rows = 63 : i64, cols = 0 : i64, stream = 9 : i64, wait0 = 63 : i64, wait0_depth = 0 : i64} : () -> ()

// -----

"fisa.agu_stride"() {id = 3 : i64, level = 2 : i64, stride = -1099511627776 : i64} : () -> ()

// -----

// expected-error-re@below {{'fisa.agu_stride' op field 'stride' is 4611686018427387904, outside -{{[0-9]+}}..{{[0-9]+}}}}
"fisa.agu_stride"() {id = 3 : i64, level = 2 : i64, stride = 4611686018427387904 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.load' op field 'rows' is 64, outside 0..63}}
"fisa.load"() {src = 0 : i64, dst = 1 : i64, rows = 64 : i64, cols = 0 : i64, stream = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.load' op field 'dst' is 255, the absent operand, but the operand is required}}
"fisa.load"() {src = 0 : i64, dst = 255 : i64, rows = 0 : i64, cols = 0 : i64, stream = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.load' op field 'stream' is 12, which is no Stream (0 activation, 1 weight}}
"fisa.load"() {src = 0 : i64, dst = 1 : i64, rows = 0 : i64, cols = 0 : i64, stream = 12 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.load' op needs field 'cols'}}
"fisa.load"() {src = 0 : i64, dst = 1 : i64, rows = 0 : i64, stream = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.load' op has no field 'init'}}
"fisa.load"() {src = 0 : i64, dst = 1 : i64, rows = 0 : i64, cols = 0 : i64, stream = 0 : i64, init = 7 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.mm' op field 'init' is 9, expected 0..7 or 15}}
"fisa.mm"() {src = 0 : i64, wgt = 1 : i64, dst = 2 : i64, rows = 0 : i64, k = 1 : i64, n = 2 : i64, init = 9 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.loop' op field 'trips' must be an i64, but is 3 : i32}}
"fisa.loop"() {trips = 3 : i32} : () -> ()

// -----

// expected-error@below {{'fisa.sem' op field 'id' is 0, the number for no semaphore}}
"fisa.sem"() {id = 0 : i64, credits = 2 : i64} : () -> ()

// -----

%0 = arith.constant 0 : index
// expected-error@below {{'fisa.halt' op expects 0 operands, but has 1}}
"fisa.halt"(%0) : (index) -> ()
