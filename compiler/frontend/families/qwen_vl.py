"""What Qwen's VL families share: a vision transformer on packed patches with axial RoPE, a patch merger, and a decoder with M-RoPE.

In: `pixel_values_videos` [patches, channels * temporal * p * p] with `video_grid_thw` [videos, 3], `pixel_values` with `image_grid_thw`,
and, as in the Hugging Face model, `mm_token_type_ids` [1, S].  Out: `QwenVL`, which a family completes with the order of its patches and the
segments its blocks attend in (`Arrangement`).

Positions, orders and segments depend on the grids only, so they become constant tables, index lists and attention segments.
"""
from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids

from focus.compiler.frontend.families.base import (
    Constants,
    Family,
    Plan,
    VisionModules,
    check_decoder,
    check_ids_in_vocabulary,
    check_placeholders,
    decoder_info,
    is_whole,
    need,
    rope_tables,
    setting,
)
from focus.compiler.frontend.layout import TowerRows, VisualItem, square_rows
from focus.compiler.frontend.scores import Sizes, score_cap
from focus.compiler.frontend.surgery import Patch, attention, check_activation, check_class, rope, take_rows
from focus.compiler.frontend.video import qwen_vl_video
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid

_KINDS = {"image": ("pixel_values", "image_grid_thw"), "video": ("pixel_values_videos", "video_grid_thw")}


@dataclass(frozen=True)
class Arrangement:
    """How the tower has the patches of a kind.

    `order`: int64 [merged cells], the cell of the input that stands at each place; None where they stay as they are.  `segments`: for each
    block, the lengths of the runs of patches that attend to themselves.
    """
    order: Tensor | None
    segments: list[list[int]]


