"""convert-torch-to-focus: the torch dialect's backend form to the focus dialect on f16 matrices.

In: a module whose functions are in the torch dialect, as `compiler/frontend/importer.py` makes it (parameters and constant tables are
`vlm.param` operators; attention, RoPE and their relatives are single operators on rows).  Out: the same functions on `tensor<..xf16>`
matrices (integer inputs i32), weights as `focus.param`, every op at the location (module path) of the torch op it came from.

A torch value becomes a `View` on the row-major memory of a focus value, so reshapes, permutations and slices emit nothing; an op
that needs a matrix takes any view that is one, by `focus.reshape` and `focus.slice` of the memory.  The set of ops is closed (the
table `RULES`): any other op is an error that names the op and its module path.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from types import NoneType
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.support import DiagnosedError, OpError, path_of, verify
from focus.passes.manager import register_pass
from focus.passes.tensor.tensor_ir import erase_dead
from focus.passes.tensor.views import BadView, Box, View

PARAM = "torch.vlm.param"       #: the operator that stands for a parameter or constant table
PARAM_NAME = "vlm.name"         #: its attribute: the full name


@register_pass("convert-torch-to-focus", level="torch")
def convert_torch_to_focus(module: ir.Module) -> None:
    """Convert every function of the torch dialect to the focus dialect.  Raises OpError for an op or a shape without a mapping."""
    for function in list(module.body.operations):
        operation = function.operation
        if operation.name == "func.func" and "!torch" in str(operation.attributes["function_type"]) and len(operation.regions[0].blocks):
            Converter(operation).run()


class NoMapping(OpError):
    """An op outside the closed set, or one of the set used in a way it does not cover."""

    def __init__(self, op: ir.Operation, because: str = ""):
        super().__init__(op, because)
        self.text = f"no mapping for '{rule_name(op)}'" + (f": {because}" if because else "")
        path = path_of(self.location)
        self.args = (self.text + (f" ({path})" if path else ""),)


# ---- values --------------------------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Memory:
    """The row-major memory that views refer to: a focus value or a parameter, read in any shape, or a box of it."""
    shape: tuple[int, ...]
    make: Callable[[tuple[int, ...]], ir.Value]
    values: dict[tuple[int, ...] | Box, ir.Value] = field(default_factory=dict)

    def under(self, shape: Sequence[int]) -> ir.Value:
        """The value of the whole memory as a tensor of `shape`."""
        shape = tuple(shape)
        if shape not in self.values:
            self.values[shape] = self.make(shape)
        return self.values[shape]

    def box(self, box: Box) -> ir.Value:
        """The value of a box of the memory as a matrix."""
        whole = self.under((prod(self.shape) // box.pitch, box.pitch))
        sizes = [box.rows, box.cols]
        if sizes == list(whole.type.shape):
            return whole
        if box not in self.values:
            part = d.SliceOp.build(whole, offsets=[box.row, box.col], sizes=sizes, results=tensor(sizes, whole.type.element_type))
            self.values[box] = part.result
        return self.values[box]


def tensor(shape: Sequence[int], element: ir.Type) -> ir.Type:
    return ir.RankedTensorType.get(list(shape), element)


def value_tensor(type_: ir.Type) -> tuple[tuple[int, ...], str] | None:
    """Shape and element type name of a `!torch.vtensor` with static shape (the type is opaque to the bindings); else None."""
    found = re.fullmatch(r"!torch\.vtensor<\[([\d,]*)\],\s*(\w+)>", str(type_))
    return (tuple(int(n) for n in found[1].split(",") if n), found[2]) if found else None


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The shape of a torch value whose type has been checked."""
    known = value_tensor(value.type)
    assert known is not None, value.type
    return known[0]


def stored(name: str) -> ir.Type:
    """The element type in which the accelerator stores a torch element type: f16 for floats, i32 for integers."""
    return d.element_type("f16" if re.fullmatch(r"b?f\d+", name) else "i32")


