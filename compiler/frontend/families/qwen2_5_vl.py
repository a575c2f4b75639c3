"""Qwen2.5-VL: a vision transformer that attends in windows but in some blocks, and the rest as in `qwen_vl`.

In: what `qwen_vl` takes, and as in the Hugging Face model `second_per_grid_ts` [videos].  Out: the family's arrangement.

Patches stand window by window, so that a window is a segment.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.vision_utils import get_vision_window_index

from focus.compiler.frontend.families.qwen_vl import Arrangement, QwenVL, frame_segments


class Qwen25VL(QwenVL):
    model_type = "qwen2_5_vl"
    class_name = "Qwen2_5_VLForConditionalGeneration"
    vision_classes = ("transformers.models.qwen2_5_vl.modeling_qwen2_5_vl.Qwen2_5_VLVisionAttention",
                      "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl.Qwen2_5_VisionPatchEmbed")
    inputs = (*QwenVL.inputs, "second_per_grid_ts")
    plain_positions = True

    def arrangement(self, visual: nn.Module, grid_thw: Tensor) -> Arrangement:
        order, window_ends = get_vision_window_index(grid_thw, visual.spatial_merge_size, visual.window_size, visual.patch_size)
        windows, frames = torch.diff(window_ends).tolist(), frame_segments(grid_thw)
        segments = [frames if i in visual.fullatt_block_indexes else windows for i in range(len(visual.blocks))]
        return Arrangement(None if torch.equal(order, torch.arange(len(order))) else order, segments)
