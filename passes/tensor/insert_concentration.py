"""insert-concentration: SEC (which tokens matter) at selected decoder layers, SIC (which vectors are new) at the five GEMM inputs of each, and at
those of the vision tower's layers where asked for.

In: a function annotated by annotate-tokens, in sequence order, fused or not.  Out: the same function with

* at each selected layer `importance -> topk -> select_ids`, and `prune` of the residual stream between the attention's residual add and
  the MLP's norm; all that follows works on the rows left, RoPE and causal masks by `ids` (original visual indices);
* `gather -> !focus.concentrated` in front of q/k/v (one for the three), Q, o_proj, gate and up (one for both) and down_proj, each with the
  settings of its layer and site, and none where these merge nothing; in the vision tower the same at its GEMM inputs, on all rows, with the grids
  of the tower and the indices of its rows in them (`focus.towers`);
* `focus.concentration`: what was inserted.

The algorithm is docs/algorithm.md.  Sites are found from the attention op of each layer by structure, never by name.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import CONCENTRATION, towers_of
from focus.dialects.support import OpError, get_attr
from focus.passes.manager import register_pass
from focus.passes.tensor.decoder_ir import LAYER, annotated
from focus.passes.tensor.tensor_ir import (
    NORMS,
    body,
    definition,
    downstream,
    extra_attributes,
    linear_like,
    matrix_type,
    one_linear,
    projection_of,
    replace,
    rows,
    users,
)
from focus.passes.tensor.tower_ir import tower_attentions, tower_sites
from focus.runtime.spec.concentration import Concentration, default_schedule
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.sites import PUBLISHED_VECTOR, VISION_SITES
from focus.runtime.spec.tokens import TokenLayout

_HELP = {
    "mode": "a preset (off, sec, sic, full) or a TOML file, which may set each layer and site, in place of the options below",
    "layers": "decoder layers at which SEC prunes; none: the default schedule",
    "alphas": "share of the original visual tokens kept at each of them",
    "threshold": "cosine similarity above which vectors merge",
    "block": "sides (frames, rows, columns) of the block of candidates, 1 to 4 each",
    "vector": "elements of a vector",
    "m_tile": "retained visual tokens of a tile; 0: choose-m-tile chooses",
    "sec": "prune tokens",
    "sic": "merge vectors",
}


@register_pass("insert-concentration", anchor="func.func", level="tensors", help=_HELP)
def insert_concentration(function: ir.OpView, *, mode: str = "", layers: Sequence[int] = (), alphas: Sequence[float] = (),  # noqa: PLR0913 (options)
                         threshold: float = 0.9, block: Sequence[int] = (2, 2, 2), vector: int = PUBLISHED_VECTOR, m_tile: int = 0,
                         sec: bool = True, sic: bool = True, concentration: Any = None) -> None:
    """Insert semantic and similarity concentration.  Raises FocusError where the request or the model has no place for it."""
    if not body(function):
        return
    tokens, attentions = annotated(function), decoder_attentions(function)
    depth = len(attentions)
    if mode and (layers or alphas):
        raise FocusError("insert-concentration: options 'layers' and 'alphas' do not go with 'mode', which has layers of its own")
    if concentration is None and not mode:
        schedule = default_schedule(depth) if sec and not layers and not alphas else (tuple(layers), tuple(alphas))
        values: dict[str, Any] = {"layers": schedule[0] if sec else (), "alphas": schedule[1] if sec else (), "threshold": threshold,
                                  "block": tuple(block), "vector": vector, "m_tile": m_tile or "auto", "similarity": sic}
        concentration = Concentration(**values)
    config = Concentration.resolve(concentration or mode, depth, min((tower.layers for tower in towers_of(function)), default=0))
    function.attributes[CONCENTRATION] = d.ConcentrationAttr.make(config)
    if config.sec or config.sic:
        _Inserter(function, tokens, config).run(attentions)
    if config.vision:
        concentrate_tower(function, config)


def decoder_attentions(function: ir.OpView) -> list[ir.OpView]:
    """The decoder's attention ops, layer by layer."""
    found = [op for op in body(function) if isinstance(op, d.AttentionOp) and LAYER in op.attributes]
    return sorted(found, key=lambda op: get_attr(op, LAYER))


# ---- finding the sites -------------------------------------------------------------------------------------------------------
@dataclass
class Layer:
    """A decoder layer by structure.

    `normed`: what q, k and v project; `attention`; `out`: the o_proj linear; `stream`: the residual stream after it; `mlp_in`: what the
    MLP's first linears read; `mlp_mid`: what its last one reads.
    """
    normed: ir.Value
    attention: ir.OpView
    out: ir.OpView
    stream: ir.Value
    mlp_in: ir.Value
    mlp_mid: ir.Value


