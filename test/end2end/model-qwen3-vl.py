# RUN: %python %s | filecheck %s
"""Qwen3-VL at three sizes on the simulator, with a video, with two images, and with both: dense against the unmodified model, concentrated
against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["qwen3-vl-tiny", "qwen3-vl-image-tiny", "qwen3-odd", "qwen3-vl-small"])
# CHECK: qwen3-vl-tiny dense True
# CHECK-NEXT: qwen3-vl-tiny full True
# CHECK-NEXT: qwen3-vl-tiny sic True
# CHECK-NEXT: qwen3-vl-tiny sec True
# CHECK-NEXT: qwen3-vl-image-tiny dense True
# CHECK-NEXT: qwen3-vl-image-tiny full True
# CHECK-NEXT: qwen3-vl-image-tiny sic True
# CHECK-NEXT: qwen3-vl-image-tiny sec True
# CHECK-NEXT: qwen3-odd dense True
# CHECK-NEXT: qwen3-odd full True
# CHECK-NEXT: qwen3-odd sic True
# CHECK-NEXT: qwen3-odd tower True
# CHECK-NEXT: qwen3-vl-small dense True
# CHECK-NEXT: qwen3-vl-small full True
# CHECK-NEXT: qwen3-vl-small sic True
# CHECK-NEXT: qwen3-vl-small sec True
norm_weights(case("qwen3-vl-tiny"))
# CHECK-NEXT: norms True
