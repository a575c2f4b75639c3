"""fuse: what a GEMM's epilogue can do while results drain goes into `focus.linear`.

In: a function of tensor-level focus ops.  Out: the same function with activations, gated products, residual adds and row moments of norms
in the linear layers that produce their operands, and concatenations of concatenations in one.

An op moves into a producer only when nothing else uses what lies between.  The rewrites are the table `REWRITES`, tried in order.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch_mlir import ir

from focus.dialects import focus as d
from focus.passes.manager import register_pass
from focus.passes.tensor.tensor_ir import NORMS, body, definition, erase_dead, extra_attributes, linear_like, replace, rows, users


@register_pass("fuse", anchor="func.func", level="tensors")
def fuse(function: ir.OpView) -> None:
    """Fuse activations, gates, residuals and row moments into linear layers."""
    for rewrite in REWRITES:
        for op in body(function):
            if isinstance(op, rewrite.pattern):
                rewrite.apply(op)
    erase_dead(function)


# ---- helpers -----------------------------------------------------------------------------------------------------------------
def _only_user(value: ir.Value) -> bool:
    return len(users(value)) == 1


def _open_linear(value: ir.Value) -> ir.OpView | None:
    """The linear layer that makes a value, if nothing else uses it and neither residual nor moments are in it yet."""
    op = definition(value)
    return op if isinstance(op, d.LinearOp) and _only_user(value) and op.residual is None and op.moments is None else None


# ---- rewrites ----------------------------------------------------------------------------------------------------------------
def flatten_concat(op: ir.OpView) -> None:
    """concat(a, concat(b, c)) -> concat(a, b, c)"""
    inputs = []
    for value in op.inputs:
        inner = definition(value)
        inputs += inner.inputs if isinstance(inner, d.ConcatOp) and _only_user(value) else [value]
    if len(inputs) == len(op.inputs):
        return
    flat = d.ConcatOp.build(*inputs, results=op.result.type, attrs=extra_attributes(op), loc=op.location, ip=ir.InsertionPoint(op))
    inner = [definition(v) for v in op.inputs if v not in inputs]
    replace(op.result, flat.result)
    for concat in inner:
        concat.operation.erase()


def activation_into_linear(op: ir.OpView) -> None:
    """act(x Wᵀ + b)"""
    linear = _open_linear(op.x)
    if linear is not None and linear.activation == "none":
        replace(op.result, linear_like(linear, op, activation=op.kind).y)
        linear.operation.erase()


def gate_into_linear(op: ir.OpView) -> None:
    """silu(x Wgᵀ + bg) * (x Wuᵀ + bu)"""
    gate, up = _open_linear(op.a), _open_linear(op.b)
    if gate is None or up is None or sorted((gate.activation, up.activation)) != ["none", "silu"] or gate.x != up.x:
        return
    if gate.activation != "silu":
        gate, up = up, gate
    made = linear_like(gate, op, loc=op.location, activation="swiglu", up_weight=up.weight, up_bias=up.bias)
    replace(op.result, made.y)
    gate.operation.erase()
    up.operation.erase()


def residual_into_linear(op: ir.OpView) -> None:
    """x + (h Wᵀ + b); of two linear layers, the one whose result comes last, so that the residual is there before it."""
    for value, other in ((op.b, op.a), (op.a, op.b)):
        linear = _open_linear(value)
        if linear is not None and rows(value) == rows(op.result) and value != other and _last(linear, other):
            replace(op.result, linear_like(linear, op, residual=other).y)
            linear.operation.erase()
            return


def _last(linear: ir.OpView, other: ir.Value) -> bool:
    """Whether `other` is no open linear layer after `linear` in the program."""
    rival = _open_linear(other)
    return rival is None or rival.operation.is_before_in_block(linear.operation)


def moments_from_linear(op: ir.OpView) -> None:
    """norm(y), y = a linear layer's result"""
    linear = definition(op.x)
    if not isinstance(linear, d.LinearOp) or op.moments is not None or (isinstance(op, d.RMSNormOp) and op.heads > 1):
        return
    if linear.moments is None:
        made = linear_like(linear, linear, moments=True)
        replace(linear.y, made.y)
        linear = made
    bias = {"bias": op.bias} if isinstance(op, d.LayerNormOp) else {}
    norm = type(op).build(op.x, op.weight, **bias, eps=op.eps, moments=linear.moments, results=op.result.type, attrs=extra_attributes(op),
                          loc=op.location, ip=ir.InsertionPoint(op))
    replace(op.result, norm.result)


@dataclass(frozen=True)
class Rewrite:
    """`apply` is called on every op of the classes `pattern`; it changes the IR or leaves it."""
    pattern: type | tuple[type, ...]
    apply: Callable[[ir.OpView], None]
    reason: str


REWRITES = (
    Rewrite(d.ConcatOp, flatten_concat, "every row is copied once, to its final place"),
    Rewrite(d.ActivationOp, activation_into_linear, "the vector unit has the accumulators at hand; saves a round trip through DRAM"),
    Rewrite(d.MulOp, gate_into_linear, "both products of one sub-tile drain together; the input is read once for two weight matrices"),
    Rewrite(d.AddOp, residual_into_linear, "the residual is added before the one rounding to f16; a repeating one is a position embedding"),
    Rewrite(NORMS, moments_from_linear, "means and squared deviations build up while the previous GEMM drains, so the norm is one sweep"),
)
