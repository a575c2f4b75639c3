"""LLaVA (1.5 and its like): CLIP or SigLIP tower, two-layer projector, Llama, Mistral, Qwen2 or Qwen3 decoder; images of one size.

In: `pixel_values` [images, 3, H, W].  Out: the family's plan and vision forward.

An image is its grid of patches, nothing added.  Several images are taken as the frames of a sequence, which is how LLaVA is shown a video: a
token's candidates in the frame before are those of the image before, whatever text stands between the two.
"""
from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from focus.compiler.frontend.families.base import Constants, Plan
from focus.compiler.frontend.families.tower import TowerFamily, check_images, features, image_side, patches_a_side, plan_tower
from focus.compiler.frontend.layout import VisualItem
from focus.compiler.frontend.video import square_frames
from focus.runtime.spec.tokens import Grid


class Llava(TowerFamily):
    model_type = "llava"
    class_name = "LlavaForConditionalGeneration"
    inputs = ("input_ids", "pixel_values")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, ("image",))
        if "pixel_values" in inputs:
            pixels = inputs["pixel_values"]
            check_images(model, pixels)
            images, side = pixels.shape[0], patches_a_side(model)
            plan_tower(model, plan, "image", [images])
            plan.pixels["image"] = "pixel_values"
            plan.items.append(VisualItem("image", images * side ** 2, (Grid.dense(0, images, side, side),)))
        return plan

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        return [features(model, const, kind, [pixels])]

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        """Its frames are images without text between."""
        tokens = len(frames) * patches_a_side(model) ** 2
        return {"pixel_values": square_frames(frames, image_side(model))}, [(model.config.image_token_id, tokens)]
