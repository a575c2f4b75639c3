"""What the tensor-level passes share: reading and changing focus functions.

In and out: ops and values of a func.func whose body is one block of focus ops without nested regions.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.support import OpError

NORMS = (d.RMSNormOp, d.LayerNormOp)


def body(function: ir.OpView) -> list[ir.OpView]:
    """The ops of a function in program order, the terminator last; none for a declaration."""
    blocks = function.operation.regions[0].blocks
    return list(blocks[0].operations) if len(blocks) else []


def definition(value: ir.Value) -> Any:
    """The op (an `ir.OpView`) that defines a value; None for an argument."""
    return None if isinstance(value.owner, ir.Block) else value.owner.operation.opview


def users(value: ir.Value) -> list[ir.OpView]:
    """The ops that use a value, once a use."""
    return [use.owner.operation.opview for use in value.uses]


def rows(value: ir.Value) -> int:
    """Rows of a matrix or concentrated value; -1 for any other type."""
    if isinstance(value.type, d.ConcentratedType):
        return value.type.rows
    return value.type.shape[0] if isinstance(value.type, ir.RankedTensorType) and value.type.rank == 2 else -1


def matrix_type(rows: int, like: ir.Value) -> ir.Type:
    """The type of a matrix with `rows` rows, else as `like`."""
    return ir.RankedTensorType.get([rows, like.type.shape[1]], like.type.element_type)


def downstream(value: ir.Value) -> Iterator[ir.OpView]:
    """Every op that depends on a value, in program order."""
    seen = {value}
    start = definition(value)
    begun = start is None
    for op in value.owner.owner.regions[0].blocks[0].operations if begun else start.operation.block.operations:
        if not begun:
            begun = op.operation == start.operation
        elif not seen.isdisjoint(op.operation.operands):
            seen.update(op.operation.results)
            yield op


def erase_dead(function: ir.OpView) -> None:
    """Erase every tensor-level op none of whose results is used (all of them are pure); ids that are left belong to the trace and stay."""
    for op in reversed(body(function)):
        results = list(op.operation.results)
        pure = isinstance(op, (d.FocusOp, d.ConcatOp)) and not isinstance(op, d.SelectIdsOp)
        if pure and results and not any(list(r.uses) for r in results):
            op.operation.erase()


def replace(old: ir.Value, new: ir.Value) -> None:
    """Replace every use of `old`; its op goes when nothing it defines is used any more."""
    old.replace_all_uses_with(new)
    op = definition(old)
    if op is not None and not any(list(r.uses) for r in op.operation.results):
        op.operation.erase()


def linear_like(op: ir.OpView, at: ir.OpView, moments: bool = False, loc: ir.Location | None = None, **changes: Any) -> ir.OpView:
    """A copy of a linear op in front of `at` with some operands or attributes changed, and a `moments` result if wanted."""
    fields = {name: getattr(op, name) for name in ("activation", "bias", "up_weight", "up_bias", "residual")} | changes
    types = [op.y.type] + ([d.tensor_type(op.y.type.shape[0], 2, dtype="f32")] if moments else [])
    return d.LinearOp.build(fields.pop("x", op.x), op.weight, results=types, attrs=extra_attributes(op), loc=loc or op.location,
                            ip=ir.InsertionPoint(at), **fields)


def extra_attributes(op: ir.OpView) -> dict[str, ir.Attribute]:
    """The attributes of an op that its class does not declare (`focus.layer`)."""
    return {k: op.attributes[k] for k in op.attributes if k.startswith("focus.")}


def gather_of(op: ir.OpView) -> ir.OpView | None:
    """The gather that a linear layer does on its way out, or None."""
    if d.GATHERS not in op.operation.attributes:
        return None
    return users(op.y)[0]


def projection_of(attention: ir.OpView, value: ir.Value, through: tuple[Any, ...]) -> ir.OpView:
    """The linear layer that an operand of an attention comes from, through ops of these types.  Raises OpError where there is none."""
    op = definition(value)
    while isinstance(op, through):
        op = definition(op.x)
    if not isinstance(op, d.LinearOp):
        raise OpError(attention, "has an operand that is no linear projection")
    return op


def one_linear(attention: ir.OpView, value: ir.Value, what: str) -> ir.OpView:
    """The only reader of a value in an attention's layer, a linear layer.  Raises OpError, which calls the value `what`."""
    found = users(value)
    if len(found) != 1 or not isinstance(found[0], d.LinearOp) or found[0].x != value:
        raise OpError(attention, f"is in a layer where {what} does not go to exactly one linear layer")
    return found[0]
