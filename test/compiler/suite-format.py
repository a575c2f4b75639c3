# RUN lines as the test format reads them: pipelines, redirections and quotes here, anything else left to a real shell.
# RUN: %python %s %root/test | filecheck %s
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from lit_format import _run_pipeline, parse_line


def show(line):
    plan = parse_line(line)
    print("shell" if plan is None else " ; ".join(" | ".join(str(c.argv) for c in p) for p in plan))
    return plan


plan = show("not focus-opt a.mlir --pass-pipeline='func.func(cse, \"x\")' 2>&1 | filecheck a.mlir")
# CHECK: ['not', 'focus-opt', 'a.mlir', '--pass-pipeline=func.func(cse, "x")'] | ['filecheck', 'a.mlir']
print(plan[0][0].redirections, plan[0][1].redirections)
# CHECK-NEXT: [('2>&1', '')] []
plan = show("mkdir d && focus-opt < in > out 2> err")
# CHECK-NEXT: ['mkdir', 'd'] ; ['focus-opt']
print(plan[1][0].redirections)
# CHECK-NEXT: [('<', 'in'), ('>', 'out'), ('2>', 'err')]
for line in ("ls *.mlir", "echo $HOME", "A=1 focus-opt", "(true)", "true || false", "echo >", "cd x && true"):
    show(line)
# CHECK-COUNT-7: shell

# Redirections are done in order, as in a shell: `2>&1 > out` sends standard error to where standard output went before.
folder = Path(tempfile.mkdtemp())
(folder / "both.sh").write_text("echo out; echo err >&2")
for line in ("sh both.sh > a 2>&1", "sh both.sh 2>&1 > a", "sh both.sh 2>&1 2> a", "sh both.sh > b > a 2> c && sh both.sh >> a 2> c"):
    sys.stdout.flush()                      # else the forks have it too
    left = [_run_pipeline(pipeline, str(folder), dict(os.environ), 10)[1] for pipeline in parse_line(line)]
    print(line, left, (folder / "a").read_text().split())
# CHECK-NEXT: > a 2>&1 [''] ['out', 'err']
# CHECK-NEXT: 2>&1 > a ['err\n'] ['out']
# CHECK-NEXT: 2>&1 2> a ['out\n'] ['err']
# CHECK-NEXT: >> a 2> c ['', ''] ['out', 'out']
