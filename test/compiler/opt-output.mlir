// -o writes the whole file or nothing.
// RUN: rm -rf %t && mkdir %t
// RUN: focus-opt %s -o %t/out.mlir
// RUN: filecheck %s --input-file %t/out.mlir
// CHECK: func.func @f()
// RUN: not focus-opt %s --pass-pipeline=nothing -o %t/failed.mlir 2>&1 | filecheck %s --check-prefix ERR
// ERR: error: pipeline: pass 'nothing'
// RUN: ls -A %t | filecheck %s --check-prefix FILES
// FILES: out.mlir
// FILES-NOT: {{.}}
// RUN: not focus-opt %s -o %t/no/such/folder.mlir 2>&1 | filecheck %s --check-prefix FOLDER
// FOLDER: error: {{.*}}/no/such/folder.mlir: cannot write: no folder
func.func @f() {
  return
}
