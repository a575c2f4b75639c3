"""Writes tensor-level functions in storage order together with their data, for the tests of the kernels.

In: numpy arrays.  Out: `Function`, whose methods append one op each and return its value; `run` compiles and executes it.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from harness import Outcome, check, execute

from focus.runtime.spec.tokens import TokenLayout


@dataclass(frozen=True)
class Value:
    """An SSA value: its name, its type as text, its shape."""
    name: str
    type: str
    shape: tuple[int, ...]


def tensor(shape: tuple[int, ...], dtype: str = "f16") -> str:
    return f"tensor<{'x'.join(map(str, shape))}x{dtype}>"


class Function:
    """One function under construction.  `tokens` makes it a decoder's: rows are [visual rows, text rows]; `vectors`: elements of a vector.

    One seed in three bounds the scores of attention."""

    def __init__(self, seed: int = 0, tokens: TokenLayout | None = None, vectors: int = 32):
        self.vectors = vectors
        self.rng, self.tokens = np.random.default_rng(seed), tokens
        self.cap = 1.5 if seed % 3 == 1 else 0.0
        self.inputs: dict[str, np.ndarray] = {}
        self.params: dict[str, np.ndarray] = {}
        self.arguments: list[Value] = []
        self.lines: list[str] = []

    # ---- data --------------------------------------------------------------------------------------------------------
    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return self.rng.standard_normal(shape) * scale

    def input(self, data: np.ndarray) -> Value:
        """An argument of the function."""
        name = f"in{len(self.inputs)}"
        self.inputs[name] = data
        value = Value(f"%{name}", tensor(data.shape, "i32" if data.dtype.kind == "i" else "f16"), data.shape)
        self.arguments.append(value)
        return value

    def param(self, data: np.ndarray, order: str = "as_is") -> Value:
        """A parameter; `order` "storage" where the rows of `data` follow the sequence."""
        name = f"p{len(self.params)}"
        self.params[name] = data
        dtype = "i32" if data.dtype.kind == "i" else "f16"
        return self.op("focus.param", [], tensor(data.shape, dtype), data.shape, name=name, row_order=order)

    def rows(self, rows: int, cols: int, scale: float = 1.0) -> Value:
        """A random input."""
        return self.input(self.normal(rows, cols, scale=scale))

    def weight(self, n: int, k: int) -> Value:
        return self.param(self.normal(n, k) / k ** 0.5)

    def vector(self, n: int, around: float = 0.0) -> Value:
        return self.param(around + self.normal(n, scale=0.3))

    # ---- ops ---------------------------------------------------------------------------------------------------------
    def op(self, mnemonic: str, operands: list[Value | None], type_: str | list[str], shape, grouped: bool = False, results: str = "",
           **attrs) -> Value:
        """Append an op; None stands for an absent optional operand.  Several results: the first is `v`, the others `v#1`, ..."""
        present = [v for v in operands if v is not None]
        if grouped:
            attrs["operandSegmentSizes"] = f"array<i32: {', '.join(str(int(v is not None)) for v in operands)}>"
        if results:
            attrs["resultSegmentSizes"] = f"array<i32: {results}>"
        text = ", ".join(f"{k} = {_attribute(v)}" for k, v in attrs.items())
        types = [type_] if isinstance(type_, str) else type_
        number = f"%v{len(self.lines)}"
        left = number if len(types) == 1 else f"{number}:{len(types)}"
        names, operand_types = ", ".join(v.name for v in present), ", ".join(v.type for v in present)
        self.lines.append(f'{left} = "{mnemonic}"({names}) {{{text}}} : ({operand_types}) -> ({", ".join(types)})')
        return Value(number if len(types) == 1 else f"{number}#0", types[0], tuple(shape))

    def linear(self, x: Value, n: int, activation: str = "none", bias: bool = False, residual: Value | None = None, moments: bool = False):
        """A linear layer with fresh weights; with `moments`, (y, moments)."""
        m, k = x.shape
        up = activation == "swiglu"
        operands = [x, self.weight(n, k), self.vector(n) if bias else None, self.weight(n, k) if up else None,
                    self.vector(n) if up and bias else None, residual]
        types = [tensor((m, n))] + [tensor((m, 2), "f32")] * moments
        y = self.op("focus.linear", operands, types, (m, n), True, f"1, {int(moments)}", activation=activation)
        return (y, Value(y.name.replace("#0", "#1"), types[1], (m, 2))) if moments else y

    def norm(self, kind: str, x: Value, moments: Value | None = None, heads: int = 1) -> Value:
        """A norm of rows, or of each of the `heads` of a row."""
        d = x.shape[1] // heads
        bias = [self.vector(d)] if kind == "layer" else []
        return self.op(f"focus.{kind}_norm", [x, self.vector(d, 1.0), *bias, moments], x.type, x.shape, True, eps=1e-5)

    def matmul(self, lhs: Value, rhs: Value, batch: int) -> Value:
        shape = (lhs.shape[0] * batch, rhs.shape[1])
        return self.op("focus.matmul", [lhs, rhs], tensor(shape), shape, batch=batch)

    def elementwise(self, kind: str, a: Value, b: Value) -> Value:
        return self.op(f"focus.{kind}", [a, b], a.type, a.shape)

    def activation(self, kind: str, x: Value) -> Value:
        return self.op("focus.activation", [x], x.type, x.shape, kind=kind)

    def rope(self, x: Value, head_dim: int, ids: Value | None = None) -> Value:
        table = self.tokens.S if ids is not None else x.shape[0]
        cos, sin = (self.param(self.normal(table, head_dim)) for _ in range(2))
        return self.op("focus.rope", [x, cos, sin, ids], x.type, x.shape, True, head_dim=head_dim)

    def attention(self, q: Value, k: Value, v: Value, heads: int, kv_heads: int, causal: bool = False, segments: tuple[int, ...] = (),
                  ids: Value | None = None, key_ids: Value | None = None) -> Value:
        dim = q.shape[1] // heads
        return self.op("focus.attention", [q, k, v, ids, key_ids], tensor(q.shape), q.shape, True, heads=heads, kv_heads=kv_heads, head_dim=dim,
                       scale=float(f"{dim ** -0.5:.6f}"), causal=causal, segments=list(segments), **self.bounds)

    @property
    def bounds(self) -> dict[str, float]:
        """What ops on heads say of the bound of scores: nothing where there is none."""
        return {"cap": self.cap} if self.cap else {}

    def take_rows(self, x: Value, indices: np.ndarray) -> Value:
        shape = (len(indices), x.shape[1])
        return self.op("focus.take_rows", [x, self.param(indices.astype(np.int32))], tensor(shape), shape)

    def embedding(self, ids: Value, table: Value) -> Value:
        shape = (ids.shape[1], table.shape[1])
        return self.op("focus.embedding", [ids, table], tensor(shape), shape)

    def concat(self, *inputs: Value) -> Value:
        shape = (sum(v.shape[0] for v in inputs), inputs[0].shape[1])
        return self.op("tensor.concat", list(inputs), tensor(shape), shape, dim=0)

    def slice(self, x: Value, offsets: tuple[int, int], sizes: tuple[int, int]) -> Value:
        return self.op("focus.slice", [x], tensor(sizes, x.type.rpartition("x")[2][:-1]), sizes, offsets=list(offsets), sizes=list(sizes))

    def reshape(self, x: Value, *shape: int) -> Value:
        return self.op("focus.reshape", [x], tensor(shape), shape)

    def last_row(self, x: Value) -> Value:
        return self.op("focus.last_row", [x], tensor((1, x.shape[1])), (1, x.shape[1]))

    def patch_embed(self, pixels: Value, depth: int, patch: int, bias: bool = False) -> Value:
        f, c, h, w = pixels.shape
        shape = (f * (h // patch) * (w // patch), depth)
        return self.op("focus.patch_embed", [pixels, self.weight(depth, c * patch ** 2), self.vector(depth) if bias else None],
                       tensor(shape), shape, True, patch=patch)

    # ---- concentration -----------------------------------------------------------------------------------------------
    def token_ids(self) -> Value:
        return self.op("focus.token_ids", [], tensor((self.tokens.V,), "i32"), (self.tokens.V,))

    def topk(self, q: Value, k: Value, ids: Value, heads: int, kv_heads: int, keep: int) -> Value:
        """Row numbers of the `keep` most important of `ids`."""
        dim, n = q.shape[1] // heads, ids.shape[0]
        importance = self.op("focus.importance", [q, k, ids], tensor((n,), "f32"), (n,), heads=heads, kv_heads=kv_heads, head_dim=dim,
                             scale=float(f"{dim ** -0.5:.6f}"), **self.bounds)
        return self.op("focus.topk", [importance], tensor((keep,), "i32"), (keep,), k=keep)

    def select(self, ids: Value, sel: Value) -> Value:
        return self.op("focus.select_ids", [ids, sel], sel.type, sel.shape)

    def prune(self, x: Value, sel: Value) -> Value:
        shape = (sel.shape[0] + self.tokens.T, x.shape[1])
        return self.op("focus.prune", [x, sel], tensor(shape), shape)

    def gather(self, x: Value, ids: Value, m_tile: int = 1024, threshold: float = 0.9, block: tuple[int, ...] = (2, 2, 2),
               site: str = "q_proj", layer: int = 0) -> Value:
        rows, width = x.shape
        type_ = f"!focus.concentrated<{rows}, {width}, {ids.shape[0]}, {self.vectors}, {m_tile}, unit>"
        return self.op("focus.gather", [x, ids], type_, x.shape, layer=layer, site=site, threshold=threshold, block=list(block), vector=self.vectors,
                       m_tile=m_tile)

    # ---- the whole ---------------------------------------------------------------------------------------------------
    def text(self, result: Value) -> str:
        arguments = ", ".join(f'{v.name}: {v.type} {{focus.name = "{v.name[1:]}"}}' for v in self.arguments)
        attributes = ""
        if self.tokens is not None:
            t = self.tokens
            attributes = (f' attributes {{focus.row_order = "storage", focus.tokens = #focus.tokens<{t.V}, {t.S}, {_attribute(t.flat_runs())}, '
                          f'{_attribute(t.flat_grids())}>}}')
        body = "\n  ".join(self.lines)
        return f"func.func @main({arguments}) -> {result.type}{attributes} {{\n  {body}\n  return {result.name} : {result.type}\n}}"

    def run(self, result: Value, machine: str = "focus", tolerance: float = 2e-3) -> Outcome:
        """Compile, execute, sanitize, and compare with the interpreter; the trace is `trace_difference`'s."""
        outcome = execute(self.text(result), self.inputs, self.params, machine)
        check(outcome, tolerance)
        return outcome


def _attribute(v) -> str:
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, int):
        return f"{v} : i64"
    if isinstance(v, float):
        return f"{v:.10f} : f64"
    if isinstance(v, list):
        return f"array<i64{': ' if v else ''}{', '.join(map(str, v))}>"
    return v if v.startswith("array<") else f'"{v}"'


def trace_difference(outcome: Outcome) -> int:
    """Entries of the simulator's trace that are not the interpreter's; retained tokens and zero flags must agree."""
    wrong = 0
    for site, found in zip(outcome.binary.sites, outcome.trace):
        key = f"{site.layer}/{site.site}"
        assert (np.asarray(found["retained"]) == outcome.want_trace[f"retained/{key}"]).all(), f"retained/{key}"
        assert (np.asarray(found["zero"]) == outcome.want_trace[f"zero/{key}"]).all(), f"zero/{key}"
        wrong += int((np.asarray(found["group"]) != outcome.want_trace[f"group/{key}"]).sum())
    return wrong
