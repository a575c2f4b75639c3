// A TOML file in place of options; a file that is wrong is one line.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration=mode=%S/Inputs/concentration.toml | filecheck %s
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration=mode=%S/Inputs/none.toml 2>&1 \
// RUN:   | filecheck %s --check-prefix=MISSING
// RUN: not focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="mode=sec layers=1" 2>&1 | filecheck %s --check-prefix=BOTH

// CHECK: "focus.gather"({{.*}}block = array<i64: 1, 2, 2>{{.*}}m_tile = 4 : i64{{.*}}threshold = 0.9499
// CHECK: "focus.topk"({{.*}}k = 6
// MISSING: error: {{.*}}none.toml: cannot read
// MISSING-NOT: Traceback
// BOTH: error: insert-concentration: options 'layers' and 'alphas' do not go with 'mode', which has layers of its own
