# Runs and grids of a request from its ids and its images and videos, and what does not fit.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from common import error

from focus.compiler.frontend.layout import VisualItem, linear_weights, token_layout
from focus.runtime.spec.tokens import Grid

IMAGE, VIDEO = 8, 9
kinds = {"image": IMAGE, "video": VIDEO}
video = VisualItem("video", 13, (Grid.dense(0, 3, 2, 2),))          # with a newline
image = VisualItem("image", 10, (Grid.dense(0, 1, 2, 2), Grid.dense(4, 1, 2, 2, row_gap=1)))


def ids(*parts):
    return np.concatenate([np.full(n, token) for token, n in parts])


def show(sequence, items):
    layout, runs = token_layout(sequence, kinds, items)
    print(layout.V, layout.S, layout.flat_runs(), layout.flat_grids(), layout.visual_ids, [(r.kind, r.start, r.length) for r in runs])


# CHECK: 13 18 [2, 13] [0, 3, 2, 2, 4, 2, 1] (9,) [('video', 2, 13)]
show(ids((1, 2), (VIDEO, 13), (1, 3)), [video])
# Runs that touch are one run of the layout, but two items.
# CHECK-NEXT: 23 23 [0, 23] [0, 3, 2, 2, 4, 2, 1, 13, 1, 2, 2, 4, 2, 1, 17, 1, 2, 2, 6, 3, 1] (8, 9) [('video', 0, 13), ('image', 13, 10)]
show(ids((VIDEO, 13), (IMAGE, 10)), [image, video])
# One video may come in several runs, with text between.
# CHECK-NEXT: 13 15 [0, 4, 5, 9] [0, 3, 2, 2, 4, 2, 1] (9,)
show(ids((VIDEO, 4), (1, 1), (VIDEO, 9), (1, 1)), [video])
# CHECK-NEXT: input_ids: 12 video tokens (id 9), but the video inputs make 13
print(error(token_layout, ids((VIDEO, 12)), kinds, [video]))
# CHECK-NEXT: input_ids: 0 image tokens (id 8), but the image inputs make 10
print(error(token_layout, ids((1, 5)), kinds, [image]))
# CHECK-NEXT: input_ids: no visual token
print(error(token_layout, ids((1, 5)), kinds, []))
# CHECK-NEXT: input_ids: the tokens of image 0 are interrupted by tokens of another kind
print(error(token_layout, ids((IMAGE, 5), (VIDEO, 13), (IMAGE, 5)), kinds, [image, video]))

# The maps of bilinear pooling: rows sum to one, an even grid is averaged in pairs.
# CHECK-NEXT: {{\[\[}}0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
print(linear_weights(4, 2).tolist())
import torch

at = torch.eye(27)[None]
# CHECK-NEXT: True
print(torch.allclose(torch.nn.functional.interpolate(at, size=14, mode="linear")[0].T, torch.from_numpy(linear_weights(27, 14)), atol=1e-6))
