# RUN: %python %s | filecheck %s
"""InternVL at three sizes on the simulator, with frames, with images in tiles, and with both: dense against the unmodified model, concentrated
against the reference."""
import os
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, norm_weights, sizes

sizes(["internvl-tiny", "internvl-image-tiny", "internvl-odd", "internvl-small"])
# CHECK: internvl-tiny dense True
# CHECK-NEXT: internvl-tiny full True
# CHECK-NEXT: internvl-tiny sic True
# CHECK-NEXT: internvl-tiny sec True
# CHECK-NEXT: internvl-image-tiny dense True
# CHECK-NEXT: internvl-image-tiny full True
# CHECK-NEXT: internvl-image-tiny sic True
# CHECK-NEXT: internvl-image-tiny sec True
# CHECK-NEXT: internvl-odd dense True
# CHECK-NEXT: internvl-odd full True
# CHECK-NEXT: internvl-odd sic True
# CHECK-NEXT: internvl-odd tower True
# CHECK-NEXT: internvl-small dense True
# CHECK-NEXT: internvl-small full True
# CHECK-NEXT: internvl-small sic True
# CHECK-NEXT: internvl-small sec True
for name in ("internvl-tiny", "internvl-image-tiny", "internvl-odd"):       # layer scales; norms of queries and keys; the norm after the layers
    norm_weights(case(name))
# CHECK-NEXT: norms True
# CHECK-NEXT: norms True
# CHECK-NEXT: norms True
