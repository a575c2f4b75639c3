# NaN, infinity and values beyond fp16 are allowed, propagated, and counted where they occur.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import binary

from focus.runtime.run import report
from focus.runtime.run.executable import Executable

weight = np.zeros((32, 32), np.float16)
weight[np.diag_indices(32)] = 2
exe = Executable(binary(params={"proj.weight": weight}))
x = np.ones((40, 32), np.float32)
x[0, 0], x[5, 1], x[6, 2], x[39, 31] = np.nan, -np.inf, 1e5, 60000      # 2 x 60000 overflows on the way out
r = exe.run({"x": x})
y = r.outputs["y"]
# A row with a NaN or an infinity is spoilt (infinity x 0 is NaN), except where only the last step overflows.
# CHECK: rows with NaN: [0, 5, 6], infinite: 1
print(f"rows with NaN: {np.flatnonzero(np.isnan(y).any(1)).tolist()}, infinite: {np.isinf(y[7:]).sum()}")
assert y[39, 31] == np.inf and (y[7:39] == 2).all()
# CHECK-NEXT: {'x': {'nonfinite': 2, 'overflows': 1}} 3 1
print(r.report["inputs"], r.report["nonfinite"], r.report["overflows"])
# CHECK-NEXT: proj 3 0
# CHECK-NEXT: store 0 1
for path, m in r.report["modules"].items():
    print(path, m["nonfinite"], m["overflows"])
# CHECK:      input x: values NaN or infinite: 2
# CHECK-NEXT: input x: values beyond fp16, now infinite: 1
# CHECK-NEXT: results beyond the range of fp16, now infinite: 1; most in store (1)
# CHECK-NEXT: NaN or infinite values read from DRAM: 3; most in proj (3)
report.show(r.report)
