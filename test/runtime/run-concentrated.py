# A program that merges similar vectors: results and trace are the algorithm's, and the trace alone gives the same cycles.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import merged
import numpy as np
from small import error

from focus.runtime.run.executable import Executable

exe = Executable(merged.binary())
x = merged.inputs()
result = exe.run({"x": x}, sanitize=True)
expected, group, zero = merged.reference(x)
assert (result.trace["group/0/q_proj"] == group).all() and (result.trace["zero/0/q_proj"] == zero).all()
assert (result.trace["retained/0/q_proj"] == np.arange(merged.VISUAL)).all()
product = expected.astype(np.float32) @ merged.WEIGHT.astype(np.float32).T
assert np.abs(result.outputs["y"] - product).max() < 2e-3 * np.abs(product).max()
plain = x.astype(np.float32) @ merged.WEIGHT.astype(np.float32).T
assert np.abs(result.outputs["y"] - plain).max() > 0.1 * np.abs(plain).max()        # merging makes a difference here

report = result.report
unique = int(((group == np.arange(merged.VISUAL)[:, None]) & (zero == 0)).sum())
assert report["sites"] == {"0/q_proj": {"vectors": 40, "unique": unique, "ratio": unique / 40}} and 15 < unique < 30
# CHECK: sanitizer: {'total': 0, 'findings': []}
print("sanitizer:", report["sanitizer"])

timed = exe.time(result.trace)
same = [k for k in report if k not in ("mode", "inputs", "sanitizer", "overflows", "nonfinite", "modules")]
assert all(timed[k] == report[k] for k in same), [k for k in same if timed[k] != report[k]]
assert timed["cycles"] == exe.time(dict(result.trace))["cycles"]
# More unique vectors, more cycles.
alone = {**result.trace, "group/0/q_proj": np.repeat(np.arange(20, dtype=np.int32)[:, None], 2, 1),
         "zero/0/q_proj": np.zeros((20, 2), np.uint8)}
assert exe.time(alone)["cycles"] > report["cycles"] and exe.time(alone)["sites"]["0/q_proj"]["ratio"] == 1

# CHECK-NEXT: the program merges similar vectors, so its time depends on the data: a trace is needed (--trace of focus-sim, focus-trace)
print(error(exe.time))
# CHECK-NEXT: trace of another model or configuration: model is merged, the binary has other
print(error(Executable(merged.binary(model="other")).time, result.trace))
