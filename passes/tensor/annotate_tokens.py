"""annotate-tokens: where the visual tokens stand, which ops are the decoder's, and that only the last row's logits matter.

In: @main in the focus dialect, with the token layout as attribute `focus.tokens`.  Out: `focus.layer = i` on the attention, linear, norm and
RoPE ops of decoder layer i; the slice of the sequence's last row as `focus.last_row`, moved up through the row-wise ops after the last decoder
layer.

The decoder stream is found by structure: the concatenation of text embeddings and visual rows that makes up the whole sequence.
Each causal attention downstream of it begins a layer.
"""
from __future__ import annotations

from collections.abc import Iterator

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.support import OpError, to_attr
from focus.passes.manager import register_pass
from focus.passes.tensor.decoder_ir import LAYER, decoder_stream, pieces, token_layout
from focus.passes.tensor.tensor_ir import NORMS, definition, downstream, matrix_type, replace, rows, users
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import TokenLayout

_LAYERED = (d.AttentionOp, d.LinearOp, d.RopeOp, *NORMS)


@register_pass("annotate-tokens", level="tensors")
def annotate_tokens(module: ir.OpView) -> None:
    """Mark the decoder: token layout, layer numbers, last row.  Raises FocusError when layout and function do not fit."""
    mains = [f for f in module.body.operations if f.operation.name == "func.func" and f.attributes["sym_name"].value == "main"]
    if not mains:
        raise FocusError("annotate-tokens: the module has no function @main")
    function = mains[0]
    tokens = token_layout(function)
    stream = decoder_stream(function, tokens)
    _check_pieces(stream, tokens)
    _number_layers(stream, tokens)
    _last_rows(stream, tokens)


# ---- the stream --------------------------------------------------------------------------------------------------------------
def _check_pieces(stream: ir.Value, tokens: TokenLayout) -> None:
    """Every piece of the sequence must be text or visual throughout, as the layout says."""
    visual, at = tokens.visual_mask(), 0
    for piece in pieces(stream):
        count, is_text = rows(piece), _is_text(piece)
        if visual[at:at + count].any() if is_text else not visual[at:at + count].all():
            have, say = ("text embeddings", "visual tokens") if is_text else ("visual rows", "text")
            raise OpError(definition(stream), f"rows {at} to {at + count - 1} of the sequence are {have}, but the token layout has {say} "
                                              f"there; its runs (start, length) are {[tuple(r) for r in tokens.runs]}")
        at += count


def _is_text(piece: ir.Value) -> bool:
    op = definition(piece)
    while isinstance(op, (d.SliceOp, d.ReshapeOp)):
        op = definition(op.x)
    return isinstance(op, d.EmbeddingOp)


# ---- layers ------------------------------------------------------------------------------------------------------------------
def _number_layers(stream: ir.Value, tokens: TokenLayout) -> None:
    """`focus.layer` on the decoder's ops on all rows.  The ops from the residual stream to an attention belong to the attention's layer."""
    depth = {stream: 0}
    layers = 0
    for op in downstream(stream):
        operation = op.operation
        before = max(depth.get(v, 0) for v in operation.operands)
        if isinstance(op, d.AttentionOp):
            if not op.causal:
                raise OpError(op, "is not causal; decoder attention must be")
            layers = before + 1
            operation.attributes[LAYER] = to_attr(before)
            for producer in _projections(op):
                producer.operation.attributes[LAYER] = to_attr(before)
        elif isinstance(op, _LAYERED) and before and rows(operation.results[0]) == tokens.S:
            operation.attributes[LAYER] = to_attr(before - 1)
        depth.update(dict.fromkeys(operation.results, before + isinstance(op, d.AttentionOp)))
    if not layers:
        raise OpError(definition(stream), "is followed by no attention")


def _projections(attention: ir.OpView) -> Iterator[ir.OpView]:
    """RoPE, linears and norms between the residual stream and q, k and v: up to the first norm after a linear."""
    for value in (attention.q, attention.k, attention.v):
        op, projected = definition(value), False
        while isinstance(op, _LAYERED) and not isinstance(op, d.AttentionOp):
            yield op
            if projected and isinstance(op, NORMS):
                break
            if projected and isinstance(op, d.LinearOp):
                raise OpError(attention, "has two linear layers in a row before it; a projection of a norm's result expected")
            projected |= isinstance(op, d.LinearOp)
            op = definition(op.x)


# ---- the last row ------------------------------------------------------------------------------------------------------------
def _last_rows(stream: ir.Value, tokens: TokenLayout) -> None:
    """Slices of the last row become `focus.last_row` and move up; any other result that depends on the order of rows is an error."""
    decoder = list(downstream(stream))
    inside = {stream}.union(*(op.operation.results for op in decoder))
    for op in decoder:
        if isinstance(op, d.SliceOp) and rows(op.x) == tokens.S:
            _check_slice(op, tokens)
        if op.operation.name == "func.return" and any(v in inside and rows(v) == tokens.S > 1 for v in op.operation.operands):
            raise OpError(op, f"returns all {tokens.S} rows of the sequence; only the last token's logits can be a result")
    for op in decoder:
        if isinstance(op, d.SliceOp) and rows(op.x) == tokens.S and op.sizes[0] == 1:
            with op.location, ir.InsertionPoint(op):
                last = d.LastRowOp.build(op.x, results=matrix_type(1, op.x))
            replace(op.result, last.result)
            _sink(last)


def _check_slice(op: ir.OpView, tokens: TokenLayout) -> None:
    """Slices of columns keep all rows; of rows, only the last one may be taken, whole."""
    (row, col), (count, width) = op.offsets, op.sizes
    if count == tokens.S:
        return
    if (row, count) != (tokens.S - 1, 1) or (col, width) != (0, op.x.type.shape[1]):
        raise OpError(op, f"takes {count} rows from {row} on of the sequence; only the last row, {tokens.S - 1}, may be taken alone")


def _sink(last: ir.OpView) -> None:
    """Move `last` above row-wise ops after the last decoder layer that only it uses, so that they work on one row."""
    op = definition(last.x)
    while _row_wise(op) and len(users(op.operation.results[0])) == 1:
        with op.location, ir.InsertionPoint(last):
            above = d.LastRowOp.build(op.x, results=matrix_type(1, op.x))
            moved = op.operation.clone()
        moved.operands[0] = above.result
        moved.results[0].set_type(matrix_type(1, moved.results[0]))
        if LAYER in moved.attributes:
            del moved.attributes[LAYER]
        replace(last.result, moved.results[0])
        op.operation.erase()
        last, op = above, definition(above.x)


def _row_wise(op: ir.OpView | None) -> bool:
    """Norms, activations and linear layers without residual; a residual add ends the last decoder layer."""
    if isinstance(op, NORMS):
        return op.moments is None
    return isinstance(op, d.ActivationOp) or (isinstance(op, d.LinearOp) and op.residual is None and op.moments is None)
