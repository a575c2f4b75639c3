# LONG: a model in many m-tiles; kernel-concentrated.py tries them on kernels
# RUN: %python %s | filecheck %s
"""m-tiles of any size: one token, sizes that neither 32 nor the tokens divide, and one longer than the request; under both array rules."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case

import focus

for name, machine in (("llava-onevision-tiny", "focus"), ("qwen2.5-vl-tiny", "focus-published")):
    c = case(name)
    for m_tile in (1, 7, 33, 1000):
        run = c.run(focus.Concentration(layers=(0, 1), alphas=(0.9, 0.5), m_tile=m_tile), machine)
        print(name, m_tile, run.agreement.holds)
# CHECK: llava-onevision-tiny 1 True
# CHECK-NEXT: llava-onevision-tiny 7 True
# CHECK-NEXT: llava-onevision-tiny 33 True
# CHECK-NEXT: llava-onevision-tiny 1000 True
# CHECK-NEXT: qwen2.5-vl-tiny 1 True
# CHECK-NEXT: qwen2.5-vl-tiny 7 True
# CHECK-NEXT: qwen2.5-vl-tiny 33 True
# CHECK-NEXT: qwen2.5-vl-tiny 1000 True
