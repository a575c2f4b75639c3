# LONG: six machines; mappings.py draws some at random
# RUN: %python -W ignore %s 2>/dev/null | filecheck %s
"""Whole models with vectors of other lengths, on the default array and on others: dense as the unmodified
model, concentrated as the reference choice by choice; no finding of the sanitizer; the same cycles without data (asserted by `Case.run`)."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from shapes import check, machine

from focus.runtime.spec.machine import Machine

for name, target, vector in (("llava-onevision-tiny", Machine.load("focus"), 16), ("qwen2.5-vl-tiny", Machine.load("focus"), 64),
                             ("llava-next-video-tiny", machine(8, 32), 16), ("qwen2-vl-tiny", Machine.load("focus-64"), 64)):
    check(name, f"{target.array.rows} x {target.array.cols}, {vector}", target, vector)
# CHECK: llava-onevision-tiny 32 x 32, 16 True True
# CHECK-NEXT: qwen2.5-vl-tiny 32 x 32, 64 True True
# CHECK-NEXT: llava-next-video-tiny 8 x 32, 16 True True
# CHECK-NEXT: qwen2-vl-tiny 64 x 64, 64 True True
