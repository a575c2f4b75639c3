"""Gathering a result on its way out, as a mark on the op that makes it.

In: a function with `focus.gather` ops in storage order.  Out: the same function; each norm or linear layer that gathers its own result has the
attribute `focus.gathers`.  Its `focus.gather` stays and says how, but no kernel of its own reads the result back.

A norm can always gather.  A linear layer can where it adds no residual, collects no moments, its m-tiles are those of the gather, and every
sub-tile of the result, which is as wide as the array, has the same number of vectors, the last too.
"""
from __future__ import annotations

from torch_mlir import ir

from focus.dialects import focus as d
from focus.passes.tensor.tensor_ir import body, definition, users
from focus.runtime.spec.machine import Machine


def gather_on_the_way(function: ir.OpView, machine: Machine) -> None:
    """Let norms and linear layers gather their results."""
    for op in body(function):
        if isinstance(op, d.GatherOp):
            producer = definition(op.x)
            if producer is not None and _only_user(op) and _can_gather(producer, op, machine):
                producer.operation.attributes[d.GATHERS] = ir.UnitAttr.get()


def _only_user(gather: ir.OpView) -> bool:
    """Whether the value has no other reader.  Attention reads the text rows of its queries dense, so it is a user too."""
    return len(users(gather.x)) == 1 and not any(isinstance(op, d.AttentionOp) for op in users(gather.result))


def _can_gather(producer: ir.OpView, gather: ir.OpView, machine: Machine) -> bool:
    if isinstance(producer, d.RMSNormOp):
        return producer.heads == 1
    if isinstance(producer, d.LayerNormOp):
        return True
    if not isinstance(producer, d.LinearOp) or producer.residual is not None or producer.moments is not None:
        return False
    given, made = producer.x.type, gather.result.type
    alike = not isinstance(given, d.ConcentratedType) or (given.visual, given.rows, given.m_tile) == (made.visual, made.rows, made.m_tile)
    cols, vectors = machine.geometry.cols, -(-made.width // gather.vector)
    return alike and cols % gather.vector == 0 and vectors % (cols // gather.vector) == 0
