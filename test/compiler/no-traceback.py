# Whatever a configuration, an input, a module or a trace holds: FocusError, of one line, or a result.  `make fuzz` tries others each time.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import os
import sys
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))
import calls
from worker import outcome

os.chdir(sys.argv[1])
TIMES = {calls.changed: 20, calls.made: 1, calls.folder: 5, calls.inputs_of_prefill: 400, calls.module: 6, calls.run: 200, calls.trace: 40, calls.anything: 40, calls.tokens: 40}
counts: Counter = Counter()
for function, times in TIMES.items():
    for number in range(times):
        name = f"{function.__name__} {number}"
        said = outcome(function, Random(name))
        kind = said.partition(" ")[0]
        counts[function.__name__, kind] += 1
        if kind == "finding":
            print(name, said)
# CHECK-NOT: finding
# CHECK: 8 8
print(sum(counts[f.__name__, "refused"] > 0 for f in TIMES if f is not calls.made), sum(counts[f.__name__, "done"] > 0 for f in TIMES if f is not calls.anything))
print(*(f"{what} {done} {n}" for (what, done), n in sorted(counts.items())), sep="; ", file=sys.stderr)
