# Threads that share one Executable: each run has results of its own inputs, also beside timing runs, when there are more threads than
# engines, when a run fails or is started within another, and in a copy of the Executable.
# RUN: %python %s %t.fxb | filecheck %s
import copy
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import merged
import numpy as np
from small import PROGRAM, binary, error

from focus.runtime.run.executable import Executable

THREADS, REPEATS = 6, 25
# eight trips over the same tiles, so that runs overlap; a little longer for each thread's turns to mix
program = PROGRAM.replace("loop trips=e2", "ext id=e3 full=200 total=200 step=0 level=never\nloop trips=e3\nloop trips=e2").replace(
    "level=l0", "level=l1").replace("signal=s3\nendloop", "signal=s3\nendloop\nendloop").replace("wait=s1@0,", "wait=s1@0,")
exe = Executable(binary(program))
xs = [np.random.default_rng(seed).normal(size=(40, 32)).astype(np.float32) for seed in range(THREADS)]
alone = [exe.run({"x": x}).outputs["y"] for x in xs]
cycles = exe.time()["cycles"]
assert not np.array_equal(alone[0], alone[1])


def together(work):
    """How many of the calls work(thread, repeat), all threads at once, gave something else than None."""
    wrong, gate = [], threading.Barrier(THREADS)

    def body(number):
        gate.wait()
        for repeat in range(REPEATS):
            try:
                found = work(number, repeat)
            except Exception as e:
                found = e
            if found is not None:
                wrong.append(found)
    threads = [threading.Thread(target=body, args=(n,)) for n in range(THREADS)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return wrong


def check(executable, n):
    return None if np.array_equal(executable.run({"x": xs[n]}).outputs["y"], alone[n]) else "wrong"


# CHECK: runs []
print("runs", together(lambda n, i: check(exe, n)))
# CHECK-NEXT: beside timing []
print("beside timing", together(lambda n, i: check(exe, n) if (n + i) % 2 else None if exe.time()["cycles"] == cycles else "cycles"))
# CHECK-NEXT: beside failures []
print("beside failures", together(lambda n, i: check(exe, n) if n % 2 else None if "missing" in error(exe.run, {}) else "no error"))
# CHECK-NEXT: in a copy []
other = copy.copy(exe)
print("in a copy", together(lambda n, i: check(other if n % 2 else exe, n)))
# CHECK-NEXT: engines True
print("engines", 1 <= len(exe._engines.idle) <= exe._engines.most, len(exe._engines.idle))
exe._engines.most = 1
# CHECK-NEXT: one engine []
print("one engine", together(lambda n, i: check(exe, n)))

# A run inside the progress callback of another, with but one engine: no deadlock, and neither disturbs the other.
longer = Executable(binary(program.replace("full=200 total=200", "full=100000 total=100000")))
longer._engines.most = 1
inner = []
outer = longer.run({"x": xs[0]}, progress=lambda done, total: inner or inner.append(longer.time()["instructions"]))
# CHECK-NEXT: nested True True
print("nested", inner == [outer.report["instructions"]], np.array_equal(outer.outputs["y"], alone[0]))

# Writers of one file: it is always one of theirs, whole.
path = Path(sys.argv[1])
exe.save(path)
# CHECK-NEXT: saving [] True
print("saving", together(lambda n, i: exe.save(path) if n % 2 else None if Executable.load(path).binary.modules == exe.binary.modules else "changed"),
      [p.name for p in path.parent.glob(f".{path.name}*")] == [])

# Traces are a run's own, too.
concentrated, x = Executable(merged.binary()), merged.inputs()
variants = [x, x[::-1].copy()] * (THREADS // 2)
traces = [concentrated.run({"x": v}).trace for v in variants]


def same_trace(n, _):
    found = concentrated.run({"x": variants[n]}).trace
    return None if all(np.array_equal(found[key], traces[n][key]) for key in traces[n]) else "wrong"


# CHECK-NEXT: traces True []
print("traces", any(not np.array_equal(traces[0][key], traces[1][key]) for key in traces[0]), together(same_trace))
