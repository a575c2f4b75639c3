"""What every model family provides, and what their decoders have in common.

In: a Hugging Face model and HF forward inputs.  Out: the abstract `Family`, the `Plan` it makes of a request (everything that is known
before the first number: placeholders, grids, constant tables) and helpers to check inputs and decoders.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from focus.compiler.frontend.layout import TowerRows, VisualItem
from focus.compiler.frontend.scores import Sizes, score_cap
from focus.compiler.frontend.surgery import Patch, check_activation, check_class, check_rms_norm, decoder_attention, norm_and_activation_patches
from focus.runtime.run.executable import FLAGS, MASK
from focus.runtime.spec.errors import FocusError

#: Decoders whose attention is q/k/v/o projections, perhaps RMS norms of queries' and keys' heads, RoPE in rotate-half form and a causal softmax,
#: and whose MLP is gated -> the class of that attention.
DECODERS = {kind: f"transformers.models.{module}.{name}Attention" for kind, module, name in (
    ("qwen2", "qwen2.modeling_qwen2", "Qwen2"), ("qwen3", "qwen3.modeling_qwen3", "Qwen3"), ("llama", "llama.modeling_llama", "Llama"),
    ("mistral", "mistral.modeling_mistral", "Mistral"), ("qwen2_vl_text", "qwen2_vl.modeling_qwen2_vl", "Qwen2VL"),
    ("qwen2_5_vl_text", "qwen2_5_vl.modeling_qwen2_5_vl", "Qwen2_5_VL"), ("qwen3_vl_text", "qwen3_vl.modeling_qwen3_vl", "Qwen3VLText"))}
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")

Constants = Callable[[str], Tensor]


@dataclass
class Plan:
    """Everything static about a request.

    `ids` int64 [S]; `token_ids`: kind ("image", "video") -> placeholder id; `pixels`: kind -> name of its pixel input; `items`: images in
    order, then videos in order; `constants`: tables the accelerator reads (RoPE, index lists, resampling, rearranged weights), float32 or
    int64, without the prefix `const.`; `towers`: kind, in the order of `pixels` -> where the rows of the vision tower are in the pixels; `detail`:
    what the family keeps for its own forward.  `next_position`: that of a token after the request, on each of the `axes` of its positions.
    """
    ids: np.ndarray
    token_ids: dict[str, int]
    pixels: dict[str, str]
    items: list[VisualItem]
    constants: dict[str, Tensor] = field(default_factory=dict)
    towers: dict[str, TowerRows] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    next_position: int = 0
    axes: int = 1

    @property
    def input_names(self) -> tuple[str, ...]:
        """HF inputs that carry numbers at run time, in the order of the compiled function's arguments."""
        return (*self.pixels.values(), "input_ids")


@dataclass(frozen=True)
class VisionModules:
    """Modules of a layer of a vision tower: its attention, the projection of what that attends to, its MLP and the last projection in it; `query`:
    what makes the queries, None where they are rotated inside the attention."""
    attention: nn.Module
    output: nn.Module
    mlp: nn.Module
    last: nn.Module
    query: nn.Module | None


