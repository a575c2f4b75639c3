"""Qwen2.5-VL: a vision transformer with windowed attention and axial RoPE, a patch merger, and a decoder with M-RoPE.

In: `pixel_values_videos` [patches, channels * temporal * p * p] with `video_grid_thw` [videos, 3], `pixel_values` with `image_grid_thw`,
and, as in the Hugging Face model, `mm_token_type_ids` [1, S] (without it positions are one-dimensional) and `second_per_grid_ts` [videos].
Out: the family's plan and vision forward.

Positions, window order and window lengths depend on the grids only, so they become constant tables, index lists and attention segments.
"""
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

from focus.runtime.errors import FocusError
from focus.runtime.tokens import Grid

from ..layout import VisualItem
from ..surgery import Patch, attention, check_activation, rope, take_rows
from .base import Constants, Family, Plan, check_decoder, check_ids_in_vocabulary, decoder_info, need, rope_tables

_KINDS = {"image": ("pixel_values", "image_grid_thw"), "video": ("pixel_values_videos", "video_grid_thw")}


class Qwen25VL(Family):
    model_type = "qwen2_5_vl"
    class_name = "Qwen2_5_VLForConditionalGeneration"
    inputs = ("input_ids", "pixel_values_videos", "video_grid_thw", "pixel_values", "image_grid_thw", "mm_token_type_ids",
              "second_per_grid_ts")

    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        ids = inputs["input_ids"][0].numpy()
        token_ids = {"image": model.config.image_token_id, "video": model.config.video_token_id}
        check_vision(model)
        check_decoder(model, len(ids))
        check_ids_in_vocabulary(ids, model.get_input_embeddings().num_embeddings, token_ids)
        plan = Plan(ids=ids, token_ids=token_ids, pixels={}, items=[])
        for kind, (pixel_name, grid_name) in _KINDS.items():
            if pixel_name in inputs:
                plan_kind(model, plan, kind, inputs[pixel_name], need(inputs, grid_name, pixel_name))
        plan.constants |= rope_tables(model, positions(model, inputs, plan))
        return plan

    def vision_patches(self, model: nn.Module, plan: Plan, const: Constants) -> list[Patch]:
        visual = model.model.visual
        patches = [(block.attn, attention_forward(block.attn)) for block in visual.blocks]
        return [(visual.patch_embed, patch_embed_forward(visual.patch_embed)), *patches]

    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        visual, detail = model.model.visual, plan.detail[kind]
        rows = visual.patch_embed(pixels)
        if detail["permuted"]:
            rows = take_rows(rows, const(f"{kind}_window_rows"))
        tables = const(f"{kind}_rope_cos"), const(f"{kind}_rope_sin")
        for i, block in enumerate(visual.blocks):
            segments = detail["frames"] if i in visual.fullatt_block_indexes else detail["windows"]
            rows = block(rows, cu_seqlens=segments, position_embeddings=tables)
        rows = visual.merger(rows)
        if detail["permuted"]:
            rows = take_rows(rows, const(f"{kind}_merge_rows"))
        return [rows]

    def info(self, model: nn.Module) -> dict[str, Any]:
        vision = model.config.vision_config
        return {**decoder_info(model), "vision_depth": vision.depth, "vision_hidden": vision.hidden_size, "vision_heads": vision.num_heads}


def check_vision(model: nn.Module) -> None:
    """Raise FocusError for an activation that has no mapping."""
    for i, block in enumerate(model.model.visual.blocks):
        check_activation(block.mlp.act_fn, f"model.visual.blocks.{i}.mlp.act_fn")


# ---- the plan ------------------------------------------------------------------------------------------------------------------
@torch.no_grad()
def plan_kind(model: nn.Module, plan: Plan, kind: str, pixels: Tensor, grid_thw: Tensor) -> None:
    """Items, tables and segments of the images or of the videos."""
    visual = model.model.visual
    pixel_name, grid_name = _KINDS[kind]
    merge = visual.spatial_merge_size
    check_grid(model, pixel_name, grid_name, pixels, grid_thw)
    plan.pixels[kind] = pixel_name
    plan.items += [VisualItem(kind, t * h * w // merge ** 2, (Grid.dense(0, t, h // merge, w // merge),)) for t, h, w in grid_thw.tolist()]
    order, window_ends = get_vision_window_index(grid_thw, merge, visual.window_size, visual.patch_size)
    frame_ends = get_vision_cu_seqlens(grid_thw)
    rows = (order[:, None] * merge ** 2 + torch.arange(merge ** 2)).reshape(-1)
    cos, sin = visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid_thw, merge))
    permuted = not torch.equal(order, torch.arange(len(order)))
    plan.detail[kind] = {"permuted": permuted, "windows": torch.diff(window_ends).tolist(), "frames": torch.diff(frame_ends).tolist()}
    plan.constants |= {f"{kind}_rope_cos": cos.float()[rows], f"{kind}_rope_sin": sin.float()[rows]}
    if permuted:
        plan.constants |= {f"{kind}_window_rows": rows, f"{kind}_merge_rows": torch.argsort(order)}


def check_grid(model: nn.Module, pixel_name: str, grid_name: str, pixels: Tensor, grid_thw: Tensor) -> None:
    embed, merge = model.model.visual.patch_embed, model.model.visual.spatial_merge_size
    width = embed.in_channels * embed.temporal_patch_size * embed.patch_size ** 2
    if grid_thw.ndim != 2 or grid_thw.shape[1] != 3 or bool((grid_thw < 1).any()) or bool((grid_thw[:, 1:] % merge).any()):
        raise FocusError(f"{grid_name}: (frames, height, width) in multiples of (1, {merge}, {merge}) expected, got {grid_thw.tolist()}")
    patches = int(grid_thw.prod(-1).sum())
    if list(pixels.shape) != [patches, width]:
        raise FocusError(f"{pixel_name}: shape {[patches, width]} expected from {grid_name} {grid_thw.tolist()}, got {list(pixels.shape)}")


def positions(model: nn.Module, inputs: dict[str, Tensor], plan: Plan) -> Tensor:
    """Position ids [3, 1, S] as the unmodified model computes them from the same inputs."""
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
        raise FocusError("input_ids: each image and each video must be one unbroken run of tokens with text between two of them") from None


# ---- vision tower on rows ------------------------------------------------------------------------------------------------------
def patch_embed_forward(module: nn.Module):
    """The convolution over whole patches is a projection of each patch's row."""
    def forward(pixels: Tensor) -> Tensor:
        return F.linear(pixels, module.proj.weight.view(module.embed_dim, -1), module.proj.bias)
    return forward


def attention_forward(module: nn.Module):
    """`cu_seqlens` carries the lengths of the segments (windows or frames) as Python integers."""
    def forward(hidden_states: Tensor, cu_seqlens: list[int], position_embeddings: tuple[Tensor, Tensor], **_unused) -> Tensor:
        q, k, v = module.qkv(hidden_states).split(module.dim, dim=-1)
        q, k = rope(q, *position_embeddings), rope(k, *position_embeddings)
        return module.proj(attention(q, k, v, module.num_heads, module.num_heads, float(module.scaling), False, cu_seqlens))
    return forward
