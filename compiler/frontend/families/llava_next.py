"""LLaVA-NeXT: CLIP or SigLIP tower, two-layer projector, Llama, Mistral, Qwen2 or Qwen3 decoder; images of any resolution.

In: `pixel_values` [images, patches, 3, H, W] or [all patches, 3, H, W] with `image_sizes` [images, 2] (height, width).  Out: the family's plan and
vision forward.

Images are those of `anyres`, never shrunk, each cut into patches whether it is alone in its prompt or not.
"""
from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from focus.compiler.frontend.families.anyres import image_inputs, image_rows, image_sizes, plan_images
from focus.compiler.frontend.families.base import Constants, Plan
from focus.compiler.frontend.families.tower import TowerFamily


class LlavaNext(TowerFamily):
    model_type = "llava_next"
    class_name = "LlavaNextForConditionalGeneration"
    inputs = ("input_ids", "pixel_values", "image_sizes")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        plan = self.start(model, inputs, ("image",))
        if "pixel_values" in inputs:
            plan_images(model, plan, inputs["pixel_values"], image_sizes(inputs))
        return plan

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        return image_rows(model, plan, const, pixels)

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        return image_inputs(model, list(frames))
