# RUN: %python %s | filecheck %s
"""With concentration inserted the interpreted IR gives logits and trace of `focus.reference`, in sequence order and in storage order."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import distance, interpreted

import focus
from focus.compiler import zoo

BEFORE = "convert-torch-to-focus,annotate-tokens,fuse"

MODES = {"llava-onevision-tiny": ("sec", "sic", "full"), "llava-onevision-image-tiny": ("full",), "qwen2.5-vl-tiny": ("sec", "full")}

for name, modes in MODES.items():
    model, inputs = zoo.build(name)
    for mode in modes:
        wanted, trace = focus.reference(model, inputs, mode)
        _, *results = interpreted(model, inputs, [BEFORE, f"insert-concentration{{mode={mode}}}", "assign-layout"])
        verdicts = []
        for logits, found in results:
            entries = sum((found[k] == trace[k]).all() for k in found)
            verdicts.append(f"{'same' if distance(logits, wanted) < 1e-4 else distance(logits, wanted)} {entries} of {len(found)}")
        print(name, mode, "|", *verdicts, sep=" ")
# CHECK: llava-onevision-tiny sec | same 0 of 0 same 0 of 0
# CHECK: llava-onevision-tiny sic | same 45 of 45 same 45 of 45
# CHECK: llava-onevision-tiny full | same 45 of 45 same 45 of 45
# CHECK: llava-onevision-image-tiny full | same 45 of 45 same 45 of 45
# CHECK: qwen2.5-vl-tiny sec | same 0 of 0 same 0 of 0
# CHECK: qwen2.5-vl-tiny full | same 45 of 45 same 45 of 45

# A small m-tile, a block without frames, and pruning in the first and the last layer.
model, inputs = zoo.build("llava-onevision-tiny")
config = focus.Concentration(layers=(0, 2), alphas=(0.6, 0.3), threshold=0.7, block=(1, 2, 2), m_tile=16)
wanted, trace = focus.reference(model, inputs, config)
options = "layers=0,2 alphas=0.6,0.3 threshold=0.7 block=1,2,2 m-tile=16"
(_, _), (logits, found) = interpreted(model, inputs, [BEFORE, f"insert-concentration{{{options}}},assign-layout"])
# CHECK: options True True
print("options", distance(logits, wanted) < 1e-4, all((found[k] == trace[k]).all() for k in found))
