"""LLaVA-NeXT-Video: CLIP or SigLIP tower, two-layer projector, Llama, Mistral, Qwen2 or Qwen3 decoder; videos, and images as LLaVA-NeXT.

In: `pixel_values_videos` [videos, frames, 3, H, W]; `pixel_values` with `image_sizes` as `anyres` takes them.  Out: the family's plan and vision
forward.

A video's frames are pooled before the projector, in squares of `config.spatial_pool_stride` patches; a last row or column of patches that
makes no whole square is left out.  Averages (`spatial_pool_mode` "average") are a resampling by constants.  A convolution ("conv") is a linear
layer on rows that hold the patches of a square side by side.  Maxima have no mapping.  Frames follow one another without newlines.
"""
from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from focus.compiler.frontend.families.anyres import image_rows, image_sizes, plan_images
from focus.compiler.frontend.families.base import Constants, Plan, is_whole, setting
from focus.compiler.frontend.families.tower import TowerFamily, check_video, image_side, patches_a_side, plan_tower, resampled, tower_rows
from focus.compiler.frontend.layout import VisualItem, average_weights, square_rows
from focus.compiler.frontend.surgery import take_rows
from focus.compiler.frontend.video import llava_onevision_video
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid


class LlavaNextVideo(TowerFamily):
    model_type = "llava_next_video"
    class_name = "LlavaNextVideoForConditionalGeneration"
    inputs = ("input_ids", "pixel_values_videos", "pixel_values", "image_sizes")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, ("image", "video"))
        if "pixel_values" in inputs:
            plan_images(model, plan, inputs["pixel_values"], image_sizes(inputs))
        if "pixel_values_videos" in inputs:
            plan_videos(model, plan, inputs["pixel_values_videos"])
        return plan

    def read(self, model: nn.Module) -> list[nn.Module]:
        return [*super().read(model), model.model.vision_resampler]

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        if kind == "image":
            return image_rows(model, plan, const, pixels)
        rows = tower_rows(model, const, kind, [pixels.view(-1, *pixels.shape[2:])])
        return [model.model.multi_modal_projector(pooled(model, const, rows))]

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        tokens = len(frames) * (patches_a_side(model) // model.config.spatial_pool_stride) ** 2
        return llava_onevision_video(frames, image_side(model)), [(model.config.video_token_id, tokens)]


def plan_videos(model: nn.Module, plan: Plan, pixels: Tensor) -> None:
    """Items and constants of `pixel_values_videos`."""
    check_video(model, pixels)
    (videos, frames), side = pixels.shape[:2], patches_a_side(model)
    setting(model.config, "config", "spatial_pool_stride", is_whole, "a number of patches")
    pool, stride = pool_of(model)
    cells = side // stride
    if not cells:
        raise FocusError(f"config.spatial_pool_stride: {stride} is more than the {side} patches on a side of a frame")
    plan.items += [VisualItem("video", frames * cells ** 2, (Grid.dense(0, frames, cells, cells),))] * videos
    plan.pixels["video"] = "pixel_values_videos"
    plan_tower(model, plan, "video", [frames] * videos)
    if isinstance(pool, nn.AvgPool2d):
        plan.constants["pool"] = torch.from_numpy(average_weights(side, stride))
    else:
        plan.constants["pool_squares"] = torch.from_numpy(square_rows(videos * frames, side, side, stride))
        plan.constants["pool_kernel"] = kernel_rows(pool)


def pool_of(model: nn.Module) -> tuple[nn.Module, int]:
    """The module that pools a video's frames, and the side of its squares; FocusError when it has no mapping."""
    pool = model.model.vision_resampler.pool
    if not isinstance(pool, (nn.AvgPool2d, nn.Conv2d)):
        raise FocusError(f"model.vision_resampler.pool: {type(pool).__name__} has no mapping; config.spatial_pool_mode 'average' or 'conv' expected")
    return pool, pool.stride if isinstance(pool.stride, int) else pool.stride[0]


def kernel_rows(pool: nn.Conv2d) -> Tensor:
    """The weight of a convolution over squares as that of a linear layer on the square's patches side by side: float32 [out, patches * in]."""
    weight = pool.weight.detach()
    if weight.is_meta:                          # a model without values is compiled for its shapes
        weight = torch.zeros(()).expand(weight.shape)
    return weight.float().permute(0, 2, 3, 1).flatten(1)


def pooled(model: nn.Module, const: Constants, rows: Tensor) -> Tensor:
    """Rows [frames * patches, width] of the tower, pooled: [frames * cells, width]."""
    pool, stride = pool_of(model)
    if isinstance(pool, nn.AvgPool2d):
        return resampled(rows, const("pool"), const("pool"))
    return F.linear(take_rows(rows, const("pool_squares")).view(-1, stride ** 2 * rows.shape[1]), const("pool_kernel"), pool.bias)
