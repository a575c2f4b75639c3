# Images of LLaVA-NeXT: base patch, then the unpadded grid of the others with newlines, never shrunk, all as in the unmodified model; the grids
# of the layout follow.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import surgery_difference

from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, image_request, llava_next, moving_pattern, video_request

tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, image_size=70)
pinpoints = [[70 * a, 70 * b] for a in range(1, 7) for b in range(1, 7)]
decoder = DecoderConfig(64, 96, 2, 4, 2, 100)


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    layout = prefill_of(model, inputs)[1]
    print(name, "ok" if difference < 1e-5 else difference, layout.flat_runs(), layout.flat_grids())


def images(model, *sizes):
    """A request of images of these heights and widths, text between two of them."""
    return image_request(model, [moving_pattern(1, *size, seed=i)[0] for i, size in enumerate(sizes)], before=2, after=3)


model = llava_next(decoder, tower, image_grid_pinpoints=pinpoints)
# 2 x 3 patches of 5 x 5, of which 10 x 15 cells hold the image; rows are 16 tokens long with their newline.
# CHECK: wide image ok [2, 185] [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 15, 160, 16, 1]
check("wide image", model, images(model, (120, 170)))
# A narrow image fills the middle 3 of 5 columns; the padding beside it makes no tokens.
# CHECK-NEXT: unpadded columns ok [2, 65] [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 3, 40, 4, 1]
check("unpadded columns", model, images(model, (100, 30)))
# 6 x 6 patches stay 30 x 30 cells.
# CHECK-NEXT: large image ok [2, 955] [0, 1, 5, 5, 25, 5, 1, 25, 1, 30, 30, 930, 31, 1]
check("large image", model, images(model, (420, 420)))
# Several images of one prompt are each cut into patches of their own, stacked or not.
three = images(model, (120, 170), (70, 70), (100, 30))
# CHECK-NEXT: three images ok [2, 185, 190, 55, 248, 65]
# CHECK-SAME: [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 15, 160, 16, 1, 185, 1, 5, 5, 25, 5, 1, 210, 1, 5, 5, 30, 6, 1,
# CHECK-SAME: 240, 1, 5, 5, 25, 5, 1, 265, 1, 10, 3, 40, 4, 1]
check("three images", model, three)
flat = torch.cat([pixels[:n] for pixels, n in zip(three["pixel_values"], (7, 2, 3))])
# CHECK-NEXT: patches not stacked ok [2, 185, 190, 55, 248, 65]
check("patches not stacked", model, three | {"pixel_values": flat})
# Frames are images of one size.
# CHECK-NEXT: frames ok [4, 55, 62, 55] [0, 1, 5, 5, 25, 5, 1, 25, 1, 5, 5, 30, 6, 1, 55, 1, 5, 5, 25, 5, 1, 80, 1, 5, 5, 30, 6, 1]
check("frames", model, video_request(model, moving_pattern(2, 70, 70, speed=1.0)))

# An image that is so flat, or so narrow, that its cells are fewer than one: only the base patch, and newlines, are left.
even = llava_next(decoder, tower | dict(image_size=56), image_grid_pinpoints=[[112, 112]])
# CHECK-NEXT: flat image ok [2, 16] [0, 1, 4, 4, 16, 4, 1]
check("flat image", even, images(even, (2, 300)))
# CHECK-NEXT: narrow image ok [2, 24, 29, 24] [0, 1, 4, 4, 16, 4, 1, 24, 1, 4, 4, 16, 4, 1]
check("narrow image", even, images(even, (300, 2), (300, 2)))

# Towers and decoders of the published models.
for vision, kind in (("clip_vision_model", "mistral"), ("siglip_vision_model", "qwen2")):
    # CHECK-NEXT: clip_vision_model, mistral ok
    # CHECK-NEXT: siglip_vision_model, qwen2 ok
    model = llava_next(decoder, tower | dict(model_type=vision), decoder_type=kind)
    check(f"{vision}, {kind}", model, images(model, (120, 170), (100, 30)))
