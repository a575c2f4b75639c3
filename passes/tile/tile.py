"""tile: from ops on tensors to kernels of loops over tiles, as instructions on memrefs.

In: functions in storage order (after assign-layout).  Out: the same functions without arguments and results: DRAM buffers for inputs,
parameters, intermediates and the output, then one or more calls for each op, in program order.  What they call are routines: private functions
on memrefs that hold one or more `focus.kernel`.  Ops that are the same but for the values they work on, as those of identical layers, call the
same routine.  Tile sizes and forms come from `focus.mapping`, which pass map has written, or a person: one that is not legal is an error.  Tensors
that are only views (slice, reshape) cost nothing; inputs of a concat are written in place where they can be.

The function keeps `focus.tokens` and gains `focus.sites`: for each concentrated operand its layer, site, width and m-tiles, in the order of
the site numbers.  A call whose routine concentrates says in `focus.site` what site 0 of its sic.gather instructions is.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.contracts import CACHES, CONCENTRATION
from focus.dialects.mapping import KernelMapping, RowsMapping
from focus.dialects.support import OpError, get_attr, path_of, set_attr, to_attr, walk
from focus.passes.kernels import attention, concentrate, linear, movement, spilled, turned
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.passes.kernels.rows import Concentrated, split
from focus.passes.manager import register_pass
from focus.passes.mapping.legal import check
from focus.passes.mapping.parts import Context
from focus.passes.mapping.space import Target
from focus.passes.target import resolve_machine
from focus.passes.tensor.decoder_ir import LAYER
from focus.passes.tensor.tensor_ir import gather_of
from focus.passes.tile.kernel_ir import producer
from focus.passes.tile.routines import ModulePath, Routines
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.geometry import PUBLISHED_SIDE
from focus.runtime.spec.types import BY_MLIR


@register_pass("tile", level="tensors", help={"machine": "name or file of the machine description"})
def tile(module, *, machine: str = "focus"):
    """Cut every op into m-tiles, n-tiles and k-slices that fit the machine's buffers; the same op twice is tiled once."""
    block = module.regions[0].blocks[0]
    vectors = [op.vector for op in walk(module, "focus.gather")]
    target = Target(resolve_machine(machine), vectors[0] if vectors else PUBLISHED_SIDE)
    routines = Routines(TileBuilder(target.geometry), block)
    for op in list(block.operations):
        if op.operation.name == "func.func":
            check_mappings(op, target)
            Tiler(op, routines).run()


def check_mappings(function: ir.OpView, target: Target) -> None:
    """Raise OpError for a mapping that is not legal: it may come from a text that was changed by hand."""
    context = Context(function, target)
    for op in function.regions[0].blocks[0].operations:
        mapping = fd.mapping_of(op)
        if mapping is not None:
            try:
                check(target, list(context.parts(op)), mapping)
            except FocusError as e:
                raise OpError(op, str(e)) from None


