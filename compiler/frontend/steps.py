"""Decode: the tokens of one step through the decoder, against caches of what came before them.

In: the prefill of a request, and the caches that its compiled program leaves (how many rows each layer kept).  Out: `Step`, a module whose argument
is input_ids int64 [requests, new] and whose result is the logits float [requests * new, vocabulary] of every new token.

Rows are request by request, the new tokens of each in order.  How many tokens the caches hold is the number of the step, which is no argument: the
accelerator keeps it in a register, and here it is the buffer `number`, which the operators that need it are given.  The decoder's own modules do
all but attention, as in the prefill; rotary tables [room, head_dim] are computed by the model for the positions that new tokens may have.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from focus.compiler.frontend.families.base import decoder_cap, decoder_of, heads_of, rope_tables, sliding_window
from focus.compiler.frontend.surgery import Patch, capped_attention, head_norm, norm_and_activation_patches, patched
from focus.compiler.frontend.wrapper import ConstantTables, Prefill
from focus.runtime.run.fxb import Cache
from focus.runtime.spec.errors import FocusError

CACHE = "cache."            #: how the names of caches begin that the exported graph has as buffers
NUMBER = "number"           #: the buffer that stands for the step register


# ---- operators ---------------------------------------------------------------------------------------------------------------
@torch.library.custom_op("vlm::cache_append", mutates_args=())
def cache_append(cache: Tensor, rows: Tensor, number: Tensor, first: int, requests: int) -> Tensor:
    """The cache [requests * capacity, width] with the rows of new tokens [requests * new, width], from row `first` + number of each request on."""
    out = cache.clone()
    new = len(rows) // requests
    for r in range(requests):
        at = r * (len(cache) // requests) + first + int(number)
        out[at:at + new] = rows[r * new:(r + 1) * new]
    return out


@cache_append.register_fake
def _(cache, rows, number, first, requests):
    return torch.empty_like(cache)


@torch.library.custom_op("vlm::cached_attention", mutates_args=())
def cached_attention(q: Tensor, k: Tensor, v: Tensor, number: Tensor, heads: int, kv_heads: int, scale: float, cap: float, lead: int,     # noqa: PLR0913
                     held: int, requests: int) -> Tensor:
    """Softmax attention of the new tokens q [requests * new, heads * d] over caches [requests * capacity, kv_heads * d], of whose rows, after `lead`,
    held + number are of tokens before them, and then their own.  `cap`: as in `vlm::attention`."""
    def split(x: Tensor, n: int) -> Tensor:
        return x.view(x.shape[0], n, -1).transpose(0, 1)[None]
    outputs, new, capacity, seen = [], len(q) // requests, len(k) // requests, held + int(number)
    for r in range(requests):
        rows = slice(r * capacity + lead, r * capacity + lead + seen + new)
        mask = torch.ones(new, seen + new, dtype=torch.bool).tril(seen)
        own = split(q[r * new:(r + 1) * new], heads)
        keys, values = split(k[rows], kv_heads), split(v[rows], kv_heads)
        y = (capped_attention(own, keys, values, mask, (scale, cap)) if cap
             else F.scaled_dot_product_attention(own, keys, values, mask, scale=scale, enable_gqa=heads != kv_heads))
        outputs.append(y[0].transpose(0, 1).reshape(new, -1))
    return torch.cat(outputs)


@cached_attention.register_fake
def _(q, *_others):
    return torch.empty_like(q)


@torch.library.custom_op("vlm::rope_at", mutates_args=())
def rope_at(x: Tensor, cos: Tensor, sin: Tensor, number: Tensor, new: int) -> Tensor:
    """Rotary embedding, in rotate-half form, of the `new` rows of each request in x [requests * new, heads * d] by rows number, number + 1, ...
    of the tables [room, d]."""
    at = int(number)
    c, s = (t[at:at + new].repeat(len(x) // new, 1)[:, None] for t in (cos, sin))
    heads = x.view(x.shape[0], -1, cos.shape[-1])
    low, high = heads.chunk(2, -1)
    return (heads * c + torch.cat((-high, low), -1) * s).reshape(x.shape)


@rope_at.register_fake
def _(x, cos, sin, number, new):
    return torch.empty_like(x)


#: Names of the operators above as they appear in `torch.operator` ops.
STEP_OPERATORS = ("cache_append", "cached_attention", "rope_at")


# ---- the module --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Shape:
    """`requests` side by side, `new` tokens of each."""
    requests: int
    new: int


class Step(nn.Module):
    """A step of the decoder of a prefill.

    `user`: the prefill's copy of the model's modules.  `caches`: by name ("layers.0.keys"), those that the prefill's program leaves.
    """

    def __init__(self, prefill: Prefill, caches: Mapping[str, Cache], shape: Shape):
        super().__init__()
        self.user, self.shape = prefill.user, shape
        self.places = dict(caches)
        rooms = {cache.room for cache in caches.values()}
        if len(rooms) != 1:
            raise FocusError(f"caches with room for {sorted(rooms)} tokens; one number expected")
        self.room, = rooms
        self.const = ConstantTables(step_tables(prefill, self.room))
        self.cache = ConstantTables({_identifier(name): torch.zeros(()).expand(cache.shape) for name, cache in caches.items()})
        self.register_buffer(NUMBER, torch.zeros(1, dtype=torch.int64))

    def surgery(self):
        """The context in which `forward` may be called or exported."""
        layers = decoder_of(self.user).layers
        attentions: list[Patch] = [(layer.self_attn, self._attention(number, layer.self_attn)) for number, layer in enumerate(layers)]
        return patched(norm_and_activation_patches(self.user) + attentions)

    def forward(self, input_ids: Tensor) -> Tensor:
        decoder = decoder_of(self.user)
        hidden = decoder.embed_tokens(input_ids.view(-1))
        for layer in decoder.layers:
            hidden = layer(hidden, attention_mask=None, position_embeddings=(self.const.step_cos, self.const.step_sin))
        return self.user.lm_head(decoder.norm(hidden))

    def _attention(self, number: int, module: nn.Module) -> Callable:
        """Forward of a decoder layer's self attention on the rows of new tokens."""
        (heads, kv_heads), cap = heads_of(module), decoder_cap(module)
        names = [f"layers.{number}.{what}" for what in ("keys", "values")]
        place = self.places[names[0]]
        requests, new = self.shape.requests, self.shape.new

        def forward(hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], **_unused):
            cos, sin = position_embeddings
            q, k = module.q_proj(hidden_states), module.k_proj(hidden_states)
            if hasattr(module, "q_norm"):
                q, k = (head_norm(x, norm.weight, norm.variance_epsilon) for x, norm in ((q, module.q_norm), (k, module.k_norm)))
            q, k = (rope_at(x, cos, sin, self.number, new) for x in (q, k))
            keys, values = (cache_append(getattr(self.cache, _identifier(name)), x, self.number, place.lead + place.held, requests)
                            for name, x in zip(names, (k, module.v_proj(hidden_states))))
            out = cached_attention(q, keys, values, self.number, heads, kv_heads, float(module.scaling), cap, place.lead, place.held, requests)
            return module.o_proj(out), None
        return forward

    def fill(self, name: str, rows: Tensor) -> None:
        """Let the cache of a single request hold `rows` [held, width], for a run in PyTorch."""
        place = self.places[name]
        self.cache.register_buffer(_identifier(name), F.pad(rows, (0, 0, place.lead, place.room)))