# ---- the conversion --------------------------------------------------------------------------------------------------------
class Converter:
    """Converts one function; `views` maps torch values to views on focus memory."""

    def __init__(self, function: ir.Operation):
        self.old = function
        self.views: dict[ir.Value, View] = {}

    def run(self) -> None:
        block = self.old.regions[0].blocks[0]
        terminator = block.operations[len(block.operations) - 1]
        arguments = [self._argument_type(a) for a in block.arguments]
        results = [tensor(*self._matrix_type(v)) for v in terminator.operands]
        new = ir.Operation.create("func.func", regions=1, loc=self.old.location, ip=ir.InsertionPoint(self.old), attributes={
            **{k: self.old.attributes[k] for k in self.old.attributes if k != "function_type" and not k.startswith("torch.")},
            "function_type": ir.TypeAttr.get(ir.FunctionType.get(arguments, results))})
        body = new.regions[0].blocks.append(*arguments, arg_locs=[a.location for a in block.arguments])
        for old, value in zip(block.arguments, body.arguments):
            self.views[old] = self.view_of(value, shape_of(old))
        with ir.InsertionPoint(body):
            for op in _live(block):
                self._convert(op)
            with terminator.location:
                ir.Operation.create("func.return", operands=[self.matrix(terminator, v) for v in terminator.operands])
        self.old.erase()
        erase_dead(new)

    def _argument_type(self, argument: ir.Value) -> ir.Type:
        known = value_tensor(argument.type)
        if known is None:
            raise OpError(self.old, f"argument {argument.arg_number} is {argument.type}; a torch tensor of static shape expected")
        return tensor(known[0], stored(known[1]))

    def _matrix_type(self, value: ir.Value) -> tuple[tuple[int, ...], ir.Type]:
        known = value_tensor(value.type)
        if known is None:
            raise OpError(self.old, f"returns {value.type}; a torch tensor of static shape expected")
        return (prod(known[0][:-1]), known[0][-1] if known[0] else 1), stored(known[1])

    def _convert(self, op: ir.Operation) -> None:
        rule, result = RULES.get(rule_name(op)), op.results[0]
        if rule is None:
            raise NoMapping(op)
        known = value_tensor(result.type)
        if known is None:
            raise NoMapping(op, f"its result {result.type} has no static shape")
        try:
            with op.location:
                view = rule(self, op)
        except BadView as e:
            raise NoMapping(op, str(e)) from e
        if view is None:
            raise NoMapping(op, f"its result of shape {list(known[0])} is no view of its operand; that would move data")
        if view.shape != known[0]:
            raise NoMapping(op, f"its result has shape {list(known[0])}, but its operands make {list(view.shape)}")
        self.views[result] = view

    # -- operands --
    def view(self, op: ir.Operation, index: int) -> View:
        """The view of a tensor operand."""
        return self.view_at(op, self.operand(op, index), index)

    def view_at(self, op: ir.Operation, value: ir.Value, index: int) -> View:
        if value not in self.views:
            raise NoMapping(op, f"operand {index} is {value.type}; a tensor expected")
        return self.views[value]

    @staticmethod
    def operand(op: ir.Operation, index: int) -> ir.Value:
        if index >= len(op.operands):
            raise NoMapping(op, f"it has {len(op.operands)} operands; {index + 1} or more expected")
        return op.operands[index]

    def scalar(self, op: ir.Operation, index: int, *kinds: type) -> Any:
        """The Python value of a constant operand (int, float, bool, str, None, or a list of them), which is one of `kinds`, if there are any."""
        value = _constant(op, self.operand(op, index))
        if kinds and type(value) not in kinds:
            raise NoMapping(op, f"operand {index} is {value!r}; {' or '.join(k.__name__ for k in kinds)} expected")
        return value

    def matrix(self, op: ir.Operation, operand: int | ir.Value) -> ir.Value:
        """The focus matrix of a tensor operand: all axes but the last are rows, the last one is the features."""
        view = self.view(op, operand) if isinstance(operand, int) else self.view_at(op, operand, 0)
        last = max(view.rank - 1, 0)
        return self.as_matrix(op, view, range(last), range(last, view.rank))

    def as_matrix(self, op: ir.Operation, view: View, rows: Sequence[int], cols: Sequence[int]) -> ir.Value:
        """The focus matrix of a view with these axes as rows and columns: the memory reshaped and sliced as needed."""
        memory: Memory = view.root
        box = view.box(rows, cols, memory.shape)
        if box is None:
            raise NoMapping(op, f"an operand of shape {list(view.shape)} with strides {list(view.strides)} is no matrix with "
                                "adjacent features and one row stride")
        return memory.box(box)

    def array(self, op: ir.Operation, view: View) -> ir.Value:
        """The focus value of a view of any rank that is dense: the whole memory, or consecutive blocks of it."""
        memory: Memory = view.root
        if view.reshape([prod(memory.shape)]) == View.dense(memory, [prod(memory.shape)]):
            return memory.under(view.shape)
        blocks = self.as_matrix(op, view, [0], range(1, view.rank))
        return d.ReshapeOp.build(blocks, results=tensor(view.shape, blocks.type.element_type)).result

    def vector(self, op: ir.Operation, index: int) -> ir.Value | None:
        """The focus vector of a 1-d operand, which must be the whole of its memory; None for torch's None."""
        if self.operand(op, index) not in self.views:
            return None
        view = self.view(op, index)
        if view.strides != (1,) or view.shape != (prod(view.root.shape),):
            raise NoMapping(op, f"operand {index} of shape {list(view.shape)} is no whole vector")
        return view.root.under(view.shape)

    # -- results --
    def view_of(self, value: ir.Value, shape: Sequence[int]) -> View:
        """The dense view of a new focus value, seen as `shape`."""
        element = value.type.element_type

        def reshaped(other: tuple[int, ...]) -> ir.Value:
            return d.ReshapeOp.build(value, results=tensor(other, element)).result
        have = tuple(value.type.shape)
        return View.dense(Memory(have, reshaped, {have: value}), shape)

    def result(self, op: ir.Operation, made: ir.Operation) -> View:
        """The view of the first result of `made`, which holds the result of `op` in row-major order."""
        try:
            verify(made)
        except DiagnosedError as e:             # of operands that the torch dialect lets pass
            raise NoMapping(op, e.diagnostics[0].message if e.diagnostics else str(e)) from e
        return self.view_of(made.operation.results[0], shape_of(op.results[0]))


