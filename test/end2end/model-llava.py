# RUN: %python %s | filecheck %s
"""LLaVA at three sizes on the simulator: dense against the unmodified model, concentrated against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["llava-tiny", "clip-odd", "llava-small"])
# CHECK: llava-tiny dense True
# CHECK-NEXT: llava-tiny full True
# CHECK-NEXT: llava-tiny sic True
# CHECK-NEXT: llava-tiny sec True
# CHECK-NEXT: clip-odd dense True
# CHECK-NEXT: clip-odd full True
# CHECK-NEXT: clip-odd sic True
# CHECK-NEXT: clip-odd tower True
# CHECK-NEXT: llava-small dense True
# CHECK-NEXT: llava-small full True
# CHECK-NEXT: llava-small sic True
# CHECK-NEXT: llava-small sec True
norm_weights(case("llava-tiny"))
# CHECK-NEXT: norms True
