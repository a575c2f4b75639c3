# A run whose choices were close agrees with the interpreter that makes them; choices that were not close are found.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "end2end" / "Inputs")]
import numpy as np
from damage import Finding
from follow import error_with_choices
from functions import Function
from harness import execute
from strategies import repetitive, video


def program(width, kind, seed=5):
    f = Function(seed, video(50, 2, 4, side=5))
    ids = f.token_ids()
    x = repetitive(f, width, kind)
    q, k = f.linear(x, 32), f.linear(x, 32)
    sel = f.topk(q, k, ids, 1, 1, 20)
    y = f.linear(f.gather(f.prune(q, sel), f.select(ids, sel), site="gate_proj"), 40)
    return f.text(y), f.inputs, f.params


# Rows that are multiples of one vector: every neighbour is as similar as any other.
values = program(1, 2, seed=0)
outcome = execute(*values)
print("ties", error_with_choices(*values, outcome) < 1e-4, outcome.error > 5e-3)
# CHECK: ties True True
values = program(40, 0)
outcome = execute(*values)
print("clear", error_with_choices(*values, outcome) < 5e-3)
# CHECK-NEXT: clear True


def judged(**changes):
    """What is said of the run with another trace."""
    before = dict(outcome.trace[0])
    outcome.trace[0] |= changes
    try:
        print(f"{error_with_choices(*values, outcome):.2g}")
    except Finding as e:
        print(e)
    outcome.trace[0] |= before


group, retained = np.array(outcome.trace[0]["group"]), np.array(outcome.trace[0]["retained"])
alone = np.tile(np.arange(len(group))[:, None], (1, group.shape[1]))
judged(group=alone)
# CHECK-NEXT: 0/gate_proj: row {{[0-9]+}}, slice 0 is in the group of {{[0-9]+}}; its most similar neighbour has 0.9
judged(group=np.zeros_like(group))
# CHECK-NEXT: 0/gate_proj: row {{[0-9]+}}, slice 0 is in the group of 0; its most similar neighbour has
judged(retained=np.setdiff1d(np.arange(50), retained)[:20])
# CHECK-NEXT: a token of importance {{.*}} is left out, one of {{.*}} kept
judged(retained=retained[:1].repeat(20))
# CHECK-NEXT: 20 tokens are kept, but 1 of them are there
outcome.got = outcome.got * 1.1
judged()
# CHECK-NEXT: 0.1
