"""Linear layers of few rows with the tokens as the stationary operand: weights stream, so that array passes are long.

In: a `Linear`, the mapping of each kernel.  Out: a kernel that makes the transposed result in DRAM (SwiGLU: two, gate first), and kernels that turn
it back, a tile of the array's size at a time: rows of an identity matrix stream through a tile of the result.  A residual is added to the
accumulators in the same way, before the one rounding; so nothing is rounded that would not be rounded otherwise, but a gate as in halves.
"""
from __future__ import annotations

from collections import deque
from dataclasses import replace

from torch_mlir import ir

from focus.dialects.mapping import GemmMapping
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.passes.kernels.linear import Linear, emit_dense, emit_group
from focus.passes.kernels.rows import Concentrated


def across(b: TileBuilder, lin: Linear, result: Mat) -> list[Linear]:
    """The layers whose result is the transposed [N, M] one: y^T = act(W x^T + bias) + residual^T; of SwiGLU, the activated gate and the product."""
    x = lin.dense_x
    part = replace(lin, weights=[x], out=result, residual=None, moments=None, ids=None, site=0, expanded=None, turn="across", added=lin.residual)
    columns = [None if bias is None else b.view(bias, bias.cols, 1) for bias in lin.biases]
    if len(lin.weights) == 1:
        return [replace(part, x=lin.weights[0], biases=columns, identity=lin.identity if lin.residual is not None else None)]
    gate = b.buffer("dram", lin.n, x.rows, "f16", "gate", "temp")
    return [replace(part, x=lin.weights[0], biases=columns[:1], out=gate, activation="silu", aside=True, identity=None),
            replace(part, x=lin.weights[1], biases=columns[1:], activation="none", residual=gate, combine="mul", identity=None)]


def emit_turned(b: TileBuilder, lin: Linear, mappings: tuple[GemmMapping, ...], loc: ir.Location) -> None:
    """Emit the kernels of `mappings`: those across, then the one back, or those of each shape of m-tile of a concentrated result."""
    todo = deque(mappings)
    result = b.buffer("dram", lin.n, lin.dense_x.rows, "f16", "turned", "temp")
    for layer in across(b, lin, result):
        emit_dense(b, layer, todo.popleft(), loc)
    back = replace(lin, x=None, weights=[result], biases=[None], activation="none", residual=None, turn="back")
    if not isinstance(lin.out, Concentrated):
        emit_dense(b, back, todo.popleft(), loc)
        return
    for group in lin.out.groups:
        emit_group(b, back, lin.out, group, todo, loc)

