// A pipeline that cannot be read gets one clear error.
// RUN: not focus-opt %s --pass-pipeline='func.func(cse' 2>&1 | filecheck %s --check-prefix OPEN
// OPEN: error: pipeline: expected ')' at column 14 of 'func.func(cse'
// RUN: not focus-opt %s --pass-pipeline='cse)' 2>&1 | filecheck %s --check-prefix CLOSE
// CLOSE: error: pipeline: unexpected ')' at column 4 of 'cse)'
// RUN: not focus-opt %s --pass-pipeline='cse,,cse' 2>&1 | filecheck %s --check-prefix NAME
// NAME: error: pipeline: expected a pass name at column 5 of 'cse,,cse'
// RUN: not focus-opt %s --pass-pipeline='canonicalize{top-down=false' 2>&1 | filecheck %s --check-prefix BRACE
// BRACE: error: pipeline: '{' at column 13 of 'canonicalize{top-down=false' is not closed
// RUN: not focus-opt %s --pass-pipeline='canonicalise' 2>&1 | filecheck %s --check-prefix UNKNOWN
// UNKNOWN: error: pipeline: pass 'canonicalise' on builtin.module: 'canonicalise' does not refer to a registered pass or pass pipeline
// RUN: not focus-opt %s --pass-pipeline='convert-torch-to-linalg' 2>&1 | filecheck %s --check-prefix ANCHOR
// ANCHOR: error: pipeline: pass 'convert-torch-to-linalg' on builtin.module: Can't add pass 'ConvertTorchToLinalg' restricted to 'func.func'
// RUN: not focus-opt %s --pass-pipeline='func.func(tile)' 2>&1 | filecheck %s --check-prefix MODULE
// MODULE: error: pipeline: pass 'tile' runs on builtin.module, not on func.func
// RUN: not focus-opt %s --pass-pipeline='canonicalize{sideways}' 2>&1 | filecheck %s --check-prefix OPTION
// OPTION: error: pipeline: pass 'canonicalize{sideways}' on builtin.module: <Pass-Options-Parser>: no such option sideways
// RUN: not focus-opt %s --insert-concentration=treshold=0.5 2>&1 | filecheck %s --check-prefix OURS
// OURS: error: pipeline: pass 'insert-concentration' has no option 'treshold' (options: {{.*}}threshold
// RUN: not focus-opt %s --insert-concentration=threshold=high 2>&1 | filecheck %s --check-prefix VALUE
// VALUE: error: pipeline: option 'threshold' of pass 'insert-concentration' is 'high', expected float