def find_layer(attention: ir.OpView) -> Layer:
    """The layer around a decoder attention.  Raises OpError for a layer of another structure."""
    projections = [projection_of(attention, v, (d.RopeOp, *NORMS)) for v in (attention.q, attention.k, attention.v)]
    if any(p.x != projections[0].x for p in projections):
        raise OpError(attention, "has q, k and v from projections of different values; one shared input expected")
    out = one_linear(attention, attention.result, "the attention's result")
    stream = out.y if out.residual is not None else _residual_add(attention, out.y, "o_proj")
    norms = [u for u in users(stream) if isinstance(u, NORMS)]
    if len(norms) != 1:
        raise OpError(attention, f"is followed by {len(norms)} norms of the residual stream in its layer; one expected before the MLP")
    mlp_in = norms[0].result
    first = [u for u in users(mlp_in) if isinstance(u, d.LinearOp)]
    if not first or len(first) != len(users(mlp_in)):
        raise OpError(attention, "is followed by a norm that does not lead to the MLP's linear layers")
    mid = first[0].y
    while len(users(mid)) == 1 and isinstance(users(mid)[0], (d.ActivationOp, d.MulOp)):
        mid = users(mid)[0].result
    one_linear(attention, mid, "the MLP's product")
    return Layer(projections[0].x, attention, out, stream, mlp_in, mid)


def _residual_add(attention: ir.OpView, value: ir.Value, what: str) -> ir.Value:
    found = users(value)
    if len(found) != 1 or not isinstance(found[0], d.AddOp):
        raise OpError(attention, f"is in a layer where the result of {what} is not added to a residual stream")
    return found[0].result


# ---- inserting ---------------------------------------------------------------------------------------------------------------
def gather_value(value: ir.Value, ids: ir.Value, config: Concentration, attrs: dict[str, Any] | None = None, **fields: Any) -> None:
    """Concentrate `value` for the linear layers or the attention that read it; other uses stay dense."""
    readers = [u for u in users(value) if (isinstance(u, d.LinearOp) and u.x == value) or (isinstance(u, d.AttentionOp) and u.q == value)]
    type_ = d.ConcentratedType.make(rows(value), value.type.shape[1], ids.type.shape[0], config.vector, config.rows_of_tile)
    producer = definition(value)
    with producer.location, ir.InsertionPoint.after(producer):
        gather = d.GatherOp.build(value, ids, vector=config.vector, m_tile=config.rows_of_tile, results=type_, attrs=attrs, **fields)
    for reader in readers:
        reader.operation.operands[0] = gather.result


def concentrate_tower(function: ir.OpView, config: Concentration) -> None:
    """Insert the gathers of the vision tower.  A second run of it, for other pictures, has the settings of the first."""
    tables: dict[str, ir.Value] = {}
    for number, tower, attention in list(tower_attentions(function)):
        settings = {site: config.at(number % tower.layers, site) for site in VISION_SITES}
        if not any(s.similarity for s in settings.values()):
            continue
        if tower.ids not in tables:
            first = body(function)[0]
            made = d.ParamOp.build(name=tower.ids, row_order="as_is", results=d.tensor_type(tower.rows, dtype="i32"), loc=tower.ids,
                                   ip=ir.InsertionPoint(first))
            tables[tower.ids] = made.result
        for site, value in tower_sites(attention).items():
            if settings[site].similarity:
                cells = {d.GRIDS: list(tower.grids), d.CELLS: [*tower.sides, *tower.reach]}
                gather_value(value, tables[tower.ids], config, cells, layer=number, site=site, threshold=settings[site].threshold,
                             block=list(settings[site].block))


