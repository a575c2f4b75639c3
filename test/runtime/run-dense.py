# Running a program: results, repeated runs, the same cycles without data, saving and loading, progress.
# RUN: %python %s %t.fxb
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import binary

import focus
from focus.runtime.run.executable import Executable

exe = Executable(binary())
weight = exe.binary.params["proj.weight"].astype(np.float32)
x = np.random.default_rng(1).normal(size=(40, 32)).astype(np.float32)


def expected(x):
    return x.astype(np.float16).astype(np.float32) @ weight.T


calls = []
r = exe.run({"x": x}, progress=lambda done, total: calls.append((done, total)), timeline=5)
y = r.outputs["y"]
assert y.dtype == np.float32 and y.shape == (40, 32) and np.abs(y - expected(x)).max() < 0.01
assert (y == y.astype(np.float16)).all()                            # stored as fp16
assert dict(r.trace) == {} and len(r.timeline) == 5 and (r.timeline.events[:, 3] >= r.timeline.events[:, 2]).all()
assert all(0 < done <= total for done, total in calls)

# Parameters are copied to the machine once.
class Once(dict):
    def __getitem__(self, name):
        taken.append(name)
        return super().__getitem__(name)


taken = []
counting = Executable(binary(params=Once(exe.binary.params)))
assert (counting.run({"x": x}).outputs["y"] == y).all() and taken
taken.clear()
assert (counting.run({"x": x}).outputs["y"] == y).all() and not taken

# Again with other data, and after saving and loading: nothing is left over from the run before.
again = exe.run({"x": 2 * x})
assert np.abs(again.outputs["y"] - expected(2 * x)).max() < 0.02 and again.report["cycles"] == r.report["cycles"]
exe.save(sys.argv[1])
loaded = focus.load(sys.argv[1])
assert (loaded.run({"x": x}).outputs["y"] == y).all()
# Timing needs no data, before or after a run.
fresh = focus.load(sys.argv[1])
assert fresh.time()["cycles"] == fresh.time({})["cycles"] == loaded.time()["cycles"] == r.report["cycles"]
# Anything that is array-like will do, of any element type that loses nothing.
assert (exe.run({"x": x.astype(np.float16)}).outputs["y"] == y).all()
assert (exe.run({"x": x.astype(np.float16).tolist()} | {"x": x}).outputs["y"] == y).all()
