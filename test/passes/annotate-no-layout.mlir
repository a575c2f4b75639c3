// Without a token layout, or with a wrong one, there is one clear line.
// RUN: not focus-opt %s --annotate-tokens --split-input-file 2>&1 | filecheck %s

// CHECK: error: annotate-tokens: the module has no token layout (attribute 'focus.token_layout')
module {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: annotate-tokens: 'focus.token_layout' must be a dictionary of V, S, runs, grids
module attributes {focus.token_layout = {V = 1 : i64}} {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: TokenLayout: runs hold 2 visual tokens, V is 3
module attributes {focus.token_layout = {V = 3 : i64, S = 5 : i64, runs = array<i64: 3, 2>, grids = array<i64: 0, 1, 1, 2, 2, 2, 1>}} {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: annotate-tokens: the module has no function @main
module attributes {focus.token_layout = {V = 0 : i64, S = 5 : i64, runs = array<i64>, grids = array<i64>}} {
}
// CHECK-NOT: Traceback
