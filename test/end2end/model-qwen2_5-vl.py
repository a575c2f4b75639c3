# RUN: %python %s | filecheck %s
"""Qwen2.5-VL at three sizes on the simulator: dense against the unmodified model, concentrated against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["qwen2.5-vl-tiny", "qwen-odd", "qwen2.5-vl-small"])
# CHECK: qwen2.5-vl-tiny dense True
# CHECK-NEXT: qwen2.5-vl-tiny full True
# CHECK-NEXT: qwen2.5-vl-tiny sic True
# CHECK-NEXT: qwen2.5-vl-tiny sec True
# CHECK-NEXT: qwen-odd dense True
# CHECK-NEXT: qwen-odd full True
# CHECK-NEXT: qwen-odd sic True
# CHECK-NEXT: qwen-odd tower True
# CHECK-NEXT: qwen2.5-vl-small dense True
# CHECK-NEXT: qwen2.5-vl-small full True
# CHECK-NEXT: qwen2.5-vl-small sic True
# CHECK-NEXT: qwen2.5-vl-small sec True
norm_weights(case("qwen2.5-vl-tiny"))
# CHECK-NEXT: norms True