def rule_name(op: ir.Operation) -> str:
    """The name an op has in `RULES`: that of the operator, for `torch.operator`."""
    return op.attributes["name"].value if op.operation.name == "torch.operator" else op.operation.name


def _live(block: ir.Block) -> list[ir.Operation]:
    """The ops that make tensors the terminator needs, in program order; constants and lists are read where they are used."""
    operations = [o.operation for o in block.operations]
    needed, live = set(operations[-1].operands), []
    for op in reversed(operations[:-1]):
        if not needed.isdisjoint(op.results):
            needed.update(op.operands)
            if any(str(r.type).startswith("!torch.vtensor") for r in op.results):
                live.append(op)
    return live[::-1]


def _constant(op: ir.Operation, value: ir.Value) -> Any:
    if not isinstance(value.owner, ir.Block):
        owner = value.owner.operation
        if owner.name == "torch.constant.none":
            return None
        if owner.name.startswith("torch.constant."):
            return owner.attributes["value"].value
        if owner.name == "torch.prim.ListConstruct":
            return [_constant(op, v) for v in owner.operands]
    raise NoMapping(op, "an operand that must be a constant is computed")


# ---- rules -----------------------------------------------------------------------------------------------------------------
Rule = Callable[[Converter, ir.Operation], "View | None"]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function in `RULES`.  It returns the view of the op's result, or None where that would move data."""
    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function
    return enter


def _view_rule(function: Callable[..., View | None]) -> Rule:
    """A rule for an op that only changes shape and strides; its operands after the tensor are constants."""
    return lambda c, op: function(c.view(op, 0), *(c.scalar(op, i) for i in range(1, len(op.operands))))


