// --dump-pass-pipeline prints the pipeline that is run, which --pass-pipeline takes.
// RUN: focus-opt %s --pass-pipeline="func.func(cse,canonicalize{max-iterations=3}),fuse-concentration" --machine=dense --dump-pass-pipeline -o %t 2>&1 | filecheck %s
// CHECK: Pass Manager with 3 passes:
// CHECK-NEXT: builtin.module(func.func(cse,canonicalize{max-iterations=3},fuse-concentration{machine=dense}))
func.func @f() {
  return
}
