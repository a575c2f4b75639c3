// The sites are found in unfused layers too, where the residual add and the gate's product are ops of their own.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --insert-concentration="layers=0 alphas=0.5" | filecheck %s

// CHECK: [[NORM:%.*]] = "focus.rms_norm"(%sequence
// CHECK: "focus.gather"([[NORM]], {{.*}}site = "q_proj"
// CHECK: [[X:%.*]] = "focus.add"(%sequence, %layers.0.attn.o_proj)
// CHECK: [[KEPT:%.*]] = "focus.prune"([[X]],
// CHECK: [[M:%.*]] = "focus.rms_norm"([[KEPT]],
// CHECK: [[GATE:%.*]] = "focus.gather"([[M]], {{.*}}site = "gate_proj"
// CHECK: [[G:%.*]] = "focus.linear"([[GATE]],
// CHECK: [[S:%.*]] = "focus.activation"([[G]])
// CHECK: [[U:%.*]] = "focus.linear"([[GATE]],
// CHECK: [[P:%.*]] = "focus.mul"([[S]], [[U]])
// CHECK: [[DOWN:%.*]] = "focus.gather"([[P]], {{.*}}site = "down_proj"
// CHECK: [[D:%.*]] = "focus.linear"([[DOWN]],
// CHECK: "focus.add"([[KEPT]], [[D]]) : (tensor<8x64xf16>, tensor<8x64xf16>) -> tensor<8x64xf16>
