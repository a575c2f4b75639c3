"""choose-hoisting: whether layers prune before their queries or after their attention, where the request leaves it open.

In: a function in storage order, concentrated, whose `focus.concentration` has `hoist = "auto"`.  Out: the same function; `hoist` is true or false,
and hoist-pruning does what it says.

Before its queries a pruning saves queries, attention and o_proj of the tokens it drops; but the prompt's queries, whose importance decides, are made
apart, so that the weights of q_proj are read twice.  Few tokens do not pay for that.  The ops in which the two differ are priced as `map` would map
them.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import CONCENTRATION
from focus.dialects.support import get_attr
from focus.passes.manager import register_pass
from focus.passes.mapping.parts import Kernels, kernels_of
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.passes.target import resolve_machine
from focus.passes.tensor.gathering import gather_on_the_way
from focus.passes.tensor.hoisting import hoist
from focus.passes.tensor.tensor_ir import body

WORTH = 0.85        #: of the price of what it replaces; kernels are priced alone, but small ones wait for each other, and hoisting has more of them


@register_pass("choose-hoisting", anchor="func.func", level="tensors", help={"machine": "name or file of the machine description"})
def choose_hoisting(function: ir.OpView, *, machine: str = "focus") -> None:
    """Choose whether layers prune before their queries, where the request leaves it open."""
    attr = get_attr(function, CONCENTRATION)
    if not isinstance(attr, d.ConcentrationAttr) or attr.config().hoist != "auto":
        return
    config, pays = attr.config(), True
    if any(isinstance(op, d.PruneOp) for op in body(function)):
        target = Target(resolve_machine(machine), config.vector)
        after, before = (_kernels(function, target, *changes) for changes in ((), (hoist,)))
        search = Search(target)
        pays = search.price_all(before - after) < WORTH * search.price_all(after - before)
        search.remember()
    function.attributes[CONCENTRATION] = d.ConcentrationAttr.make(config.model_copy(update={"hoist": pays}))


def _kernels(function: ir.OpView, target: Target, *changes: Callable[[ir.OpView], None]) -> Counter[Kernels]:
    """The kernels of a function after changes to its ops, where norms and linear layers gather what they can."""
    copy = function.operation.clone(ir.InsertionPoint(function))
    try:
        for change in changes:
            change(copy.opview)
        gather_on_the_way(copy.opview, target.machine)
        return kernels_of(copy.opview, target)
    finally:
        copy.erase()
