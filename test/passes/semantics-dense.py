# RUN: %python %s | filecheck %s
"""Every pass up to assign-layout keeps the model's function: the interpreted IR gives the unmodified model's logits (float32)."""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import distance, interpreted

from focus.compiler import zoo

PASSES = ["convert-torch-to-focus", "annotate-tokens", "fuse", "assign-layout"]

for name in ("llava-onevision-tiny", "llava-onevision-image-tiny", "qwen2.5-vl-tiny", "qwen2.5-vl-image-tiny"):
    model, inputs = zoo.build(name)
    with torch.no_grad():
        wanted = model(**inputs).logits[:, -1].numpy()
    results = interpreted(model, inputs, PASSES)
    distances = [distance(logits, wanted) for logits, _ in results]
    print(name, *(f"{step}: {'same' if far < 1e-4 else far}" for step, far in zip(PASSES, distances)))
# CHECK: llava-onevision-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: llava-onevision-image-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: qwen2.5-vl-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same
# CHECK: qwen2.5-vl-image-tiny convert-torch-to-focus: same annotate-tokens: same fuse: same assign-layout: same

# Storing every activation in fp16 stays within fp16 rounding, and a norm weight that is 5 % off does not.
model, inputs = zoo.build("qwen2.5-vl-tiny")
with torch.no_grad():
    wanted = model(**inputs).logits[:, -1].numpy()
    half = interpreted(model, inputs, [",".join(PASSES)], half=True)[0][0]
    model.model.language_model.layers[1].post_attention_layernorm.weight *= 1.05
    wrong = interpreted(model, inputs, [",".join(PASSES)])[0][0]
# CHECK: fp16 True, wrong weight caught True
print(f"fp16 {distance(half, wanted) < 1e-2}, wrong weight caught {distance(wrong, wanted) > 1e-3}")
