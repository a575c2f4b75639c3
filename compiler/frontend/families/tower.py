"""Vision towers that are plain transformers on square grids of patches, on rows: SigLIP, CLIP and InternViT; then their projector.

In: pixels [grids, 3, H, W], a square grid of patches each.  Out: `TowerFamily`, what the families with such a tower share; `tower_rows`: the
tower's rows [grids * patches, its width]; `features`: the same rows projected, [grids * patches, D]; `resampled`: grids of rows at another
resolution.

CLIP and InternViT put a row for the class in front of each grid's patches.  It attends with them, and the projector does not read it.
"""
from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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
    rope_tables,
    setting,
)
from focus.compiler.frontend.layout import TowerRows
from focus.compiler.frontend.scores import Sizes, score_cap
from focus.compiler.frontend.surgery import Patch, attention, check_activation, check_class, patch_embed, resample, take_rows
from focus.runtime.spec.errors import FocusError


@dataclass(frozen=True)
class Tower:
    """Where Hugging Face's classes for one kind of tower have what the rows need, as paths: in the tower, in a layer, in its attention.

    `classes`: full names of the classes of its attention and of its embeddings.  `strategy`: the `vision_feature_select_strategy` under which
    the projector reads exactly the patches; `masked`: whether layers take a mask.
    """
    strategy: str
    convolution: str = "embeddings.patch_embedding"
    positions: str = "embeddings.position_embedding.weight"
    classes: tuple[str, ...] = ("", "")
    class_row: str = ""
    first_norm: str = ""
    layers: str = "encoder.layers"
    attention: str = "self_attn"
    output: str = "out_proj"
    masked: bool = True


def _classes(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"transformers.models.{module}.{name}" for name in names)


_TOWERS = {
    "siglip_vision_model": Tower("full", classes=_classes("siglip.modeling_siglip", "SiglipAttention", "SiglipVisionEmbeddings")),
    "clip_vision_model": Tower("default", classes=_classes("clip.modeling_clip", "CLIPAttention", "CLIPVisionEmbeddings"),
                               class_row="embeddings.class_embedding", first_norm="pre_layrnorm"),
    "internvl_vision": Tower("default", convolution="embeddings.patch_embeddings.projection", positions="embeddings.position_embeddings",
                             class_row="embeddings.cls_token", layers="encoder.layer", attention="attention", output="projection_layer",
                             classes=_classes("internvl.modeling_internvl", "InternVLVisionAttention", "InternVLVisionEmbeddings"), masked=False),
}


class TowerFamily(Family):
    """A family whose vision tower is a plain transformer on square grids of patches, at `model.vision_tower`."""
    towers: tuple[str, ...] = ("siglip_vision_model", "clip_vision_model")      #: the kinds it may have

    def start(self, model: nn.Module, inputs: dict[str, Tensor], kinds: tuple[str, ...]) -> Plan:
        """The plan of a request before its pixels, with visual tokens of the `kinds`; FocusError when tower, decoder or ids have no mapping."""
        ids, token_ids = inputs["input_ids"][0].numpy(), check_placeholders(model, kinds)
        check_tower(model, self.towers)
        check_decoder(model, len(ids))
        check_ids_in_vocabulary(ids, model.get_input_embeddings().num_embeddings, token_ids)
        return Plan(ids=ids, token_ids=token_ids, pixels={}, items=[], constants=rope_tables(model, torch.arange(len(ids))[None]),
                    next_position=len(ids))

    def vision_layers(self, model: nn.Module) -> nn.ModuleList:
        return layers_of(model)

    def vision_sites(self, model: nn.Module) -> list[VisionModules]:
        tower, layers = tower_of(model), layers_of(model)[:feature_layers(model)]
        attentions = [attrgetter(tower.attention)(layer) for layer in layers]
        return [VisionModules(a, getattr(a, tower.output), layer.mlp, layer.mlp.fc2, getattr(a, "q_norm", a.q_proj))
                for layer, a in zip(layers, attentions)]

    def read(self, model: nn.Module) -> list[nn.Module]:
        return list(model.model.vision_tower.embeddings.children())

    def vision_patches(self, model: nn.Module, plan: Plan, const: Constants) -> list[Patch]:
        tower, rows = tower_of(model), patches_a_side(model) ** 2 + has_class(model)
        attentions = map(attrgetter(tower.attention), layers_of(model)[:feature_layers(model)])
        return [(model.model.vision_tower.embeddings, embeddings_forward(model.model.vision_tower, tower))] + \
               [(module, attention_forward(module, getattr(module, tower.output), rows)) for module in attentions]

    def info(self, model: nn.Module) -> dict[str, Any]:
        vision = model.config.vision_config
        return {**decoder_info(model), "vision_depth": feature_layers(model), "vision_hidden": vision.hidden_size,
                "vision_heads": vision.num_attention_heads}


# ---- checks and sizes ----------------------------------------------------------------------------------------------------------
def tower_of(model: nn.Module) -> Tower:
    """What is known of the model's kind of tower."""
    return _TOWERS[model.config.vision_config.model_type]


