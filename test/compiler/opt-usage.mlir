// Wrong usage exits with 2, wrong input with 1; neither writes output or a traceback.
// RUN: %python -c "import subprocess, sys; r = subprocess.run(sys.argv[1:], capture_output=True, text=True); \
// RUN:   print(r.returncode, r.stdout, r.stderr)" focus-opt %s --no-such-pass | filecheck %s --check-prefix FLAG
// FLAG: 2  usage: focus-opt
// FLAG: focus-opt: error: unrecognized arguments: --no-such-pass
// RUN: not focus-opt %s --cse --pass-pipeline=cse 2>&1 | filecheck %s --check-prefix BOTH
// BOTH: focus-opt: error: give passes either as flags or as --pass-pipeline, not both
// RUN: not focus-opt %t.absent 2>&1 | filecheck %s --check-prefix ABSENT
// ABSENT: error: {{.*}}.absent: cannot read: No such file or directory
// RUN: %python -c "import sys; open(sys.argv[1], 'wb').write(bytes([255, 254, 0]))" %t.bytes
// RUN: not focus-opt %t.bytes 2>&1 | filecheck %s --check-prefix BYTES
// BYTES: error: {{.*}}.bytes: is neither text nor MLIR bytecode (byte 0)
// RUN: focus-opt --help | filecheck %s --check-prefix HELP
// HELP: usage: focus-opt
// HELP: --pass-pipeline TEXT
// HELP: Each pass of --list-passes is also a flag
