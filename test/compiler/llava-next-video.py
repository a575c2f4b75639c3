# Videos of LLaVA-NeXT-Video: frames pooled before the projector by averages or a convolution, beside images of any resolution, all as in the
# unmodified model; the grids of the layout follow.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from common import surgery_difference

from focus.compiler.frontend.full_size import shell
from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.layout import average_weights
from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, image_request, llava_next_video, moving_pattern, request, video_request

tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, image_size=70)
decoder = DecoderConfig(64, 96, 2, 4, 2, 100)


def video(model, videos, frames):
    """A request of noise: each video with its own run of tokens."""
    vision, stride = model.config.vision_config, model.config.spatial_pool_stride
    pixels = np.random.default_rng(0).standard_normal((videos, frames, 3, vision.image_size, vision.image_size), np.float32)
    tokens = frames * (vision.image_size // vision.patch_size // stride) ** 2
    return request(model, 3, 5, [(model.config.video_token_id, tokens)] * videos, {"pixel_values_videos": pixels})


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    layout = prefill_of(model, inputs)[1]
    print(name, "ok" if difference < 1e-5 else difference, layout.flat_runs(), layout.flat_grids())


# 5 x 5 patches make 2 x 2 squares of 2 x 2; the last row and column are left out.  No newline anywhere.
# CHECK: averages of 2 x 2 ok [3, 12] [0, 3, 2, 2, 4, 2, 1]
model = llava_next_video(decoder, tower)
check("averages of 2 x 2", model, video(model, 1, 3))
# CHECK-NEXT: two videos ok [3, 8, 14, 8] [0, 2, 2, 2, 4, 2, 1, 8, 2, 2, 2, 4, 2, 1]
check("two videos", model, video(model, 2, 2))
# A video and an image: each has its own grids, an image's rows end with newlines.
one, other = video(model, 1, 3), image_request(model, [moving_pattern(1, 120, 170)[0]], before=2, after=3)
both = {**other, "pixel_values_videos": one["pixel_values_videos"], "input_ids": torch.cat((one["input_ids"], other["input_ids"]), 1)}
# CHECK-NEXT: video, then image ok [3, 12, 22, 113] [0, 3, 2, 2, 4, 2, 1, 12, 1, 5, 5, 25, 5, 1, 37, 1, 8, 10, 88, 11, 1]
check("video, then image", model, both)
# CHECK-NEXT: averages of 3 x 3 ok [3, 18] [0, 2, 3, 3, 9, 3, 1]
model = llava_next_video(decoder, tower | dict(image_size=160), spatial_pool_stride=3)
check("averages of 3 x 3", model, video(model, 1, 2))
# CHECK-NEXT: [0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
print(average_weights(9, 4)[0].tolist())
# CHECK-NEXT: convolution of 2 x 2, SigLIP, Qwen2 ok [3, 27] [0, 3, 3, 3, 9, 3, 1]
model = llava_next_video(decoder, tower | dict(image_size=98, model_type="siglip_vision_model"), decoder_type="qwen2", spatial_pool_mode="conv")
check("convolution of 2 x 2, SigLIP, Qwen2", model, video(model, 1, 3))
# CHECK-NEXT: convolution of 1 x 1, Mistral ok [3, 50] [0, 2, 5, 5, 25, 5, 1]
model = llava_next_video(decoder, tower, decoder_type="mistral", spatial_pool_mode="conv", spatial_pool_stride=1)
check("convolution of 1 x 1, Mistral", model, video(model, 1, 2))
# What is not pooled needs no mapping of the pooling.
# CHECK-NEXT: maxima, image only ok [2, 113] [0, 1, 5, 5, 25, 5, 1, 25, 1, 8, 10, 88, 11, 1]
model = llava_next_video(decoder, tower, spatial_pool_mode="max")
check("maxima, image only", model, other)

# A model without values is imported too, whatever its pooling.
for mode in ("average", "conv"):
    config = llava_next_video(decoder, tower, spatial_pool_mode=mode).config
    model = shell(lambda: type(model)(config))
    # CHECK-NEXT: average None [4, 12]
    # CHECK-NEXT: conv None [4, 12]
    imported = import_model(model, video_request(model, moving_pattern(3, 70, 70)))
    print(mode, imported.params, imported.tokens.flat_runs())
