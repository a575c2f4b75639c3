"""The decoder in a focus function: its token layout, the stream that enters it, and the attributes that mark its ops.

In: a module with a token layout, or a function annotated by annotate-tokens.  Out: `attach_token_layout`, `token_layout`, `decoder_stream`, `pieces`.
"""
from __future__ import annotations

from collections.abc import Iterator

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.support import OpError, get_attr, to_attr
from focus.passes.tensor.tensor_ir import body, definition, downstream, rows
from focus.runtime.spec.tokens import TokenLayout

LAYOUT = "focus.token_layout"       #: module attribute: {V, S, runs, grids}
TOKENS = "focus.tokens"             #: function attribute: #focus.tokens
LAYER = "focus.layer"               #: op attribute: number of the decoder layer


def attach_token_layout(module: ir.Module, tokens: TokenLayout) -> None:
    """Put a token layout on a module, where the pass finds it."""
    fields = {"V": tokens.V, "S": tokens.S, "runs": tokens.flat_runs(), "grids": tokens.flat_grids()}
    with module.context:
        module.operation.attributes[LAYOUT] = ir.DictAttr.get({k: to_attr(v) for k, v in fields.items()})


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
    """The values a concatenation puts together, through nested ones; a value that is none is its own piece."""
    op = definition(value)
    if not isinstance(op, d.ConcatOp):
        yield value
        return
    for piece in op.inputs:
        yield from pieces(piece)


def token_layout(function: ir.OpView) -> TokenLayout:
    """The token layout of an annotated function.  Raises OpError without one."""
    attr = get_attr(function, TOKENS)
    if not isinstance(attr, d.TokensAttr):
        raise OpError(function, f"needs a token layout ('{TOKENS}'), which annotate-tokens gives it")
    return TokenLayout.from_flat(attr.V, attr.S, attr.runs, attr.grids)
