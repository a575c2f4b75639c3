"""Random legal mappings of a function's ops, on random machines: what the property test of mappings draws.

In: a `random.Random`.  Out: `machine`, `function`, and `Drawn`, which gives every op a mapping and counts them.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from random import Random

import numpy as np
from functions import Function, Value
from strategies import repetitive
from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.mapping import MAPPING, KernelMapping, Mapping
from focus.passes.kernels.forms import Form, GemmForm
from focus.passes.mapping.legal import rest_of
from focus.passes.mapping.parts import Context
from focus.passes.mapping.space import Target, candidates, problem
from focus.runtime.spec.geometry import SIDES
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import Grid, TokenLayout

ACTIVATIONS = ("none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu", "swiglu", "swiglu", "swiglu")
RULES = ("shadow", "scalesim", "rtl")


def machine(rng: Random) -> Machine:
    """The default machine with another array, another rule and buffers of other sizes."""
    values = Machine.load("focus").model_dump(mode="json")
    rows, cols = rng.choice(SIDES), rng.choice(SIDES)
    values["array"] |= {"rows": rows, "cols": cols, "rule": rng.choice(RULES)}
    values["array"] |= dict.fromkeys(("weight_load_cycles", "fill_cycles", "scalesim_overhead", "rtl_overhead"))
    values["sic"]["lanes"] = rng.choice((16, 32))
    scale = max(rows, cols) / 32
    for name in ("input", "wgt", "conc", "output", "map", "table", "vector"):
        buffer = values["buffers"][name]
        factor = rng.choice((0.1, 0.25, 1, 2)) * max(1.0, scale) * (max(1.0, rows / 32) if name == "wgt" else 1)
        buffer["bytes"] = max(2048, int(buffer["bytes"] * factor) // 64 * 64)
    values["queues"]["depth"] = rng.choice((2, 4, 16))
    if rng.random() < 0.3:
        values["scratchpad"] = _scratchpad(rng, values["buffers"])
    return Machine.from_dict(values)


def _scratchpad(rng: Random, buffers: dict) -> dict:
    """One memory of about as many bytes for some or all of those that may share one; they lose their own."""
    may = ["input", "wgt", "conc", "output", "table", "map", "vector", "stats", "ids", "importance"]
    parts = may if rng.random() < 0.5 else rng.sample(may, rng.randint(2, len(may)))
    macros = max(8, sum(buffers[name]["bytes"] for name in parts) // 8192)
    for name in parts:
        buffers[name] = {"bytes": macros * 8192, "macros": []}
    return {"bank_bytes": rng.choice((512, 2048, 8192)), "macros": [{"words": 512, "bits": 128, "count": macros}], "memories": parts,
            "least": {name: rng.randint(1, 4) for name in rng.sample(parts, 2)}}


def _layout(rng: Random) -> TokenLayout:
    """One or two grids in one run of visual tokens, text before and after."""
    grids, at = [], 0
    for _ in range(rng.choice((1, 1, 2))):
        frames, height, width = rng.randint(1, 4), rng.randint(1, 6), rng.randint(1, 6)
        grids.append(Grid.dense(at, frames, height, width, row_gap=rng.randint(0, 1)))
        at += grids[-1].frame_stride * frames + rng.randint(0, 1)
    before, after = rng.choice((0, 3, 14)), rng.choice((1, 4, 20))
    return TokenLayout(V=at, S=before + at + after, runs=[(before, at)], grids=grids)


def function(rng: Random) -> tuple[Function, Value]:
    """A function of one to eight mapped ops, and its result."""
    make = rng.choice((_dense_layer, _dense_attention, _sweeps, _concentrated_layer, _concentrated_layer, _concentrated_attention,
                       _concentrated_attention, _pruned, _pruned_attention))
    return make(rng)


def _width(rng: Random) -> int:
    return rng.choice((7, 20, 31, 32, 40, 64, 80, 97, 130, 200))


def _dense_layer(rng: Random) -> tuple[Function, Value]:
    f = Function(rng.randrange(10 ** 6))
    rows, k, n, activation = rng.choice((1, 5, 33, 100, 257)), _width(rng), _width(rng), rng.choice(ACTIVATIONS)
    residual, moments = rng.random() < 0.5, rng.random() < 0.5
    y = f.linear(f.rows(rows, k), n, activation, rng.random() < 0.5, f.rows(rows, n) if residual else None, moments)
    return f, f.norm(rng.choice(("rms", "layer")), *y) if moments else y


def _heads(rng: Random) -> tuple[int, int, int]:
    """Query heads, key/value heads, columns of a head."""
    kv = rng.choice((1, 2))
    return kv * rng.choice((1, 2, 4)), kv, rng.choice((16, 24, 32, 64, 80))


def _dense_attention(rng: Random) -> tuple[Function, Value]:
    f = Function(rng.randrange(10 ** 6))
    rows, (heads, kv, dim) = rng.choice((5, 33, 100, 200)), _heads(rng)
    segments = () if rng.random() < 0.7 else tuple(int(n) for n in np.diff(sorted({0, rows, rng.randint(1, rows), rng.randint(1, rows)})))
    causal = not segments and rng.random() < 0.5
    q, k, v = f.rows(rows, heads * dim), f.rows(rows, kv * dim), f.rows(rows, kv * dim)
    return f, f.attention(q, k, v, heads, kv, causal, segments)


def _sweeps(rng: Random) -> tuple[Function, Value]:
    f = Function(rng.randrange(10 ** 6))
    rows, heads, dim = rng.choice((1, 33, 257)), rng.choice((1, 3)), rng.choice((16, 40, 64))
    x = f.rope(f.norm("rms", f.rows(rows, heads * dim), heads=heads), dim)
    x = f.elementwise(rng.choice(("add", "mul")), f.activation(rng.choice(("silu", "gelu_erf")), x), f.rows(rows, heads * dim))
    x = f.take_rows(x, f.rng.integers(0, rows, rng.choice((1, 40))))
    return f, f.matmul(f.rows(rng.choice((3, 50)), x.shape[0]), x, 1)


def _start(rng: Random, width: int) -> tuple[Function, Value, Value, dict]:
    """A decoder's function with rows that repeat, the visual tokens' ids, and what all gathers share."""
    f = Function(rng.randrange(10 ** 6), _layout(rng), vectors=rng.choice(SIDES))
    shared = {"m_tile": rng.choice((7, 16, 32, 64, 128)), "block": tuple(rng.randint(1, 3) for _ in range(3))}
    return f, repetitive(f, width, rng.randrange(4)), f.token_ids(), shared


def _concentrated_layer(rng: Random) -> tuple[Function, Value]:
    width = _width(rng)
    f, x, ids, shared = _start(rng, width)
    norm = rng.choice(("rms", "layer", ""))
    h = f.linear(f.gather(f.norm(norm, x) if norm else x, ids, site="gate_proj", **shared), _width(rng), rng.choice(ACTIVATIONS), rng.random() < 0.5)
    return f, f.linear(f.gather(h, ids, site="down_proj", **shared), width, residual=x if rng.random() < 0.5 else None)


def _concentrated_attention(rng: Random) -> tuple[Function, Value]:
    heads, kv, dim = _heads(rng)
    f, x, ids, shared = _start(rng, 64)
    q, k, v = (f.linear(x, n * dim) for n in (heads, kv, kv))
    return f, f.attention(f.gather(q, ids, site="query", **shared), k, v, heads, kv, True, ids=ids)


def _pruned_attention(rng: Random) -> tuple[Function, Value]:
    """Queries of the tokens that are kept, dense or concentrated, and keys of all."""
    heads, kv, dim = _heads(rng)
    f, x, ids, shared = _start(rng, 64)
    k, v = (f.linear(x, kv * dim) for _ in range(2))
    selected = f.topk(f.rows(x.shape[0], heads * dim), k, ids, heads, kv, rng.randint(1, ids.shape[0]))
    kept = f.select(ids, selected)
    q = f.linear(f.prune(x, selected), heads * dim)
    q = f.gather(q, kept, site="query", **shared) if rng.random() < 0.6 else q
    return f, f.attention(q, k, v, heads, kv, True, ids=kept, key_ids=ids)


def _pruned(rng: Random) -> tuple[Function, Value]:
    heads, kv, dim = _heads(rng)
    f, x, ids, shared = _start(rng, 48)
    selected = f.topk(f.rows(x.shape[0], heads * dim), f.rows(x.shape[0], kv * dim), ids, heads, kv, rng.randint(1, ids.shape[0]))
    x, ids = f.prune(x, selected), f.select(ids, selected)
    return f, f.linear(f.gather(x, ids, site="o_proj", **shared), _width(rng))


# ---- mappings ----------------------------------------------------------------------------------------------------------------
@dataclass
class Drawn:
    """Gives the ops of a function random legal mappings; `counts`: how many of each op and kind."""
    rng: Random
    target: Target
    counts: Counter = field(default_factory=Counter)

    def __call__(self, func: ir.OpView) -> None:
        context = Context(func, self.target)
        for op in func.regions[0].blocks[0].operations:
            parts = [self._allowed(op, choices) for choices in context.parts(op)]
            if parts:
                mapping = self._mapping(parts)
                if mapping is None:         # no legal mapping: the pass says so
                    continue
                op.operation.attributes[MAPPING] = fd.MappingAttr.make(mapping)
                self.counts[op.operation.name, mapping.form] += 1

    def _allowed(self, op: ir.OpView, choices: list) -> list:
        """A linear layer takes a concentrated operand as unique vectors or as dense rows; here each value has one user, but for attention's."""
        alone = not isinstance(op, fd.LinearOp) or not isinstance(op.x.type, fd.ConcentratedType) or len(list(op.x.uses)) == 1
        return choices if alone else [c for c in choices if c.form != "turned"]

    def _mapping(self, parts: list) -> Mapping | None:
        kernels: list[KernelMapping] = []
        name = ""
        for choices in parts:
            able = [c for c in choices if c.kernels and all(any(True for _ in candidates(self.target, form)) for form in c.kernels)]
            if not able:
                return None
            rare = [c for c in able if c.form in ("spill", "halves", "turned")]
            choice = self.rng.choice([c for c in able if c.form == name] or able + 2 * rare)
            name = name if len(choices) == 1 and name else choice.form
            for form in choice.kernels:
                while form is not None:
                    mapping = self.kernel(form)
                    if mapping is None:
                        return None
                    kernels.append(mapping)
                    form = rest_of(self.target, form, mapping)
        return Mapping(name, tuple(kernels))

    def kernel(self, form: Form) -> KernelMapping | None:
        """A random legal mapping of a form: one of the candidates, with some fields changed where that is legal."""
        legal = list(candidates(self.target, form))
        if not legal:
            return None
        mapping = self.rng.choice(legal)
        for name in self.rng.sample([f.name for f in fields(mapping)], 3):
            changed = self._changed(form, mapping, name)
            if problem(self.target, form, changed) is None:
                mapping = changed
        return mapping

    def _changed(self, form: Form, mapping: KernelMapping, name: str) -> KernelMapping:
        rng, g, old = self.rng, self.target.geometry, getattr(mapping, name)
        if isinstance(old, bool):
            return replace(mapping, **{name: not old})
        if name == "stays":
            return replace(mapping, stays={"none": "input" if isinstance(form, GemmForm) else "queries"}.get(old, "none"))
        if isinstance(old, str):
            return mapping
        values = {"slots": range(1, 5), "partials": range(5), "residual_tiles": range(4), "strands": (1, 2, 3, 4), "heads": range(1, 5),
                  "block_rows": (0, 8, 50), "step": range(g.cols, 4 * g.cols, g.cols), "n": range(g.cols, 6 * g.cols, g.cols)}
        return replace(mapping, **{name: rng.choice(list(values.get(name, (old // 2 or 1, old + 1, old * 2, 8, 32, 50, 100))))})
