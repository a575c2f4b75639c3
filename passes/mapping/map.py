"""map: how each op is cut into tiles, what stays on chip and which form it takes.

In: functions in storage order, after fuse-concentration.  Out: the same, with `#focus.mapping` on every op that moves or computes something.
`tile` only reads it: change a number in the text and go on with `--tile`.

Which kernels an op has follows from its types, attributes and the token layout (`kernel_forms`).  For each, the legal mapping that the cost model
finds cheapest is taken.  Where an op has several forms (queries expanded, kept or spilled; SwiGLU at once or in halves), that of the lowest sum.
`overrides` is a TOML file: tables named by module path, whose keys fix fields of the mappings, or `form`; later tables win.  A table whose name
has `*` or `?` holds wherever what it says is legal; one that names a single op must be legal.
An op that already has a mapping keeps it, if it is legal.
"""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.mapping import MAPPING, GemmMapping, KernelMapping, Mapping, from_dict, to_dict
from focus.dialects.support import OpError, get_attr, path_of
from focus.passes.kernels.attention import Heads, causal_sections, group_form, importance_form, section_form, segment_sections, separable
from focus.passes.kernels.forms import Form, GemmForm, RowsForm
from focus.passes.kernels.linear import SLOW
from focus.passes.kernels.places import ceil
from focus.passes.kernels.rows import TileGroup, split
from focus.passes.kernels.spilled import spill_form
from focus.passes.manager import register_pass
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target, m_tile_rows, problem
from focus.passes.target import resolve_machine
from focus.passes.tensor.tensor_ir import gather_of
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, read_toml
from focus.runtime.spec.geometry import PUBLISHED_SIDE

_HELP = {"machine": "name or file of the machine description", "overrides": "TOML file that fixes mappings by module path",
         "save": "TOML file to write with all mappings chosen, which `overrides` takes",
         "search": "simulate this many of the best mappings of each form, in parallel processes, and take the best; 0: trust the cost model"}


@register_pass("map", anchor="func.func", level="tensors", help=_HELP)
def map(function: ir.OpView, *, machine: str = "focus", overrides: str = "", save: str = "", search: int = 0) -> None:
    """Write `#focus.mapping` on every op: tile sizes, what stays, form, buffering."""
    ops = list(function.regions[0].blocks[0].operations) if len(function.regions[0].blocks) else []
    vectors = [op.vector for op in ops if isinstance(op, fd.GatherOp)]
    target = Target(resolve_machine(machine), vectors[0] if vectors else PUBLISHED_SIDE)
    Mapper(function, target, Overrides.read(overrides) if overrides else Overrides(), search).run(ops)
    if save:
        with atomic_write(save) as path:
            path.write_text(to_toml(mappings_of(function)), encoding="utf-8")


# ---- overrides ---------------------------------------------------------------------------------------------------------------
@dataclass
class Overrides:
    """What the user fixed: (pattern of module paths, form or None, whole mappings or None, fields), in the order of the file."""
    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    source: str = ""

    @classmethod
    def read(cls, path: str) -> Overrides:
        """The tables of a file.  Raises FocusError where one is none."""
        tables = read_toml(path)
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise FocusError(f"{path}: {name}: expected a table named by a module path or pattern")
            for key, value in table.items():
                if key == "kernels":
                    for kernel in value if isinstance(value, list) else [value]:
                        from_dict(kernel if isinstance(kernel, dict) else {}, f"{path}: [{name}] kernels")
                elif isinstance(value, (list, dict, float)):
                    raise FocusError(f"{path}: [{name}] {key}: expected a number, a truth value or a word")
        return cls(list(tables.items()), path)

    def of(self, path: str) -> tuple[dict[str, Any], bool]:
        """What is fixed for the op at a module path, and whether it must be legal there."""
        found: dict[str, Any] = {}
        for pattern, table in self.entries:
            if path == pattern or fnmatchcase(path, pattern):
                found |= table
        return found, path in dict(self.entries)


