// Storage order: visual rows first, then the text before them, then the prompt; the decoder's RoPE tables are stored like that, and nothing else.
// RUN: focus-opt %S/Inputs/decoder.mlir --annotate-tokens --fuse --assign-layout | filecheck %s

// CHECK: func.func @main([[VISUAL:%.*]]: tensor<8x64xf16> {{.*}}, [[IDS:%.*]]: tensor<1x12xi32>
// CHECK-SAME: focus.row_order = "storage"
// CHECK: name = "embed.weight", row_order = "as_is"
// CHECK: [[ID0:%.*]] = "focus.slice"([[IDS]]) {offsets = array<i64: 0, 0>
// CHECK: [[TEXT0:%.*]] = "focus.embedding"([[ID0]],
// CHECK: [[ID1:%.*]] = "focus.slice"([[IDS]]) {offsets = array<i64: 0, 10>
// CHECK: [[TEXT1:%.*]] = "focus.embedding"([[ID1]],
// CHECK: tensor.concat dim(0) [[VISUAL]], [[TEXT0]], [[TEXT1]]
// CHECK-COUNT-1: name = "const.rope_cos", row_order = "storage"
// CHECK-COUNT-1: name = "const.rope_sin", row_order = "storage"
// CHECK-NOT: "storage"
// CHECK: focus.last_row
