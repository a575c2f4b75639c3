"""The kernels that an op needs: their forms, and the alternatives where there are several.

In: an op of a function in storage order, after fuse-concentration, and the target.  Out: for each part of the op, the ways to do it (`Choice`), from
its types, its attributes and the token layout.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.contracts import CACHES, TOKENS
from focus.dialects.support import OpError, get_attr
from focus.passes.kernels.attention import Heads, cached_form, causal_sections, group_form, importance_form, section_form, segment_sections, separable
from focus.passes.kernels.forms import Form, GemmForm, RowsForm
from focus.passes.kernels.linear import SLOW
from focus.passes.kernels.places import ceil
from focus.passes.kernels.rows import TileGroup, split
from focus.passes.kernels.spilled import spill_form
from focus.passes.mapping.rates import Rates
from focus.passes.mapping.space import LONGEST, Target, m_tile_rows
from focus.passes.tensor.tensor_ir import body, gather_of


@dataclass(frozen=True)
class Choice:
    """One way to do a part of an op: its form's name, and the forms of its kernels in the order of emission.  worth: whether it may be the
    cheapest; else it is there for who asks for it."""
    form: str
    kernels: tuple[Form, ...]
    worth: bool = True


Kernels = tuple[tuple[Form, ...], ...]      #: of a part of an op, by the ways to do it


def kernels_of(function: ir.OpView, target: Target) -> Counter[Kernels]:
    """The kernels of all parts of a function's ops, and how often each part occurs."""
    context = Context(function, target)
    return Counter(tuple(choice.kernels for choice in choices if choice.worth) for op in body(function) for choices in context.parts(op))