# ---- the pass ----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Choice:
    """One way to do a part of an op: its form's name, and the forms of its kernels in the order of emission."""
    form: str
    kernels: tuple[Form, ...]


class Mapper:
    """Maps the ops of one function."""

    def __init__(self, function: ir.OpView, target: Target, overrides: Overrides, width: int = 0):
        self.function, self.target, self.overrides = function, target, overrides
        self.search = Search(target, width)
        self.context = Context(function, target)
        self.counts: dict[str, int] = {}

    def run(self, ops: list[ir.OpView]) -> None:
        parted = [(op, list(self.context.parts(op))) for op in ops]
        self.search.decide(Counter(form for _, parts in parted for choices in parts for choice in choices for form in choice.kernels))
        for op, parts in parted:
            path = key_of(op, self.counts)
            if not parts:
                continue
            try:
                given, (fixed, strict) = fd.mapping_of(op), self.overrides.of(path)
                mapping = self._whole(fixed) if "kernels" in fixed else given
                if mapping is None:
                    mapping = self._choose(parts, fixed, strict)
                else:
                    check(self.target, parts, mapping)
            except OpError:
                raise
            except FocusError as e:
                raise OpError(op, str(e)) from None
            op.operation.attributes[MAPPING] = fd.MappingAttr.make(mapping)

    def _whole(self, fixed: dict[str, Any]) -> Mapping:
        return Mapping(fixed.get("form", "dense"), tuple(from_dict(k, self.overrides.source) for k in fixed["kernels"]))

    def _choose(self, parts: list[list[Choice]], fixed: dict[str, Any], strict: bool) -> Mapping:
        wanted, fields = fixed.get("form"), {k: v for k, v in fixed.items() if k != "form"}
        kernels: list[KernelMapping] = []
        name = ""
        known = list(dict.fromkeys(c.form for part in parts for c in part))
        if strict and wanted is not None and wanted not in known:
            raise FocusError(f"has no form '{wanted}'; it has {', '.join(known)}")
        for choices in parts:
            allowed = [c for c in choices if c.form == wanted] or choices
            if not strict and all(self._price(c, fields) == inf for c in allowed):
                allowed = choices
            best = min(allowed, key=lambda c: self._price(c, fields)) if len(allowed) > 1 else allowed[0]
            name = name if len(choices) == 1 and name else best.form
            for form in best.kernels:
                mapping = self.search.choose(form, fields if strict or self.search.price(form, fields) < inf else {})
                kernels.append(mapping)
                rest = rest_of(self.target, form, mapping)
                if rest is not None:        # columns left over after whole n-tiles have a kernel of their own
                    kernels.append(self.search.choose(rest, fields if self.search.price(rest, fields) < inf else {}))
        return Mapping(name, tuple(kernels))

    def _price(self, choice: Choice, fields: dict[str, Any]) -> float:
        """Cost of a choice, with the fields that are fixed where they can be; infinity where a kernel has no mapping."""
        if not choice.kernels:
            return inf
        priced = [(self.search.price(form, fields), form) for form in choice.kernels]
        return sum(price if price < inf else self.search.price(form) for price, form in priced)


