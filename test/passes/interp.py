"""A numpy interpreter of tensor-level focus IR: what the passes must preserve.

In: a function of `focus` ops, its arguments by name, parameters by name.  Out: results as float32 arrays, and the concentration trace with
the keys of docs/algorithm.md.  It works in sequence order before assign-layout and in storage order after it, so that both can be compared.
Written from the op definitions alone; shares no code with the compiler.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import erf

import numpy as np

from focus.dialects.support import get_attr
from focus.runtime.spec.tokens import TokenLayout

ACTIVATIONS = {
    "none": lambda x: x,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2))),
    "gelu_quick": lambda x: x / (1 + np.exp(-1.702 * x)),
}


@dataclass
class Interpreter:
    """Interprets one function.  `half` rounds every stored activation and parameter to fp16."""
    params: dict[str, np.ndarray]
    half: bool = False
    trace: dict[str, np.ndarray] = field(default_factory=dict)
    tokens: TokenLayout | None = None
    storage: bool = False

    def run(self, function, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The results of `function` for arguments named by their `focus.name`."""
        attr = get_attr(function, "focus.tokens")
        if attr is not None:
            self.tokens = TokenLayout.from_flat(attr.V, attr.S, attr.runs, attr.grids)
        self.storage = get_attr(function, "focus.row_order") == "storage"
        block = function.operation.regions[0].blocks[0]
        names = [a["focus.name"].value for a in function.operation.attributes["arg_attrs"]]
        values = {a: self.stored(np.asarray(inputs[n])) for a, n in zip(block.arguments, names)}
        for op in block.operations:
            if op.operation.name == "func.return":
                return [values[v] for v in op.operation.operands]
            get = lambda name: None if getattr(op, name) is None else values[getattr(op, name)]
            out = getattr(self, op.operation.name.rpartition(".")[2])(op, get, values)
            results = list(op.operation.results)
            for result, value in zip(results, out if isinstance(out, tuple) else (out,)):
                if hasattr(result.type, "shape"):
                    assert tuple(result.type.shape) == value.shape, f"{op.operation.name}: {result.type} but {value.shape}"
                values[result] = value
        raise AssertionError("no return")

    def stored(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind != "f":
            return x.astype(np.int32)
        return x.astype(np.float16).astype(np.float32) if self.half else x.astype(np.float32)

    # -- rows and tokens --
    def places(self, rows: int, ids: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row numbers of the visual tokens, row numbers of the text tokens, and every row's position in the sequence."""
        t = self.tokens
        if t is None:               # before annotate-tokens every row is its own position
            return np.arange(0), np.arange(rows), np.arange(rows)
        ids = np.arange(t.V) if ids is None else ids
        assert rows == len(ids) + t.T
        visual, text = t.visual_positions()[ids], t.text_positions()
        positions = np.concatenate([visual, text])
        if self.storage:
            return np.arange(len(ids)), len(ids) + np.arange(t.T), positions
        order = np.argsort(positions)
        row_of = np.argsort(order)
        return row_of[:len(ids)], row_of[len(ids):], positions[order]

    # -- ops --
    def param(self, op, get, values):
        x = np.asarray(self.params[op.name]).reshape(op.result.type.shape)
        return self.stored(x[self.tokens.storage_order()] if op.row_order == "storage" else x)

    def linear(self, op, get, values):
        x, w = get("x"), get("weight")
        y = x @ w.T + (0 if op.bias is None else get("bias"))
        if op.activation == "swiglu":
            y = ACTIVATIONS["silu"](y) * (x @ get("up_weight").T + (0 if op.up_bias is None else get("up_bias")))
        else:
            y = ACTIVATIONS[op.activation](y)
        if op.residual is not None:
            r = get("residual")
            y = y + np.tile(r, (len(y) // len(r), 1))
        moments = np.stack([y.mean(1), y.var(1) * y.shape[1]], 1)
        return (self.stored(y), moments.astype(np.float32)) if op.moments is not None else self.stored(y)

    def matmul(self, op, get, values):
        lhs, rhs = get("lhs"), get("rhs")
        return self.stored((lhs @ rhs.reshape(op.batch, lhs.shape[1], -1)).reshape(-1, rhs.shape[1]))

    def rms_norm(self, op, get, values):
        x = get("x").reshape(-1, len(get("weight")))         # heads, or rows
        square = (x * x).mean(1, keepdims=True)
        if op.moments is not None:
            mean, squares = np.split(get("moments"), 2, 1)
            square = squares / x.shape[1] + mean * mean
        return self.stored((x / np.sqrt(square + op.eps) * get("weight")).reshape(get("x").shape))

    def layer_norm(self, op, get, values):
        x = get("x")
        if op.moments is not None:
            mean, squares = np.split(get("moments"), 2, 1)
            variance = squares / x.shape[1]
        else:
            mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return self.stored((x - mean) / np.sqrt(variance + op.eps) * get("weight") + get("bias"))

    def rope(self, op, get, values):
        x, cos, sin = get("x"), get("cos"), get("sin")
        if op.ids is not None:
            _, _, positions = self.places(len(x), get("ids"))
            table = np.argsort(self.tokens.storage_order())[positions] if self.storage else positions
            cos, sin = cos[table], sin[table]
        heads = x.reshape(len(x), -1, op.head_dim)
        low, high = np.split(heads, 2, 2)
        return self.stored((heads * cos[:, None] + np.concatenate([-high, low], 2) * sin[:, None]).reshape(x.shape))

    def _probabilities(self, op, q, k, positions, causal):
        """float32 [heads, rows, columns]; positions: of the rows of q and of k."""
        q = q.reshape(len(q), op.heads, op.head_dim).transpose(1, 0, 2)
        k = np.repeat(k.reshape(len(k), op.kv_heads, op.head_dim).transpose(1, 0, 2), op.heads // op.kv_heads, 0)
        scores = (q @ k.transpose(0, 2, 1)) * op.scale
        scores = op.cap * np.tanh(scores / op.cap) if op.cap else scores
        if causal:
            scores = np.where(positions[0][:, None] >= positions[1], scores, -np.inf)
        scores = np.exp(scores - scores.max(2, keepdims=True))
        return scores / scores.sum(2, keepdims=True)

    def attention(self, op, get, values):
        q, k, v = get("q"), get("k"), get("v")
        ids, out, at = get("ids"), [], 0
        key_ids = ids if op.key_ids is None else get("key_ids")
        positions = [self.places(len(x), i)[2] for x, i in ((q, ids), (k, key_ids))] if op.causal else None
        if op.causal:
            return self.stored(self._attended(op, q, k, v, positions))
        for n in op.segments or [len(q)]:
            part = slice(at, at + n)
            at += n
            out.append(self._attended(op, q[part], k[part], v[part], None))
        return self.stored(np.concatenate(out))

    def _attended(self, op, q, k, v, positions):
        p = self._probabilities(op, q, k, positions, op.causal)
        heads = np.repeat(v.reshape(len(v), op.kv_heads, op.head_dim).transpose(1, 0, 2), op.heads // op.kv_heads, 0)
        return (p @ heads).transpose(1, 0, 2).reshape(len(q), -1)

    def activation(self, op, get, values):
        return self.stored(ACTIVATIONS[op.kind](get("x")))

    def add(self, op, get, values):
        a, b = get("a"), get("b")
        return self.stored(a + np.tile(b, (len(a) // len(b), 1)))

    def mul(self, op, get, values):
        a, b = get("a"), get("b")
        return self.stored(a * np.tile(b, (len(a) // len(b), 1)))

    def add_visual(self, op, get, values):
        x, features, ids = get("x").copy(), get("features"), get("ids")
        if self.tokens is None:         # before annotate-tokens only the op knows where visual rows stand
            rows, ids = np.concatenate([np.arange(start, start + n) for start, n in zip(op.runs[::2], op.runs[1::2])]), np.arange(len(features))
        else:
            rows, ids = self.places(len(x), ids)[0], np.arange(self.tokens.V) if ids is None else ids
        x[rows] += features[ids]
        return self.stored(x)

    def embedding(self, op, get, values):
        return get("table")[get("ids").reshape(-1)]

    def take_rows(self, op, get, values):
        return get("x")[get("indices")]

    def concat(self, op, get, values):
        return np.concatenate([values[v] for v in op.inputs])

    def slice(self, op, get, values):
        (r, c), (h, w) = op.offsets, op.sizes
        return get("x")[r:r + h, c:c + w]

    def reshape(self, op, get, values):
        return get("x").reshape(op.result.type.shape)

    def patch_embed(self, op, get, values):
        x, p = get("pixels"), op.patch
        n, c, h, w = x.shape
        rows = x[:, :, :h // p * p, :w // p * p].reshape(n, c, h // p, p, w // p, p).transpose(0, 2, 4, 1, 3, 5).reshape(-1, c * p * p)
        return self.stored(rows @ get("weight").T + (0 if op.bias is None else get("bias")))

    def last_row(self, op, get, values):
        x = get("x")
        visual = len(x) - self.tokens.T
        last_is_visual = bool(self.tokens.visual_mask()[-1])
        return x[visual - 1:visual] if self.storage and last_is_visual else x[-1:]

    # -- concentration --
    def token_ids(self, op, get, values):
        return np.arange(self.tokens.V, dtype=np.int32)

    def importance(self, op, get, values):
        q, k, ids = get("q"), get("k"), get("ids")
        visual, text, positions = self.places(len(k), ids)
        prompt = text[positions[text] > self.tokens.visual_positions().max()]
        assert len(q) in (len(k), len(prompt))          # all rows, or those of the prompt alone
        p = self._probabilities(op, q[prompt] if len(q) == len(k) else q, k, (positions[prompt], positions), True)
        return p[:, :, visual].max((0, 1)).astype(np.float32)

    def topk(self, op, get, values):
        order = np.argsort(-get("importance"), kind="stable")[:op.k]
        return np.sort(order).astype(np.int32)

    def select_ids(self, op, get, values):
        return get("ids")[get("sel")]

    def prune(self, op, get, values):
        x, sel = get("x"), get("sel")
        # In sequence order, where the visual rows of x stand follows from the ids whose importance `sel` was made of.
        importance = op.sel.owner.opview.importance.owner.opview
        visual, text, _ = self.places(len(x), values[importance.ids])
        kept = np.concatenate([visual[sel], text])
        return x[kept if self.storage else np.sort(kept)]

    def gather(self, op, get, values):
        x, ids = get("x"), get("ids")
        visual, _, _ = self.places(len(x), ids)
        merged, group, zero = concentrate(x[visual], ids, self.tokens, op.threshold, op.block, op.vector, op.m_tile)
        key = f"{op.layer}/{op.site}"
        self.trace |= {f"retained/{key}": ids, f"group/{key}": group, f"zero/{key}": zero}
        out = x.copy()
        out[visual] = self.stored(merged)
        return out


def concentrate(x: np.ndarray, ids: np.ndarray, tokens: TokenLayout, threshold: float, block: list[int], vector: int, m_tile: int):
    """Levels 2 and 3 of the algorithm on visual rows x [n, width]: merged rows, group [n, slices], zero [n, slices]."""
    n, width = x.shape
    slices = -(-width // vector)
    padded = np.zeros((n, slices * vector), np.float32)
    padded[:, :width] = x
    parts = padded.reshape(n, slices, vector)
    norms = np.sqrt((parts * parts).sum(2))
    row_of, grid_of = {int(t): r for r, t in enumerate(ids)}, tokens.grid_numbers()
    group, merged = np.tile(np.arange(n)[:, None], (1, slices)), parts.copy()
    for r, t in enumerate(map(int, ids)):
        grid = tokens.grids[grid_of[t]]
        best = np.full(slices, -np.inf, np.float32)
        choice = np.full(slices, r)
        for df, dh, dw in np.ndindex(*block):
            c = t - df * grid.frame_stride - dh * grid.height_stride - dw * grid.width_stride
            other = row_of.get(c)
            if (df, dh, dw) == (0, 0, 0) or c < grid.first or other is None or other // m_tile != r // m_tile:
                continue
            scale = norms[r] * norms[other]
            cosine = np.where(scale > 0, (parts[r] * parts[other]).sum(1) / np.where(scale > 0, scale, 1), 0)
            better = cosine > best
            best, choice = np.where(better, cosine, best), np.where(better, other, choice)
        joins = best > threshold
        group[r] = np.where(joins, group[choice, np.arange(slices)], r)
    for j in range(slices):
        for g in np.unique(group[:, j]):
            members = group[:, j] == g
            merged[members, j] = parts[members, j].mean(0)
    return merged.reshape(n, -1)[:, :width], group.astype(np.int32), (norms == 0).astype(np.uint8)
