// A ratio that keeps every token left inserts no pruning: layer 1 asks for 7 tokens, but 2 are left.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --insert-concentration="layers=0,1 alphas=0.25,0.9 sic=false" | filecheck %s

// CHECK-COUNT-1: "focus.topk"({{.*}}k = 2
// CHECK-NOT: "focus.topk"
// CHECK-NOT: "focus.importance"
// CHECK: "focus.last_row"({{.*}} : (tensor<6x64xf16>)