class Family(ABC):
    """A family of models: how its visual tokens are laid out and how its vision tower runs on rows."""
    model_type: str     #: `config.model_type`
    class_name: str     #: the model class
    inputs: tuple[str, ...]     #: HF forward inputs it understands, besides `attention_mask` of ones

    @abstractmethod
    def plan(self, model: nn.Module, inputs: dict[str, Tensor]) -> Plan:
        """The plan of a request whose inputs were checked by `checked_inputs`; FocusError when the model or inputs have no mapping."""

    @abstractmethod
    def vision_layers(self, model: nn.Module) -> nn.ModuleList:
        """The layers of the vision tower."""

    @abstractmethod
    def vision_sites(self, model: nn.Module) -> list[VisionModules]:
        """Of each layer of the vision tower that is computed, the modules whose inputs may be concentrated."""

    def read(self, model: nn.Module) -> list[nn.Module]:
        """Modules that are read, not called, by the forwards of `vision_patches` and by `visual_rows`."""
        return []

    @abstractmethod
    def vision_patches(self, model: nn.Module, plan: Plan, const: Constants) -> list[Patch]:
        """Forwards of the vision tower's modules."""

    @abstractmethod
    def visual_rows(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[Tensor]:
        """Rows [n, D] that, one after the other, stand at the placeholders of `kind`.  Called under the patches."""

    def visual_levels(self, model: nn.Module, plan: Plan, const: Constants, kind: str, pixels: Tensor) -> list[list[Tensor]]:
        """The visual rows, and, for each of the first decoder layers after which features are added to them, those features [n, D]."""
        return [self.visual_rows(model, plan, const, kind, pixels)]

    def levels(self, model: nn.Module) -> int:
        """Decoder layers after which features are added to the visual rows."""
        return 0

    @abstractmethod
    def video(self, model: nn.Module, frames: np.ndarray, max_pixels: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        """How the model is shown a video: its pixel inputs, and the runs of visual tokens in its sequence, (placeholder id, tokens) each.

        `frames` uint8 [n, H, W, 3].  A model that takes frames of any size gets them with at most `max_pixels` pixels.
        """

    @abstractmethod
    def info(self, model: nn.Module) -> dict[str, Any]:
        """Family-specific entries of `Imported.model_info`."""

    def patches(self, model: nn.Module, plan: Plan, const: Constants) -> list[Patch]:
        """Every forward that changes for the export."""
        decoder = [(layer.self_attn, decoder_attention(layer.self_attn, *heads_of(layer.self_attn), decoder_cap(layer.self_attn)))
                   for layer in decoder_of(model).layers]
        return norm_and_activation_patches(model) + decoder + self.vision_patches(model, plan, const)


# ---- decoders ----------------------------------------------------------------------------------------------------------------
def decoder_of(model: nn.Module) -> nn.Module:
    """The language model of a supported VLM."""
    return model.model.language_model


def heads_of(attention: nn.Module) -> tuple[int, int]:
    """Query heads and kv heads of a decoder's attention."""
    return attention.q_proj.out_features // attention.head_dim, attention.k_proj.out_features // attention.head_dim


def decoder_cap(attention: nn.Module, path: str = "model.language_model") -> float:
    """What bounds the scores of a decoder's attention; 0.0 for nothing.  Raises FocusError as `score_cap` does."""
    return score_cap(attention, path, lambda module: Sizes(*heads_of(module), module.head_dim, float(module.scaling)))


def check_decoder(model: nn.Module, length: int) -> None:
    """Raise FocusError for a decoder, attention, activation or sliding window that has no mapping.  `length`: S."""
    decoder = decoder_of(model)
    kind = decoder.config.model_type
    if not isinstance(kind, str) or kind not in DECODERS:
        known = ", ".join(DECODERS)
        raise FocusError(f"model.language_model: decoder '{kind}' is not supported; supported: {known}")
    if not len(decoder.layers):
        raise FocusError("config.text_config.num_hidden_layers: a decoder of at least one layer expected, got 0")
    if getattr(decoder.config, "is_causal", None) is False:
        raise FocusError("config.text_config.is_causal: causal attention expected, got False; attention in both directions has no mapping")
    check_width(model.lm_head, "lm_head")
    if not isinstance(decoder.norm, nn.Module):
        raise FocusError(f"model.language_model.norm: a module expected, got {type(decoder.norm).__name__}")
    for i, layer in enumerate(decoder.layers):
        path = f"model.language_model.layers.{i}"
        check_class(layer.self_attn, f"{path}.self_attn", (DECODERS[kind],), "attention")
        for name in ("q_proj", "k_proj"):
            check_width(getattr(layer.self_attn, name), f"{path}.self_attn.{name}")
        if not getattr(layer.self_attn, "is_causal", True):
            raise FocusError(f"{path}.self_attn: is_causal is False; attention in both directions has no mapping")
        decoder_cap(layer.self_attn, f"{path}.self_attn")
        for name in ("q_norm", "k_norm"):
            if hasattr(layer.self_attn, name):
                check_rms_norm(getattr(layer.self_attn, name), f"{path}.self_attn.{name}")
        for name in ("gate_proj", "up_proj", "down_proj", "act_fn"):
            if not isinstance(getattr(layer.mlp, name, None), nn.Module):
                raise FocusError(f"{path}.mlp: this {type(layer.mlp).__name__} has no module '{name}'; a gated MLP expected")
        check_activation(layer.mlp.act_fn, f"{path}.mlp.act_fn")
        window = sliding_window(decoder.config, layer.self_attn, i)
        if window is not None and window < length:
            raise FocusError(f"{path}.self_attn: sliding window of {window} in a sequence of {length}; only full causal attention maps")


def check_width(module: nn.Module | None, path: str) -> None:
    """Raise FocusError unless `module` says how many features it makes."""
    if not is_whole(getattr(module, "out_features", None)):
        raise FocusError(f"{path}: a linear layer with 'out_features' expected, got {type(module).__name__}")


def sliding_window(config: Any, attention: nn.Module, layer: int) -> int | None:
    """How many tokens a decoder layer sees, itself included, by its attention or by the mask its configuration asks for; None for all."""
    kinds = getattr(config, "layer_types", None) or ()
    masked = config.model_type == "mistral" or (layer < len(kinds) and kinds[layer] == "sliding_attention")
    windows = [getattr(attention, "sliding_window", None), getattr(config, "sliding_window", None) if masked else None]
    return min((w for w in windows if w is not None), default=None)


def check_hooks(family: Family, model: nn.Module) -> None:
    """Raise FocusError for a forward hook on a module that the prefill does not call: the hook would not run."""
    attentions = [layer.self_attn for layer in decoder_of(model).layers]
    heads = [getattr(attention, name) for attention in attentions for name in ("q_norm", "k_norm") if hasattr(attention, name)]
    read = {id(part) for whole in (*family.read(model), *heads) for part in whole.modules()}
    paths = dict(model.named_modules())
    layers = [path for path, module in paths.items() if module is decoder_of(model).layers or module is family.vision_layers(model)]
    for path, module in paths.items():
        holds_layers = any(f"{one}.".startswith(f"{path}." if path else "") for one in layers)
        if (holds_layers or id(module) in read) and any(getattr(module, name) for name in _HOOKS):
            raise FocusError(f"{path or family.class_name}: a forward hook on this {type(module).__name__} has no mapping; only those on layers and "
                             "their modules, on embed_tokens, the last norm and lm_head are compiled")


def check_compiled(model: nn.Module) -> None:
    """Raise FocusError for a module that torch.compile has its hands on: what it runs cannot be exported."""
    for path, module in model.named_modules():
        if type(module).__module__.startswith("torch._dynamo") or module._compiled_call_impl is not None:
            raise FocusError(f"{path or type(model).__name__}: this module is compiled by torch.compile; the module itself expected")


def check_parameters(model: nn.Module) -> None:
    """Raise FocusError for a parameter or buffer that is more than its numbers: of a class of its own, sparse, quantised, complex."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if type(tensor) not in (nn.Parameter, Tensor):
            raise FocusError(f"{name}: a {type(tensor).__name__} has no mapping; a plain tensor expected")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise FocusError(f"{name}: a dense tensor of real numbers expected, got {tensor.dtype}, {tensor.layout}")


# ---- configuration -------------------------------------------------------------------------------------------------------------
def setting(config: Any, where: str, key: str, holds: Callable[[Any], bool], expected: str) -> Any:
    """The value of `key`.  Raises FocusError, naming `where` and the key, unless it `holds`."""
    value = getattr(config, key, None)
    if not holds(value):
        raise FocusError(f"{where}.{key}: {expected} expected, got {value!r}")
    return value


def is_whole(value: Any, low: int = 1) -> TypeGuard[int]:
    """Whether a configured value is an integer of at least `low`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def check_placeholders(model: nn.Module, kinds: Iterable[str]) -> dict[str, int]:
    """Kind ("image", "video") -> the placeholder that the configuration has for it.  Raises FocusError for one that is no token, or for two."""
    ids = {kind: setting(model.config, "config", f"{kind}_token_id", lambda v: is_whole(v, 0), "a token id") for kind in kinds}
    if len(set(ids.values())) != len(ids):
        raise FocusError(f"config.video_token_id: another token than config.image_token_id expected, both are {ids['video']}")
    return ids


@torch.no_grad()
def rope_tables(model: nn.Module, position_ids: Tensor) -> dict[str, Tensor]:
    """cos and sin [S, head_dim] of the decoder, as the model's own rotary embedding computes them in float32.

    `position_ids` int64: [1, S], or [3, 1, S] for M-RoPE.
    """
    cos, sin = decoder_of(model).rotary_emb(torch.zeros(1), position_ids)
    return {"rope_cos": cos[0].contiguous(), "rope_sin": sin[0].contiguous()}


def decoder_info(model: nn.Module) -> dict[str, Any]:
    """Sizes of the decoder."""
    decoder = decoder_of(model)
    layer = decoder.layers[0]
    heads, kv_heads = heads_of(layer.self_attn)
    return {"decoder": "model.language_model", "decoder_type": decoder.config.model_type, "depth": len(decoder.layers),
            "hidden": decoder.config.hidden_size, "heads": heads, "kv_heads": kv_heads, "head_dim": layer.self_attn.head_dim,
            "intermediate": layer.mlp.gate_proj.out_features, "vocab": model.lm_head.out_features}


# ---- inputs --------------------------------------------------------------------------------------------------------------------
def checked_inputs(family: Family, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The inputs as tensors, with what a prefill may ignore left out.

    Numpy arrays and lists are converted.  Raises FocusError for an input the family does not understand, for a batch other than 1, and for
    an attention mask that hides something.
    """
    if not isinstance(inputs, Mapping):
        raise FocusError(f"inputs: a dictionary of names and tensors expected, not {type(inputs).__name__}")
    tensors: dict[str, Tensor] = {}
    for name, value in inputs.items():
        if value is None or name in FLAGS:
            continue
        if name not in (*family.inputs, MASK):
            known = ", ".join(family.inputs)
            raise FocusError(f"input '{name}' is not supported for {family.model_type}; supported: {known}, attention_mask of ones")
        try:
            tensors[name] = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise FocusError(f"input '{name}': a tensor or array expected, got {type(value).__name__}") from None
        if tensors[name].layout != torch.strided or (tensors[name].is_meta and not name.startswith("pixel_values")):    # pixels may lack values
            raise FocusError(f"input '{name}': a dense tensor with values expected")
    ids = tensors.get("input_ids")
    if ids is None:
        raise FocusError("input 'input_ids' is missing")
    if ids.ndim != 2 or ids.shape[0] != 1 or ids.shape[1] == 0 or ids.is_floating_point() or ids.is_complex():
        raise FocusError(f"input_ids: integers of shape [1, S] expected (batch 1), got {ids.dtype} {list(ids.shape)}")
    mask = tensors.pop(MASK, None)
    if mask is not None and (mask.shape != ids.shape or not bool((mask == 1).all())):
        raise FocusError(f"attention_mask: only ones of shape {list(ids.shape)} are supported, no padding; got shape {list(mask.shape)}")
    for name, value in tensors.items():
        if name.startswith("pixel_values"):
            if value.dtype not in _FLOATS or value.dtype == torch.float64:
                raise FocusError(f"{name}: floating point values of at most 32 bits expected, got {value.dtype}")
        elif value.dtype not in _INTEGERS and not (value.dtype in _FLOATS and name == "second_per_grid_ts"):
            raise FocusError(f"{name}: integers expected, got {value.dtype}")
    return tensors


def check_ids_in_vocabulary(ids: np.ndarray, vocabulary: int, placeholders: dict[str, int]) -> None:
    """Raise FocusError for a text token outside the embedding table (placeholders may lie outside: they are never looked up)."""
    text = ids[~np.isin(ids, list(placeholders.values()))]
    bad = text[(text < 0) | (text >= vocabulary)]
    if bad.size:
        raise FocusError(f"input_ids: token {int(bad[0])} is outside the vocabulary of {vocabulary}")


def need(tensors: dict[str, Tensor], name: str, because: str) -> Tensor:
    """Input `name`, or FocusError."""
    if name not in tensors:
        raise FocusError(f"input '{name}' is missing; it goes with {because}")
    return tensors[name]
