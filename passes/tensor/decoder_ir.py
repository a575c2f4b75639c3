"""The decoder in a focus function: its token layout, the stream that enters it, and the attributes that mark its ops.

In: a function with a token layout (`focus.tokens`).  Out: `token_layout`, `annotated`, `decoder_stream`, `pieces`.
"""
from __future__ import annotations

from collections.abc import Iterator

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import TOKENS, VISUAL_IDS
from focus.dialects.support import OpError, get_attr
from focus.passes.tensor.tensor_ir import body, definition, downstream, rows
from focus.runtime.spec.tokens import TokenLayout

LAYER = "focus.layer"               #: op attribute: number of the decoder layer


def decoder_stream(function: ir.OpView, tokens: TokenLayout) -> ir.Value:
    """The [S, D] value that enters the decoder: all tokens of the sequence, text rows looked up in the embedding table."""
    candidates = [op for op in body(function) if isinstance(op, (d.ConcatOp, d.EmbeddingOp)) and _feeds_causal_attention(op.result)]
    whole = [op for op in candidates if rows(op.result) == tokens.S]
    if whole:
        return whole[-1].result
    if candidates:
        raise OpError(candidates[-1], f"makes a sequence of {rows(candidates[-1].result)} rows, but the token layout has S = {tokens.S}")
    raise OpError(function, f"has no decoder: no sequence of S = {tokens.S} text embeddings and visual rows reaches a causal attention")


def _feeds_causal_attention(value: ir.Value) -> bool:
    """Whether a causal attention on as many rows depends on the value without another concatenation between."""
    for op in downstream(value):
        if isinstance(op, d.ConcatOp):
            return False
        if isinstance(op, d.AttentionOp) and op.causal:
            return rows(op.q) == rows(value)
    return False


def pieces(value: ir.Value) -> Iterator[ir.Value]:
    """The values a concatenation puts together, through nested ones; any other value is its own piece."""
    op = definition(value)
    if not isinstance(op, d.ConcatOp):
        yield value
        return
    for piece in op.inputs:
        yield from pieces(piece)


def annotated(function: ir.OpView) -> TokenLayout:
    """The token layout of a function whose decoder layers are marked.  Raises OpError for one that is not annotated."""
    tokens = token_layout(function)
    if not any(LAYER in op.operation.attributes for op in body(function)):
        raise OpError(function, f"has no op of a decoder layer (attribute '{LAYER}'), which annotate-tokens marks")
    return tokens


def token_layout(function: ir.OpView) -> TokenLayout:
    """The token layout of a function.  Raises OpError without one, or with one that is wrong."""
    attr = get_attr(function, TOKENS)
    if not isinstance(attr, d.TokensAttr):
        raise OpError(function, f"needs a token layout (attribute '{TOKENS}')")
    if attr.problem:
        raise OpError(function, f"has a wrong token layout: {attr.problem}")
    return TokenLayout.from_flat(attr.V, attr.S, attr.runs, attr.grids, tuple(get_attr(function, VISUAL_IDS, ())))