class Context:
    """The kernels of each op of a function: their forms, and the alternatives."""

    def __init__(self, function: ir.OpView, target: Target):
        self.target = target
        self.tokens = get_attr(function, TOKENS)
        self.visual = self.tokens.V if self.tokens is not None else 0
        self.kept = CACHES in function.attributes

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
            yield [*choices, *(self._turned(op, base, form) if len(forms) == 1 and form.tiles == 1 else ())]

    def _turned(self, op: ir.OpView, base: GemmForm, form: GemmForm) -> Iterator[Choice]:
        """Tokens as the stationary operand, where that can be; worth trying where it takes the array less time."""
        after = op.activation != "none" and op.residual is not None         # what is added comes before the activation
        if base.repeat > 1 or base.rows > LONGEST or after or fd.dtype_of(op.y.type.element_type) != "f16":
            return
        g, rates = self.target.geometry, Rates(self.target)
        passes = lambda rows, wide, deep, weights=1: rates.timing.array(rows) * ceil(wide, g.cols) * ceil(deep, g.rows) * weights
        plain = passes(rates.unique(form.visual or 0, form.rows - (form.visual or 0)) if form.unique else form.rows, form.n, form.k, form.weights)
        tiles = ceil(form.n, LONGEST)
        turning = passes(min(g.rows, form.rows), form.n, form.rows) * (1 + form.residual)
        worth = passes(ceil(form.n, tiles), form.rows, form.k, form.weights) * tiles + turning < plain
        across = GemmForm(form.n, form.rows, form.k, slow=form.slow, biases=form.biases, turn="across", added=form.residual)
        parts = [across]
        if form.weights == 2:
            gate = replace(across, half="gate", slow=True, aside=True, biases=int(op.bias is not None))
            parts = [gate, replace(across, half="product", residual=True, slow=False, biases=int(op.up_bias is not None))]
        back = replace(form, k=0, weights=1, unique=False, residual=False, slow=False, biases=0, turn="back", added=True)
        yield Choice("turned", (*parts, back if form.gathered else replace(back, visual=None)), worth)

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

    def step_rope(self, op: ir.OpView) -> Iterator[list[Choice]]:
        rows, cols = op.x.type.shape
        yield [Choice("dense", (RowsForm("rope", op.new, cols, head=op.head_dim, repeat=rows // op.new),))]

    def sections(self, op: ir.OpView) -> list:
        """Sections of dense query rows, all of them or the text rows of concentrated queries."""
        rows = op.result.type.shape[0]
        visual = op.ids.type.shape[0] if op.ids is not None else self.visual
        lead = self.lead() if op.causal else 0
        before = self.tokens.run_list[0][0] if self.visual else 0
        sections = causal_sections(visual, rows - visual, before, lead, dropped(op)) if op.causal else segment_sections(rows, op.segments)
        return [s for s in sections if s.start >= visual] if isinstance(op.q.type, fd.ConcentratedType) else sections

    def attention(self, op: ir.OpView) -> Iterator[list[Choice]]:
        heads, lead = Heads.of(op), self.lead() if op.causal else 0
        type_ = op.q.type
        name = "dense"
        if isinstance(type_, fd.ConcentratedType) and not op.causal:
            yield [Choice("expand", tuple(section_form(heads, s, False) for s in segment_sections(type_.rows, op.segments)))]
            return
        if isinstance(type_, fd.ConcentratedType):
            shape = ConcShape(type_.visual, type_.m_tile, type_.vector, self.groups(type_))
            dense, ahead = causal_sections(shape.visual, 0, 0, lead, dropped(op)), lead + dropped(op)
            stay = tuple(group_form(heads, shape, g, ahead) for g in separable(shape.groups, self.target.geometry) if g.visual)
            yield [Choice("expand", tuple(section_form(heads, s, True) for s in dense)), Choice("stay", stay),
                   Choice("spill", (spill_form(heads, shape, ahead),))]
        for s in self.sections(op):
            yield [Choice(name, (section_form(heads, s, op.causal),))]
        if lead or (op.causal and self.kept):       # copies into caches, or of the text rows that visual tokens may see, in front of keys and values
            rows, cols = op.k.type.shape
            yield [Choice(name, (RowsForm("copy", rows, cols),))]

    def cached_attention(self, op: ir.OpView) -> Iterator[list[Choice]]:
        cache = fd.known_cache(op.k)
        heads = Heads.of(op)
        new = op.q.type.shape[0] // cache.requests
        yield [Choice("dense", (cached_form(heads, new, cache.held + cache.room, cache.requests),))]

    def cache_append(self, op: ir.OpView) -> Iterator[list[Choice]]:
        rows, cols = op.rows.type.shape
        requests = fd.known_cache(op.cache).requests
        yield [Choice("dense", (RowsForm("copy", rows // requests, cols, repeat=requests),))]

    def importance(self, op: ir.OpView) -> Iterator[list[Choice]]:
        heads = Heads.of(op)
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


def dropped(attention: ir.OpView) -> int:
    """Visual tokens that have keys and no queries."""
    return 0 if attention.key_ids is None else attention.key_ids.type.shape[0] - attention.ids.type.shape[0]


@dataclass(frozen=True)
class ConcShape:
    """How a concentrated value is cut."""
    visual: int
    m_tile: int
    vector: int
    groups: tuple[TileGroup, ...]


_PARTS = {
    "focus.linear": Context.linear, "focus.matmul": Context.matmul, "focus.rms_norm": Context.norm, "focus.layer_norm": Context.norm,
    "focus.gather": Context.gather, "focus.rope": Context.rope, "focus.step_rope": Context.step_rope, "focus.attention": Context.attention,
    "focus.cached_attention": Context.cached_attention, "focus.cache_append": Context.cache_append, "focus.importance": Context.importance,
    "focus.activation": Context.elementwise, **{op.OPERATION_NAME: Context.elementwise for op in fd.ELEMENTWISE},
    "focus.add_visual": Context.add_visual, "focus.embedding": Context.moved, "focus.take_rows": Context.moved, "focus.prune": Context.moved,
    "focus.select_ids": Context.select_ids, "tensor.concat": Context.moved, "focus.patch_embed": Context.patch_embed, "func.return": Context.returned,
}
