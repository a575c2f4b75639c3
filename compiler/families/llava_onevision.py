"""LLaVA-OneVision: SigLIP (or CLIP) tower, two-layer projector, Qwen2 (or another) decoder; videos and images.

In: `pixel_values_videos` [videos, frames, 3, H, W]; `pixel_values` [images, patches, 3, H, W] or [all patches, 3, H, W] with `image_sizes`
[images, 2] (height, width) and optionally `batch_num_images`.  Out: the family's plan and vision forward.

A video's frames are pooled by two (bilinear) after the projector and followed by one newline token; LLaVA-Video pools by averages and puts a
newline behind each row of cells too (`as_llava_video`).  An image is the base patch's grid
followed by the unpadded grid of all patches with a newline token after each row; beyond the configured number of patches that grid is
shrunk bilinearly.  One of several images (`batch_num_images` above 1) is one patch and a newline.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers.models.llava_onevision.modeling_llava_onevision import (LlavaOnevisionModel, get_anyres_image_grid_shape,
                                                                           image_size_to_num_patches, unpad_image)

from focus.runtime.errors import FocusError
from focus.runtime.tokens import Grid

from ..layout import VisualItem, average_weights, halved, linear_weights
from ..surgery import resample, take_rows
from .base import Constants, Plan, need
from .tower import TowerFamily, check_pixels, features, patches_a_side, plan_tower


class LlavaOnevision(TowerFamily):
    model_type = "llava_onevision"
    class_name = "LlavaOnevisionForConditionalGeneration"
    inputs = ("input_ids", "pixel_values_videos", "pixel_values", "image_sizes", "batch_num_images", "image_sizes_videos")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, {"image": model.config.image_token_id, "video": model.config.video_token_id})
        if "pixel_values" in inputs:
            plan_images(model, plan, inputs)
        if "pixel_values_videos" in inputs:
            plan_videos(model, plan, inputs["pixel_values_videos"])
        return plan

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        if kind == "video":
            return video_rows(model, const, pixels)
        return image_rows(model, plan, const, pixels)


# ---- videos: LLaVA-Video ---------------------------------------------------------------------------------------------------------
class LlavaVideoModel(LlavaOnevisionModel):
    """LLaVA-Video's pooling: averages of 2 x 2 cells (the last odd row and column are left out), and a newline behind each row of cells."""

    def apply_pooling(self, image_features: Tensor) -> Tensor:
        """[frames, side * side, D] -> [frames, pooled * (pooled + 1), D]."""
        side = self.config.vision_config.image_size // self.config.vision_config.patch_size
        frames, _, width = image_features.shape
        grid = torch.nn.functional.avg_pool2d(image_features.view(frames, side, side, width).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        newline = self.image_newline.expand(frames, grid.shape[1], 1, width)
        return torch.cat((grid, newline), 2).reshape(frames, -1, width)


def as_llava_video(model: nn.Module) -> nn.Module:
    """A LLaVA-OneVision made a LLaVA-Video: the same modules, another pooling.  Returns the model."""
    model.model.__class__ = LlavaVideoModel
    return model


def averages(model: nn.Module) -> bool:
    return isinstance(model.model, LlavaVideoModel)


# ---- videos --------------------------------------------------------------------------------------------------------------------
def plan_videos(model: nn.Module, plan: Plan, pixels: Tensor) -> None:
    """Items and constants of `pixel_values_videos`."""
    if pixels.ndim != 5:
        raise FocusError(f"pixel_values_videos: [videos, frames, channels, height, width] expected, got {list(pixels.shape)}")
    check_pixels(model, "pixel_values_videos", pixels)
    if 0 in pixels.shape:
        raise FocusError(f"pixel_values_videos: at least one video of at least one frame expected, got {list(pixels.shape)}")
    side, frames = patches_a_side(model), pixels.shape[1]
    averaged = averages(model)
    pooled = side // 2 if averaged else halved(side)
    grid = Grid.dense(0, frames, pooled, pooled, row_gap=int(averaged))
    plan.items += [VisualItem("video", frames * grid.frame_stride + 1, (grid,))] * pixels.shape[0]
    plan.pixels["video"] = "pixel_values_videos"
    plan_tower(model, plan, "video", pixels.shape[0] * frames)
    plan.constants["pool"] = torch.from_numpy(average_weights(side) if averaged else linear_weights(side, pooled))
    if averaged:
        cells = torch.arange(frames * pooled * pooled).view(-1, pooled)
        newlines = torch.full((frames * pooled, 1), frames * pooled * pooled)
        plan.constants["video_rows"] = torch.cat((cells, newlines), 1).reshape(-1)


def video_rows(model: nn.Module, const: Constants, pixels: Tensor) -> list[Tensor]:
    """Per video: pooled rows (LLaVA-Video: a newline behind each row of cells), then the newline.  Pooling, bilinear or of averages, is one
    linear map along columns and one along rows."""
    videos, side = pixels.shape[0], patches_a_side(model)
    rows = features(model, const, "video", [pixels.view(-1, *pixels.shape[2:])])
    width = rows.shape[1]
    pool = const("pool")
    columns = resample(rows.view(-1, side, width), pool)
    pooled = resample(columns.view(-1, side, pool.shape[0] * width), pool).view(-1, width)
    count = pooled.shape[0] // videos
    newline = model.model.image_newline.view(1, -1)
    blocks = [pooled.narrow(0, i * count, count) for i in range(videos)]
    if averages(model):
        blocks = [take_rows(torch.cat((block, newline)), const("video_rows")) for block in blocks]
    return [piece for block in blocks for piece in (block, newline)]


# ---- images --------------------------------------------------------------------------------------------------------------------
def plan_images(model: nn.Module, plan: Plan, inputs: dict[str, Tensor]) -> None:
    """Items and constants of `pixel_values`: for each image the number of patches and the static map of its rows."""
    pixels = inputs["pixel_values"]
    check_pixels(model, "pixel_values", pixels)
    image_sizes = need(inputs, "image_sizes", "pixel_values")
    sizes = image_sizes.tolist()
    if image_sizes.ndim != 2 or image_sizes.shape[1] != 2 or bool((image_sizes < 1).any()):
        raise FocusError(f"image_sizes: (height, width) of each image, both positive, expected, got {sizes}")
    alone = [True] * len(sizes)
    if "batch_num_images" in inputs:
        numbers = inputs["batch_num_images"].tolist()
        if inputs["batch_num_images"].ndim != 1:
            raise FocusError(f"batch_num_images: a list of numbers of images expected, got {numbers}")
        alone = [n == 1 for n in numbers for _ in range(n)]
    if len(alone) != len(sizes):
        raise FocusError(f"batch_num_images: says {len(alone)} images, image_sizes has {len(sizes)}")
    counts = [image_size_to_num_patches(size, model.config.image_grid_pinpoints, model.config.vision_config.image_size) if one else 1
              for size, one in zip(sizes, alone)]
    check_patch_count(pixels, counts)
    plan.detail["patches"] = counts
    plan.pixels["image"] = "pixel_values"
    plan_tower(model, plan, "image", sum(counts))
    for i, (count, size) in enumerate(zip(counts, sizes)):
        plan.items.append(plan_image(model, plan, i, count, size))


def check_patch_count(pixels: Tensor, counts: list[int]) -> None:
    if pixels.ndim == 5 and (pixels.shape[0] != len(counts) or pixels.shape[1] < max(counts)):
        raise FocusError(f"pixel_values: image_sizes make {len(counts)} images of up to {max(counts)} patches, got {list(pixels.shape)}")
    if pixels.ndim == 4 and pixels.shape[0] != sum(counts):
        raise FocusError(f"pixel_values: {sum(counts)} patches expected from image_sizes, got {list(pixels.shape)}")
    if pixels.ndim not in (4, 5):
        raise FocusError(f"pixel_values: 4 or 5 dimensions expected, got {list(pixels.shape)}")


def plan_image(model: nn.Module, plan: Plan, index: int, patches: int, size: list[int]) -> VisualItem:
    """One image; its constants are named `image{index}_*`.

    The row map is the one Hugging Face's own functions make of row numbers, so that nothing about unpadding is stated twice.
    """
    side = patches_a_side(model)
    if patches == 1:
        return VisualItem("image", side ** 2 + 1, (Grid.dense(0, 1, side, side),))
    down, across = get_anyres_image_grid_shape(size, model.config.image_grid_pinpoints, model.config.vision_config.image_size)
    if down * across + 1 != patches:
        raise FocusError(f"config.image_grid_pinpoints: multiples of the tower's image_size expected; the one of image {index} is none")
    numbers = torch.arange(patches * side * side)[side * side:].view(down, across, side, side)
    rows = unpad_image(numbers.permute(0, 2, 1, 3).reshape(1, down * side, across * side), size)[0]
    height, width = rows.shape
    limit = int(model.config.vision_aspect_ratio.strip("anyres_max_"))
    ratio = math.sqrt(height * width / (limit * side ** 2))
    if ratio > 1.1:
        plan.constants[f"image{index}_unpad"] = rows.reshape(-1).contiguous()
        target = int(height // ratio), int(width // ratio)
        plan.constants[f"image{index}_down"] = torch.from_numpy(linear_weights(height, target[0]))
        plan.constants[f"image{index}_across"] = torch.from_numpy(linear_weights(width, target[1]))
        height, width = target
        rows = torch.arange(height * width).view(height, width)
        newline = height * width
    else:
        newline = patches * side * side
    ended = torch.cat((rows, torch.full((height, 1), newline)), 1)
    plan.constants[f"image{index}_rows"] = ended.reshape(-1)
    grids = Grid.dense(0, 1, side, side), Grid.dense(side ** 2, 1, height, width, row_gap=1)
    return VisualItem("image", side ** 2 + ended.numel(), grids)


def image_rows(model: nn.Module, plan: Plan, const: Constants, pixels: Tensor) -> list[Tensor]:
    """Per image: base rows, then the rows of its patch grid with newlines."""
    counts, side = plan.detail["patches"], patches_a_side(model)
    if pixels.ndim == 5:
        grids = [pixels.view(-1, *pixels.shape[2:])] if all(n == pixels.shape[1] for n in counts) else \
            [pixels.view(-1, *pixels.shape[2:]).narrow(0, i * pixels.shape[1], n) for i, n in enumerate(counts)]
    else:
        grids = [pixels]
    rows = features(model, const, "image", grids)
    newline = model.model.image_newline.view(1, -1)
    pieces: list[Tensor] = []
    first = 0
    for i, count in enumerate(counts):
        mine = rows.narrow(0, first, count * side * side)
        first += count * side * side
        if count == 1:
            pieces += [mine, newline]
            continue
        pieces.append(mine.narrow(0, 0, side * side))
        if f"image{i}_unpad" in plan.constants:
            mine = shrunk(take_rows(mine, const(f"image{i}_unpad")), const(f"image{i}_down"), const(f"image{i}_across"))
        pieces.append(take_rows(torch.cat((mine, newline)), const(f"image{i}_rows")))
    return pieces


def shrunk(rows: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Bilinear resampling of a grid of rows [height * width, D] by the two one-dimensional maps."""
    width = rows.shape[1]
    columns = resample(rows.view(-1, across.shape[1], width), across)
    return resample(columns.view(1, down.shape[1], across.shape[0] * width), down).view(-1, width)
