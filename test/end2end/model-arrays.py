# RUN: %python -W ignore %s 2>/dev/null | filecheck %s
"""A whole model on arrays of other shapes: dense as the unmodified model, concentrated as the reference choice by
choice; no finding of the sanitizer; the same cycles without data (all asserted by `Case.run`)."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import DENSE, case

from focus.runtime.spec.machine import Machine

tiny = case("llava-onevision-tiny")


def machine(rows: int, cols: int) -> Machine:
    """The default machine with another array, and weights for three array widths, twice."""
    values = Machine.load("focus").model_dump(mode="json")
    values["array"] |= {"rows": rows, "cols": cols, "fill_cycles": None, "weight_load_cycles": None}
    for buffer in ("wgt", "output", "input", "conc"):
        values["buffers"][buffer]["bytes"] *= 4 if max(rows, cols) > 64 else 1
    values["buffers"]["wgt"]["bytes"] = max(values["buffers"]["wgt"]["bytes"], 2 * 2 * 3 * rows * cols)
    return Machine.from_dict(values)


for name, m in (("16 x 32", machine(16, 32)), ("64 x 16", machine(64, 16)), *((n, Machine.load(n)) for n in ("focus-16", "focus-64", "focus-128"))):
    print(name, tiny.run("off", m).distance < DENSE, tiny.run("full", m).agreement.holds)
# CHECK: 16 x 32 True True
# CHECK-NEXT: 64 x 16 True True
# CHECK-NEXT: focus-16 True True
# CHECK-NEXT: focus-64 True True
# CHECK-NEXT: focus-128 True True
