# LONG: models on many arrays; mappings.py draws some at random
# RUN: %python -W ignore %s 2>/dev/null | filecheck %s
"""Whole models on arrays of other shapes, dense as the unmodified model, concentrated as the reference choice by choice; no finding of the
sanitizer; the same cycles without data (asserted by `Case.run`)."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from shapes import check, machine

for name, rows, cols in (("llava-onevision-tiny", 8, 8), ("qwen2-vl-tiny", 8, 8), ("internvl-tiny", 16, 32), ("llava-tiny", 64, 16),
                         ("qwen3-vl-tiny", 64, 64), ("llava-onevision-tiny", 128, 128)):
    check(name, f"{rows} x {cols}", machine(rows, cols))
# CHECK: llava-onevision-tiny 8 x 8 True True
# CHECK-NEXT: qwen2-vl-tiny 8 x 8 True True
# CHECK-NEXT: internvl-tiny 16 x 32 True True
# CHECK-NEXT: llava-tiny 64 x 16 True True
# CHECK-NEXT: qwen3-vl-tiny 64 x 64 True True
# CHECK-NEXT: llava-onevision-tiny 128 x 128 True True