RULES.update({
    "torch.aten.view": _view_rule(View.reshape),
    "torch.aten.permute": _view_rule(View.permute),
    "torch.aten.transpose.int": _view_rule(View.transpose),
    "torch.aten.unsqueeze": _view_rule(View.unsqueeze),
    "torch.aten.squeeze.dim": _view_rule(View.squeeze),
    "torch.aten.select.int": _view_rule(View.select),
    "torch.aten.slice.Tensor": _view_rule(View.slice),
})


@rule(PARAM)
def _param(c: Converter, op: ir.Operation) -> View:
    known = value_tensor(op.results[0].type)
    assert known is not None, op
    if PARAM_NAME not in op.attributes or not isinstance(op.attributes[PARAM_NAME], ir.StringAttr):
        raise NoMapping(op, f"it has no string {PARAM_NAME}")
    name, loc, shape, element = op.attributes[PARAM_NAME].value, op.location, known[0], stored(known[1])

    def param(other: tuple[int, ...]) -> ir.Value:
        return d.ParamOp.build(name=name, row_order="as_is", results=tensor(other, element), loc=loc).result
    return View.dense(Memory(shape, param), shape)


@rule("torch.aten.linear")
def _linear(c: Converter, op: ir.Operation) -> View:
    x, weight = c.matrix(op, 0), c.matrix(op, 1)
    made = d.LinearOp.build(x, weight, bias=c.vector(op, 2), activation="none",
                            results=tensor([x.type.shape[0], weight.type.shape[0]], x.type.element_type))
    return c.result(op, made)


CACHE = "torch.vlm.cache"       #: the operator that stands for a cache


@rule(CACHE)
def _cache(c: Converter, op: ir.Operation) -> View:
    known = value_tensor(op.results[0].type)
    assert known is not None, op
    numbers = {name: ir.IntegerAttr(op.attributes[f"vlm.{name}"]).value for name in ("requests", "lead", "held", "room")}
    made = d.CacheOp.build(name=ir.StringAttr(op.attributes[PARAM_NAME]).value, results=tensor(known[0], stored(known[1])), **numbers)
    return c.view_of(made.result, known[0])


@rule("torch.vlm.cache_append")
def _cache_append(c: Converter, op: ir.Operation) -> View:
    cache = c.matrix(op, 0)
    return c.result(op, d.CacheAppendOp.build(cache, c.matrix(op, 1), results=cache.type))


@rule("torch.vlm.cached_attention")
def _cached_attention(c: Converter, op: ir.Operation) -> View:
    q, k, v = (c.matrix(op, i) for i in range(3))
    heads = c.scalar(op, 4, int)
    made = d.CachedAttentionOp.build(q, k, v, heads=heads, kv_heads=c.scalar(op, 5, int), head_dim=q.type.shape[1] // heads,
                                     scale=c.scalar(op, 6, float), cap=c.scalar(op, 7, float), results=q.type)
    return c.result(op, made)


@rule("torch.vlm.rope_at")
def _rope_at(c: Converter, op: ir.Operation) -> View:
    x, cos, sin = (c.matrix(op, i) for i in range(3))
    made = d.StepRopeOp.build(x, cos, sin, head_dim=cos.type.shape[1], new=c.scalar(op, 4, int), results=x.type)
    return c.result(op, made)


@rule("torch.vlm.resample")
def _resample(c: Converter, op: ir.Operation) -> View:
    rhs, lhs = c.matrix(op, 0), c.matrix(op, 1)
    batch = c.view(op, 0).shape[0]
    made = d.MatmulOp.build(lhs, rhs, batch=batch, results=tensor([batch * lhs.type.shape[0], rhs.type.shape[1]], rhs.type.element_type))
    return c.result(op, made)


def _epsilon(given: float | None) -> float:
    """The epsilon of an RMS norm; where none is given, the machine epsilon of float32, as in PyTorch."""
    return 2.0 ** -23 if given is None else given


