"""hoist-pruning: a layer that prunes does so before its queries.

In: a function in storage order, concentrated, whose layers prune after their attention.  Out: the same function, changed as `hoisting` says where
`focus.concentration` asks for it (`hoist`); where that is still left open, it is done.
"""
from __future__ import annotations

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import CONCENTRATION
from focus.dialects.support import get_attr
from focus.passes.manager import register_pass
from focus.passes.tensor.hoisting import hoist


@register_pass("hoist-pruning", anchor="func.func", level="tensors")
def hoist_pruning(function: ir.OpView) -> None:
    """Prune before the queries of a layer, not after its attention."""
    attr = get_attr(function, CONCENTRATION)
    if isinstance(attr, d.ConcentrationAttr) and attr.config().hoists:
        hoist(function)