def layers_of(model: nn.Module) -> nn.ModuleList:
    """The tower's layers."""
    return attrgetter(tower_of(model).layers)(model.model.vision_tower)


def image_side(model: nn.Module) -> int:
    """Rows, and columns, of the pixels of a grid."""
    return _sides(model.config.vision_config.image_size)[0]


def patches_a_side(model: nn.Module) -> int:
    """Rows, and columns, of a patch grid."""
    return image_side(model) // _sides(model.config.vision_config.patch_size)[0]


def _sides(size: int | list[int] | tuple[int, ...]) -> list[int]:
    """Height and width of a size in a configuration, which may be one number for both."""
    return [size, size] if isinstance(size, int) else list(size)


def _is_size(value: Any) -> bool:
    """Whether a configured value is a number of pixels, or two."""
    both = value if isinstance(value, (list, tuple)) else [value, value]
    return len(both) == 2 and all(is_whole(v) for v in both)


def has_class(model: nn.Module) -> bool:
    """Whether the tower has a class row in front of each grid."""
    return bool(tower_of(model).class_row)


def feature_layers(model: nn.Module) -> int:
    """How many encoder layers run before the hidden state the projector reads."""
    layer, depth = model.config.vision_feature_layer, len(layers_of(model))
    if isinstance(layer, (list, tuple)):
        if len(layer) != 1:
            raise FocusError(f"config.vision_feature_layer: one layer expected, got {list(layer)}; several have no mapping")
        layer = layer[0]
    if not isinstance(layer, int):
        raise FocusError(f"config.vision_feature_layer: the number of a layer expected, got {layer!r}")
    if not -depth - 1 <= layer <= depth:
        raise FocusError(f"config.vision_feature_layer: {layer} is outside a tower of {depth} layers")
    return layer if layer >= 0 else depth + 1 + layer


def check_tower(model: nn.Module, kinds: tuple[str, ...]) -> None:
    """Raise FocusError for a tower that is none of `kinds`, and for a projector or a feature selection that has no mapping."""
    config, vision = model.config, model.config.vision_config
    kind = vision.model_type
    if kind not in kinds:
        raise FocusError(f"model.vision_tower: vision tower '{kind}' is not supported; supported: {', '.join(kinds)}")
    strategy = getattr(config, "vision_feature_select_strategy", _TOWERS[kind].strategy)       # a model without a choice has this one
    if strategy != _TOWERS[kind].strategy:
        raise FocusError(f"config.vision_feature_select_strategy: '{_TOWERS[kind].strategy}' expected for '{kind}', got '{strategy}'")
    for name in ("image_size", "patch_size"):
        size = setting(vision, "config.vision_config", name, _is_size, "a number of pixels")
        if len(set(_sides(size))) != 1:
            raise FocusError(f"config.vision_config.{name}: height and width must be equal, got {_sides(size)}")
    setting(vision, "config.vision_config", "num_channels", is_whole, "a number of colours")
    if patches_a_side(model) < 1:
        raise FocusError(f"config.vision_config.patch_size: {vision.patch_size} is more than the image_size of {vision.image_size}")
    tower, (attention_class, embeddings_class) = model.model.vision_tower, _TOWERS[kind].classes
    check_class(tower.embeddings, "model.vision_tower.embeddings", (embeddings_class,), "embedding of patches")
    for i, layer in enumerate(layers_of(model)[:feature_layers(model)]):
        path = f"model.vision_tower.{_TOWERS[kind].layers}.{i}.{_TOWERS[kind].attention}"
        module = attrgetter(_TOWERS[kind].attention)(layer)
        check_class(module, path, (attention_class,), "attention")
        if getattr(module, "is_causal", False):
            raise FocusError(f"{path}: is_causal is True; causal attention of a vision tower has no mapping")
        tower_cap(module, path)
        check_activation(layer.mlp.activation_fn, f"model.vision_tower.{_TOWERS[kind].layers}.{i}.mlp.activation_fn")
    check_activation(model.model.multi_modal_projector.act, "model.multi_modal_projector.act")


def check_pixels(model: nn.Module, name: str, pixels: Tensor) -> None:
    """Raise FocusError unless the last dimensions of `pixels` are those of one of the tower's grids."""
    expected = [model.config.vision_config.num_channels, image_side(model), image_side(model)]
    if list(pixels.shape[-3:]) != expected:
        raise FocusError(f"{name}: the last three dimensions must be {expected}, got {list(pixels.shape)}")


def check_images(model: nn.Module, pixels: Tensor) -> None:
    """Raise FocusError unless `pixels` are images, [images, 3, H, W], each one of the tower's grids."""
    check_pixels(model, "pixel_values", pixels)
    if pixels.ndim != 4:
        raise FocusError(f"pixel_values: [images, channels, height, width] expected, got {list(pixels.shape)}")


