# RUN: %python %s | filecheck %s
"""Every pass up to assign-layout keeps the model's function: the interpreted IR gives the unmodified model's logits (float32)."""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import Imported, distance

PASSES = ["convert-torch-to-focus", "annotate-tokens", "fuse", "assign-layout"]

for name in ("llava-onevision-tiny", "llava-onevision-image-tiny", "internvl-image-tiny", "qwen3-vl-tiny", "qwen2.5-vl-tiny"):
    imported = Imported(name)
    with torch.no_grad():
        wanted = imported.model(**imported.inputs).logits[:, -1].numpy()
    distances = [distance(logits, wanted) for logits, _ in imported.run(*PASSES)]
    print(name, *(f"{step}: {'same' if far < 1e-4 else far}" for step, far in zip(PASSES, distances)))
# CHECK: llava-onevision-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: llava-onevision-image-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: internvl-image-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: qwen3-vl-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: qwen2.5-vl-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same

# Storing every activation in fp16 stays within fp16 rounding, and a norm weight that is 5 % off does not stay unseen.
(half, _), = imported.run(",".join(PASSES), half=True)
imported.params["model.language_model.layers.1.post_attention_layernorm.weight"] *= 1.05
(wrong, _), = imported.run(",".join(PASSES))
# CHECK: fp16 True, wrong weight seen True
print(f"fp16 {distance(half, wanted) < 1e-2}, wrong weight seen {distance(wrong, wanted) > 1e-3}")
