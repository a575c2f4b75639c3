// Without a token layout, or with a wrong one, there is one clear line.
// RUN: not focus-opt %s --annotate-tokens --split-input-file 2>&1 | filecheck %s

// CHECK: error: 'func.func' op needs a token layout (attribute 'focus.tokens')
module {
  func.func @main() {
    return
  }
}

// -----

// CHECK: error: 'func.func' op attribute 'focus.tokens' must be #focus.tokens, but is {V = 1 : i64}
module {
  func.func @main() attributes {focus.tokens = {V = 1 : i64}} {
    return
  }
}

// -----

// CHECK: error: 'func.func' op token layout has runs of 2 visual tokens, expected 3
module {
  func.func @main() attributes {
      focus.tokens = #focus.tokens<3, 5, array<i64: 3, 2>, array<i64: 0, 1, 1, 2, 2, 2, 1>>} {
    return
  }
}

// -----

// CHECK: error: annotate-tokens: the module has no function @main
module {
}
// CHECK-NOT: Traceback
