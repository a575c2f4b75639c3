// fisa.routine and fisa.call: what each may hold and must agree on.
// RUN: focus-opt %s --split-input-file --verify-diagnostics

"fisa.program"() ({
  "fisa.call"() {callee = @r, addresses = array<i64: 4096, 0>, site = 3 : i64} : () -> ()
  "fisa.call"() {callee = @r, addresses = array<i64: 0, 0>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
"fisa.routine"() ({
  "fisa.agu"() {id = 0 : i64, space = 0 : i64, dtype = 0 : i64, base = 16 : i64, pitch = 64 : i64, slots = 1 : i64, slot_bytes = 0 : i64,
      ring_level = 7 : i64, fisa.arg = 1 : i64} : () -> ()
}) {sym_name = "r", arguments = 2 : i64} : () -> ()

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op calls '@nothing', which is no fisa.routine of this module}}
  "fisa.call"() {callee = @nothing, addresses = array<i64>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op calls '@f', which is no fisa.routine of this module}}
  "fisa.call"() {callee = @f, addresses = array<i64>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
func.func private @f() {
  return
}

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op gives 1 addresses, expected 2 (arguments of '@r')}}
  "fisa.call"() {callee = @r, addresses = array<i64: 64>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
"fisa.routine"() ({
}) {sym_name = "r", arguments = 2 : i64} : () -> ()

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op has addresses [-64], expected none to be negative}}
  "fisa.call"() {callee = @r, addresses = array<i64: -64>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
"fisa.routine"() ({
}) {sym_name = "r", arguments = 1 : i64} : () -> ()

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op attribute 'site' must be an i64 that is not negative, but is "first"}}
  "fisa.call"() {callee = @r, addresses = array<i64>, site = "first"} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
"fisa.routine"() ({
}) {sym_name = "r", arguments = 0 : i64} : () -> ()

// -----

"fisa.program"() ({
  // expected-error@below {{'fisa.call' op requires attribute 'callee' (a symbol reference)}}
  "fisa.call"() {addresses = array<i64>} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.program' op instruction 1 is a call inside a loop}}
"fisa.program"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
  "fisa.call"() {callee = @r, addresses = array<i64>} : () -> ()
  "fisa.endloop"() : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()
"fisa.routine"() ({
}) {sym_name = "r", arguments = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.routine' op holds 'fisa.halt', which only a program may}}
"fisa.routine"() ({
  "fisa.halt"() : () -> ()
}) {sym_name = "r", arguments = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.routine' op holds 'fisa.call', expected only instructions}}
"fisa.routine"() ({
  "fisa.call"() {callee = @r, addresses = array<i64>} : () -> ()
}) {sym_name = "r", arguments = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.routine' op ends inside 1 open loop}}
"fisa.routine"() ({
  "fisa.loop"() {trips = 0 : i64} : () -> ()
}) {sym_name = "r", arguments = 0 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.routine' op instruction 0 has fisa.arg = 2 : i64, expected one of the 2 arguments}}
"fisa.routine"() ({
  "fisa.agu"() {id = 0 : i64, space = 0 : i64, dtype = 0 : i64, base = 16 : i64, pitch = 64 : i64, slots = 1 : i64, slot_bytes = 0 : i64,
      ring_level = 7 : i64, fisa.arg = 2 : i64} : () -> ()
}) {sym_name = "r", arguments = 2 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.routine' op instruction 0 ('fisa.sem') has 'fisa.arg', which only 'fisa.agu' in a routine may}}
"fisa.routine"() ({
  "fisa.sem"() {id = 1 : i64, credits = 0 : i64, fisa.arg = 0 : i64} : () -> ()
}) {sym_name = "r", arguments = 2 : i64} : () -> ()

// -----

// expected-error@below {{'fisa.program' op instruction 0 ('fisa.agu') has 'fisa.arg', which only 'fisa.agu' in a routine may}}
"fisa.program"() ({
  "fisa.agu"() {id = 0 : i64, space = 0 : i64, dtype = 0 : i64, base = 16 : i64, pitch = 64 : i64, slots = 1 : i64, slot_bytes = 0 : i64,
      ring_level = 7 : i64, fisa.arg = 0 : i64} : () -> ()
  "fisa.halt"() : () -> ()
}) : () -> ()

// -----

// expected-error@below {{'fisa.routine' op attribute 'arguments' must not be negative, but is -1}}
"fisa.routine"() ({
}) {sym_name = "r", arguments = -1 : i64} : () -> ()
