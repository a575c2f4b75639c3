"""Qwen3-VL (dense): a vision transformer with a table of positions, resampled to each grid, and with features for the first decoder layers.

In: what `qwen_vl` takes; each frame of a video is a run of tokens of its own, as processors write it.  Out: the family's arrangement, and its
additions to the tower.

The result of some blocks goes through a merger of its own and is added to the visual rows after the first decoder layers (deepstack).
"""
from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from focus.compiler.frontend.families.base import Constants, Plan
from focus.compiler.frontend.families.qwen_vl import Arrangement, QwenVL, frame_segments
from focus.compiler.frontend.families.tower import resampled
from focus.compiler.frontend.layout import square_rows
from focus.compiler.frontend.surgery import take_rows
from focus.runtime.spec.errors import FocusError


class Qwen3VL(QwenVL):
    model_type = "qwen3_vl"
    class_name = "Qwen3VLForConditionalGeneration"
    vision_classes = ("transformers.models.qwen3_vl.modeling_qwen3_vl.Qwen3VLVisionAttention",
                      "transformers.models.qwen3_vl.modeling_qwen3_vl.Qwen3VLVisionPatchEmbed")
    runs = "each image and each frame of a video"

    def arrangement(self, visual: nn.Module, grid_thw: Tensor) -> Arrangement:
        return Arrangement(None, [frame_segments(grid_thw)] * len(visual.blocks))

    def plan_kind(self, model: nn.Module, plan: Plan, kind: str, pixels: Tensor, grid_thw: Tensor) -> None:
        super().plan_kind(model, plan, kind, pixels, grid_thw)
        visual = model.model.visual
        if len(self.deep_mergers(visual)) > len(model.model.language_model.layers):
            raise FocusError("config.vision_config.deepstack_visual_indexes: no more blocks than the decoder has layers expected, "
                             f"got {list(visual.deepstack_visual_indexes)}")
        sizes = list(dict.fromkeys((h, w) for _, h, w in grid_thw.tolist()))
        firsts = dict(zip(sizes, np.cumsum([0] + [h * w for h, w in sizes]).tolist()))
        rows = [np.tile(firsts[h, w] + square_rows(1, h, w, visual.spatial_merge_size), t) for t, h, w in grid_thw.tolist()]
        plan.detail[f"{kind}_sizes"] = sizes
        plan.constants[f"{kind}_position_rows"] = torch.from_numpy(np.concatenate(rows))
        plan.constants |= {f"positions_{n}": between(visual.num_grid_per_side, n) for size in sizes for n in size}

    def embedded(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> Tensor:
        visual = model.model.visual
        table = visual.pos_embed.weight.narrow(0, 0, visual.num_grid_per_side ** 2)
        grids = [resampled(table, const(f"positions_{h}"), const(f"positions_{w}")) for h, w in plan.detail[f"{kind}_sizes"]]
        positions = take_rows(grids[0] if len(grids) == 1 else torch.cat(grids), const(f"{kind}_position_rows"))
        return super().embedded(model, plan, const, kind, pixels) + positions

    def read(self, model: nn.Module) -> list[nn.Module]:
        return [*super().read(model), model.model.visual.pos_embed]

    def deep_mergers(self, visual: nn.Module) -> dict[int, nn.Module]:
        return dict(sorted(zip(visual.deepstack_visual_indexes, visual.deepstack_merger_list), key=lambda pair: pair[0]))

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        pixels, [(token, tokens)] = super().video(model, frames, max_pixels)
        runs = int(pixels["video_grid_thw"][0, 0])
        return pixels, [(token, tokens // runs)] * runs


def between(source: int, target: int) -> Tensor:
    """Matrix float32 [target, source] of linear interpolation whose ends are the ends of the source."""
    return F.interpolate(torch.eye(source)[None], size=target, mode="linear", align_corners=True)[0].T.contiguous()
