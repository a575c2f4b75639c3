// Ops of unknown dialects need --allow-unregistered-dialect; unknown ops of ours are never accepted.
// RUN: focus-opt %s --allow-unregistered-dialect | filecheck %s
// RUN: not focus-opt %s 2>&1 | filecheck %s --check-prefix ERR
// RUN: echo '"focus.no_such_op"() : () -> ()' > %t
// RUN: not focus-opt %t --allow-unregistered-dialect 2>&1 | filecheck %s --check-prefix OURS
// CHECK: "other.op"() : () -> ()
// ERR: error: operation being parsed with an unregistered dialect
// OURS: error: {{.*}}unregistered operation 'focus.no_such_op' found in dialect ('focus')
"other.op"() : () -> ()
