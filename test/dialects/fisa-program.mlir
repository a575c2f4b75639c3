// fisa.program: only instructions, balanced loops at most seven deep, halt at the end.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

"fisa.program"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 1 : i64} : () -> ()
  "fisa.endloop"() : () -> ()
  "fisa.endloop"() : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op must end with 'fisa.halt'}}
"fisa.program"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.endloop"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op ends inside 1 open loop}}
"fisa.program"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op instruction 0 is an endloop without a loop}}
"fisa.program"() ({
  "fisa.endloop"() : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op instruction 7 opens loop 8, expected at most 7 deep}}
"fisa.program"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op holds 'arith.constant', expected only instructions}}
"fisa.program"() ({
  %0 = arith.constant 0 : index
  "fisa.halt"() : () -> ()
}) : () -> ()
