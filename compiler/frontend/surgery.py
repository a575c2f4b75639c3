"""Surgery before export: attention, RMSNorm, RoPE and patch embedding become single operators.

In: a Hugging Face model.  Out: `vlm::*` PyTorch operators with eager implementations (so that the changed model can be run and compared
with the unchanged one) and `patched`, a context manager under which chosen modules run another forward.

Everything a decoder or a vision tower computes between two projections is stated on **rows**: activations are [rows, features] matrices,
heads lie side by side in a row, frames and windows are segments of rows.  So no pattern has to be recognised after the import, and what
reaches the `torch` dialect is already one operator for each thing the accelerator does.
"""
from __future__ import annotations

import copy
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from focus.runtime.spec.errors import FocusError

#: Names of the operators below as they appear in `torch.operator` ops; `param` is made by the importer.
OPERATORS = ("rope", "head_norm", "attention", "resample", "take_rows", "add_visual", "patch_embed", "gelu_quick")


# ---- operators -------------------------------------------------------------------------------------------------------------
@torch.library.custom_op("vlm::rope", mutates_args=())
def rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in rotate-half form of every head: x [rows, heads * d], cos and sin [rows, d]."""
    heads = x.view(x.shape[0], -1, cos.shape[-1])
    low, high = heads.chunk(2, -1)
    turned = torch.cat((-high, low), -1)
    return (heads * cos[:, None] + turned * sin[:, None]).reshape(x.shape)


@rope.register_fake
def _(x, cos, sin):
    return torch.empty_like(x)


@torch.library.custom_op("vlm::head_norm", mutates_args=())
def head_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMS norm of every head by itself: x [rows, heads * d], weight [d]."""
    return F.rms_norm(x.view(x.shape[0], -1, len(weight)), weight.shape, weight, eps).reshape(x.shape)


@head_norm.register_fake
def _(x, weight, eps):
    return torch.empty_like(x)


@torch.library.custom_op("vlm::attention", mutates_args=())
def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, kv_heads: int, scale: float, cap: float, causal: bool,    # noqa: PLR0913 (an operator's operands)
              segments: list[int]) -> Tensor:
    """Softmax attention inside each segment of rows: q [rows, heads * d], k and v [rows, kv_heads * d] -> [rows, heads * d].

    `cap`, unless 0, bounds scores s, scaled, as cap * tanh(s / cap).
    `segments` are the lengths of consecutive runs of rows that see only themselves; empty means one run.  With fewer kv heads than
    heads, consecutive query heads share a kv head.
    """
    def split(x: Tensor, n: int) -> Tensor:
        return x.view(x.shape[0], n, -1).transpose(0, 1)[None]
    outputs = []
    for a, b, c in zip(*(x.split(segments or [x.shape[0]]) for x in (q, k, v))):
        own, keys, values = split(a, heads), split(b, kv_heads), split(c, kv_heads)
        if cap:
            seen = torch.ones(len(a), len(b), dtype=torch.bool, device=a.device)
            y = capped_attention(own, keys, values, seen.tril() if causal else seen, (scale, cap))
        else:
            y = F.scaled_dot_product_attention(own, keys, values, is_causal=causal, scale=scale, enable_gqa=heads != kv_heads)
        outputs.append(y[0].transpose(0, 1).reshape(a.shape))
    return torch.cat(outputs)


def capped_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Softmax attention of bounded scores: q [1, heads, n, d], k and v [1, kv_heads, m, d], `seen` bool [n, m], what a row may see; `bounds`: the
    factor of scores and the cap."""
    scale, cap = bounds
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = cap * torch.tanh(q @ k.transpose(2, 3) * scale / cap)
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v


@attention.register_fake
def _(q, *_others):
    return torch.empty_like(q)


@torch.library.custom_op("vlm::resample", mutates_args=())
def resample(x: Tensor, weight: Tensor) -> Tensor:
    """A fixed linear map over rows: x [batch, n, width], weight [m, n] -> [batch, m, width]."""
    return torch.matmul(weight, x)


@resample.register_fake
def _(x, weight):
    return x.new_empty(x.shape[0], weight.shape[0], x.shape[2])


@torch.library.custom_op("vlm::take_rows", mutates_args=())
def take_rows(x: Tensor, indices: Tensor) -> Tensor:
    """Rows by constant indices: x [n, width], indices int64 [m] -> [m, width]."""
    return x[indices]


@take_rows.register_fake
def _(x, indices):
    return x.new_empty(indices.shape[0], x.shape[1])


@torch.library.custom_op("vlm::add_visual", mutates_args=())
def add_visual(x: Tensor, features: Tensor, runs: list[int]) -> Tensor:
    """Features [V, D] added to the visual rows of a sequence x [S, D], which stand in runs of (start, length)."""
    out, at = x.clone(), 0
    for start, length in zip(runs[::2], runs[1::2]):
        out[start:start + length] += features[at:at + length]
        at += length
    return out


@add_visual.register_fake
def _(x, features, runs):
    return torch.empty_like(x)


@torch.library.custom_op("vlm::patch_embed", mutates_args=())
def patch_embed(pixels: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution whose stride is its kernel: pixels [n, channels, height, width], weight [d, channels, p, p] -> [n * gh * gw, d]."""
    return F.conv2d(pixels, weight, bias, stride=weight.shape[-2:]).flatten(2).transpose(1, 2).reshape(-1, weight.shape[0])


