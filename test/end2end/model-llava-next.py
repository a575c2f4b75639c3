# RUN: %python %s | filecheck %s
"""LLaVA-NeXT with images of several resolutions and LLaVA-NeXT-Video with videos and images on the simulator: dense against the unmodified
model, concentrated against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["llava-next-tiny", "next-odd", "llava-next-video-tiny", "next-video-odd"])
# CHECK: llava-next-tiny dense True
# CHECK-NEXT: llava-next-tiny full True
# CHECK-NEXT: llava-next-tiny sic True
# CHECK-NEXT: llava-next-tiny sec True
# CHECK-NEXT: next-odd dense True
# CHECK-NEXT: next-odd full True
# CHECK-NEXT: next-odd sic True
# CHECK-NEXT: next-odd tower True
# CHECK-NEXT: llava-next-video-tiny dense True
# CHECK-NEXT: llava-next-video-tiny full True
# CHECK-NEXT: llava-next-video-tiny sic True
# CHECK-NEXT: llava-next-video-tiny sec True
# CHECK-NEXT: next-video-odd dense True
# CHECK-NEXT: next-video-odd full True
# CHECK-NEXT: next-video-odd sic True
# CHECK-NEXT: next-video-odd tower True
for name in ("llava-next-tiny", "llava-next-video-tiny"):
    norm_weights(case(name))
# CHECK-NEXT: norms True
# CHECK-NEXT: norms True
