# LONG: several families, each with other weights
# RUN: %python %s | filecheck %s
"""Weights as trained decoders have them, one channel a hundred times larger than others and sharp attention: fp16 storage then decides more, in the
reference as on the accelerator, and explains whatever differs."""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case, zoo


@torch.no_grad()
def with_outliers(model, channel=7):
    layers = model.model.language_model.layers
    layers[0].mlp.down_proj.weight[channel] *= 100
    for layer in layers:
        layer.self_attn.q_proj.weight *= 4
    return model


explained = checked = 0
for name in ("llava-tiny", "qwen2.5-vl-tiny"):
    c = case(name)
    for seed in range(2):
        with_outliers(zoo.randomise(c.model, seed))
        for mode in ("sec", "sic", "full"):
            run = c.run(mode)
            explained, checked = explained + run.agreement.explained, checked + 1
            print(*[f"{name} {seed} {mode}: {run.agreement}\n"] * (not run.agreement.explained), end="")
print(f"{explained} of {checked} explained")
# CHECK: {{^}}12 of 12 explained
