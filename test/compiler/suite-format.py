# RUN lines as the test format reads them: pipelines, redirections and quotes here, anything else left to a real shell.
# RUN: %python %s %root/test | filecheck %s
import sys

sys.path.insert(0, sys.argv[1])
from lit_format import parse_line  # noqa: E402


def show(line):
    plan = parse_line(line)
    print("shell" if plan is None else " ; ".join(" | ".join(str(c.argv) for c in p) for p in plan))
    return plan


plan = show("not focus-opt a.mlir --pass-pipeline='func.func(cse, \"x\")' 2>&1 | filecheck a.mlir")
# CHECK: ['not', 'focus-opt', 'a.mlir', '--pass-pipeline=func.func(cse, "x")'] | ['filecheck', 'a.mlir']
print(plan[0][0].join, plan[0][1].join)
# CHECK-NEXT: True False
plan = show("mkdir d && focus-opt < in > out 2> err")
# CHECK-NEXT: ['mkdir', 'd'] ; ['focus-opt']
print(plan[1][0].stdin, plan[1][0].stdout, plan[1][0].stderr)
# CHECK-NEXT: in out err
for line in ("ls *.mlir", "echo $HOME", "A=1 focus-opt", "(true)", "true || false", "echo >", "cd x && true"):
    show(line)
# CHECK-COUNT-7: shell
