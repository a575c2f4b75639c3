"""InternVL: InternViT tower, pixel shuffle, MLP projector, Llama, Mistral, Qwen2 or Qwen3 decoder; images cut into tiles, and videos as images.

In: `pixel_values` [tiles, 3, H, W].  Out: the family's plan and vision forward.

Pixel shuffle puts the patches of each square (`config.downsample_ratio` 0.5: 2 x 2) side by side in one row, so a tile is a grid of squares.
Nothing but the sequence says what a tile is, and processors write it so: an image cut into tiles (and the whole of it, small, after them) is
one run of tokens, a frame of a video is one tile in a run of its own.  So runs of one tile each, with text between, are frames of one
sequence, as for LLaVA; tiles that share a run are grids of their own, since each shows another place.
"""
from __future__ import annotations

from itertools import groupby

import numpy as np
from torch import Tensor, nn

from focus.compiler.frontend.families.base import Constants, Plan
from focus.compiler.frontend.families.tower import TowerFamily, check_images, image_side, patches_a_side, plan_tower, tower_rows
from focus.compiler.frontend.layout import VisualItem, check_count, square_rows, visual_runs
from focus.compiler.frontend.video import square_frames
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid


class InternVL(TowerFamily):
    model_type = "internvl"
    class_name = "InternVLForConditionalGeneration"
    inputs = ("input_ids", "pixel_values")
    towers = ("internvl_vision",)

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, ("image",))
        square = square_side(model)
        if "pixel_values" in inputs:
            pixels = inputs["pixel_values"]
            check_images(model, pixels)
            tiles, side = pixels.shape[0], patches_a_side(model)
            items = tile_items(plan, tiles, side // square)
            plan.items += items
            plan.pixels["image"] = "pixel_values"
            plan_tower(model, plan, "image", [grid.frames for item in items for grid in item.grids])
            # The rows of patches are taken without those of classes anyway: they are taken square by square.
            plan.constants["image_patches"] = plan.constants["image_patches"][square_rows(tiles, side, side, square)]
        return plan

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        rows = tower_rows(model, const, kind, [pixels])
        if model.config.vision_feature_layer == -1:         # the tower's result, after its norm if it has one; others are what a layer gives
            rows = model.model.vision_tower.layernorm(rows)
        return [model.model.multi_modal_projector(rows.view(-1, square_side(model) ** 2 * rows.shape[1]))]

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        cells = (patches_a_side(model) // square_side(model)) ** 2
        return {"pixel_values": square_frames(frames, image_side(model))}, [(model.config.image_token_id, cells)] * len(frames)


def square_side(model: nn.Module) -> int:
    """Rows, and columns, of the patches that make a visual token; FocusError when they do not divide a tile."""
    ratio, side = model.config.downsample_ratio, patches_a_side(model)
    square = int(1 / ratio) if isinstance(ratio, (int, float)) and 0 < ratio <= 1 else 0
    if not square or square * ratio != 1 or side % square:
        raise FocusError(f"config.downsample_ratio: 1 / n expected, where n divides the {side} patches on a side of a tile; got {ratio}")
    return square


def tile_items(plan: Plan, tiles: int, side: int) -> list[VisualItem]:
    """The images of a request and what they are: `tiles` of side x side tokens, as the runs of `plan.ids` divide them."""
    cells = side ** 2
    runs = visual_runs(plan.ids, plan.token_ids)
    check_count(runs, "image", plan.token_ids["image"], tiles * cells)
    lengths = [run.length for run in runs]
    if any(length % cells for length in lengths):
        raise FocusError(f"input_ids: runs of whole tiles of {cells} image tokens expected, got runs of {lengths}")
    items = []
    for single, group in groupby(lengths, lambda length: length == cells):
        if single:
            frames = len(list(group))
            items.append(VisualItem("image", frames * cells, (Grid.dense(0, frames, side, side),)))
        else:
            items += [VisualItem("image", n, tuple(Grid.dense(first, 1, side, side) for first in range(0, n, cells))) for n in group]
    return items
