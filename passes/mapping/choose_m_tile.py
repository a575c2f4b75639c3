"""choose-m-tile: how many retained visual tokens a tile of the concentration has, where the request leaves it open.

In: a function in storage order, after fuse-concentration, whose `focus.concentration` has the m-tile 0: its gathers have tiles of the largest size.
Out: the same function; gathers, their types and `focus.concentration` have the m-tile that takes least.

Large tiles keep more candidates for matching and read weights seldom; small ones leave accumulators for more columns of the result, so that compact
inputs are read seldom.  Every candidate is priced as `map` would map it: cycles and DRAM transfer, weighed as the machine says, of all ops.
"""
from __future__ import annotations

from itertools import accumulate
from math import inf

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import CONCENTRATION
from focus.dialects.support import get_attr
from focus.passes.kernels.places import ceil
from focus.passes.manager import register_pass
from focus.passes.mapping.parts import Context, kernels_of
from focus.passes.mapping.rates import INDEX
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.passes.target import resolve_machine
from focus.passes.tensor.tensor_ir import body, definition, users
from focus.runtime.spec.sites import LARGEST_M_TILE

SIZES = tuple(LARGEST_M_TILE * part // 16 for part in (16, 12, 10, 8, 6))       #: below, matching loses candidates at too many borders of tiles


@register_pass("choose-m-tile", anchor="func.func", level="tensors", help={"machine": "name or file of the machine description"})
def choose_m_tile(function: ir.OpView, *, machine: str = "focus") -> None:
    """Choose the m-tile of the concentration where the request leaves it open."""
    attr = get_attr(function, CONCENTRATION)
    gathers = [op for op in body(function) if isinstance(op, d.GatherOp)]
    if not isinstance(attr, d.ConcentrationAttr) or attr.m_tile or not gathers:
        return
    target = Target(resolve_machine(machine), gathers[0].vector)
    visual = max(op.result.type.visual for op in gathers)
    sizes = candidates(visual, target.geometry.cols)
    prices, search = {}, Search(target)
    for size in sizes if len(sizes) > 1 else ():
        _set(gathers, size)
        fits = size == LARGEST_M_TILE or count_bytes(function, target) <= target.machine.buffer_bytes("counts")
        prices[size] = search.price_all(kernels_of(function, target)) if fits else inf
    search.remember()
    best = min(sizes, key=lambda size: prices.get(size, 0))
    _set(gathers, best)
    function.attributes[CONCENTRATION] = d.ConcentrationAttr.make(attr.config().fixed(best))


def candidates(visual: int, multiple: int) -> list[int]:
    """m-tiles worth trying for so many visual tokens, the largest first: multiples of the array's columns, which every form of attention takes."""
    return [LARGEST_M_TILE] + [size for size in SIZES[1:] if size < visual and size % multiple == 0]


def count_bytes(function: ir.OpView, target: Target) -> int:
    """Most bytes of count memory that are in use at a time: an entry for each m-tile and slice of every concentrated value that is yet to be read."""
    context, ops = Context(function, target), body(function)
    number = {op.operation: i for i, op in enumerate(ops)}
    change = [0] * (len(ops) + 1)
    for op in ops:
        if isinstance(op, d.GatherOp):
            t = op.result.type
            size = INDEX * sum(g.count for g in context.groups(t)) * ceil(t.width, t.vector)
            change[number[definition(op.x).operation]] += size         # which may gather its result itself
            change[max(number[user.operation] for user in users(op.result)) + 1] -= size
    return max(accumulate(change))


def _set(gathers: list[ir.OpView], m_tile: int) -> None:
    """Give the gathers' results this m-tile."""
    for op in gathers:
        t = op.result.type
        op.operation.attributes["m_tile"] = d.I64.wrap(m_tile)
        op.result.set_type(d.ConcentratedType.make(t.rows, t.width, t.visual, t.vector, m_tile, t.layout))
