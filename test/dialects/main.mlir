// What stands on @main beside its ops is checked wherever IR is read and after each pass: ports against arguments or input buffers, fixed inputs,
// row order, concentration, sites, and the level of the module.
// RUN: focus-opt %s --split-input-file --verify-diagnostics
// RUN: sed -n '/GOOD$/,/END$/p' %s > %t.mlir && focus-opt %t.mlir | filecheck %s

// GOOD
// CHECK: module attributes {focus.level = "fuse"}
// CHECK: focus.concentration = #focus.concentration<array<i64: 1>, [3.300000e-01], 9.000000e-01 : f64, array<i64: 2, 2, 2>, 32 : i64, 1024 : i64, true, true, []>
// CHECK-SAME: focus.ports = [#focus.port<"pixels", "float32", array<i64: 4, 8>, "data", 0 : i64>, #focus.port<"ids", "int64", {{.*}}, "token_ids", 40 : i64>]
module attributes {focus.level = "fuse"} {
  func.func @main(%x: tensor<4x8xf16>, %ids: tensor<1x6xi32>) attributes {
      focus.model = "Small", focus.layers = 2 : i64, focus.row_order = "sequence", focus.visual_ids = array<i64: 9>,
      focus.ports = [#focus.port<"pixels", "float32", array<i64: 4, 8>, "data", 0>, #focus.port<"ids", "int64", array<i64: 1, 6>, "token_ids", 40>],
      focus.fixed_inputs = {grid = dense<[[1, 2, 2]]> : tensor<1x3xi64>, mask = dense<true> : tensor<2xi1>},
      focus.concentration = #focus.concentration<array<i64: 1>, [0.33], 0.9, array<i64: 2, 2, 2>, 32, 1024, true, true, []>} {
    return
  }
}
// END

// -----

// expected-error@below {{'builtin.module' op attribute 'focus.level' must be the name of a pass or "input", but is 3 : i64}}
module attributes {focus.level = 3 : i64} {
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.ports' must be an array of #focus.port, but is ["ids"]}}
func.func @main() attributes {focus.ports = ["ids"]} {
  return
}

// -----

// expected-error@below {{'func.func' op has a port without a name}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"", "float32", array<i64: 4, 8>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op port 'x' has element type 'complex64', expected one of float16, float32, float64, int32, int64}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "complex64", array<i64: 4, 8>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op port 'x' has role 'labels', expected one of data, token_ids}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "labels", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op port 'x' has values below 7; only token ids are limited, by a positive number}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "data", 7>]} {
  return
}

// -----

// expected-error@below {{'func.func' op port 'x' holds token ids as float32, expected integers}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "token_ids", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op port 'x' has shape [4, 0], expected positive sizes}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 0>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op has an input of shape [4, 8] for port 'x' of shape [8, 4]}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 8, 4>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op has 1 ports (x), but its inputs are of ports ['0', '1']}}
func.func @main(%x: tensor<4x8xf16>, %y: tensor<4x8xf16>) attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op has ports ['x', 'x']; expected different names, and token ids in one of them at most}}
func.func @main(%x: tensor<4x8xf16>, %y: tensor<4x8xf16>) attributes {
    focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "data", 0>, #focus.port<"x", "float32", array<i64: 4, 8>, "data", 0>]} {
  return
}

// -----

// Tiled code: an input buffer for each port.
// expected-error@below {{'func.func' op has 1 ports (x), but its inputs are of ports ['1']}}
func.func @main() attributes {focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "data", 0>]} {
  %x = "focus.buffer"() {name = "x", kind = "input", port = 1 : i64, shape = array<i64: 4, 8>} : () -> memref<4x8xf16, #focus.space<"dram">>
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.fixed_inputs' must be a dictionary of dense values, but is 5 : i64}}
func.func @main() attributes {focus.fixed_inputs = 5 : i64} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.fixed_inputs' has dense<1> : tensor<2xi8> for 'grid', expected dense values of i64, i32, f32, f64, i1}}
func.func @main() attributes {focus.fixed_inputs = {grid = dense<1> : tensor<2xi8>}} {
  return
}

// -----

// expected-error@below {{'func.func' op has 'x' both as a port and in 'focus.fixed_inputs'}}
func.func @main(%x: tensor<4x8xf16>) attributes {focus.fixed_inputs = {x = dense<1> : tensor<2xi64>},
    focus.ports = [#focus.port<"x", "float32", array<i64: 4, 8>, "data", 0>]} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.row_order' must be one of sequence, storage, but is "random"}}
func.func @main() attributes {focus.row_order = "random"} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.layers' must be an i64 that is not negative, but is -1}}
func.func @main() attributes {focus.layers = -1 : i64} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.concentration': Concentration: 1 layers but 0 alphas}}
func.func @main() attributes {focus.concentration = #focus.concentration<array<i64: 1>, [], 0.9, array<i64: 2, 2, 2>, 32, 1024, true, true, []>} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.concentration': Concentration: layer 2 is selected, but the decoder has layers 0..1}}
func.func @main() attributes {focus.layers = 2 : i64,
    focus.concentration = #focus.concentration<array<i64: 2>, [0.5], 0.9, array<i64: 2, 2, 2>, 32, 1024, true, true, []>} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.concentration': Concentration: overrides.0: sites.0: no site of that name; q_proj, query}}
func.func @main() attributes {focus.layers = 2 : i64, focus.concentration = #focus.concentration<array<i64>, [], 0.9, array<i64: 2, 2, 2>, 32, 1024, true, true,
    [{sites = ["qkv"], threshold = 0.5 : f64}]>} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.concentration': overrides are [true], expected an array of dictionaries}}
func.func @main() attributes {focus.layers = 2 : i64, focus.concentration = #focus.concentration<array<i64>, [], 0.9, array<i64: 2, 2, 2>, 32, 1024, true, true,
    [true]>} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.concentration' must be #focus.concentration, but is "full"}}
func.func @main() attributes {focus.concentration = "full"} {
  return
}

// -----

// expected-error@below {{'func.func' op attribute 'focus.sites': site 0 has visual = nothing, expected an i64}}
func.func @main() attributes {focus.sites = [{layer = 0 : i64, site = "query", width = 32 : i64, slices = 1 : i64, tiles = array<i64: 0, 0, 4>}]} {
  return
}
