// Presets: off inserts nothing; sec and full prune by the default schedule scaled to three layers (8 tokens to 3, then 1); sic only merges.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=off | filecheck %s --check-prefix=OFF
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=sec | filecheck %s --check-prefix=SEC
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=sic | filecheck %s --check-prefix=SIC
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=full | filecheck %s --check-prefix=FULL
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration | filecheck %s --check-prefix=FULL
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="sec=false sic=false" | filecheck %s --check-prefix=OFF

// OFF-NOT: focus.token_ids
// OFF-NOT: focus.gather
// OFF-NOT: focus.prune
// SEC-NOT: focus.gather
// SEC: "focus.topk"({{.*}}k = 3
// SEC: "focus.topk"({{.*}}k = 1
// SEC-NOT: focus.gather
// SIC-NOT: focus.prune
// SIC-COUNT-15: "focus.gather"
// SIC-NOT: focus.prune
// FULL-COUNT-3: "focus.gather"
// FULL: "focus.prune"
// FULL-COUNT-5: "focus.gather"
// FULL: "focus.prune"
// FULL: "focus.gather"