def check_video(model: nn.Module, pixels: Tensor) -> None:
    """Raise FocusError unless `pixels` are the frames of videos, [videos, frames, 3, H, W], each one of the tower's grids."""
    if pixels.ndim != 5:
        raise FocusError(f"pixel_values_videos: [videos, frames, channels, height, width] expected, got {list(pixels.shape)}")
    check_pixels(model, "pixel_values_videos", pixels)
    if 0 in pixels.shape:
        raise FocusError(f"pixel_values_videos: at least one video of at least one frame expected, got {list(pixels.shape)}")


# ---- the tower on rows ---------------------------------------------------------------------------------------------------------
def plan_tower(model: nn.Module, plan: Plan, kind: str, frames: list[int]) -> None:
    """Constants that `features` reads for the pixels of `kind`: where class rows come in, and where patch rows are, int64; and where rows are in the
    pictures.  `frames`: how many grids are the frames of each picture or video, in order."""
    side, grids = patches_a_side(model), sum(frames)
    plan.towers[kind] = TowerRows.of(cells(frames, side, has_class(model)))
    if has_class(model):
        patches = side ** 2
        rows = torch.arange(grids * patches).view(grids, patches)
        of_class = torch.full((grids, 1), grids * patches)
        plan.constants[f"{kind}_with_class"] = torch.cat((of_class, rows), 1).reshape(-1)
        plan.constants[f"{kind}_patches"] = (rows + torch.arange(1, grids + 1)[:, None]).reshape(-1)


def cells(frames: list[int], side: int, with_class: bool) -> np.ndarray:
    """(picture, frame, row, column) of each row of the tower: int [rows, 4], -1 for rows of classes."""
    grids = [np.stack(np.meshgrid(number, frame, np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 4)
             for number, count in enumerate(frames) for frame in range(count)]
    return np.concatenate([part for grid in grids for part in ([np.full((1, 4), -1)] * with_class + [grid])])


def tower_rows(model: nn.Module, const: Constants, kind: str, blocks: list[Tensor]) -> Tensor:
    """Rows [grids * patches, tower's width] of the pixels of `kind`, as the projector reads them: blocks [n, 3, H, W] of the grids that
    `plan_tower` was told of."""
    tower, module = tower_of(model), model.model.vision_tower
    hidden = module.embeddings(blocks, const(f"{kind}_with_class") if has_class(model) else None)
    if tower.first_norm:
        hidden = attrgetter(tower.first_norm)(module)(hidden)
    for layer in layers_of(model)[:feature_layers(model)]:
        hidden = layer(hidden, *[None] * tower.masked)
    if has_class(model):
        hidden = take_rows(hidden, const(f"{kind}_patches"))
    return hidden


def features(model: nn.Module, const: Constants, kind: str, blocks: list[Tensor]) -> Tensor:
    """`tower_rows`, projected: [grids * patches, D]."""
    return model.model.multi_modal_projector(tower_rows(model, const, kind, blocks))


def resampled(rows: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Grids of rows [grids * height * width, D] -> [grids * h * w, D] by two one-dimensional linear maps: down [h, height] along columns,
    across [w, width] along rows."""
    width = rows.shape[1]
    columns = resample(rows.view(-1, across.shape[1], width), across)
    return resample(columns.view(-1, down.shape[1], across.shape[0] * width), down).view(-1, width)


def embeddings_forward(module: nn.Module, tower: Tower):
    """Blocks of pixels [n, 3, H, W] -> rows [all grids' rows, D], position embedding added; `with_class`: rows of patches and, last, class."""
    def forward(blocks: list[Tensor], with_class: Tensor | None = None) -> Tensor:
        conv, position = attrgetter(tower.convolution)(module), attrgetter(tower.positions)(module)
        pieces = [patch_embed(pixels, conv.weight, conv.bias) for pixels in blocks]
        if with_class is not None:
            pieces.append(attrgetter(tower.class_row)(module).view(1, -1))
        rows = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        if with_class is not None:
            rows = take_rows(rows, with_class)
        if position is None:
            return rows
        return (rows.view(-1, *position.shape[-2:]) + position).view(rows.shape)
    return forward


def tower_cap(attention: nn.Module, path: str = "model.vision_tower") -> float:
    """What bounds the scores of a tower's attention; 0.0 for nothing.  Raises FocusError as `score_cap` does."""
    def sizes(module: nn.Module) -> Sizes:
        heads = module.embed_dim // module.head_dim
        return Sizes(heads, heads, module.head_dim, float(module.scale))
    return score_cap(attention, path, sizes)


def attention_forward(module: nn.Module, output: nn.Module, rows: int):
    """Every grid of `rows` rows attends to itself; queries and keys are normalised over all heads where the module has norms for them."""
    cap = tower_cap(module)

    def forward(hidden_states: Tensor, **_unused):
        heads = module.embed_dim // module.head_dim
        q, k, v = module.q_proj(hidden_states), module.k_proj(hidden_states), module.v_proj(hidden_states)
        if hasattr(module, "q_norm"):
            q, k = module.q_norm(q), module.k_norm(k)
        out = attention(q, k, v, heads, heads, float(module.scale), cap, False, [rows] * (hidden_states.shape[0] // rows))
        return output(out), None
    return forward
