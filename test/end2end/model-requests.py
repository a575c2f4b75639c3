# LONG: a request of every shape; the model-*.py of the families have a few
# RUN: %python %s | filecheck %s
"""Requests of every shape: an image, several runs of visual tokens, one frame, a prompt of one token, no text before; small m-tiles, another
block, pruning in the first and last layer; a machine with other buffers and array rule."""
import os
import sys

import numpy as np
import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import Case, case, zoo

import focus

rng = np.random.default_rng(5)


def llava(videos, frames, before, after):
    """As many videos, each a run of its own, of a few distinct frames."""
    model = zoo.build("llava-onevision-tiny")[0]
    side = model.config.vision_config.image_size
    pixels = rng.standard_normal((2, 3, side, side), np.float32)[np.arange(videos * frames) // 2 % 2]
    pixels = pixels.reshape(videos, frames, 3, side, side) + 0.02 * rng.standard_normal((videos, frames, 3, side, side), np.float32)
    tokens = frames * (-(-(side // 14) // 2)) ** 2 + 1
    return Case(model, zoo.request(model, before, after, [(model.config.video_token_id, tokens)] * videos, {"pixel_values_videos": pixels}))


def qwen(images, videos, before, after):
    """Images, then videos, each (frames, height, width) in patches."""
    model = zoo.build("qwen2.5-vl-tiny")[0]
    pixels, runs = {}, []
    for name, grid, grids, token in (("pixel_values", "image_grid_thw", images, model.config.image_token_id),
                                     ("pixel_values_videos", "video_grid_thw", videos, model.config.video_token_id)):
        if grids:
            counts = [int(np.prod(g)) for g in grids]
            pixels[name], pixels[grid] = rng.standard_normal((sum(counts), 1176), np.float32), np.array(grids)
            runs += [(token, n // 4) for n in counts]
    return Case(model, zoo.request(model, before, after, runs, pixels))


small = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs", "scalesim.toml")
early = focus.Concentration(layers=(0, 2), alphas=(0.6, 0.3), threshold=0.8, block=(1, 2, 2), m_tile=16)
for name, c, modes, machine in (("image", case("llava-onevision-image-tiny"), ("off", "full"), "focus"),
                                ("two runs, one frame", llava(2, 1, 0, 1), ("off", "full"), "focus"),
                                ("small tiles", llava(1, 4, 3, 6), (early,), small),
                                ("images and video", qwen([(1, 4, 6), (1, 6, 4)], [(3, 4, 4)], 2, 1), ("off", early), "focus"),
                                ("one image", case("qwen2.5-vl-image-tiny"), ("full",), small)):
    for mode in modes:
        run = c.run(mode, machine)
        print(name, *(["dense", run.distance < 1e-2] if mode == "off" else ["concentrated", run.agreement.holds]))
# CHECK: image dense True
# CHECK-NEXT: image concentrated True
# CHECK-NEXT: two runs, one frame dense True
# CHECK-NEXT: two runs, one frame concentrated True
# CHECK-NEXT: small tiles concentrated True
# CHECK-NEXT: images and video dense True
# CHECK-NEXT: images and video concentrated True
# CHECK-NEXT: one image concentrated True
