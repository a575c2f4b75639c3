"""Pruning before the queries of a layer, as a change of its ops.

In: a function in storage order, concentrated, whose layers prune after their attention.  Out: the same function, where the importance is taken first,
from the prompt's own queries; then the residual stream is pruned, and only the tokens that are kept have queries, attention, an o_proj and a
residual.  Keys and values are made of all tokens, as before.

Without similarity concentration results are the same: rows of a token that is dropped after the attention are read by nobody.  With it, vectors
at the sites `query` and `o_proj` merge among the tokens that are kept, and the kept queries are projected from rows that are not merged.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.support import OpError
from focus.passes.tensor.decoder_ir import annotated
from focus.passes.tensor.tensor_ir import NORMS, body, definition, erase_dead, extra_attributes, matrix_type, rows, users
from focus.runtime.spec.tokens import TokenLayout


def hoist(function: ir.OpView) -> None:
    """Prune before the queries of every layer that prunes.  Raises OpError for a layer of another structure than insert-concentration makes."""
    prunings = [op for op in body(function) if isinstance(op, d.PruneOp)]
    for prune in prunings:
        _hoist(prune, annotated(function))
    erase_dead(function)


@dataclass
class _Layer:
    """A layer that prunes after its attention.

    h: the residual stream that enters; norm: of it (None where a model has none); projection: the ops from the normed rows to the queries, in
    order; choice: importance, top-k and ids left; out: the linear layer after the attention; added: the residual add, where it is an op of its own.
    """
    h: ir.Value
    norm: ir.OpView | None
    projection: list[ir.OpView]
    attention: ir.OpView
    importance: ir.OpView
    topk: ir.OpView
    select: ir.OpView
    out: ir.OpView
    added: ir.OpView | None
    prune: ir.OpView


def _hoist(prune: ir.OpView, tokens: TokenLayout) -> None:
    layer = _layer_of(prune)
    make = _Maker(layer, tokens, ir.InsertionPoint(prune))
    attention, out, imp = layer.attention, layer.out, layer.importance
    heads = {name: getattr(imp, name) for name in d.HEADS}
    q = make.queries(make.rows_of(layer.h, tokens.prompt_rows), None)
    importance = make.op(d.ImportanceOp, imp, q, imp.k, imp.ids, **heads)
    sel = make.op(d.TopKOp, layer.topk, importance, k=layer.topk.k)
    ids = make.op(d.SelectIdsOp, layer.select, imp.ids, sel)
    kept = make.op(d.PruneOp, prune, layer.h, sel)
    query = make.gathered(attention.q, make.queries(kept, ids), ids)
    fields = {name: getattr(attention, name) for name in (*d.HEADS, "causal", "segments")}
    attended = make.op(d.AttentionOp, attention, query, attention.k, attention.v, **fields, ids=ids, key_ids=imp.ids, of=rows(kept))
    residual = {} if layer.added is not None else {"residual": kept}
    stream = make.linear(out, make.gathered(out.x, attended, ids), **residual)
    if layer.added is not None:
        stream = make.op(d.AddOp, layer.added, stream, kept, of=rows(kept))
    prune.result.replace_all_uses_with(stream)
    layer.select.result.replace_all_uses_with(ids)
    for op in (prune, layer.select):
        op.operation.erase()


def _layer_of(prune: ir.OpView) -> _Layer:
    """The layer around a pruning.  Raises OpError for one of another structure than insert-concentration makes."""
    topk = _is(prune, definition(prune.sel), d.TopKOp)
    importance = _is(prune, definition(topk.importance), d.ImportanceOp)
    select = _one(prune, [u for u in users(topk.result) if isinstance(u, d.SelectIdsOp)], "list of the ids left")
    attention = _one(prune, [u for u in users(importance.k) if isinstance(u, d.AttentionOp)], "attention on its keys")
    made, added = definition(prune.x), None
    if isinstance(made, d.AddOp):
        added, made = made, next((op for op in map(definition, (made.a, made.b)) if _reads(op, attention.result)), None)
    out = _is(prune, made, d.LinearOp)
    if len(users(prune.x)) != 1:
        raise OpError(prune, "leaves rows of a residual stream that others read before it is pruned")
    projection = [definition(importance.q)]
    while not isinstance(projection[0], d.LinearOp):
        if not isinstance(projection[0], (d.RopeOp, *NORMS)):
            raise OpError(prune, "belongs to a layer whose queries are no linear projection, normed by heads and rotated")
        projection.insert(0, definition(projection[0].x))
    gather = definition(projection[0].x)
    normed = gather.x if isinstance(gather, d.GatherOp) else projection[0].x
    norm = definition(normed) if isinstance(definition(normed), NORMS) else None
    h = normed if norm is None else norm.x
    if h not in ((added.a, added.b) if added is not None else (out.residual,)):
        raise OpError(prune, "belongs to a layer whose attention is added to another stream than the one it is made from")
    return _Layer(h, norm, projection, attention, importance, topk, select, out, added, prune)


def _reads(op: Any, value: ir.Value) -> bool:
    """Whether a linear layer reads a value, concentrated or not."""
    if not isinstance(op, d.LinearOp):
        return False
    given = definition(op.x)
    return op.x == value or (isinstance(given, d.GatherOp) and given.x == value)


def _is(prune: ir.OpView, op: Any, kind: type) -> Any:
    if not isinstance(op, kind):
        raise OpError(prune, f"belongs to a layer of another structure: {kind.__name__} expected")
    return op


def _one(prune: ir.OpView, found: list, what: str) -> Any:
    if len(found) != 1:
        raise OpError(prune, f"belongs to a layer of another structure: one {what} expected, {len(found)} found")
    return found[0]


@dataclass
class _Maker:
    """Makes ops of a layer again for other rows, in front of its pruning."""
    layer: _Layer
    tokens: TokenLayout
    at: ir.InsertionPoint

    def op(self, kind: type, like: ir.OpView, *operands: ir.Value, of: int | None = None, **fields: Any) -> ir.Value:
        """An op in place of `like`, with its module path and the type of its result; of: rows of the result."""
        result = like.operation.results[0]
        type_ = result.type if of is None else matrix_type(of, result)
        made = kind.build(*operands, **fields, results=type_, attrs=extra_attributes(like), loc=like.location, ip=self.at)      # type: ignore[attr-defined]
        return made.operation.results[0]

    def rows_of(self, value: ir.Value, count: int) -> ir.Value:
        """The last `count` rows, which are the prompt's."""
        made = d.SliceOp.build(value, offsets=[rows(value) - count, 0], sizes=[count, value.type.shape[1]], results=matrix_type(count, value),
                               loc=self.layer.attention.location, ip=self.at)
        return made.result

    def queries(self, stream: ir.Value, ids: ir.Value | None) -> ir.Value:
        """Queries of rows of the residual stream: of the prompt's without `ids`, else of all text rows and of these visual tokens."""
        x = stream if self.layer.norm is None else self.norm(self.layer.norm, stream)
        for op in self.layer.projection:
            if isinstance(op, d.LinearOp):
                x = self.linear(op, x)
            elif isinstance(op, d.RopeOp):
                tables = [op.cos, op.sin] if ids is not None else [self.rows_of(table, rows(x)) for table in (op.cos, op.sin)]
                x = self.op(d.RopeOp, op, x, *tables, head_dim=op.head_dim, ids=ids, of=rows(x))
            else:
                x = self.norm(op, x)
        return x

    def norm(self, op: ir.OpView, x: ir.Value) -> ir.Value:
        """The norm of other rows; their moments nobody has collected."""
        bias = {"bias": op.bias} if isinstance(op, d.LayerNormOp) else {}
        return self.op(type(op), op, x, op.weight, **bias, eps=op.eps, of=rows(x))

    def linear(self, op: ir.OpView, x: ir.Value, **fields: Any) -> ir.Value:
        """The linear layer on other rows."""
        return self.op(d.LinearOp, op, x, op.weight, activation=op.activation, bias=op.bias, **fields, of=rows(x))

    def gathered(self, like: ir.Value, x: ir.Value, ids: ir.Value) -> ir.Value:
        """`x`, concentrated as `like` is, if that is."""
        op = definition(like)
        if not isinstance(op, d.GatherOp):
            return x
        t = like.type
        type_ = d.ConcentratedType.make(rows(x), t.width, ids.type.shape[0], t.vector, t.m_tile, t.layout)
        made = d.GatherOp.build(x, ids, layer=op.layer, site=op.site, threshold=op.threshold, block=list(op.block), vector=op.vector,
                                m_tile=op.m_tile, results=type_, attrs=extra_attributes(op), loc=op.location, ip=self.at)
        return made.result
