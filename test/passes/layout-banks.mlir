// Every concentrated value gets the layouter order of the request's grids, for the block of its gather; the capacity is the machine's 16 KB in
// vectors of 64 bytes, or the option's.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=block=2,1,2 --assign-layout -o %t
// RUN: filecheck %s < %t
// RUN: focus-opt %t | filecheck %s
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration --assign-layout=layouter-bytes=1024 \
// RUN:   | filecheck %s --check-prefix=SMALL

// CHECK: "focus.gather"({{.*}} -> !focus.concentrated<12 : i64, 64 : i64, 8 : i64, 32 : i64, 1024 : i64, #focus.layout<array<i64: 2, 2, 2>,
// CHECK-SAME: array<i64: 2, 1, 2>, 256 : i64, array<i64: 0, 2, 2, 2, 4, 2, 1>>>
// CHECK-NOT: unit>
// SMALL: "focus.gather"({{.*}}#focus.layout<array<i64: 2, 2, 2>, array<i64: 2, 2, 2>, 16 : i64
