// --split-input-file: parts are handled one by one; an error in one is reported at its line and the command fails.
// RUN: not focus-opt %s --split-input-file --cse 2>&1 | filecheck %s
// RUN: not focus-opt %s --split-input-file > %t.out 2> %t.err
// RUN: filecheck %s --input-file %t.err --check-prefix ERR
// ERR: opt-split.mlir:14:1: error: 'focus.add' op expects 2 operands (a, b), but has 0
// ERR-NEXT: "focus.add"() : () -> ()
// ERR-NEXT: ^

// CHECK: error: 'focus.add' op
func.func @first() {
  return
}
// -----
"focus.add"() : () -> ()
// -----
func.func @third() {
  return
}
