// A step of decode: rows are appended where the step register says, and attention sees what the caches hold then.
// RUN: focus-opt %s --map --tile | filecheck %s --check-prefix=TILE
// RUN: focus-opt %s --map --tile --schedule --allocate --lower-to-fisa | filecheck %s --check-prefix=FISA
func.func @main(%q: tensor<1x64xf16>, %r: tensor<1x32xf16>) -> tensor<1x64xf16> {
  %k = "focus.cache"() {name = "layers.0.keys", requests = 1 : i64, lead = 2 : i64, held = 40 : i64, room = 6 : i64} : () -> tensor<48x32xf16>
  %v = "focus.cache"() {name = "layers.0.values", requests = 1 : i64, lead = 2 : i64, held = 40 : i64, room = 6 : i64} : () -> tensor<48x32xf16>
  %0 = "focus.cache_append"(%k, %r) : (tensor<48x32xf16>, tensor<1x32xf16>) -> tensor<48x32xf16>
  %1 = "focus.cache_append"(%v, %r) : (tensor<48x32xf16>, tensor<1x32xf16>) -> tensor<48x32xf16>
  %2 = "focus.cached_attention"(%q, %0, %1) {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 32 : i64, scale = 0.5 : f64}
      : (tensor<1x64xf16>, tensor<48x32xf16>, tensor<48x32xf16>) -> tensor<1x64xf16>
  return %2 : tensor<1x64xf16>
}
// TILE: "focus.buffer"() {held = 40 : i64, kind = "cache", lead = 2 : i64, name = "layers.0.keys", requests = 1 : i64, room = 6 : i64}
// TILE: func.func private @cache_append_0
// TILE: %[[STEP:.*]] = "focus.step"() {most = 6 : i64} : () -> index
// TILE: func.func private @cached_attention_0
// TILE: "focus.prefix"({{.*}}) {axis = 0 : i64} : (memref<46x32xf16

// FISA: fisa.agu_step"() {{.*}}stride = 64 : i64
// At step 0, 41 of the 46 rows are there.
// FISA: "fisa.ext"() {full = 46 : i64, id = [[ID:.*]] : i64, level = 0 : i64, step = 0 : i64, total = 41 : i64}
// FISA-NEXT: "fisa.ext_step"() {id = [[ID]] : i64, less = -1 : i64}
