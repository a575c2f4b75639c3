"""Qwen2-VL: a vision transformer whose patches attend to all of their frame, and the rest as in `qwen_vl`.

In: what `qwen_vl` takes.  Out: the family's arrangement.
"""
from __future__ import annotations

from torch import Tensor, nn

from focus.compiler.frontend.families.qwen_vl import Arrangement, QwenVL, frame_segments


class Qwen2VL(QwenVL):
    model_type = "qwen2_vl"
    class_name = "Qwen2VLForConditionalGeneration"
    vision_classes = ("transformers.models.qwen2_vl.modeling_qwen2_vl.VisionAttention", "transformers.models.qwen2_vl.modeling_qwen2_vl.PatchEmbed")

    def arrangement(self, visual: nn.Module, grid_thw: Tensor) -> Arrangement:
        return Arrangement(None, [frame_segments(grid_thw)] * len(visual.blocks))
