# RUN: %python %s 1 | filecheck %s
"""Every legal mapping is right: random ops with random legal mappings on random machines, 8 to 128 rows and columns.

Results are the interpreter's, groups too; the sanitizer finds nothing; without data the run takes as many cycles.
Usage: mappings.py SEED [FUNCTIONS]"""
import os
import re
import sys
from collections import Counter
from random import Random

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import harness
import mappings
from functions import trace_difference

from focus.passes.mapping.space import Target
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.geometry import PUBLISHED_SIDE

seed, number = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 75
counts, refused, machines = Counter(), [], set()
for i in range(number):
    rng = Random(seed * 10 ** 6 + i)
    machine, (f, y) = mappings.machine(rng), mappings.function(rng)
    drawn = mappings.Drawn(rng, Target(machine, f.vectors if f.tokens else PUBLISHED_SIDE))
    harness.BEFORE_MAP[:] = [drawn]
    try:
        outcome = f.run(y, machine, tolerance=5e-3)
        assert not trace_difference(outcome)
    except FocusError as e:         # a memory that is too small for the op at all, which the pass map says
        refused.append(str(e))
        assert re.search(r"op needs \d+ bytes of '\w+', but machine", str(e)), (seed, i, str(e))
        continue
    except Exception as e:
        raise AssertionError(f"seed {seed}, function {i}, array {machine.array.rows} x {machine.array.cols}: {e}\n{f.text(y)}") from e
    counts += drawn.counts
    machines.add((machine.array.rows, machine.array.cols, machine.array.rule))
# CHECK: 300 or more True, machines True, few refused True
print(f"300 or more {counts.total() >= 300}, machines {len(machines) > number // 2}, few refused {len(refused) < number // 4}")
print(counts.total(), dict(counts), len(machines), refused)