@patch_embed.register_fake
def _(pixels, weight, bias):
    n, _, height, width = pixels.shape
    return pixels.new_empty(n * (height // weight.shape[2]) * (width // weight.shape[3]), weight.shape[0])


@torch.library.custom_op("vlm::gelu_quick", mutates_args=())
def gelu_quick(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


@gelu_quick.register_fake
def _(x):
    return torch.empty_like(x)


# ---- forwards that several families share -------------------------------------------------------------------------------------
def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


#: Activation classes whose forward is more than one operator -> the one operator.
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    f"transformers.activations.{name}": one for name, one in (
        ("GELUTanh", _gelu_tanh), ("NewGELUActivation", _gelu_tanh), ("FastGELUActivation", _gelu_tanh),
        ("AccurateGELUActivation", _gelu_tanh), ("GELUActivation", F.gelu), ("QuickGELUActivation", gelu_quick))}
#: Activation classes that are one operator already.
_PLAIN_ACTIVATIONS = ("transformers.activations.SiLUActivation", "torch.nn.modules.activation.SiLU", "torch.nn.modules.activation.GELU",
                      "torch.nn.modules.activation.ReLU")
#: Norms that are x / rms(x) * weight.
_RMS_NORMS = tuple(f"transformers.models.{family}.modeling_{family}.{name}" for family, name in (
    ("qwen2", "Qwen2RMSNorm"), ("llama", "LlamaRMSNorm"), ("mistral", "MistralRMSNorm"), ("qwen3", "Qwen3RMSNorm"), ("qwen2_vl", "Qwen2VLRMSNorm"),
    ("qwen2_5_vl", "Qwen2_5_VLRMSNorm"), ("qwen3_vl", "Qwen3VLTextRMSNorm"), ("internvl", "InternVLVisionRMSNorm")))

Patch = tuple[nn.Module, Callable]


def class_known(module: nn.Module, names: Iterable[str]) -> str | None:
    """The one of the classes `names` (full names, "transformers.activations.GELUTanh") whose forward `module` runs; None when there is none.

    The class itself is compared, not its name, and a forward counts only where it is the one the class was written with: neither that of a
    subclass, nor one that was put in its place on the class or on the module.
    """
    if "forward" in module.__dict__ or type(module).__call__ is not nn.Module.__call__:
        return None
    for base in type(module).__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in names and getattr(sys.modules.get(base.__module__), base.__name__, None) is base:
            written = inspect.unwrap(base.forward)
            own = getattr(written, "__module__", None) == base.__module__ and written.__qualname__ == f"{base.__qualname__}.forward"
            return name if own and type(module).forward is base.forward else None
    return None


def check_class(module: nn.Module, path: str, names: Iterable[str], what: str) -> None:
    """Raise FocusError unless `module` at `path` is of one of the classes, with the forward of that class."""
    if class_known(module, names) is None:
        kind, expected = type(module).__name__, ", ".join(name.rpartition(".")[2] for name in names)
        raise FocusError(f"{path}: this {kind} is no {what} whose forward is mapped; supported: {expected} of transformers, unchanged")


def norm_and_activation_patches(root: nn.Module) -> list[Patch]:
    """Forwards for every RMSNorm and every composite activation below `root`; one with a forward of its own is exported as it is."""
    patches: list[Patch] = []
    for module in root.modules():
        if class_known(module, _RMS_NORMS):
            patches.append((module, _rms_norm(module)))
        elif name := class_known(module, _ACTIVATIONS):
            patches.append((module, _ACTIVATIONS[name]))
    return patches


def check_activation(module: nn.Module, path: str) -> None:
    """Raise FocusError unless the activation `module` at `path` is one the machine has."""
    if class_known(module, (*_ACTIVATIONS, *_PLAIN_ACTIVATIONS)) is None:
        raise FocusError(f"{path}: activation {type(module).__name__} has no mapping; supported: silu, relu, gelu, gelu_pytorch_tanh, gelu_new, "
                         "quick_gelu, as transformers and torch have them")


def _rms_norm(module: nn.Module) -> Callable:
    def forward(x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)
    return forward


def check_rms_norm(module: nn.Module, path: str) -> None:
    """Raise FocusError unless `module` at `path` is an RMS norm of transformers."""
    check_class(module, path, _RMS_NORMS, "RMS norm")


def decoder_attention(module: nn.Module, heads: int, kv_heads: int, cap: float) -> Callable:
    """Forward of a decoder's self attention on rows: hidden_states [S, D], position_embeddings = (cos, sin), both [S, head_dim].  Heads of
    queries and keys are normalised where the module has norms for them."""
    def forward(hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], **_unused):
        cos, sin = position_embeddings
        q, k = module.q_proj(hidden_states), module.k_proj(hidden_states)
        if hasattr(module, "q_norm"):
            q, k = (head_norm(x, norm.weight, norm.variance_epsilon) for x, norm in ((q, module.q_norm), (k, module.k_norm)))
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        out = attention(q, k, module.v_proj(hidden_states), heads, kv_heads, float(module.scaling), cap, True, [])
        return module.o_proj(out), None
    return forward


# ---- the copy that is operated on ----------------------------------------------------------------------------------------------
def skeleton(model: nn.Module) -> nn.Module:
    """A copy of the tree of modules for surgery: the same parameters, but modules, hooks and buffers of its own.

    A module that stands in several places becomes one module for each, so each has its own path and forward.  Attributes that are no modules,
    parameters or buffers (the configuration, numbers) are the originals; a method bound to a module is bound to its copy.
    """
    buffers: dict[int, Tensor] = {}

    def copied(module: nn.Module) -> nn.Module:
        new: nn.Module = object.__new__(type(module))
        for key, value in module.__dict__.items():
            if isinstance(value, types.MethodType) and value.__self__ is module:
                value = types.MethodType(value.__func__, new)
            new.__dict__[key] = copy.copy(value) if isinstance(value, (dict, set, list)) else value
        new.__dict__["_modules"] = {name: None if child is None else copied(child) for name, child in module._modules.items()}
        new.__dict__["_buffers"] = {name: None if b is None else buffers.setdefault(id(b), b.detach().clone())
                                    for name, b in module._buffers.items()}
        return new

    return copied(model)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the block, in which the model's own forward may run; afterwards every module has the attributes, hooks and buffers it had, whatever
    happened.  (A forward may change them: rope frequencies of "dynamic" and "longrope", the position cache of Qwen's families.)"""
    modules = list(model.modules())
    attributes = [dict(module.__dict__) for module in modules]
    containers: list[tuple[Any, Any]] = [(value, copy.copy(value)) for module in modules for value in module.__dict__.values()
                                         if isinstance(value, (dict, set, list))]
    buffers = [(b, b.detach().clone()) for module in modules for b in module._buffers.values() if b is not None and not b.is_meta]
    modes = [(p, p.requires_grad) for p in model.parameters()]
    try:
        yield
    finally:
        for module, before in zip(modules, attributes):
            module.__dict__.clear()
            module.__dict__.update(before)
        for value, held in containers:
            value.clear()
            value.extend(held) if isinstance(value, list) else value.update(held)
        with torch.no_grad():
            for buffer, kept in buffers:
                if not torch.equal(buffer, kept):
                    buffer.copy_(kept)
        for parameter, mode in modes:
            parameter.requires_grad_(mode)


# ---- applying -------------------------------------------------------------------------------------------------------------------
@contextmanager
def patched(patches: Iterable[Patch]) -> Iterator[None]:
    """Run the block with each (module, forward) in effect; afterwards every module is as it was, whatever happened."""
    before: dict[nn.Module, Callable | None] = {}
    try:
        for module, forward in patches:
            before.setdefault(module, module.__dict__.get("forward"))
            module.__dict__["forward"] = forward
        yield
    finally:
        for module, own in before.items():
            del module.__dict__["forward"]
            if own is not None:
                module.__dict__["forward"] = own


def check_patchable(model: nn.Module, patches: Iterable[Patch]) -> None:
    """Raise FocusError for a module whose forward was replaced: what it computes is not what its class says."""
    replaced = {id(module) for module, _ in patches}
    for path, module in model.named_modules():
        own = "forward" in module.__dict__
        if own and (id(module) in replaced or any(c.__name__.endswith("RMSNorm") for c in type(module).__mro__)):
            raise FocusError(f"{path}: this {type(module).__name__} has a forward of its own; only that of its class is mapped")


@contextmanager
def weightless(model: nn.Module) -> Iterator[dict[int, str]]:
    """Run the block with every parameter of `model` replaced by a float32 one of the same shape without storage.

    Yields a dict from the id of each stand-in to the parameter's first full name: tied parameters share a stand-in, so all their
    names lead to one.  The export sees shapes only; a model in any dtype, or on the meta device, exports as float32.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    stand_ins: dict[int, nn.Parameter] = {}
    undo: list[tuple[dict, str, nn.Parameter]] = []
    try:
        for module in model.modules():
            for key, parameter in module._parameters.items():
                if parameter is None:
                    continue
                if id(parameter) not in stand_ins:
                    stand_ins[id(parameter)] = nn.Parameter(torch.zeros(()).expand(parameter.shape), requires_grad=False)
                undo.append((module._parameters, key, parameter))
        for parameters, key, parameter in undo:
            parameters[key] = stand_ins[id(parameter)]
        yield {id(stand_in): names[original] for original, stand_in in stand_ins.items()}
    finally:
        for parameters, key, parameter in undo:
            parameters[key] = parameter
