// The mapping of an op is an attribute; a person may change a number in it and go on, or fix it by module path in a file.
// RUN: focus-opt %s --map | filecheck %s --check-prefix=MAP
// RUN: focus-opt %s --map | sed "s/n = 32 : i64, stays/n = 64 : i64, stays/" | focus-opt --tile | filecheck %s --check-prefix=EDITED
// RUN: focus-opt %s --map | sed "s/n = 32 : i64, stays/n = 33 : i64, stays/" | not focus-opt --tile 2>&1 | filecheck %s --check-prefix=BY_HAND
// RUN: echo '["*.fc1"]' > %t.toml && echo 'n = 32' >> %t.toml && focus-opt %s --map=overrides=%t.toml | filecheck %s --check-prefix=FIXED
// RUN: echo '["layer.fc1"]' > %t.bad.toml && echo 'n = 33' >> %t.bad.toml
// RUN: not focus-opt %s --map=overrides=%t.bad.toml 2>&1 | filecheck %s --check-prefix=FILE
// FILE: error: 'focus.linear' op no mapping has n = 33: n is 33, expected a multiple of the array's 32 columns ({{.*}}.bad.toml)
// RUN: sed 's/{activation/{focus.mapping = #focus.mapping<"dense", [{kind = "gemm", m = 64 : i64, n = 48 : i64}]>, activation/' %s > %t.mlir
// RUN: not focus-opt %t.mlir --map 2>&1 | filecheck %s --check-prefix=ILLEGAL
// RUN: not focus-opt %s --tile 2>&1 | filecheck %s --check-prefix=NONE
// MAP: "focus.linear"{{.*}}focus.mapping = #focus.mapping<"dense", [{kind = "gemm", m = {{[0-9]+}} : i64, n = 32 : i64, stays = "input"
// EDITED: "focus.buffer"() {{.*}}name = "acc1"
// EDITED-NOT: name = "acc2"
// FIXED: n = 32 : i64
// BY_HAND: error: 'focus.linear' op its mapping is not legal: n is 33, expected a multiple of the array's 32 columns
// ILLEGAL: error: 'focus.linear' op its mapping is not legal: n is 48, expected a multiple of the array's 32 columns
// NONE: error: 'focus.linear' op has no 'focus.mapping'; pass map writes it
func.func @main(%x: tensor<64x64xf16>) -> tensor<64x96xf16> {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<96x64xf16>
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<64x64xf16>, tensor<96x64xf16>) -> tensor<64x96xf16> loc("layer.fc1")
  return %y : tensor<64x96xf16>
}
