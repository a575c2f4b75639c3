// Removing similarity concentration leaves exactly what was there before it, without and with pruning, laid out or not.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=off -o %t.before
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=sic --remove-concentration -o %t.after
// RUN: diff %t.before %t.after
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="layers=1 alphas=0.5 sic=false" -o %t.sec
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="layers=1 alphas=0.5" --remove-concentration -o %t.removed
// RUN: diff %t.sec %t.removed
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=full --assign-layout --remove-concentration \
// RUN:   | filecheck %s

// CHECK: focus.concentration = #focus.concentration<array<i64: 0, 1, 2>, {{.*}}, false, "auto", []>
// CHECK-NOT: focus.gather
// CHECK-NOT: !focus.concentrated
// CHECK: focus.prune
// CHECK-NOT: focus.gather
// CHECK-NOT: !focus.concentrated
