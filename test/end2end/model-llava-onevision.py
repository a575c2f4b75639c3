# RUN: %python %s | filecheck %s
"""LLaVA-OneVision at three sizes on the simulator: dense against the unmodified model, concentrated against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["llava-onevision-tiny", "llava-odd", "llava-onevision-small"])
# CHECK: llava-onevision-tiny dense True
# CHECK-NEXT: llava-onevision-tiny full True
# CHECK-NEXT: llava-onevision-tiny sic True
# CHECK-NEXT: llava-onevision-tiny sec True
# CHECK-NEXT: llava-odd dense True
# CHECK-NEXT: llava-odd full True
# CHECK-NEXT: llava-odd sic True
# CHECK-NEXT: llava-odd tower True
# CHECK-NEXT: llava-onevision-small dense True
# CHECK-NEXT: llava-onevision-small full True
# CHECK-NEXT: llava-onevision-small sic True
# CHECK-NEXT: llava-onevision-small sec True
norm_weights(case("llava-onevision-tiny"))
# CHECK-NEXT: norms True
