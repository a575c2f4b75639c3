// Each gather has the settings of its layer and site; where these merge nothing there is none.  @main says the same as the file.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=%S/Inputs/overrides.toml > %t.mlir
// RUN: filecheck %s < %t.mlir
// RUN: focus-opt %t.mlir | filecheck %s
// RUN: focus-opt %t.mlir --remove-concentration | filecheck %s --check-prefix=REMOVED

// CHECK: focus.concentration = #focus.concentration<array<i64: 1>, [5.000000e-01], 9.000000e-01 : f64, array<i64: 2, 2, 2>, 32 : i64, {{[0-9]+}} : i64, true, "auto",
// CHECK-SAME: [{block = array<i64: 1, 1, 2>, last = 1 : i64, sites = ["query", "down_proj"], threshold = 7.500000e-01 : f64},
// CHECK-SAME: {first = 1 : i64, similarity = false, sites = ["o_proj", "gate_proj"]}]>
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 0 : i64{{.*}}site = "q_proj", threshold = 9.0{{0*}}e-01 : f64
// CHECK: "focus.gather"({{.*}}block = array<i64: 1, 1, 2>, layer = 0 : i64{{.*}}site = "query", threshold = 7.5{{0*}}e-01 : f64
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 0 : i64{{.*}}site = "o_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 0 : i64{{.*}}site = "gate_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 1, 1, 2>, layer = 0 : i64{{.*}}site = "down_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 1 : i64{{.*}}site = "q_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 1, 1, 2>, layer = 1 : i64{{.*}}site = "query"
// CHECK-NOT: site = "gate_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 1, 1, 2>, layer = 1 : i64{{.*}}site = "down_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 2 : i64{{.*}}site = "q_proj"
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 2 : i64{{.*}}site = "query"
// CHECK: "focus.gather"({{.*}}block = array<i64: 2, 2, 2>, layer = 2 : i64{{.*}}site = "down_proj"
// CHECK-NOT: "focus.gather"
// REMOVED: : i64, false, "auto", []>
// REMOVED-NOT: "focus.gather"
