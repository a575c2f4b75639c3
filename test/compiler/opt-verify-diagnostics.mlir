// --verify-diagnostics fails for a diagnostic that no comment expects, and for a comment that no diagnostic answers.
// RUN: not focus-opt %s --split-input-file --verify-diagnostics 2>&1 | filecheck %s

// CHECK: opt-verify-diagnostics.mlir:9:1: error: unexpected error: 'focus.add' op expects 2 operands (a, b), but has 0
// CHECK-NEXT: opt-verify-diagnostics.mlir:13: error: expected error "no such error" was not produced
// CHECK-NEXT: opt-verify-diagnostics.mlir:18: error: expected warning "expects 2 operands" was not produced
// CHECK-NEXT: opt-verify-diagnostics.mlir:24: error: expected error "4 operands" was not produced

"focus.add"() : () -> ()

// -----

// expected-error@below {{no such error}}
func.func private @f()

// -----

// expected-warning@+2 {{expects 2 operands}}
// expected-error-re@+1 {{expects {{[0-9]}} operands}}
"focus.add"() : () -> ()

// -----

// expected-error@+1 {{4 operands}} expected-error@+1 {{2 operands}}
"focus.add"() : () -> ()

// -----

// expected-error@unknown {{'focus.add' op expects 2 operands}}
"focus.add"() : () -> () loc("layers.0")
