"""fuse-concentration: a norm or linear layer whose result is only concentrated gathers it on its way out.

In: a function with `focus.gather` ops in storage order.  Out: the same function, changed as `gathering` says.
"""
from __future__ import annotations

from torch_mlir import ir

from focus.passes.manager import register_pass
from focus.passes.target import resolve_machine
from focus.passes.tensor.gathering import gather_on_the_way


@register_pass("fuse-concentration", anchor="func.func", level="tensors", help={"machine": "name or file of the machine description"})
def fuse_concentration(function: ir.OpView, *, machine: str = "focus") -> None:
    """Let norms and linear layers gather their results."""
    gather_on_the_way(function, resolve_machine(machine))
