"""LLaVA-OneVision: SigLIP (or CLIP) tower, two-layer projector, Qwen2 (or another) decoder; videos and images.

In: `pixel_values_videos` [videos, frames, 3, H, W]; `pixel_values` [images, patches, 3, H, W] or [all patches, 3, H, W] with `image_sizes`
[images, 2] (height, width) and optionally `batch_num_images`.  Out: the family's plan and vision forward.

A video's frames are pooled by two (bilinear) after the projector and followed by one newline token; LLaVA-Video pools by averages and puts a
newline after each row of cells too (`as_llava_video`).  Images are those of `anyres`: beyond the configured number of patches their grid is
shrunk bilinearly.  One of several images (`batch_num_images` above 1) is one patch and a newline.
"""
from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel

from focus.compiler.frontend.families.anyres import image_rows, image_sizes, plan_images
from focus.compiler.frontend.families.base import Constants, Plan, setting
from focus.compiler.frontend.families.tower import TowerFamily, check_video, features, image_side, patches_a_side, plan_tower, resampled
from focus.compiler.frontend.layout import VisualItem, average_weights, halved, linear_weights
from focus.compiler.frontend.surgery import take_rows
from focus.compiler.frontend.video import llava_onevision_video
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid


class LlavaOnevision(TowerFamily):
    model_type = "llava_onevision"
    class_name = "LlavaOnevisionForConditionalGeneration"
    inputs = ("input_ids", "pixel_values_videos", "pixel_values", "image_sizes", "batch_num_images", "image_sizes_videos")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, ("image", "video"))
        if "pixel_values" in inputs:
            sizes = image_sizes(inputs)
            plan_images(model, plan, inputs["pixel_values"], sizes, cut_into_patches(inputs, len(sizes)), most_patches(model))
        if "pixel_values_videos" in inputs:
            plan_videos(model, plan, inputs["pixel_values_videos"])
        return plan

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        if kind == "video":
            return video_rows(model, const, pixels)
        return image_rows(model, plan, const, pixels)

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        tokens = len(frames) * video_grid(model, len(frames)).frame_stride + 1
        return llava_onevision_video(frames, image_side(model)), [(model.config.video_token_id, tokens)]


# ---- videos: LLaVA-Video ---------------------------------------------------------------------------------------------------------
class LlavaVideoModel(LlavaOnevisionModel):
    """LLaVA-Video's pooling: averages of 2 x 2 cells (the last odd row and column are left out), and a newline after each row of cells."""

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
    check_video(model, pixels)
    side, frames, averaged = patches_a_side(model), pixels.shape[1], averages(model)
    grid = video_grid(model, frames)
    pooled = grid.height
    plan.items += [VisualItem("video", frames * grid.frame_stride + 1, (grid,))] * pixels.shape[0]
    plan.pixels["video"] = "pixel_values_videos"
    plan_tower(model, plan, "video", [frames] * pixels.shape[0])
    plan.constants["pool"] = torch.from_numpy(average_weights(side, 2) if averaged else linear_weights(side, pooled))
    if averaged:
        cells = torch.arange(frames * pooled * pooled).view(-1, pooled)
        newlines = torch.full((frames * pooled, 1), frames * pooled * pooled)
        plan.constants["video_rows"] = torch.cat((cells, newlines), 1).reshape(-1)


def video_grid(model: nn.Module, frames: int) -> Grid:
    """The grid of a video's pooled cells."""
    side, averaged = patches_a_side(model), averages(model)
    pooled = side // 2 if averaged else halved(side)
    return Grid.dense(0, frames, pooled, pooled, row_gap=int(averaged))


def video_rows(model: nn.Module, const: Constants, pixels: Tensor) -> list[Tensor]:
    """Per video: pooled rows (LLaVA-Video: a newline after each row of cells), then the newline.  Pooling, bilinear or of averages, is one
    linear map along columns and one along rows."""
    videos = pixels.shape[0]
    rows = features(model, const, "video", [pixels.view(-1, *pixels.shape[2:])])
    pooled = resampled(rows, const("pool"), const("pool"))
    count = pooled.shape[0] // videos
    newline = model.model.image_newline.view(1, -1)
    blocks = [pooled.narrow(0, i * count, count) for i in range(videos)]
    if averages(model):
        blocks = [take_rows(torch.cat((block, newline)), const("video_rows")) for block in blocks]
    return [piece for block in blocks for piece in (block, newline)]


# ---- images --------------------------------------------------------------------------------------------------------------------
def most_patches(model: nn.Module) -> int:
    """How many patches the grid of an image may have before it is shrunk; FocusError when the configuration does not say."""
    ratio = setting(model.config, "config", "vision_aspect_ratio",
                    lambda v: isinstance(v, str) and re.fullmatch("anyres_max_[1-9][0-9]*", v) is not None,
                    "'anyres_max_' and a number of patches")
    return int(ratio.removeprefix("anyres_max_"))


def cut_into_patches(inputs: dict[str, Tensor], images: int) -> list[bool]:
    """For each image whether it has patches beside its base: one that shares its prompt with others has none."""
    if "batch_num_images" not in inputs:
        return [True] * images
    numbers = inputs["batch_num_images"]
    if numbers.ndim != 1:
        raise FocusError(f"batch_num_images: a list of numbers of images expected, got {numbers.tolist()}")
    cut = [n == 1 for n in numbers.tolist() for _ in range(n)]
    if len(cut) != images:
        raise FocusError(f"batch_num_images: says {len(cut)} images, image_sizes has {images}")
    return cut
