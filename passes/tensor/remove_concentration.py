"""remove-concentration: every concentrated operand back to the dense value it stands for.

In: a function with `focus.gather` ops.  Out: the same function without; pruning (SEC) stays, its results do not depend on SIC;
`focus.concentration` says so.
"""
from __future__ import annotations

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import CONCENTRATION
from focus.passes.manager import register_pass
from focus.passes.tensor.tensor_ir import body, erase_dead, replace


@register_pass("remove-concentration", anchor="func.func", level="tensors")
def remove_concentration(function: ir.OpView) -> None:
    """Undo similarity concentration: gather -> its dense operand."""
    for op in body(function):
        if isinstance(op, d.GatherOp):
            replace(op.result, op.x)
    erase_dead(function)
    if CONCENTRATION in function.attributes:
        config = function.attributes[CONCENTRATION].config()
        function.attributes[CONCENTRATION] = d.ConcentrationAttr.make(config.model_copy(update={"similarity": False, "overrides": ()}))
