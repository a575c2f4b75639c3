# The static prefill of Qwen3-VL computes what the unmodified model computes: positions, features for the decoder, norms of heads, videos, images
# and both.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, random_grids, surgery_difference

from focus.compiler.frontend.families import family_of
from focus.compiler.frontend.video import moving_pattern
from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, qwen3_vl, request

TOWER = dict(depth=3, hidden_size=48, intermediate_size=80, num_heads=2, num_position_embeddings=25, deepstack_visual_indexes=[0, 1],
             patch_size=14)


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    print(name, "ok" if difference < 1e-5 else difference)


model = qwen3_vl(DecoderConfig(64, 96, 2, 2, 1, 100), TOWER, seed=4)
# CHECK: video ok
check("video", model, random_grids(model, videos=[(1, 8, 12)]))
# CHECK-NEXT: image ok
check("image", model, random_grids(model, images=[(1, 10, 6)]))
# CHECK-NEXT: two images of two frames and a video ok
check("two images of two frames and a video", model, random_grids(model, images=[(2, 8, 12), (2, 2, 2)], videos=[(1, 4, 8)]))
# CHECK-NEXT: one frame, one token of prompt ok
check("one frame, one token of prompt", model, random_grids(model, videos=[(1, 4, 4)], before=0, after=1))
tower = TOWER | dict(num_heads=3, deepstack_visual_indexes=[2, 0, 1], num_position_embeddings=50)
other = qwen3_vl(DecoderConfig(96, 100, 3, 3, 3, 100), tower, 5, head_dim=24)
# CHECK-NEXT: features for all layers, in another order, odd sizes ok
check("features for all layers, in another order, odd sizes", other, random_grids(other, images=[(1, 10, 6), (1, 4, 2)], videos=[(1, 2, 8)]))
plain = qwen3_vl(DecoderConfig(64, 96, 2, 2, 1, 100), TOWER | dict(deepstack_visual_indexes=[]))
# CHECK-NEXT: no features ok
check("no features", plain, random_grids(plain, videos=[(1, 4, 6)]))

# A video is a grid though each frame is a run of its own.
pixels, runs = family_of(model).video(model, moving_pattern(6, 56, 84), 56 * 84)
inputs = request(model, 3, 5, runs, pixels)
# CHECK-NEXT: video of three runs ok
check("video of three runs", model, inputs)
# CHECK-NEXT: [3, 6, 12, 6, 21, 6] [0, 3, 2, 3, 6, 3, 1]
print(prefill_of(model, inputs)[1].flat_runs(), prefill_of(model, inputs)[1].flat_grids())


def refuse(model, inputs, **change):
    print(error(prefill_of, model, {k: v for k, v in (inputs | change).items() if v is not None}))


# CHECK-NEXT: input 'mm_token_type_ids' is missing; it goes with pixel_values
refuse(model, inputs, mm_token_type_ids=None)
# CHECK-NEXT: input 'second_per_grid_ts' is not supported for qwen3_vl; supported: input_ids,
refuse(model, inputs, second_per_grid_ts=torch.tensor([2.5]))
# CHECK-NEXT: config.vision_config.deepstack_visual_indexes: no more blocks than the decoder has layers expected, got [0, 1, 2]
refuse(qwen3_vl(DecoderConfig(64, 96, 2, 2, 1, 100), TOWER | dict(deepstack_visual_indexes=[0, 1, 2])), inputs)
# Frames of a video in one run have no positions in the unmodified model either.
# CHECK-NEXT: input_ids: each image and each frame of a video must be one unbroken run of tokens with text between two of them
refuse(model, random_grids(model, videos=[(3, 4, 6)]))
