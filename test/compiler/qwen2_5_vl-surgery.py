# The static prefill of Qwen2.5-VL computes what the unmodified model computes: windows, M-RoPE, videos, images and both.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import random_grids, surgery_difference

from focus.compiler.frontend.zoo import DecoderConfig, qwen2_5_vl


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    print(name, "ok" if difference < 1e-5 else difference)


tower = dict(depth=3, hidden_size=48, intermediate_size=80, num_heads=2, window_size=112, fullatt_block_indexes=[1])
model = qwen2_5_vl(DecoderConfig(64, 96, 2, 2, 1, 100), tower, seed=4)
# CHECK: video ok
check("video", model, random_grids(model, videos=[(3, 8, 12)]))
# CHECK-NEXT: image ok
check("image", model, random_grids(model, images=[(1, 10, 6)]))
# CHECK-NEXT: two videos and an image ok
check("two videos and an image", model, random_grids(model, images=[(1, 8, 12)], videos=[(2, 4, 8), (1, 8, 4)]))
# CHECK-NEXT: one frame, one token of prompt ok
check("one frame, one token of prompt", model, random_grids(model, videos=[(1, 4, 4)], before=0, after=1))
inputs = random_grids(model, videos=[(3, 8, 12)])
# CHECK-NEXT: time scaled positions ok
check("time scaled positions", model, inputs | {"second_per_grid_ts": torch.tensor([2.5])})
# Without token types the model falls back to one-dimensional positions, and so does the prefill.
# CHECK-NEXT: plain positions ok
check("plain positions", model, {k: v for k, v in inputs.items() if k != "mm_token_type_ids"})
# CHECK-NEXT: attention mask of ones ok
check("attention mask of ones", model, inputs | {"attention_mask": torch.ones_like(inputs["input_ids"])})
other = qwen2_5_vl(DecoderConfig(96, 100, 3, 3, 3, 100), tower | dict(depth=2, window_size=56, num_heads=4, hidden_size=64), seed=5)
# CHECK-NEXT: small windows, odd sizes ok
check("small windows, odd sizes", other, random_grids(other, videos=[(2, 10, 6)]))