@rule("torch.aten.rms_norm")
def _rms_norm(c: Converter, op: ir.Operation) -> View:
    _check_norm(c, op)
    x, weight = c.matrix(op, 0), c.vector(op, 2)
    if weight is None:
        raise NoMapping(op, "it has no weight")
    return c.result(op, d.RMSNormOp.build(x, weight, eps=_epsilon(c.scalar(op, 3, float, NoneType)), results=x.type))


@rule("torch.vlm.head_norm")
def _head_norm(c: Converter, op: ir.Operation) -> View:
    x = c.matrix(op, 0)
    return c.result(op, d.RMSNormOp.build(x, c.vector(op, 1), eps=c.scalar(op, 2, float), results=x.type))


@rule("torch.aten.layer_norm")
def _layer_norm(c: Converter, op: ir.Operation) -> View:
    _check_norm(c, op)
    x, weight, bias = c.matrix(op, 0), c.vector(op, 2), c.vector(op, 3)
    if weight is None or bias is None:
        raise NoMapping(op, "it has no weight or no bias")
    return c.result(op, d.LayerNormOp.build(x, weight, bias, eps=c.scalar(op, 4, float), results=x.type))


def _check_norm(c: Converter, op: ir.Operation) -> None:
    shape, over = c.view(op, 0).shape, c.scalar(op, 1, list)
    if over != [shape[-1]]:
        raise NoMapping(op, f"it normalises over {over} of {list(shape)}; only the last axis is mapped")


@rule("torch.vlm.rope")
def _rope(c: Converter, op: ir.Operation) -> View:
    x, cos, sin = (c.matrix(op, i) for i in range(3))
    return c.result(op, d.RopeOp.build(x, cos, sin, head_dim=cos.type.shape[1], results=x.type))


@rule("torch.vlm.attention")
def _attention(c: Converter, op: ir.Operation) -> View:
    q, k, v = (c.matrix(op, i) for i in range(3))
    heads, kv_heads, scale = c.scalar(op, 3, int), c.scalar(op, 4, int), c.scalar(op, 5, float)
    cap, causal, segments = c.scalar(op, 6, float), c.scalar(op, 7, int, bool), c.scalar(op, 8, list)
    if heads < 1:
        raise NoMapping(op, f"it has {heads} heads")
    made = d.AttentionOp.build(q, k, v, heads=heads, kv_heads=kv_heads, head_dim=q.type.shape[1] // heads, scale=scale, cap=cap,
                               causal=bool(causal), segments=segments if len(segments) > 1 else [], results=q.type)
    return c.result(op, made)


