"""What the front end's tests share: small requests of any shape, relative differences, and the text of one error."""
import numpy as np
import torch

from focus.compiler.frontend import zoo
from focus.compiler.frontend.wrapper import prefill_of
from focus.runtime.spec.errors import FocusError


def relative(a, b):
    """Relative L2 difference of two arrays or tensors."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def error(function, *arguments, **options):
    """The message of the FocusError a call raises."""
    try:
        function(*arguments, **options)
    except FocusError as e:
        return str(e)
    return "ACCEPTED"


@torch.no_grad()
def last_logits(model, inputs):
    """Logits [1, vocabulary] of the unmodified model's last token."""
    return model(**inputs).logits[:, -1]


@torch.no_grad()
def surgery_difference(model, inputs):
    """How far the static prefill under surgery is from the unmodified model."""
    prefill, _, tensors = prefill_of(model, inputs)
    with prefill.surgery():
        logits = prefill(*(tensors[n] for n in prefill.plan.input_names))
    return relative(logits, last_logits(model, inputs))


def random_video(model, frames, before=3, after=5, videos=1):
    """A LLaVA-OneVision request of noise: each video with its own run of tokens."""
    vision = model.config.vision_config
    side = -(-(vision.image_size // vision.patch_size) // 2)
    pixels = np.random.default_rng(frames).standard_normal((videos, frames, 3, vision.image_size, vision.image_size), np.float32)
    runs = [(model.config.video_token_id, frames * side * side + 1)] * videos
    return zoo.request(model, before, after, runs, {"pixel_values_videos": pixels})


def random_grids(model, images=(), videos=(), before=3, after=5):
    """A Qwen2.5-VL request of noise: images, then videos, each (frames, height, width) in patches."""
    pixels, runs = {}, []
    merge = model.config.vision_config.spatial_merge_size ** 2
    for name, grid, grids, token in (("pixel_values", "image_grid_thw", images, model.config.image_token_id),
                                     ("pixel_values_videos", "video_grid_thw", videos, model.config.video_token_id)):
        if grids:
            counts = [int(np.prod(g)) for g in grids]
            pixels[name] = np.random.default_rng(1).standard_normal((sum(counts), 1176), np.float32)
            pixels[grid] = np.array(grids)
            runs += [(token, n // merge) for n in counts]
    return zoo.request(model, before, after, runs, pixels)
