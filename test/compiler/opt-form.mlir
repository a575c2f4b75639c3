// Flags for the form of the text: elided attributes, local scope, locations for people, nothing inside ops.
// RUN: focus-opt %s --mlir-elide-elementsattrs-if-larger=4 | filecheck %s --check-prefix ELIDE
// ELIDE: arith.constant dense_resource<__elided__> : tensor<8xi32>
// ELIDE: arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
// RUN: focus-opt %s --mlir-elide-resource-strings-if-larger=16 | filecheck %s --check-prefix RESOURCE
// RESOURCE: arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8]>
// RESOURCE-NOT: "0x
// RUN: focus-opt %s --mlir-print-debuginfo --mlir-print-local-scope | filecheck %s --check-prefix LOCAL
// LOCAL: tensor<4xi32> loc("layers.0.w")
// LOCAL-NOT: #loc
// RUN: focus-opt %s --mlir-pretty-debuginfo | filecheck %s --check-prefix PRETTY
// PRETTY: tensor<4xi32> "layers.0.w"
// RUN: focus-opt %s --mlir-print-skip-regions | filecheck %s --check-prefix SKIP
// SKIP: module {...}
// RUN: not focus-opt %s --mlir-elide-elementsattrs-if-larger=few 2>&1 | filecheck %s --check-prefix BAD
// BAD: error: argument --mlir-elide-elementsattrs-if-larger: a number expected, got 'few'
func.func @f() -> (tensor<8xi32>, tensor<4xi32>, tensor<5xf32>) {
  %0 = arith.constant dense<[1, 2, 3, 4, 5, 6, 7, 8]> : tensor<8xi32>
  %1 = arith.constant dense<[1, 2, 3, 4]> : tensor<4xi32> loc("layers.0.w")
  %2 = arith.constant dense_resource<r> : tensor<5xf32>
  return %0, %1, %2 : tensor<8xi32>, tensor<4xi32>, tensor<5xf32>
}
{-#
  dialect_resources: {
    builtin: {
      r: "0x040000000000803F0000803F0000803F0000803F0000803F"
    }
  }
#-}
