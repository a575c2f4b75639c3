# LONG: three models of the larger size; demo.test shows what concentration gains
# RUN: %python %s | filecheck %s
"""Repetitive frames: concentrated takes fewer cycles than dense, and what merges is exactly what the reference merges."""
import os
import sys

import numpy as np
import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import Case, zoo

for name, height, width in (("llava-onevision-small", 98, 98), ("qwen2.5-vl-small", 112, 168), ("internvl-small", 84, 84)):
    model = zoo.build(name)[0]
    frames = np.repeat(zoo.moving_pattern(1, height, width, speed=1.5), 12, 0)
    c = Case(model, zoo.video_request(model, frames))
    dense = c.run("off")
    sic, full = c.run("sic"), c.run("full")
    print(name, dense.distance < 1e-2, sic.agreement.holds, full.agreement.holds, full.cycles < dense.cycles)
# CHECK: llava-onevision-small True True True True
# CHECK-NEXT: qwen2.5-vl-small True True True True
# CHECK-NEXT: internvl-small True True True True
