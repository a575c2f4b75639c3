"""Images of any resolution, as LLaVA-NeXT introduced them: a base patch, then a grid of patches with a newline after each row of cells.

In: `pixel_values` [images, patches, 3, H, W] (images with fewer patches filled up) or [all patches, 3, H, W], and `image_sizes` [images, 2]
(height, width in pixels before any processing).  Out: `plan_images` adds their items, with grids and newlines, and constants to a plan;
`image_rows` are their visual rows; `image_tokens` is how many an image has.

The base patch shows the whole image; the others cover it at the best of `config.image_grid_pinpoints`, padded to that resolution.  Cells of
padding make no tokens.  How an image is cut and unpadded is asked of Hugging Face's own functions, of which every family has the same copy.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape, image_size_to_num_patches, unpad_image

from focus.compiler.frontend.families.base import Constants, Plan, is_whole, need, setting
from focus.compiler.frontend.families.tower import check_pixels, features, image_side, patches_a_side, plan_tower, resampled
from focus.compiler.frontend.layout import VisualItem, linear_weights
from focus.compiler.frontend.surgery import take_rows
from focus.compiler.frontend.video import anyres_images
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid

Size = list[int]


def image_sizes(inputs: dict[str, Tensor]) -> list[Size]:
    """(height, width) of each image; FocusError when `image_sizes` is missing or is not that."""
    sizes = need(inputs, "image_sizes", "pixel_values")
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not len(sizes) or not bool((sizes >= 1).all()):
        raise FocusError(f"image_sizes: positive (height, width) of each image expected, got {sizes.tolist()}")
    return [[int(v) for v in size] for size in sizes]


def image_tokens(model: nn.Module, size: Size) -> int:
    """Visual tokens of an image that is cut into patches and not shrunk, newlines included."""
    height, width = unpadded(model, 0, size).shape
    return patches_a_side(model) ** 2 + height * (width + 1)


def image_inputs(model: nn.Module, images: Sequence[np.ndarray]) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
    """Pixel inputs of images uint8 [H, W, 3] of any sizes, and their runs of visual tokens, (placeholder id, tokens) each."""
    pixels = anyres_images(images, image_side(model), pinpoints(model))
    return pixels, [(model.config.image_token_id, image_tokens(model, size)) for size in pixels["image_sizes"].tolist()]


# ---- plan --------------------------------------------------------------------------------------------------------------------
def plan_images(model: nn.Module, plan: Plan, pixels: Tensor, sizes: list[Size], cut: list[bool] | None = None,
                limit: int | None = None) -> None:
    """Items and constants of `pixel_values`: for each image the number of patches and the static map of its rows.

    `cut`: whether an image has patches beside its base, by default each has.  `limit`: a grid of more cells than so many patches have is
    shrunk.  Raises FocusError when the pixels are not those of `sizes`.
    """
    check_pixels(model, "pixel_values", pixels)
    counts = [patch_count(model, size) if one else 1 for size, one in zip(sizes, cut or [True] * len(sizes))]
    check_patch_count(pixels, counts)
    plan.detail["patches"] = counts
    plan.pixels["image"] = "pixel_values"
    plan_tower(model, plan, "image", [1] * sum(counts))
    for i, (count, size) in enumerate(zip(counts, sizes)):
        plan.items.append(plan_image(model, plan, i, count, size, limit))


def pinpoints(model: nn.Module) -> list[Size]:
    """The resolutions (height, width) at which images are cut into patches; FocusError when the configuration has none."""
    return setting(model.config, "config", "image_grid_pinpoints", _are_sizes, "a list of one or more (height, width)")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(
        isinstance(size, (list, tuple)) and len(size) == 2 and all(is_whole(side) for side in size) for size in value)


def patch_count(model: nn.Module, size: Size) -> int:
    """Patches of an image, its base included."""
    return image_size_to_num_patches(size, pinpoints(model), image_side(model))


def check_patch_count(pixels: Tensor, counts: list[int]) -> None:
    if pixels.ndim == 5 and (pixels.shape[0] != len(counts) or pixels.shape[1] < max(counts)):
        raise FocusError(f"pixel_values: image_sizes make {len(counts)} images of up to {max(counts)} patches, got {list(pixels.shape)}")
    if pixels.ndim == 4 and pixels.shape[0] != sum(counts):
        raise FocusError(f"pixel_values: {sum(counts)} patches expected from image_sizes, got {list(pixels.shape)}")
    if pixels.ndim not in (4, 5):
        raise FocusError(f"pixel_values: 4 or 5 dimensions expected, got {list(pixels.shape)}")


def unpadded(model: nn.Module, index: int, size: Size) -> Tensor:
    """The grid of cells of image `index`, all patches beside one another, without those of padding: int64 [height, width], the number of each
    cell's row among the rows of the image, which are those of the base patch and then those of the others.

    The map is the one Hugging Face's own functions make of row numbers, so that nothing about unpadding is stated twice.
    """
    side = patches_a_side(model)
    down, across = get_anyres_image_grid_shape(size, pinpoints(model), image_side(model))
    if down * across + 1 != patch_count(model, size):
        raise FocusError(f"config.image_grid_pinpoints: multiples of the tower's image_size expected; the one of image {index} is none")
    numbers = side ** 2 + torch.arange(down * across * side ** 2).view(down, across, side, side)
    return unpad_image(numbers.permute(0, 2, 1, 3).reshape(1, down * side, across * side), size)[0]


def plan_image(model: nn.Module, plan: Plan, index: int, patches: int, size: Size, limit: int | None) -> VisualItem:
    """One image; its constants are named `image{index}_*`."""
    side = patches_a_side(model)
    base = Grid.dense(0, 1, side, side)
    if patches == 1:
        return VisualItem("image", side ** 2 + 1, (base,))
    cells, newline = unpadded(model, index, size), patches * side ** 2
    ratio = math.sqrt(cells.numel() / (limit * side ** 2)) if limit else 0
    if ratio > 1.1:
        cells = plan_shrinking(plan, index, cells, ratio)
        newline = cells.numel()
    height, width = cells.shape
    rows = torch.cat((cells, torch.full((height, 1), newline)), 1)
    if height:                                  # an image may be so flat, or so narrow, that its padding is all there is
        plan.constants[f"image{index}_rows"] = rows.reshape(-1)
    grids = (base, Grid.dense(side ** 2, 1, height, width, row_gap=1)) if cells.numel() else (base,)
    return VisualItem("image", side ** 2 + rows.numel(), grids)


def plan_shrinking(plan: Plan, index: int, cells: Tensor, ratio: float) -> Tensor:
    """Constants that shrink a grid of cells by `ratio` on both sides; the shrunk grid's own row numbers."""
    height, width = cells.shape
    target = int(height // ratio), int(width // ratio)
    plan.constants[f"image{index}_unpad"] = cells.reshape(-1).contiguous()
    plan.constants[f"image{index}_down"] = torch.from_numpy(linear_weights(height, target[0]))
    plan.constants[f"image{index}_across"] = torch.from_numpy(linear_weights(width, target[1]))
    return torch.arange(target[0] * target[1]).view(target)


# ---- rows --------------------------------------------------------------------------------------------------------------------
def image_rows(model: nn.Module, plan: Plan, const: Constants, pixels: Tensor) -> list[Tensor]:
    """Per image: base rows, then the rows of its patch grid with newlines."""
    counts, cells = plan.detail["patches"], patches_a_side(model) ** 2
    rows = features(model, const, "image", patch_blocks(pixels, counts))
    newline = model.model.image_newline.view(1, -1)
    pieces: list[Tensor] = []
    first = 0
    for i, count in enumerate(counts):
        mine = rows.narrow(0, first, count * cells)
        first += count * cells
        pieces.append(mine.narrow(0, 0, cells))
        if count == 1:
            pieces.append(newline)
        if f"image{i}_unpad" in plan.constants:
            mine = resampled(take_rows(mine, const(f"image{i}_unpad")), const(f"image{i}_down"), const(f"image{i}_across"))
        if f"image{i}_rows" in plan.constants:
            pieces.append(take_rows(torch.cat((mine, newline)), const(f"image{i}_rows")))
    return pieces


def patch_blocks(pixels: Tensor, counts: list[int]) -> list[Tensor]:
    """The patches of all images as blocks [n, 3, H, W]: without those that fill up an image to as many as another has."""
    if pixels.ndim == 4:
        return [pixels]
    every, filled = pixels.view(-1, *pixels.shape[2:]), pixels.shape[1]
    if all(n == filled for n in counts):
        return [every]
    return [every.narrow(0, i * filled, n) for i, n in enumerate(counts)]