class _Inserter:
    """Walks the layers with the state of the stream: `ids` of the retained visual tokens, and how many there are."""

    def __init__(self, function: ir.OpView, tokens: TokenLayout, config: Concentration):
        self.config, self.tokens = config, tokens
        if any(isinstance(op, (d.GatherOp, d.PruneOp)) for op in body(function)):
            raise OpError(function, "is concentrated already")
        if not self.tokens.V:
            raise OpError(function, "has no visual tokens to concentrate")
        if config.sec and not self.tokens.prompt_rows:
            raise OpError(function, "has no text after its visual tokens, from whose attention SEC takes the importance of each")
        self.retained = self.tokens.V
        self.ids: ir.Value | None = None

    def run(self, attentions: list[ir.OpView]) -> None:
        for number, attention in enumerate(attentions):
            if self.ids is None:
                self._token_ids(find_layer(attention))
            if self.retained < self.tokens.V:
                attention = self._with_ids(attention)
            layer = find_layer(attention)
            kept = self.config.keep(number, self.tokens.V, self.retained)
            before = self.ids
            if kept < self.retained:
                self._prune(layer, kept)
            for site, value in (("q_proj", layer.normed), ("query", attention.q), ("o_proj", attention.result)):
                self._gather(number, site, value, before)
            for site, value in (("gate_proj", layer.mlp_in), ("down_proj", layer.mlp_mid)):
                self._gather(number, site, value, self.ids)

    def _token_ids(self, layer: Layer) -> None:
        """The ids before any pruning, in front of the first layer."""
        first = definition(layer.normed)
        made = d.TokenIdsOp.build(results=d.tensor_type(self.tokens.V, dtype="i32"), loc="token_ids", ip=ir.InsertionPoint(first))
        self.ids = made.result

    def _with_ids(self, attention: ir.OpView) -> ir.OpView:
        """Rebuild the RoPE ops and the attention of a layer after a pruning, so that they go by original positions."""
        for value in (attention.q, attention.k):
            rope = definition(value)
            if isinstance(rope, d.RopeOp):
                new = d.RopeOp.build(rope.x, rope.cos, rope.sin, head_dim=rope.head_dim, ids=self.ids, results=rope.result.type,
                                     attrs=extra_attributes(rope), loc=rope.location, ip=ir.InsertionPoint(rope))
                rope.result.replace_all_uses_with(new.result)
                rope.operation.erase()
        fields = {name: getattr(attention, name) for name in (*d.HEADS, "causal", "segments")}
        new = d.AttentionOp.build(attention.q, attention.k, attention.v, **fields, ids=self.ids, results=attention.result.type,
                                  attrs=extra_attributes(attention), loc=attention.location, ip=ir.InsertionPoint(attention))
        attention.result.replace_all_uses_with(new.result)
        attention.operation.erase()
        return new

    def _gather(self, number: int, site: str, value: ir.Value, ids: ir.Value) -> None:
        """Concentrate `value`, where the site is to be."""
        settings = self.config.at(number, site)
        if settings.similarity:
            gather_value(value, ids, self.config, layer=number, site=site, threshold=settings.threshold, block=list(settings.block))

    def _prune(self, layer: Layer, kept: int) -> None:
        """Keep the `kept` most important visual tokens of the residual stream after a layer's attention."""
        attention = layer.attention
        heads = {name: getattr(attention, name) for name in d.HEADS}
        with attention.location, ir.InsertionPoint.after(attention):
            per_token = d.tensor_type(self.retained, dtype="f32")
            importance = d.ImportanceOp.build(attention.q, attention.k, self.ids, **heads, results=per_token)
            sel = d.TopKOp.build(importance.result, k=kept, results=d.tensor_type(kept, dtype="i32"))
            self.ids = d.SelectIdsOp.build(self.ids, sel.result, results=d.tensor_type(kept, dtype="i32")).result
        self._drop_moments(layer)
        stream = layer.stream
        with definition(stream).location, ir.InsertionPoint.after(definition(stream)):
            prune = d.PruneOp.build(stream, sel.result, results=matrix_type(kept + self.tokens.T, stream))
        stream.replace_all_uses_except(prune.result, prune.operation)
        before, after = self.retained + self.tokens.T, kept + self.tokens.T
        for op in list(downstream(prune.result)):
            for result in op.operation.results:
                if rows(result) == before:
                    result.set_type(matrix_type(after, result))
            if isinstance(op, d.AddVisualOp):
                new = d.AddVisualOp.build(op.x, op.features, runs=op.runs, ids=self.ids, results=op.result.type, attrs=extra_attributes(op),
                                          loc=op.location, ip=ir.InsertionPoint(op))
                replace(op.result, new.result)
        self.retained = kept

    def _drop_moments(self, layer: Layer) -> None:
        """Row moments of the stream come from all rows; the norm after the pruning computes its own."""
        norm = definition(layer.mlp_in)
        if norm.moments is None:
            return
        bias = {"bias": norm.bias} if isinstance(norm, d.LayerNormOp) else {}
        new = type(norm).build(norm.x, norm.weight, **bias, eps=norm.eps, results=norm.result.type, attrs=extra_attributes(norm),
                               loc=norm.location, ip=ir.InsertionPoint(norm))
        norm.result.replace_all_uses_with(new.result)
        layer.mlp_in = new.result
        norm.operation.erase()
        if not users(layer.out.moments):
            plain = linear_like(layer.out, layer.out)
            layer.out.y.replace_all_uses_with(plain.y)
            layer.out.operation.erase()
            layer.out, layer.stream = plain, plain.y
