// --verify-each=false leaves out the verification after each pass; other values than true and false are refused.
// RUN: focus-opt %s --cse --verify-each=false | filecheck %s
// RUN: focus-opt %s --cse --verify-each=true | filecheck %s
// CHECK: func.func @f
// RUN: not focus-opt %s --verify-each=perhaps 2>&1 | filecheck %s --check-prefix BAD
// BAD: error: argument --verify-each: true or false expected, got 'perhaps'
func.func @f() {
  return
}