def _identifier(name: str) -> str:
    """The name of a cache as that of a buffer."""
    return name.replace(".", "_")


@torch.no_grad()
def step_tables(prefill: Prefill, room: int) -> dict[str, Tensor]:
    """cos and sin [room, head_dim] of the positions after the request, each computed by itself, as the model does when it goes on token by token."""
    tables: dict[str, list[Tensor]] = {"cos": [], "sin": []}
    for number in range(room):
        position = prefill.plan.next_position + number
        shape = (3, 1, 1) if prefill.plan.axes == 3 else (1, 1)
        made = rope_tables(prefill.user, torch.full(shape, position, dtype=torch.int64))
        for name, rows in tables.items():
            rows.append(made[f"rope_{name}"])
    return {f"step_{name}": torch.cat(rows) for name, rows in tables.items()}


def check_room(model: nn.Module, length: int, room: int) -> None:
    """Raise FocusError where a sequence of `length` and `room` new tokens is longer than a sliding window of the decoder."""
    decoder = decoder_of(model)
    for number, layer in enumerate(decoder.layers):
        window = sliding_window(decoder.config, layer.self_attn, number)
        if window is not None and window < length + room:
            raise FocusError(f"model.language_model.layers.{number}.self_attn: sliding window of {window}, but a request of {length} tokens with "
                             f"room for {room} more; only full causal attention maps")


def step_inputs(shape: Shape) -> tuple[Tensor, ...]:
    """Arguments of a step to export it with."""
    return (torch.zeros(shape.requests, shape.new, dtype=torch.int64),)


def step_params(step: Step, sources: Mapping[str, Any], names: list[str]) -> dict[str, Callable[[], np.ndarray]]:
    """Name -> value of the step's parameters: the prefill's, and its own tables."""
    tables = {f"const.{name}": table for name, table in step.const.named_buffers()}
    return {name: sources[name] if name in sources else partial(_numbers, tables[name]) for name in names}


def _numbers(table: Tensor) -> np.ndarray:
    return table.float().numpy()
