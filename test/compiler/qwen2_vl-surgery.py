# The static prefill of Qwen2-VL computes what the unmodified model computes: frames, M-RoPE, videos, images and both.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, random_grids, surgery_difference

from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, qwen2_vl


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    print(name, "ok" if difference < 1e-5 else difference)


model = qwen2_vl(DecoderConfig(64, 96, 2, 2, 1, 100), dict(depth=3, embed_dim=48, num_heads=2, mlp_ratio=2), seed=4)
# CHECK: video ok
check("video", model, random_grids(model, videos=[(3, 8, 12)]))
# CHECK-NEXT: image ok
check("image", model, random_grids(model, images=[(1, 10, 6)]))
# CHECK-NEXT: two images of two frames and a video ok
check("two images of two frames and a video", model, random_grids(model, images=[(2, 8, 12), (2, 2, 2)], videos=[(2, 4, 8)]))
# CHECK-NEXT: one frame, one token of prompt ok
check("one frame, one token of prompt", model, random_grids(model, videos=[(1, 4, 4)], before=0, after=1))
other = qwen2_vl(DecoderConfig(96, 100, 3, 3, 3, 100), dict(depth=2, embed_dim=60, num_heads=5, mlp_ratio=3, hidden_act="gelu"), seed=5)
# CHECK-NEXT: another activation, odd sizes ok
check("another activation, odd sizes", other, random_grids(other, videos=[(2, 10, 6)]))

# A video is a grid of merged patches.
inputs = random_grids(model, images=[(1, 4, 4)], videos=[(3, 8, 12)])
# CHECK-NEXT: [0, 1, 2, 2, 4, 2, 1, 4, 3, 4, 6, 24, 6, 1]
print(prefill_of(model, inputs)[1].flat_grids())


def refuse(model, inputs, **change):
    print(error(prefill_of, model, {k: v for k, v in (inputs | change).items() if v is not None}))


# Unlike Qwen2.5-VL the unmodified model has no positions without token types.
# CHECK-NEXT: input 'mm_token_type_ids' is missing; it goes with pixel_values
refuse(model, inputs, mm_token_type_ids=None)
# CHECK-NEXT: input 'second_per_grid_ts' is not supported for qwen2_vl; supported: input_ids,
refuse(model, inputs, second_per_grid_ts=torch.tensor([2.5]))
# CHECK-NEXT: video_grid_thw: (frames, height, width) in multiples of (1, 2, 2) expected, got {{\[\[}}3, 8, 3]]
refuse(model, inputs, video_grid_thw=torch.tensor([[3, 8, 3]]))
model.model.visual.blocks[1].mlp.act = torch.nn.Mish()
# CHECK-NEXT: model.visual.blocks.1.mlp.act: activation Mish has no mapping; supported: silu,
refuse(model, inputs)
