"""assign-layout: rows of the decoder in storage order, and every concentrated value in a proven layouter order.

In: an annotated function in sequence order, concentrated or not.  Out: the same function with attribute `focus.row_order = "storage"`:
visual rows first, then text rows, so that `[k visual | T text]` is static whatever pruning keeps.  Concretely, the concatenation that
makes the sequence takes its visual pieces first; tables that follow the sequence (RoPE) are stored in that order (`row_order` of their
`focus.param`); `focus.last_row` stays symbolic.  Each `!focus.concentrated` gets a `#focus.layout` made from the request's grids, which
the dialect's verifier proves free of bank conflicts.
"""
from __future__ import annotations

from collections.abc import Iterator

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import ROW_ORDER
from focus.dialects.support import OpError, get_attr, to_attr
from focus.passes.manager import register_pass
from focus.passes.target import resolve_machine
from focus.passes.tensor.decoder_ir import annotated, decoder_stream, pieces
from focus.passes.tensor.tensor_ir import body, definition, downstream, erase_dead, replace, rows
from focus.runtime.spec.machine import LAYOUTER
from focus.runtime.spec.tokens import TokenLayout
from focus.runtime.spec.types import BYTES, DType

PUBLISHED_BANKS = (2, 2, 2)         #: of the layouter, over frames, rows and columns

_HELP = {"machine": "machine whose layouter holds the window of candidates",
         "layouter_bytes": "size of the layouter in place of the machine's"}


@register_pass("assign-layout", anchor="func.func", level="tensors", help=_HELP)
def assign_layout(function: ir.OpView, *, machine: str = "focus", layouter_bytes: int = 0) -> None:
    """Put decoder rows in storage order and give concentrated values their layout.  Raises OpError for what depends on another order."""
    if not body(function):
        return
    tokens = annotated(function)
    if get_attr(function, ROW_ORDER) == "storage":
        raise OpError(function, "is in storage order already")
    _order_rows(decoder_stream(function, tokens), tokens)
    erase_dead(function)
    function.attributes[ROW_ORDER] = to_attr("storage")
    gathers = [op for op in body(function) if isinstance(op, d.GatherOp)]
    if gathers:
        _lay_out(gathers, tokens, layouter_bytes or _layouter_bytes(gathers[0], machine))


# ---- rows --------------------------------------------------------------------------------------------------------------------
def _order_rows(stream: ir.Value, tokens: TokenLayout) -> None:
    _check_row_wise(stream)
    ordered: dict[ir.Value, ir.Value] = {}
    for op, index in list(_row_aligned(stream)):
        table = op.operation.operands[index]
        if table not in ordered:
            ordered[table] = _in_storage_order(op, table, tokens)
        op.operation.operands[index] = ordered[table]
    concat = definition(stream)
    if isinstance(concat, d.ConcatOp):
        parts, visual, at = list(pieces(stream)), tokens.visual_mask(), 0
        first: list[ir.Value] = []
        then: list[ir.Value] = []
        for part in parts:
            (first if visual[at] else then).append(part)
            at += rows(part)
        reordered = d.ConcatOp.build(*first, *then, results=stream.type, loc=concat.location, ip=ir.InsertionPoint(concat))
        replace(stream, reordered.result)


def _check_row_wise(stream: ir.Value) -> None:
    """Ops that move rows of the stream mean sequence order; only what works on each row, or knows positions, may follow it."""
    for op in downstream(stream):
        moves = isinstance(op, (d.ConcatOp, d.ReshapeOp, d.TakeRowsOp, d.MatmulOp)) or (isinstance(op, d.SliceOp) and op.sizes[0] != rows(op.x))
        if moves and rows(op.operation.operands[0]) != 1:
            raise OpError(op, "moves rows of the decoder's sequence, whose order in storage is another")


def _row_aligned(stream: ir.Value) -> Iterator[tuple[ir.OpView, int]]:
    """(op, operand number) of each operand, not of the stream itself, whose rows go with the rows of the sequence."""
    inside = {stream}
    for op in downstream(stream):
        operands = list(op.operation.operands)
        aligned = [op.cos, op.sin] if isinstance(op, d.RopeOp) else [op.a, op.b] if isinstance(op, d.Elementwise) else \
            [op.residual] if isinstance(op, d.LinearOp) and op.residual is not None else []
        yield from ((op, operands.index(v)) for v in aligned if v not in inside and rows(v) > 1)
        inside.update(op.operation.results)


def _in_storage_order(op: ir.OpView, table: ir.Value, tokens: TokenLayout) -> ir.Value:
    """The parameter `table`, an operand of decoder op `op`, stored visual rows first."""
    param = definition(table)
    if not isinstance(param, d.ParamOp) or rows(table) != tokens.S:
        raise OpError(op, f"has an operand of {rows(table)} rows that goes with the sequence; a parameter of S = {tokens.S} rows expected, "
                          "which can be stored in another order")
    return d.ParamOp.build(name=param.name, row_order="storage", results=table.type, loc=param.location, ip=ir.InsertionPoint(param)).result


# ---- layouter ----------------------------------------------------------------------------------------------------------------
def _layouter_bytes(gather: ir.OpView, machine: str) -> int:
    target = resolve_machine(machine)
    if not target.sic.present:
        raise OpError(gather, f"needs a similarity concentrator, which machine '{target.name}' does not have")
    if gather.vector > target.geometry.vector:
        raise OpError(gather, f"has vectors of {gather.vector} elements; machine '{target.name}' takes at most {target.geometry.vector} (sic.vector)")
    return target.buffer_bytes(LAYOUTER)


def _lay_out(gathers: list[ir.OpView], tokens: TokenLayout, layouter_bytes: int) -> None:
    for op in gathers:
        capacity = layouter_bytes // (op.vector * BYTES[DType.F16])
        banks = [max(side, least) for side, least in zip(op.block, PUBLISHED_BANKS)]        # all members of a window apart
        layout = d.LayoutAttr.make(_in_order(op) if d.GRIDS in op.operation.attributes else tokens.flat_grids(), op.block, banks, capacity)
        if layout.problem:
            raise OpError(op, f"has no layout: {layout.problem}")
        t = op.result.type
        op.result.set_type(d.ConcentratedType.make(t.rows, t.width, t.visual, t.vector, t.m_tile, layout))


def _in_order(gather: ir.OpView) -> list[int]:
    """The largest picture of a vision tower as a grid whose strides are rows of the tower: a window needs that many rows of the layouter."""
    cells = get_attr(gather, d.CELLS)
    return [0, *cells[:3], *(max(1, stride) for stride in cells[3:])]