@dataclass
class Tiler:
    """The state of the pass for one function: where each tensor lies, and what has been emitted."""
    func: ir.OpView
    routines: Routines
    where: dict = field(default_factory=dict)           #: tensor value -> Mat or Concentrated
    placed: dict = field(default_factory=dict)          #: concat op result -> its Mat, made when its first input is
    positions: dict = field(default_factory=dict)       #: ids value (None before pruning) -> Mat of sequence positions [1, lead + R]
    led: dict = field(default_factory=dict)             #: key or value tensor -> its Mat with the leading text rows
    in_cache: set = field(default_factory=set)          #: key and value tensors that are made in their cache
    sites: list = field(default_factory=list)
    prunings: int = 0
    hoisted: bool = False

    @property
    def b(self) -> TileBuilder:
        return self.routines.b

    def run(self) -> None:
        block = self.func.regions[0].blocks[0]
        old = list(block.operations)
        self.b.enter(block)
        self.tokens = get_attr(self.func, "focus.tokens")
        self.visual = self.tokens.V if self.tokens is not None else 0
        self.caches = self.func.attributes[CACHES] if CACHES in self.func.attributes else None
        with ir.InsertionPoint.at_block_begin(block) if not old else ir.InsertionPoint(old[-1].operation):
            with ir.Location.name("main"):
                self._inputs(block)
            for op in old[:-1]:
                self.emit(op)
            self._outputs(old[-1])
            ir.Operation.create("func.return", loc=old[-1].location)
        for op in reversed(old):
            op.operation.erase()
        while len(block.arguments):
            block.erase_argument(len(block.arguments) - 1)
        self.func.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([], []))
        for name in ("arg_attrs", "res_attrs"):
            if name in self.func.attributes:
                del self.func.attributes[name]
        self.func.attributes["focus.sites"] = ir.ArrayAttr.get([self._site_attr(s) for s in self.sites])
        attr = get_attr(self.func, CONCENTRATION)
        if isinstance(attr, fd.ConcentrationAttr) and attr.config().hoists and self.prunings and not self.hoisted:      # hoist-pruning was left out
            self.func.attributes[CONCENTRATION] = fd.ConcentrationAttr.make(attr.config().model_copy(update={"hoist": False}))

    # ---- inputs, outputs, places ---------------------------------------------------------------------------------
    def _inputs(self, block: ir.Block) -> None:
        names = self.func.arg_attrs if "arg_attrs" in self.func.attributes else []
        for i, arg in enumerate(block.arguments):
            attrs = names[i] if i < len(names) else {}
            name = ir.StringAttr(attrs["focus.name"]).value if "focus.name" in attrs else f"arg{i}"
            if not isinstance(arg.type, ir.RankedTensorType) or not arg.type.has_static_shape or not arg.type.rank:
                raise OpError(self.func, f"has an argument of type {arg.type}; tensors of static shape expected")
            shape = arg.type.shape
            rows = 1
            for n in shape[:-1]:
                rows *= n
            mat = self.b.buffer("dram", rows, shape[-1], self._dtype(arg), name, "input", **fd.port_of(self.func, i))
            set_attr(mat.value.owner, "shape", list(shape))
            self.where[arg] = mat

    def _outputs(self, ret: ir.OpView) -> None:
        """Results that no kernel has written in place (views, or values with other users) are copied out."""
        for i, v in enumerate(ret.operands):
            src = self.where[v]
            if producer(src.value).name == "focus.buffer" and producer(src.value).opview.kind == "output":
                continue
            self._begin(ret, "output")
            with ret.location:
                out = self.b.buffer("dram", src.rows, src.cols, src.dtype, self._output_name(i), "output")
                self.call(movement.emit_copy, self.name, src, out, self._kernels(ret)[i])

    def _output_name(self, number: int) -> str:
        return "logits" if number == 0 else f"result{number}"

    @staticmethod
    def _dtype(value: ir.Value) -> str:
        return BY_MLIR[fd.dtype_of(value.type.element_type)].name

    @staticmethod
    def _matrix(value: ir.Value) -> tuple[int, int]:
        shape = value.type.shape
        return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])

    def temp(self, value: ir.Value, name: str) -> Mat:
        """Where a result is to be written: its part of a concat where it has no other user, else a buffer of its own."""
        uses = list(value.uses)
        if len(uses) == 1 and uses[0].owner.operation.name == "tensor.concat":
            concat, index = uses[0].owner, uses[0].operand_number
            before = sum(v.type.shape[0] for v in list(concat.operation.operands)[:index])
            target = self._concat_place(concat)
            return self.b.window(target, before, 0, *self._matrix(value)) if target.rows != value.type.shape[0] else target
        if len(uses) == 1 and uses[0].owner.operation.name == "func.return":
            return self.b.buffer("dram", *self._matrix(value), self._dtype(value), self._output_name(uses[0].operand_number), "output")
        attention = next((u for u in uses if u.owner.operation.name == "focus.attention" and u.operand_number in (1, 2) and u.owner.causal), None)
        lead = self._lead() if attention is not None else 0
        rows, cols = self._matrix(value)
        if attention is not None and self.caches is not None and self.caches.requests == 1:
            cache = self._cache(attention.owner.opview, attention.operand_number, value)
            whole = self.b.window(cache.cache, 0, 0, lead + rows, cols)
            self.in_cache.add(value)
        else:
            whole = self.b.buffer("dram", lead + rows, cols, self._dtype(value), name, "temp", **_holds(value, lead))
        if not lead:
            return whole
        self.led[value] = whole         # keys or values: the first rows are copies of text rows, made before the attention
        return self.b.window(whole, lead, 0, rows, cols)

    def _cache(self, attention: ir.OpView, operand: int, value: ir.Value) -> movement.CacheRows:
        """The cache of an attention's keys or values, which live on when the program has ended."""
        (rows, cols), lead, layer = self._matrix(value), self._lead(), get_attr(attention, LAYER)
        if layer is None:
            raise OpError(attention, f"has no layer number ('{LAYER}'), by which its cache is named; annotate-tokens writes it")
        assert self.caches is not None
        requests, room = self.caches.requests, self.caches.room
        name = f"layers.{layer}.{'keys' if operand == 1 else 'values'}"
        whole = self.b.buffer("dram", requests * (lead + rows + room), cols, self._dtype(value), name, "cache", requests=requests, lead=lead,
                              held=rows, room=room)
        return movement.CacheRows(whole, requests, lead, rows, room)

    def _keep(self, op: ir.OpView, operand: int, value: ir.Value, whole: Mat) -> None:
        """Copy keys or values, leading rows and all, to their cache, unless they were made there."""
        if self.caches is not None and value not in self.in_cache:
            self.call(movement.emit_cache_fill, self.name, whole, self._cache(op, operand, value), self._rows(op))

    def _lead(self) -> int:
        """Text rows in front of some visual token, which may see them."""
        return sum(self.tokens.run_list[-1]) - self.visual if self.visual else 0

    def _concat_place(self, concat: ir.OpView) -> Mat:
        result = concat.operation.results[0]
        if result not in self.placed:
            self.placed[result] = self.temp(result, "concat")
        return self.placed[result]

    def mat(self, value: ir.Value) -> Mat:
        return self.where[value]

    def optional(self, value: ir.Value | None) -> Mat | None:
        return None if value is None else self.where[value]

    # ---- ops -----------------------------------------------------------------------------------------------------
    def emit(self, op: ir.OpView) -> None:
        handler = HANDLERS.get(op.operation.name)
        if handler is None:
            raise OpError(op, "cannot be tiled: no kernel for this op")
        self._begin(op, op.operation.name)
        with op.location:
            try:
                handler(self, op)
            except OpError:
                raise
            except FocusError as e:         # nothing fits the machine
                raise OpError(op, str(e)) from None

    def _begin(self, op: ir.OpView, otherwise: str) -> None:
        """Set the op that is being emitted.  `otherwise`: its name where it has no module path."""
        path = path_of(op)
        self.op, self.name = op, ModulePath(path or otherwise)
        self.loc = op.location if path else ir.Location.name(otherwise, op.location)

    def call(self, emit: Callable, *args: Any, gather: ir.OpView | None = None, site: int | None = None, **named: Any) -> None:
        """Call the routine of an emitter's kernels; those of a gather carry its threshold, block and grids."""
        self.b.kernel_attrs = {} if gather is None else {"threshold": gather.threshold, "block": list(gather.block)}
        if gather is not None and (grids := get_attr(gather, fd.GRIDS)):
            self.b.kernel_attrs["grids"] = grids
        try:
            self.routines.call(emit, args, named, self.loc, site)
        finally:
            self.b.kernel_attrs = {}

    def _kernels(self, op: ir.OpView) -> tuple[KernelMapping, ...]:
        """The mappings of the op's kernels.  Raises OpError where pass `map` has not run."""
        mapping = fd.mapping_of(op)
        if mapping is None:
            raise OpError(op, "has no 'focus.mapping'; pass map writes it")
        return mapping.kernels

    def _rows(self, op: ir.OpView) -> RowsMapping:
        """The mapping of an op that moves or sweeps rows."""
        found = [k for k in self._kernels(op) if isinstance(k, RowsMapping)]
        if not found:
            raise OpError(op, "has no mapping of kind \"rows\"")
        return found[-1]

    def param(self, op) -> None:
        name = op.name
        self.where[op.result] = self.b.buffer("dram", *_flat(op.result.type.shape), self._dtype(op.result), name, "param", row_order=op.row_order)
        set_attr(self.where[op.result].value.owner, "shape", list(op.result.type.shape))

    def constant(self, what: str, rows: int, cols: int, dtype: str) -> Mat:
        mat = self.b.buffer("dram", rows, cols, dtype, f"const.{what}", "param", row_order="as_is", role="constant", constant=what)
        set_attr(mat.value.owner, "shape", [rows, cols])
        return mat

    def linear(self, op) -> None:
        x, ids, site, gather = self.where[op.x], None, None, gather_of(op)
        kernels = self._kernels(op)
        across = getattr(kernels[0], "turn", "none") == "across"
        if across and isinstance(x, Concentrated):
            raise OpError(op, "has a mapping of form \"turned\", and its operand unique vectors, which an op that also uses it takes")
        if not across and isinstance(op.x.type, fd.ConcentratedType) and not isinstance(x, Concentrated):
            raise OpError(op, "has a mapping for unique vectors, and its operand dense rows, which the ops that use it take")
        out: Mat | Concentrated
        expanded = None
        if gather is not None:
            out = self.where[gather.result] = self._concentrated(gather)
            site, ids, expanded = len(self.sites) - 1, self.where[gather.ids], self._expanded(gather, out)
        else:
            out = self.where[op.y] = self.temp(op.y, "y")
        moments = None
        if op.moments is not None:
            moments = self.where[op.moments] = self.b.buffer("dram", out.rows, 2, "f32", "moments", "temp")
        both = [(op.weight, op.bias)] + ([(op.up_weight, op.up_bias)] if op.up_weight is not None else [])
        kernel = linear.Linear(self.name, x, [self.mat(w) for w, _ in both], [self.optional(v) for _, v in both], out, op.activation,
                               self.optional(op.residual), moments, ids, expanded=expanded)
        if across:
            kernel = replace(kernel, identity=self.constant("identity", self.b.geometry.rows, self.b.geometry.rows, "f16"))
        self.call(turned.emit_turned if across else linear.emit_linear, kernel, kernels, gather=gather, site=site)

    def matmul(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "resampled")
        self.call(linear.emit_resample, self.name, linear.Resampling(self.mat(op.lhs), self.mat(op.rhs), out), *self._kernels(op))

    def norm(self, op) -> None:
        if fd.GATHERS in op.operation.attributes:        # emitted with the gather that uses it
            return
        heads = op.heads if isinstance(op, fd.RMSNormOp) else 1
        out = self.where[op.result] = self.temp(op.result, "normed")
        x, out = (self.b.view(m, m.rows * heads, m.cols // heads) for m in (self.mat(op.x), out))       # heads are rows of their own
        self.call(concentrate.emit_norm, self.name, concentrate.Normed(x, self._norm(op), out), self._rows(op))

    def _norm(self, op) -> concentrate.Norm:
        layer = isinstance(op, fd.LayerNormOp)
        return concentrate.Norm("layer" if layer else "rms", op.eps, self.mat(op.weight), self.mat(op.bias) if layer else None,
                                self.optional(op.moments))

    def gather(self, op) -> None:
        if op.result in self.where:             # the linear that makes x concentrates it on its way out
            return
        conc = self.where[op.result] = self._concentrated(op)
        made = producer(op.x)
        norm = made.opview if made is not None and fd.GATHERS in made.attributes else None
        x = self.mat(op.x if norm is None else norm.x)
        gather = concentrate.Gather(x, conc, self.where[op.ids], None if norm is None else self._norm(norm), self._expanded(op, conc))
        self.call(concentrate.emit_gather, self.name, gather, self._rows(op).slots, gather=op, site=len(self.sites) - 1)

    def _expanded(self, op, conc: Concentrated) -> Mat | None:
        """Where the rows of a concentrated value go if what uses it runs on dense ones, or None."""
        users = [u.owner.operation.opview for u in op.result.uses]
        forms = {fd.AttentionOp: "expand", fd.LinearOp: "turned"}
        if not users or any(self._form(u) != forms.get(type(u)) for u in users):
            return None
        out = self.where[op.result] = self.b.buffer("dram", conc.rows, conc.width, "f16", "merged", "temp")
        return out

    def _form(self, op: ir.OpView) -> str:
        mapping = fd.mapping_of(op)
        return mapping.form if mapping is not None else ""

    def _concentrated(self, op) -> Concentrated:
        """Memory for a concentrated operand, and its entry in the site table."""
        t = op.result.type
        groups = split(t.visual, t.rows - t.visual, t.m_tile, self._rows(op).m)
        tiles, capacity, visual = sum(g.count for g in groups), max(g.rows for g in groups), max(g.visual for g in groups)
        entries, number = tiles * t.slices, len(self.sites)
        conc = Concentrated(self.b.buffer("dram", entries * capacity, t.vector, "f16", f"unique.{number}", "temp", role="unique", site=number),
                            self.b.buffer("dram", entries, max(visual, 1), "u16", f"map.{number}", "temp", role="map", site=number),
                            self.b.buffer("counts", 1, entries, "u16", f"counts.{number}", role="counts", site=number),
                            groups, t.width, t.visual, t.rows - t.visual, t.m_tile, t.vector)
        self.sites.append((op.layer, op.site, conc))
        return conc

    @staticmethod
    def _site_attr(site) -> ir.Attribute:
        layer, name, conc = site
        values = {"layer": layer, "site": name, "width": conc.width, "slices": conc.slices, "visual": conc.visual,
                  "tiles": [v for t in conc.tiles() for v in t]}
        return ir.DictAttr.get({key: to_attr(value) for key, value in values.items()})

    def rope(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "rotated")
        ids = self.optional(op.ids)
        rope = concentrate.Rope(self.mat(op.x), self.mat(op.cos), self.mat(op.sin), out, op.head_dim, ids, self.visual)
        self.call(concentrate.emit_rope, self.name, rope, self._rows(op))

    def step_rope(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "rotated")
        rope = concentrate.Rope(self.mat(op.x), self.mat(op.cos), self.mat(op.sin), out, op.head_dim)
        self.call(concentrate.emit_step_rope, self.name, rope, op.new, self._rows(op))

    def attention(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "attended")
        q, k, v = (self.where[x] for x in (op.q, op.k, op.v))
        heads = attention.Heads.of(op)
        visual = self.where[op.ids].cols if op.ids is not None else self.visual
        lead = self._lead() if op.causal else 0
        keys, own = op.ids if op.key_ids is None else op.key_ids, None
        dropped = 0 if op.key_ids is None else self.where[keys].cols - visual
        positions = self._positions(keys, out.rows + dropped) if op.causal else None
        if op.key_ids is not None:
            self.hoisted = True
            own = self._positions(op.ids, out.rows)
        if lead:
            k, v = (self._with_lead(x, visual + dropped, lead, self._rows(op)) for x in (op.k, op.v))
        if op.causal:
            for operand, value, whole in ((1, op.k, k), (2, op.v, v)):
                self._keep(op, operand, value, whole)
        att = attention.Attention(self.name, q, k, v, out, heads, positions, lead, dropped, own)
        before = self.tokens.run_list[0][0] if self.visual else 0
        sections = (attention.causal_sections(visual, out.rows - visual, before, lead, dropped) if op.causal
                    else attention.segment_sections(out.rows, op.segments))
        kernels = [k for k in self._kernels(op) if not isinstance(k, RowsMapping)]
        if isinstance(q, Concentrated):         # the text rows from the dense queries that were concentrated
            if self._form(op) == "spill":
                self.call(spilled.emit_spilled_attention, att, kernels.pop(0))
            else:
                groups = [g for g in attention.separable(q.groups, self.b.geometry) if g.visual]
                self.call(attention.emit_concentrated_attention, att, tuple(kernels[:len(groups)]))
                del kernels[:len(groups)]
            att = replace(att, q=self.mat(producer(op.q).opview.x))
            sections = [s for s in sections if s.start >= visual]
        self.call(attention.emit_attention, att, sections, tuple(kernels))

    def cache(self, op) -> None:
        whole = self.b.buffer("dram", *self._matrix(op.result), self._dtype(op.result), op.name, "cache", requests=op.requests, lead=op.lead,
                              held=op.held, room=op.room)
        self.where[op.result] = whole

    def _cache_rows(self, value: ir.Value) -> movement.CacheRows:
        """The cache that a value is."""
        cache = fd.known_cache(value)
        return movement.CacheRows(self.where[value], cache.requests, cache.lead, cache.held, cache.room)

    def cache_append(self, op) -> None:
        at = self._cache_rows(op.cache)
        self.where[op.result] = at.cache
        self.call(movement.emit_cache_append, self.name, self.mat(op.rows), at, self._rows(op))

    def cached_attention(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "attended")
        k, v = self._cache_rows(op.k), self._cache_rows(op.v)
        positions = self.constant("rows", 1, k.held + k.room, "i32") if out.rows > k.requests else None
        heads = attention.Heads.of(op)
        cached = attention.CachedAttention(self.name, self.mat(op.q), k, v, out, heads, positions)
        self.call(attention.emit_cached_attention, cached, *self._kernels(op))

    def _with_lead(self, value: ir.Value, visual: int, lead: int, mapping: RowsMapping) -> Mat:
        """Keys or values after copies of the text rows that visual tokens may see."""
        rows = self.where[value]
        whole = self.led.get(value)
        if whole is None:               # not made by a kernel of its own: copied whole
            whole = self.led[value] = self.b.buffer("dram", lead + rows.rows, rows.cols, rows.dtype, "led", "temp")
            self.call(movement.emit_copy, self.name, rows, self.b.window(whole, lead, 0, rows.rows, rows.cols), mapping)
        self.call(movement.emit_copy, self.name, self.b.window(rows, visual, 0, lead, rows.cols),
                  self.b.window(whole, 0, 0, lead, rows.cols), mapping)
        return whole

    def _positions(self, ids: ir.Value | None, rows: int) -> Mat:
        """Sequence positions [1, lead + rows] of the leading text rows and of all rows: a constant before pruning, else picked by the ids left."""
        lead = self._lead()
        if ids is None or producer(ids).name == "focus.token_ids":
            if None not in self.positions:
                self.positions[None] = self.constant("positions", 1, lead + (self.tokens.S if self.tokens is not None else rows), "i32")
            return self.positions[None]
        if ids not in self.positions:
            table, kept = self._positions(None, 0), self.where[ids]
            text = self.tokens.S - self.visual
            out = self.b.buffer("dram", 1, lead + kept.cols + text, "i32", "positions", "temp")
            column = lambda m, at, n: self.b.window(self.b.view(m, m.cols, 1), at, 0, n, 1)
            part = lambda m, at, n: self.b.window(m, 0, at, 1, n)
            tails = [(part(table, 0, lead), part(out, 0, lead))] if lead else []
            tails += [(part(table, lead + self.visual, text), part(out, lead + kept.cols, text))] if text else []
            take = movement.Take(column(table, lead, self.visual), kept, column(out, lead, kept.cols), "ids", tuple(tails))
            self.call(movement.emit_take_rows, self.name, take, self._rows(producer(ids).opview))
            self.positions[ids] = out
        return self.positions[ids]

    def elementwise(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "combined")
        kind, a, other = (op.kind, op.x, None) if isinstance(op, fd.ActivationOp) else (op.operation.name.split(".")[1], op.a, op.b)
        self.call(concentrate.emit_elementwise, self.name, concentrate.Elementwise(kind, self.mat(a), self.optional(other), out), self._rows(op))

    def embedding(self, op) -> None:
        ids, table = self.mat(op.ids), self.mat(op.table)
        out = self.where[op.result] = self.temp(op.result, "embedded")
        self.call(movement.emit_take_rows, self.name, movement.Take(table, ids, out, "weight"), self._rows(op))

    def take_rows(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "taken")
        self.call(movement.emit_take_rows, self.name, movement.Take(self.mat(op.x), self.mat(op.indices), out), self._rows(op))

    def prune(self, op) -> None:
        x, sel = self.mat(op.x), self.mat(op.sel)
        out = self.where[op.result] = self.temp(op.result, "pruned")
        text = out.rows - sel.cols
        tails = [(self.b.window(x, x.rows - text, 0, text, x.cols), self.b.window(out, sel.cols, 0, text, x.cols))] if text else []
        self.call(movement.emit_take_rows, self.name, movement.Take(x, sel, out, "residual", tuple(tails)), self._rows(op))

    def add_visual(self, op) -> None:
        x, features = self.mat(op.x), self.mat(op.features)
        out = self.where[op.result] = self.temp(op.result, "combined")
        if op.ids is not None:
            ids = self.mat(op.ids)
            kept = self.b.buffer("dram", ids.cols, x.cols, "f16", "kept_features", "temp")
            self.call(movement.emit_take_rows, self.name, movement.Take(features, ids, kept), self._rows(op))
            features = kept
        part = lambda m, at, n: self.b.window(m, at, 0, n, m.cols)
        visual, text = features.rows, x.rows - features.rows
        added = concentrate.Elementwise("add", part(x, 0, visual), features, part(out, 0, visual))
        self.call(concentrate.emit_elementwise, self.name, added, self._kernels(op)[0])
        if text:
            self.call(movement.emit_copy, self.name, part(x, visual, text), part(out, visual, text), self._rows(op))

    def concat(self, op) -> None:
        out = self.where[op.result] = self._concat_place(op)
        at = 0
        for v in op.operation.operands:
            src, rows = self.where[v], v.type.shape[0]
            uses = list(v.uses)
            in_place = len(uses) == 1 and producer(v) is not None and producer(v).name not in VIEWS
            if not in_place:
                self.call(movement.emit_copy, self.name, src, self.b.window(out, at, 0, rows, out.cols), self._rows(op))
            at += rows

    def slice(self, op) -> None:
        (row, col), (rows, cols) = op.offsets, op.sizes
        self.where[op.result] = self.b.window(self.mat(op.x), row, col, rows, cols)

    def reshape(self, op) -> None:
        self.where[op.result] = self.b.view(self.mat(op.x), *_flat(op.result.type.shape))

    def patch_embed(self, op) -> None:
        frames, channels, height, width = op.pixels.type.shape
        columns = channels * op.patch ** 2
        rows = frames * (height // op.patch) * (width // op.patch)
        patches = self.b.buffer("dram", rows, columns, "f16", "patches", "temp")
        cut = movement.Patches(self.mat(op.pixels), (frames, channels, height, width), op.patch, patches)
        self.call(movement.emit_im2col, self.name, cut)
        out = self.where[op.result] = self.temp(op.result, "embedded")
        residual = getattr(op, "residual", None)
        kernel = linear.Linear(self.name, patches, [self.mat(op.weight)], [self.optional(op.bias)], out, residual=self.optional(residual))
        self.call(linear.emit_linear, kernel, self._kernels(op))

    def last_row(self, op) -> None:
        x = self.mat(op.x)
        row = x.rows - 1
        if self.visual and sum(self.tokens.run_list[-1]) == self.tokens.S:      # the sequence ends with a visual token
            row = x.rows - (self.tokens.S - self.visual) - 1
        self.where[op.result] = self.b.window(x, row, 0, 1, x.cols)

    def token_ids(self, op) -> None:
        self.where[op.result] = self.constant("token_ids", 1, self.visual, "i32")

    def importance(self, op) -> None:
        ids = self.mat(op.ids)
        out = self.where[op.result] = self.temp(op.result, "importance")
        q, k = self.mat(op.q), self.mat(op.k)
        zeros = self.constant("zeros", 1, ids.cols, "f32")
        prompt = self.tokens.S - sum(self.tokens.run_list[-1])
        heads = attention.Heads.of(op)
        lead, positions = self._lead(), self._positions(op.ids, k.rows)
        positions = self.b.window(positions, 0, lead, 1, k.rows)
        importance = attention.Importance(q, k, positions, zeros, out, heads, ids.cols, prompt)
        self.call(attention.emit_importance, self.name, importance, *self._kernels(op))

    def topk(self, op) -> None:
        out = self.where[op.result] = self.temp(op.result, "kept")
        self.call(movement.emit_topk, self.name, self.mat(op.importance), out)

    def select_ids(self, op) -> None:
        # kept to the end of the run, for the trace
        out = self.where[op.result] = self.b.buffer("dram", *self._matrix(op.result), "i32", f"retained.{self.prunings}", "output", role="retained")
        self.prunings += 1
        self.call(movement.emit_select, self.name, self.mat(op.ids), self.mat(op.sel), out)


#: what each op becomes, in the order of a model
HANDLERS = {
    "focus.param": Tiler.param, "focus.patch_embed": Tiler.patch_embed, "focus.embedding": Tiler.embedding, "focus.take_rows": Tiler.take_rows,
    "tensor.concat": Tiler.concat, "focus.slice": Tiler.slice, "focus.reshape": Tiler.reshape, "focus.last_row": Tiler.last_row,
    "focus.linear": Tiler.linear, "focus.matmul": Tiler.matmul, "focus.rms_norm": Tiler.norm, "focus.layer_norm": Tiler.norm,
    "focus.rope": Tiler.rope, "focus.step_rope": Tiler.step_rope, "focus.attention": Tiler.attention, "focus.cache": Tiler.cache,
    "focus.cache_append": Tiler.cache_append, "focus.cached_attention": Tiler.cached_attention, "focus.activation": Tiler.elementwise,
    "focus.token_ids": Tiler.token_ids, "focus.importance": Tiler.importance, "focus.topk": Tiler.topk,
    "focus.select_ids": Tiler.select_ids, "focus.add_visual": Tiler.add_visual, "focus.prune": Tiler.prune, "focus.gather": Tiler.gather,
} | {op.OPERATION_NAME: Tiler.elementwise for op in fd.ELEMENTWISE}
#: ops that are only another view of their operand; a concat must copy them
VIEWS = {"focus.param", "focus.slice", "focus.reshape", "focus.last_row", "focus.token_ids"}


def _holds(value: ir.Value, lead: int) -> dict[str, Any]:
    """Attributes of the buffer of a value that a module of the model takes or gives as it is: which, and how many rows stand before the value's.

    Weights say so: an op that has the weight of its own path gives what the module of that path does, unless it does more, and takes what it
    takes; others are parts of modules, or were fused."""
    made = producer(value)
    found = [f"output of {path_of(made)}"] if made is not None and _is_module(made.opview) and not _does_more(made.opview) else []
    for use in value.uses:
        user = use.owner.operation.opview
        if use.operand_number == 0 and isinstance(user, _WITH_WEIGHTS) and _is_module(user, inside=True):
            found.append(f"input of {path_of(user)}")
    return {} if not found else {"holds": found[0]} | ({"lead": lead} if lead else {})


_WITH_WEIGHTS = (fd.LinearOp, fd.LayerNormOp, fd.RMSNormOp)


def _is_module(op: ir.OpView, inside: bool = False) -> bool:
    """Whether an op has the weight of the module of its path (`inside`: or of one in it)."""
    if not isinstance(op, _WITH_WEIGHTS) or not path_of(op):
        return False
    param = producer(op.weight)
    name = param.opview.name if param is not None and isinstance(param.opview, fd.ParamOp) else ""
    return name.startswith(f"{path_of(op)}.") if inside else name == f"{path_of(op)}.weight"


def _does_more(op: ir.OpView) -> bool:
    return isinstance(op, fd.LinearOp) and (op.activation != "none" or op.residual is not None)


def _flat(shape: list[int]) -> tuple[int, int]:
    """Rows and columns of a tensor seen as a matrix: all but the last dimension are rows."""
    rows = 1
    for n in shape[:-1]:
        rows *= n
    return rows, shape[-1]
