# Images of LLaVA-OneVision: rows of several patches are unpadded, shrunk when they are too many, and ended by newlines, all as in the
# unmodified model; the grids of the layout follow.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import surgery_difference

from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision, request

tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70)
pinpoints = [[70 * a, 70 * b] for a in range(1, 7) for b in range(1, 7)]
model = llava_onevision(DecoderConfig(64, 96, 2, 4, 2, 100), tower, image_grid_pinpoints=pinpoints)


def check(name, patches, tokens, sizes, **further):
    """`patches` and `tokens` of each image; their pixels come stacked, images with fewer patches filled up."""
    shape = (len(sizes), max(patches), 3, 70, 70) if not further.pop("flat", False) else (sum(patches), 3, 70, 70)
    torch.manual_seed(0)
    pixels = {"pixel_values": torch.randn(shape).numpy(), "image_sizes": torch.tensor(sizes).numpy()}
    inputs = request(model, 2, 3, [(model.config.image_token_id, n) for n in tokens], pixels) | further
    difference = surgery_difference(model, inputs)
    print(name, "ok" if difference < 1e-5 else difference, prefill_of(model, inputs)[1].flat_grids())


# 2 x 3 patches of 5 x 5, of which 10 x 15 cells hold the image; rows are 16 tokens long with their newline.
# CHECK: wide image ok [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 15, 160, 16, 1]
check("wide image", [7], [25 + 160], [[120, 170]])
# A narrow image fills the middle 3 of 5 columns; the padding beside it makes no tokens.
# CHECK-NEXT: unpadded columns ok [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 3, 40, 4, 1]
check("unpadded columns", [3], [25 + 40], [[100, 30]])
# CHECK-NEXT: patches not stacked ok [0, 1, 5, 5, 25, 5, 1, 25, 1, 10, 15, 160, 16, 1]
check("patches not stacked", [7], [25 + 160], [[120, 170]], flat=True)
# 6 x 6 patches are 30 x 30 cells, more than nine patches' worth: shrunk to 15 x 15.
# CHECK-NEXT: shrunk image ok [0, 1, 5, 5, 25, 5, 1, 25, 1, 15, 15, 240, 16, 1]
check("shrunk image", [37], [25 + 240], [[420, 420]])
# CHECK-NEXT: two images ok
# CHECK-SAME: 185, 1, 5, 5, 25, 5, 1, 210, 1, 5, 5, 30, 6, 1]
check("two images", [7, 2], [185, 25 + 30], [[120, 170], [70, 70]])
# Several images in one prompt are one patch each.
# CHECK-NEXT: single patches ok [0, 1, 5, 5, 25, 5, 1, 26, 1, 5, 5, 25, 5, 1]
check("single patches", [1, 1], [26, 26], [[120, 170], [70, 70]], batch_num_images=torch.tensor([2]))