def rest_of(target: Target, form: Form, mapping: KernelMapping) -> GemmForm | None:
    """The form of the columns left over after whole n-tiles, where the result is gathered."""
    if not isinstance(form, GemmForm) or not isinstance(mapping, GemmMapping) or not form.gathered:
        return None
    cols = target.geometry.cols
    rest = ceil(form.n, cols) % (mapping.n // cols)
    return replace(form, n=form.n - (ceil(form.n, cols) - rest) * cols) if rest else None


def check(target: Target, parts: list[list[Choice]], mapping: Mapping) -> None:
    """Raise FocusError where a given mapping is not legal for an op of these parts."""
    for form, kernel in assigned(target, parts, mapping):
        wrong = problem(target, form, kernel)
        if wrong:
            raise FocusError(f"its mapping is not legal: {wrong}")


def assigned(target: Target, parts: list[list[Choice]], mapping: Mapping) -> Iterator[tuple[Form, KernelMapping]]:
    """The kernels of an op of these parts with their mappings.  Raises FocusError where the mapping has others."""
    todo = list(mapping.kernels)
    for choices in parts:
        fitting = [c for c in choices if len(choices) == 1 or _matches(c, mapping, todo)]
        if not fitting:
            raise FocusError(f"has no form '{mapping.form}'; it has {', '.join(c.form for c in choices)}")
        for first in fitting[0].kernels:
            form: Form | None = first
            while form is not None:
                if not todo:
                    raise FocusError(f"its mapping has {len(mapping.kernels)} kernels, expected more")
                kernel = todo.pop(0)
                if isinstance(form, GemmForm) and getattr(kernel, "form", None) != form.half:
                    raise FocusError(f"its mapping has a kernel \"{getattr(kernel, 'form', kernel.kind)}\", expected \"{form.half}\"")
                yield form, kernel
                form = rest_of(target, form, kernel)
    if todo:
        raise FocusError(f"its mapping has {len(mapping.kernels)} kernels, expected {len(mapping.kernels) - len(todo)}")


def _matches(choice: Choice, mapping: Mapping, todo: list[KernelMapping]) -> bool:
    """Whether a mapping takes this choice: by the form of the op, or by that of the next kernel."""
    if choice.form in ("at_once", "halves"):
        return bool(todo) and (getattr(todo[0], "form", "") == "gate") == (choice.form == "halves")
    return choice.form == mapping.form


def key_of(op: ir.OpView, counts: dict[str, int]) -> str:
    """The name of an op in a file of mappings: its module path; the second op of the same path is `path#1`, and so on."""
    path = path_of(op) or op.operation.name
    number = counts.get(path, 0)
    counts[path] = number + 1
    return f"{path}#{number}" if number else path


def mappings_of(function: ir.OpView) -> dict[str, Mapping]:
    """The mappings of a mapped function, by the name of each op in a file."""
    counts: dict[str, int] = {}
    found = {}
    for op in function.regions[0].blocks[0].operations:
        key, mapping = key_of(op, counts), fd.mapping_of(op)
        if mapping is not None:
            found[key] = mapping
    return found


def to_toml(mappings: dict[str, Mapping]) -> str:
    """The text of a file of mappings: a table for each op, all its kernels in it."""
    lines = []
    for key, mapping in mappings.items():
        kernels = ["    {" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in to_dict(kernel).items()) + "}," for kernel in mapping.kernels]
        lines += [f"[{json.dumps(key)}]", f"form = {json.dumps(mapping.form)}", "kernels = [", *kernels, "]", ""]
    return "\n".join(lines)