@rule("torch.vlm.patch_embed")
def _patch_embed(c: Converter, op: ir.Operation) -> View:
    pixels, kernel = c.view(op, 0), c.view(op, 1)
    if pixels.rank != 4 or kernel.rank != 4:
        raise NoMapping(op, f"images and a kernel of rank 4 expected, got {list(pixels.shape)} and {list(kernel.shape)}")
    count, _, height, width = pixels.shape
    dim, _, patch, across = kernel.shape
    if patch != across or patch > min(height, width):
        raise NoMapping(op, f"square patches that fit the image expected, got {patch}x{across} for images of {height}x{width}")
    weight = c.as_matrix(op, kernel, [0], [1, 2, 3])
    made = d.PatchEmbedOp.build(c.array(op, pixels), weight, bias=c.vector(op, 2), patch=patch,
                                results=tensor([count * (height // patch) * (width // patch), dim], ir.F16Type.get()))
    return c.result(op, made)


def _activation_rule(kind: Callable[[Converter, ir.Operation], str]) -> Rule:
    def convert(c: Converter, op: ir.Operation) -> View:
        order = c.view(op, 0).memory_order()
        view = c.view(op, 0).permute(order)
        x = c.as_matrix(op, view, range(view.rank - 1), [view.rank - 1])
        return c.view_of(d.ActivationOp.build(x, kind=kind(c, op), results=x.type).result, view.shape).permute(_inverse(order))
    return convert


RULES.update({
    "torch.aten.silu": _activation_rule(lambda c, op: "silu"),
    "torch.aten.relu": _activation_rule(lambda c, op: "relu"),
    "torch.aten.gelu": _activation_rule(lambda c, op: "gelu_tanh" if c.scalar(op, 1) == "tanh" else "gelu_erf"),
    "torch.vlm.gelu_quick": _activation_rule(lambda c, op: "gelu_quick"),
})


def _elementwise_rule(kind: type[d.Elementwise]) -> Rule:
    """Sum, product or the like in the memory order of the operand with the result's shape; the other may repeat over leading axes."""
    def convert(c: Converter, op: ir.Operation) -> View:
        if len(op.operands) > 2 and c.scalar(op, 2) != 1:
            raise NoMapping(op, f"its alpha is {c.scalar(op, 2)}; only 1 is mapped")
        shape = shape_of(op.results[0])
        a, b = (c.view(op, i) for i in range(2))
        a, b = (a, b) if a.shape == shape else (b, a)
        if a.shape != shape:
            raise NoMapping(op, "both operands are broadcast")
        repeated = b.expand(shape)
        if repeated is None:
            raise NoMapping(op, f"its operands have shapes {list(a.shape)} and {list(b.shape)}")
        order = a.memory_order()
        a, b = a.permute(order), repeated.permute(order)
        rows, last = range(a.rank - 1), [a.rank - 1]
        x, y = c.as_matrix(op, a, rows, last), c.as_matrix(op, b, b.period(rows), last)
        made = kind.build(x, y, results=x.type)
        return c.view_of(made.result, a.shape).permute(_inverse(order))
    return convert


RULES.update({"torch.aten.add.Tensor": _elementwise_rule(d.AddOp), "torch.aten.mul.Tensor": _elementwise_rule(d.MulOp)})


@rule("torch.aten.cat")
def _cat(c: Converter, op: ir.Operation) -> View:
    """Rows one after another; where axes of the memory stand outside the concatenated one, block by block."""
    views = [c.views[v] for v in op.operands[0].owner.operands]
    order = max(views, key=lambda v: prod(v.shape)).memory_order()
    at = order.index(views[0].axis(c.scalar(op, 1, int)))
    if at == len(order) - 1:
        raise NoMapping(op, "it concatenates features, not rows")
    pieces = [v.permute(order) for v in views if prod(v.shape)]
    for axis in range(at):
        if any(p.shape[axis] != 1 for p in pieces):
            raise NoMapping(op, "it interleaves rows")
    matrices = [c.as_matrix(op, p, range(p.rank - 1), [p.rank - 1]) for p in pieces]
    rows = sum(m.type.shape[0] for m in matrices)
    made = d.ConcatOp.build(*matrices, results=tensor([rows, matrices[0].type.shape[1]], matrices[0].type.element_type))
    shape = shape_of(op.results[0])
    return c.view_of(made.result, [shape[a] for a in order]).permute(_inverse(order))


@rule("torch.aten.embedding")
def _embedding(c: Converter, op: ir.Operation) -> View:
    table, ids = c.matrix(op, 0), c.view(op, 1)
    rows = c.as_matrix(op, ids, [], range(ids.rank))
    made = d.EmbeddingOp.build(rows, table, results=tensor([prod(ids.shape), table.type.shape[1]], table.type.element_type))
    return c.result(op, made)


@rule("torch.vlm.take_rows")
def _take_rows(c: Converter, op: ir.Operation) -> View:
    x, indices = c.matrix(op, 0), c.vector(op, 1)
    if indices is None:
        raise NoMapping(op, "it has no row numbers")
    made = d.TakeRowsOp.build(x, indices, results=tensor([indices.type.shape[0], x.type.shape[1]], x.type.element_type))
    return c.result(op, made)


@rule("torch.vlm.add_visual")
def _add_visual(c: Converter, op: ir.Operation) -> View:
    x, features = c.matrix(op, 0), c.matrix(op, 1)
    return c.result(op, d.AddVisualOp.build(x, features, runs=c.scalar(op, 2, list), results=x.type))


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=lambda i: order[i])