class QwenVL(Family):
    """A family of Qwen's, with its tower at `model.visual`."""
    inputs: tuple[str, ...] = ("input_ids", "pixel_values_videos", "video_grid_thw", "pixel_values", "image_grid_thw", "mm_token_type_ids")
    vision_classes: tuple[str, str]         #: full names of the classes of the tower's attention and of its patch embedding
    plain_positions = False     #: whether the model takes images and videos without `mm_token_type_ids`; positions are one-dimensional then
    runs = "each image and each video"          #: what has a run of visual tokens of its own

    @abstractmethod
    def arrangement(self, visual: nn.Module, grid_thw: Tensor) -> Arrangement:
        """Order and segments of the patches of grids int64 [n, 3]."""

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        ids = inputs["input_ids"][0].numpy()
        token_ids = check_placeholders(model, ("image", "video"))
        check_vision(model, self.vision_classes)
        check_decoder(model, len(ids))
        check_ids_in_vocabulary(ids, model.get_input_embeddings().num_embeddings, token_ids)
        plan = Plan(ids=ids, token_ids=token_ids, pixels={}, items=[])
        for kind, (pixel_name, grid_name) in _KINDS.items():
            if pixel_name in inputs:
                self.plan_kind(model, plan, kind, inputs[pixel_name], need(inputs, grid_name, pixel_name))
                if not self.plain_positions:
                    need(inputs, "mm_token_type_ids", pixel_name)
        where = positions(model, inputs, plan, self.runs)
        plan.constants |= rope_tables(model, where)
        plan.next_position, plan.axes = int(where.max()) + 1, 3 if where.ndim == 3 else 1
        return plan

    @torch.no_grad()
    def plan_kind(self, model: nn.Module, plan: Plan, kind: str, pixels: Tensor, grid_thw: Tensor) -> None:
        """Items, tables and segments of the images or of the videos."""
        visual = model.model.visual
        pixel_name, grid_name = _KINDS[kind]
        merge = visual.spatial_merge_size
        check_grid(model, pixel_name, grid_name, pixels, grid_thw)
        plan.pixels[kind] = pixel_name
        plan.items += [VisualItem(kind, t * h * w // merge ** 2, (Grid.dense(0, t, h // merge, w // merge),)) for t, h, w in grid_thw.tolist()]
        plan.detail[kind] = arranged = self.arrangement(visual, grid_thw)
        tables = dict(zip(("cos", "sin"), visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid_thw, merge))))
        cells = np.concatenate([np.stack((np.full(t * h * w, number), *np.unravel_index(square_rows(t, h, w, merge), (t, h, w))), 1)
                                for number, (t, h, w) in enumerate(grid_thw.tolist())])
        if arranged.order is not None:
            rows = (arranged.order[:, None] * merge ** 2 + torch.arange(merge ** 2)).reshape(-1)
            tables = {name: table[rows] for name, table in tables.items()}
            plan.constants |= {f"{kind}_window_rows": rows, f"{kind}_merge_rows": torch.argsort(arranged.order)}
            cells = cells[rows.numpy()]
        plan.towers[kind] = TowerRows.of(cells)
        plan.constants |= {f"{kind}_rope_{name}": table.float() for name, table in tables.items()}

    def vision_layers(self, model: nn.Module) -> nn.ModuleList:
        return model.model.visual.blocks

    def vision_sites(self, model: nn.Module) -> list[VisionModules]:
        last = lambda mlp: [module for module in mlp.children() if isinstance(module, nn.Linear)][-1]
        return [VisionModules(block.attn, block.attn.proj, block.mlp, last(block.mlp), None) for block in model.model.visual.blocks]

    def read(self, model: nn.Module) -> list[nn.Module]:
        return list(model.model.visual.patch_embed.children())

    def vision_patches(self, model: nn.Module, plan: Plan, const: Constants) -> list[Patch]:
        visual = model.model.visual
        patches = [(block.attn, attention_forward(block.attn)) for block in visual.blocks]
        return [(visual.patch_embed, patch_embed_forward(visual.patch_embed)), *patches]

    def embedded(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> Tensor:
        """Rows of patches as the first block takes them, in the order of the pixels."""
        return model.model.visual.patch_embed(pixels)

    def deep_mergers(self, visual: nn.Module) -> dict[int, nn.Module]:
        """Number of a block -> what makes features for a decoder layer of its result, in order of those layers."""
        return {}

    def levels(self, model: nn.Module) -> int:
        return len(self.deep_mergers(model.model.visual))

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        return self.visual_levels(model, plan, const, kind, pixels)[0]

    def visual_levels(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[list[Tensor]]:
        visual, arranged = model.model.visual, plan.detail[kind]
        rows = self.embedded(model, plan, const, kind, pixels)
        if arranged.order is not None:
            rows = take_rows(rows, const(f"{kind}_window_rows"))
        tables = const(f"{kind}_rope_cos"), const(f"{kind}_rope_sin")
        mergers, deep = self.deep_mergers(visual), []
        for number, (block, segments) in enumerate(zip(visual.blocks, arranged.segments)):
            rows = block(rows, cu_seqlens=segments, position_embeddings=tables)
            if number in mergers:
                deep.append(mergers[number](rows))
        levels = [visual.merger(rows), *deep]
        if arranged.order is not None:
            levels = [take_rows(level, const(f"{kind}_merge_rows")) for level in levels]
        return [[level] for level in levels]

    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        vision = model.config.vision_config
        merge = vision.spatial_merge_size
        pixels = qwen_vl_video(frames, max_pixels, patch=vision.patch_size, merge=merge, temporal=vision.temporal_patch_size)
        return pixels, [(model.config.video_token_id, int(pixels["video_grid_thw"].prod()) // merge ** 2)]

    def info(self, model: nn.Module) -> dict[str, Any]:
        visual = model.model.visual
        return {**decoder_info(model), "vision_depth": len(visual.blocks), "vision_hidden": visual.patch_embed.embed_dim,
                "vision_heads": visual.blocks[0].attn.num_heads}


# ---- the plan ------------------------------------------------------------------------------------------------------------------
def check_vision(model: nn.Module, classes: tuple[str, str]) -> None:
    """Raise FocusError for an attention, a patch embedding or an activation that has no mapping."""
    visual, vision = model.model.visual, model.config.vision_config
    for key in ("patch_size", "temporal_patch_size", "spatial_merge_size"):
        setting(vision, "config.vision_config", key, is_whole, "a number of patches or pixels")
    check_class(visual.patch_embed, "model.visual.patch_embed", classes[1:], "embedding of patches")
    for i, block in enumerate(visual.blocks):
        check_class(block.attn, f"model.visual.blocks.{i}.attn", classes[:1], "attention")
        if getattr(block.attn, "is_causal", False):
            raise FocusError(f"model.visual.blocks.{i}.attn: is_causal is True; causal attention of a vision tower has no mapping")
        _cap(block.attn, f"model.visual.blocks.{i}.attn")
        for name, module in block.mlp.named_children():
            if not isinstance(module, nn.Linear):
                check_activation(module, f"model.visual.blocks.{i}.mlp.{name}")


def check_grid(model: nn.Module, pixel_name: str, grid_name: str, pixels: Tensor, grid_thw: Tensor) -> None:
    embed, merge = model.model.visual.patch_embed, model.model.visual.spatial_merge_size
    width = embed.in_channels * embed.temporal_patch_size * embed.patch_size ** 2
    if grid_thw.ndim != 2 or grid_thw.shape[1] != 3 or bool((grid_thw < 1).any()) or bool((grid_thw[:, 1:] % merge).any()):
        raise FocusError(f"{grid_name}: (frames, height, width) in multiples of (1, {merge}, {merge}) expected, got {grid_thw.tolist()}")
    patches = int(grid_thw.prod(-1).sum())
    if list(pixels.shape) != [patches, width]:
        raise FocusError(f"{pixel_name}: shape {[patches, width]} expected from {grid_name} {grid_thw.tolist()}, got {list(pixels.shape)}")


def frame_segments(grid_thw: Tensor) -> list[int]:
    """Patches of each frame of each grid."""
    return torch.diff(get_vision_cu_seqlens(grid_thw)).tolist()


def positions(model: nn.Module, inputs: dict[str, Tensor], plan: Plan, runs: str) -> Tensor:
    """Position ids [3, 1, S] as the unmodified model computes them from the same inputs; `runs`: what has a run of tokens of its own."""
    length = len(plan.ids)
    if "mm_token_type_ids" not in inputs or not plan.pixels:
        return torch.arange(length).expand(3, 1, length)
    for kind, code in (("image", 1), ("video", 2)):
        if not torch.equal(inputs["mm_token_type_ids"] == code, inputs["input_ids"] == plan.token_ids[kind]):
            raise FocusError(f"mm_token_type_ids: {code} must stand exactly where input_ids has the {kind} token {plan.token_ids[kind]}")
    seconds, videos = inputs.get("second_per_grid_ts"), inputs.get("video_grid_thw", ())
    if seconds is not None and (seconds.shape != (len(videos),) or not bool(((seconds > 0) & seconds.isfinite()).all())):
        raise FocusError(f"second_per_grid_ts: positive seconds of each of {len(videos)} videos expected, got {seconds.tolist()}")
    extents = {name: inputs.get(name) for name in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")}
    try:
        return model.model.get_rope_index(inputs["input_ids"], inputs["mm_token_type_ids"], **extents)[0]
    except (StopIteration, RuntimeError, TypeError):
        raise FocusError(f"input_ids: {runs} must be one unbroken run of tokens with text between two of them") from None


# ---- vision tower on rows ------------------------------------------------------------------------------------------------------
def patch_embed_forward(module: nn.Module):
    """The convolution over whole patches is a projection of each patch's row."""
    def forward(pixels: Tensor) -> Tensor:
        return F.linear(pixels, module.proj.weight.view(module.embed_dim, -1), module.proj.bias)
    return forward


def _cap(attention: nn.Module, path: str = "model.visual") -> float:
    """What bounds the scores of a tower's attention; 0.0 for nothing.  Raises FocusError as `score_cap` does."""
    def sizes(module: nn.Module) -> Sizes:
        return Sizes(module.num_heads, module.num_heads, module.dim // module.num_heads, float(module.scaling))
    return score_cap(attention, path, sizes)


def attention_forward(module: nn.Module):
    """`cu_seqlens` carries the lengths of the segments (windows or frames) as Python integers."""
    cap = _cap(module)

    def forward(hidden_states: Tensor, cu_seqlens: list[int], position_embeddings: tuple[Tensor, Tensor], **_unused) -> Tensor:
        q, k, v = module.qkv(hidden_states).split(module.dim, dim=-1)
        q, k = rope(q, *position_embeddings), rope(k, *position_embeddings)
        return module.proj(attention(q, k, v, module.num_heads, module.num_heads, float(module.scaling), cap, False, cu_seqlens))
    return forward