# ---- what kernels an op has --------------------------------------------------------------------------------------------------
class Context:
    """The kernels of each op of a function: their forms, and the alternatives."""

    def __init__(self, function: ir.OpView, target: Target):
        self.target = target
        self.tokens = get_attr(function, "focus.tokens")
        self.visual = self.tokens.V if self.tokens is not None else 0

    def parts(self, op: ir.OpView) -> Iterator[list[Choice]]:
        """For each part of an op, the ways to do it; none for an op that is only another view."""
        handler = _PARTS.get(op.operation.name)
        return handler(self, op) if handler else iter(())

    def lead(self) -> int:
        """Text rows in front of some visual token, which may see them."""
        return sum(self.tokens.run_list[-1]) - self.visual if self.visual else 0

    def groups(self, type_: fd.ConcentratedType) -> tuple[TileGroup, ...]:
        """The m-tiles of a concentrated value."""
        return split(type_.visual, type_.rows - type_.visual, type_.m_tile, m_tile_rows(self.target))

    def linear(self, op: ir.OpView) -> Iterator[list[Choice]]:
        gather = gather_of(op)
        x = op.x.type
        conc = x if isinstance(x, fd.ConcentratedType) else gather.result.type if gather is not None else None
        rows, n = op.y.type.shape
        k = op.weight.type.shape[1]
        period = rows if op.residual is None else op.residual.type.shape[0]
        biases = (op.bias is not None) + (op.up_bias is not None)
        base = GemmForm(period, n, k, 1 if op.up_weight is None else 2, residual=op.residual is not None, moments=op.moments is not None,
                        gathered=gather is not None, slow=op.activation in SLOW, biases=biases, repeat=rows // period,
                        unique=isinstance(x, fd.ConcentratedType))
        forms = [base] if conc is None else [replace(base, rows=g.rows, visual=g.visual, tiles=g.count, repeat=1) for g in self.groups(conc)]
        for form in forms:
            choices = [Choice("at_once" if op.up_weight is not None else "dense", (form,))]
            if op.activation == "swiglu" and op.residual is None and op.moments is None:
                gate = replace(form, weights=1, half="gate", gathered=False, slow=True, aside=True, biases=int(op.bias is not None))
                product = replace(form, weights=1, half="product", residual=True, slow=False, biases=int(op.up_bias is not None))
                choices.append(Choice("halves", (gate, product)))       # of equal cost, both products at once are taken
            yield choices

    def matmul(self, op: ir.OpView) -> Iterator[list[Choice]]:
        (m, k), n = op.lhs.type.shape, op.rhs.type.shape[1]
        yield [Choice("dense", (GemmForm(m, n, k, resample=True, repeat=op.batch),))]

    def norm(self, op: ir.OpView) -> Iterator[list[Choice]]:
        if fd.GATHERS in op.operation.attributes:
            return
        heads = op.heads if isinstance(op, fd.RMSNormOp) else 1
        rows, cols = op.x.type.shape
        yield [Choice("dense", (RowsForm("norm", rows * heads, cols // heads, moments=op.moments is not None,
                                         bias=isinstance(op, fd.LayerNormOp)),))]

    def gather(self, op: ir.OpView) -> Iterator[list[Choice]]:
        producer = op.x.owner.opview if not isinstance(op.x.owner, ir.Block) else None
        fused = producer is not None and fd.GATHERS in producer.operation.attributes
        norm = producer if fused and not isinstance(producer, fd.LinearOp) else None
        largest = max(self.groups(op.result.type), key=lambda g: g.rows)
        what = "gather_norm" if norm is not None else "cut" if fused else "gather"
        form = RowsForm(what, largest.rows, op.result.type.width, moments=norm is not None and norm.moments is not None,
                        bias=isinstance(norm, fd.LayerNormOp), visual=max(g.visual for g in self.groups(op.result.type)))
        yield [Choice("compact", (form,))]

    def rope(self, op: ir.OpView) -> Iterator[list[Choice]]:
        rows, cols = op.x.type.shape
        yield [Choice("dense", (RowsForm("rope", rows, cols, head=op.head_dim, second=op.ids is not None),))]

    def sections(self, op: ir.OpView) -> list:
        """Sections of dense query rows, all of them or the text rows of concentrated queries."""
        rows = op.result.type.shape[0]
        visual = op.ids.type.shape[0] if op.ids is not None else self.visual
        lead = self.lead() if op.causal else 0
        before = self.tokens.run_list[0][0] if self.visual else 0
        sections = causal_sections(visual, rows - visual, before, lead) if op.causal else segment_sections(rows, op.segments)
        return [s for s in sections if s.start >= visual] if isinstance(op.q.type, fd.ConcentratedType) else sections

    def attention(self, op: ir.OpView) -> Iterator[list[Choice]]:
        heads, lead = Heads(op.heads, op.kv_heads, op.head_dim, op.scale), self.lead() if op.causal else 0
        type_ = op.q.type
        name = "dense"
        if isinstance(type_, fd.ConcentratedType) and not op.causal:
            yield [Choice("expand", tuple(section_form(heads, s, False) for s in segment_sections(type_.rows, op.segments)))]
            return
        if isinstance(type_, fd.ConcentratedType):
            shape = ConcShape(type_.visual, type_.m_tile, type_.vector, self.groups(type_))
            dense = causal_sections(shape.visual, 0, 0, lead)
            stay = tuple(group_form(heads, shape, g, lead) for g in separable(shape.groups, self.target.geometry) if g.visual)
            yield [Choice("expand", tuple(section_form(heads, s, True) for s in dense)), Choice("stay", stay),
                   Choice("spill", (spill_form(heads, shape, lead),))]
        for s in self.sections(op):
            yield [Choice(name, (section_form(heads, s, op.causal),))]
        if lead:            # copies of the text rows that visual tokens may see, in front of keys and values
            rows, cols = op.k.type.shape
            yield [Choice(name, (RowsForm("copy", rows, cols),))]

    def importance(self, op: ir.OpView) -> Iterator[list[Choice]]:
        heads = Heads(op.heads, op.kv_heads, op.head_dim, op.scale)
        prompt = self.tokens.S - sum(self.tokens.run_list[-1])
        yield [Choice("dense", (importance_form(heads, op.k.type.shape[0], op.ids.type.shape[0], prompt),))]

    def elementwise(self, op: ir.OpView) -> Iterator[list[Choice]]:
        other = None if isinstance(op, fd.ActivationOp) else op.b
        rows, cols = op.result.type.shape
        period = rows if other is None else other.type.shape[0]
        yield [Choice("dense", (RowsForm("elementwise", period, cols, second=other is not None, repeat=rows // period),))]

    def add_visual(self, op: ir.OpView) -> Iterator[list[Choice]]:
        rows, cols = op.x.type.shape
        visual = op.features.type.shape[0] if op.ids is None else op.ids.type.shape[0]
        yield [Choice("dense", (RowsForm("elementwise", visual, cols, second=True), RowsForm("take", rows, cols, second=True)))]

    def moved(self, op: ir.OpView) -> Iterator[list[Choice]]:
        result = op.operation.results[0].type
        picked = not isinstance(op, fd.ConcatOp)
        yield [Choice("dense", (RowsForm("take" if picked else "copy", result.shape[0], result.shape[1], fd.dtype_of(result.element_type),
                                         second=picked),))]

    def select_ids(self, op: ir.OpView) -> Iterator[list[Choice]]:
        """The positions of the tokens left, which are picked by their ids where attention needs them."""
        yield [Choice("dense", (RowsForm("take", op.result.type.shape[0], 1, "i32", second=True),))]

    def patch_embed(self, op: ir.OpView) -> Iterator[list[Choice]]:
        rows, n = op.result.type.shape
        yield [Choice("dense", (GemmForm(rows, n, op.weight.type.shape[1], biases=int(op.bias is not None)),))]

    def returned(self, op: ir.OpView) -> Iterator[list[Choice]]:
        for value in op.operation.operands:
            if not isinstance(value.type, ir.RankedTensorType) or not value.type.rank:
                raise OpError(op, f"returns {value.type}; tensors of one or more dimensions expected")
            shape = value.type.shape
            yield [Choice("dense", (RowsForm("copy", max(1, value.type.shape[0] if len(shape) > 1 else 1), shape[-1],
                                             fd.dtype_of(value.type.element_type)),))]


@dataclass(frozen=True)
class ConcShape:
    """How a concentrated value is cut."""
    visual: int
    m_tile: int
    vector: int
    groups: tuple[TileGroup, ...]


_PARTS = {
    "focus.linear": Context.linear, "focus.matmul": Context.matmul, "focus.rms_norm": Context.norm, "focus.layer_norm": Context.norm,
    "focus.gather": Context.gather, "focus.rope": Context.rope, "focus.attention": Context.attention, "focus.importance": Context.importance,
    "focus.activation": Context.elementwise, **{op.OPERATION_NAME: Context.elementwise for op in fd.ELEMENTWISE},
    "focus.add_visual": Context.add_visual, "focus.embedding": Context.moved, "focus.take_rows": Context.moved, "focus.prune": Context.moved,
    "focus.select_ids": Context.select_ids, "tensor.concat": Context.moved, "focus.patch_embed": Context.patch_embed, "func.return": Context.returned,
}
