"""The simulated cost of a mapping: a program of the form's kernels alone, timed without data.

In: a target, a form, a mapping.  Out: `trial`, cycles and DRAM bytes of all kernels of the form, as the program would take them.

A long kernel is timed in part: a number of n-tiles of a GEMM, one key/value head of attention, one repetition; the rest takes as long in proportion.
Concentrated operands have the share of unique vectors that mappings are chosen for (`UNIQUE_SHARE`), alike in every m-tile and slice.
"""
from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from torch_mlir import ir

from focus.dialects.context import make_context
from focus.dialects.focus import TokensAttr
from focus.dialects.mapping import AttentionMapping, GemmMapping, KernelMapping, RowsMapping, SpillMapping
from focus.dialects.support import get_attr, walk
from focus.passes import manager
from focus.passes.encode import encode_program
from focus.passes.kernels import attention, concentrate, linear, movement, spilled
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.passes.kernels.forms import AttentionForm, Form, GemmForm, RowsForm, SpillForm
from focus.passes.kernels.places import ceil
from focus.passes.kernels.rows import Concentrated, TileGroup
from focus.passes.mapping.rates import UNIQUE_SHARE, Cost
from focus.passes.mapping.space import Target
from focus.passes.steps import Step
from focus.runtime.spec.tokens import Grid, Run, TokenLayout

TILES = 6               #: least n-tiles of a GEMM that are timed
PASSES = 50_000         #: about as many array passes of a GEMM are timed, whole n-tiles of them
TIMED = "timed"         #: module path of the kernels that count
BEFORE = "before"       #: of those that only set the counts of unique vectors


@cache
def _context() -> ir.Context:
    """One for all trials of a process: making it takes longer than many a trial."""
    return make_context()


def trial(target: Target, form: Form, mapping: KernelMapping) -> Cost:
    """Cycles and DRAM bytes of the form's kernels with a legal mapping.  Raises FocusError where it cannot be emitted."""
    if isinstance(form, RowsForm) and form.what == "cut":
        return Cost(0, 0)
    with _context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            function = ir.Operation.create("func.func", attributes={
                "sym_name": ir.StringAttr.get("main"), "function_type": ir.TypeAttr.get(ir.FunctionType.get([], []))}, regions=1)
        block = function.regions[0].blocks.append()
        with ir.InsertionPoint(block):
            scene = _Scene(target, TileBuilder(target.geometry))
            scene.b.enter(block)
            share = scene.emit(form, mapping)
            ir.Operation.create("func.return")
        function.attributes["focus.tokens"] = scene.tokens()
        steps = [Step("schedule", {"machine": target.machine}), Step("allocate", {"machine": target.machine}), Step("lower-to-fisa")]
        manager.run(module, steps, verify_each=False)           # the mapping that is chosen is emitted again, and verified, by the compilation
        return scene.time(*encode_program(walk(module, "fisa.program")[0]), share)


@dataclass
class _Scene:
    """The operands of a form's kernels, and their sites."""
    target: Target
    b: TileBuilder
    sites: list[Concentrated] = field(default_factory=list)

    def emit(self, form: Form, mapping: KernelMapping) -> float:
        """Emit kernels; the factor from what is emitted to all kernels of the form."""
        loc = ir.Location.name(TIMED)
        if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping):
            return self._gemm(form, mapping, loc)
        if isinstance(form, AttentionForm) and isinstance(mapping, AttentionMapping):
            if form.scores_only:
                return self._importance(form, mapping, loc)
            return self._concentrated(form, mapping, loc) if form.fixed else self._dense(form, mapping, loc)
        if isinstance(form, SpillForm) and isinstance(mapping, SpillMapping):
            return self._spilled(form, mapping, loc)
        assert isinstance(form, RowsForm) and isinstance(mapping, RowsMapping)
        return self._rows(form, mapping, loc)

    # ---- operands ----------------------------------------------------------------------------------------------------
    def mat(self, rows: int, cols: int, dtype: str = "f16", kind: str = "temp") -> Mat:
        return self.b.buffer("dram", rows, cols, dtype, "operand", kind)

    def conc(self, groups: tuple[TileGroup, ...], width: int, m_tile: int, filled: bool = True) -> Concentrated:
        """A concentrated operand; `filled`: its counts are set by a kernel before those that are timed."""
        visual = sum(g.visual * g.count for g in groups)
        tiles, capacity, most = groups[-1].first + groups[-1].count, max(g.rows for g in groups), max(g.visual for g in groups)
        vector, number = self.b.geometry.vector, len(self.sites)
        entries = tiles * ceil(width, vector)
        buffer = self.b.buffer
        made = Concentrated(buffer("dram", entries * capacity, vector, "f16", f"unique.{number}", "temp", role="unique", site=number),
                            buffer("dram", entries, max(most, 1), "u16", f"map.{number}", "temp", role="map", site=number),
                            buffer("counts", 1, entries, "u16", f"counts.{number}", role="counts", site=number),
                            groups, width, visual, sum(g.identity for g in groups), m_tile, vector)
        self.sites.append(made)
        if filled:
            loc = ir.Location.name(BEFORE)
            with self.gathering():
                ids = self.mat(1, max(visual, 1), "i32")
                concentrate.emit_gather(self.b, BEFORE, concentrate.Gather(self.mat(made.rows, width), made, ids, site=number), 1, loc)
        return made

    def gathering(self):
        """While kernels are emitted that concentrate."""
        return _Attributes(self.b, {"threshold": 0.9, "block": [2, 2, 2]})

    def tokens(self) -> ir.Attribute:
        """A layout of as many visual tokens as the sites have, in one row."""
        visual = max((site.visual for site in self.sites), default=1) or 1
        layout = TokenLayout(V=visual, S=visual + 1, runs=(Run(0, visual),), grids=(Grid.dense(0, 1, 1, visual),))
        return TokensAttr.make(layout.V, layout.S, layout.flat_runs(), layout.flat_grids())

    # ---- kernels -----------------------------------------------------------------------------------------------------
    def _gemm(self, form: GemmForm, t: GemmMapping, loc: ir.Location) -> float:
        b, cols = self.b, self.b.geometry.cols
        if form.resample:
            operands = linear.Resampling(self.mat(form.rows, form.k), self.mat(form.k, form.n), self.mat(form.rows, form.n))
            linear.emit_resample(b, TIMED, operands, t, loc)
            return form.repeat
        side = b.geometry.rows
        passes = (ceil(form.rows, t.m) * ceil(form.k, side) + form.added * ceil(form.rows, side)) * form.tiles * ceil(t.n, cols) * form.weights
        n = min(form.n, t.n * max(TILES, PASSES // passes))
        if form.gathered and ceil(form.n, cols) % (t.n // cols):
            n = min(n, form.n // t.n * t.n)         # columns left over after whole n-tiles have a mapping of their own
        groups = None if form.visual is None else (TileGroup(0, form.tiles, form.rows - form.visual, form.visual),)
        rows = form.rows if groups is None else form.rows * form.tiles
        x: Mat | Concentrated | None = self.conc(groups, form.k, form.visual or 1) if form.unique and groups else self.mat(rows, form.k)
        x = None if form.turn == "back" else x
        out: Mat | Concentrated = self.mat(rows, n)
        ids = None
        if form.gathered and groups:
            out, ids = self.conc(groups, n, form.visual or 1, filled=False), self.mat(1, max(1, (form.visual or 0) * form.tiles), "i32")
        activation = "swiglu" if form.weights == 2 else "silu" if form.slow else "none"
        shape = (rows, 1) if form.turn == "across" else (1, n)
        biases = [self.mat(*shape) if i < form.biases else None for i in range(form.weights)]
        weights = [self.mat(n, form.k or rows) for _ in range(form.weights)]
        layer = linear.Linear(TIMED, x, weights, biases, out, activation,
                              self.mat(rows, n) if form.residual else None, self.mat(rows, 2, "f32") if form.moments else None, ids,
                              len(self.sites) - 1, "mul" if form.half == "product" else "add", form.aside, turn=form.turn,
                              added=self.mat(n, rows) if form.added and form.k else None, identity=self.mat(side, side) if form.added else None)
        with self.gathering():
            conc = next((m for m in (out, x) if isinstance(m, Concentrated)), None)
            if groups is None or conc is None:
                linear.emit_dense(b, layer, t, loc)
            else:
                linear.emit_tiles(b, layer, conc, groups[0], t, loc)
        return form.n / n * form.repeat

    def _heads(self, form: AttentionForm | SpillForm, count: int) -> attention.Heads:
        return attention.Heads(count, 1, form.head_dim, 1.0, float(form.capped))

    def _dense(self, form: AttentionForm, t: AttentionMapping, loc: ir.Location) -> float:
        regions, at = [], 0
        for count, ahead in form.regions:
            regions.append(attention.Region(at, count, ahead))
            at += count
        heads = self._heads(form, 1)
        section = attention.Section(0, form.rows, tuple(regions))
        positions = self.mat(1, max(at, form.rows), "i32") if form.masked else None
        att = attention.Attention(TIMED, self.mat(form.rows, form.head_dim), self.mat(at, form.head_dim), self.mat(at, form.head_dim),
                                  self.mat(form.rows, form.head_dim), heads, positions)
        attention.emit_attention(self.b, att, [section], (t,), loc)
        return form.heads * form.repeat

    def _concentrated(self, form: AttentionForm, t: AttentionMapping, loc: ir.Location) -> float:
        group = form.group
        m_tile = form.visual if not form.first or form.first % form.visual == 0 else form.first
        tiles = TileGroup(form.first // m_tile, form.tiles, form.fixed - form.visual, form.visual)
        before = (TileGroup(0, tiles.first, 0, m_tile),) if tiles.first else ()
        conc = replace(self.conc((*before, tiles), group * form.head_dim, m_tile), groups=(tiles,))
        lead = form.regions[0][1] or 0
        conc = replace(conc, visual=max(conc.visual, form.keys - lead))
        keys = form.keys
        att = attention.Attention(TIMED, conc, self.mat(keys, form.head_dim), self.mat(keys, form.head_dim),
                                  self.mat(conc.rows, group * form.head_dim), self._heads(form, group), self.mat(1, lead + conc.rows, "i32"), lead)
        attention.emit_concentrated_attention(self.b, att, (t,), loc)
        return form.kv_heads

    def _importance(self, form: AttentionForm, t: AttentionMapping, loc: ir.Location) -> float:
        rows, group, dim = form.keys, form.group, form.head_dim
        imp = attention.Importance(self.mat(rows, group * dim), self.mat(rows, dim), self.mat(1, rows, "i32"), self.mat(1, form.visual, "f32"),
                                   self.mat(1, form.visual, "f32"), self._heads(form, group), form.visual, form.rows)
        attention.emit_importance(self.b, TIMED, imp, t, loc)
        return form.kv_heads

    def _spilled(self, form: SpillForm, t: SpillMapping, loc: ir.Location) -> float:
        heads = min(form.heads // form.kv_heads, t.heads)
        groups, at, left = [], 0, form.visual
        for rows, count in form.tiles:
            visual = min(form.m_tile, left // count if count > 1 else left)
            groups.append(TileGroup(at, count, rows - visual, visual))
            at, left = at + count, left - visual * count
        conc = self.conc(tuple(groups), heads * form.head_dim, form.m_tile)
        att = attention.Attention(TIMED, conc, self.mat(form.keys, form.head_dim), self.mat(form.keys, form.head_dim),
                                  self.mat(conc.rows, heads * form.head_dim), self._heads(form, heads), self.mat(1, form.keys + conc.text, "i32"),
                                  form.keys - form.visual)
        spilled.emit_spilled_attention(self.b, att, t, loc)
        return form.heads / heads

    def _rows(self, form: RowsForm, t: RowsMapping, loc: ir.Location) -> float:
        b, rows, cols = self.b, form.rows, form.cols
        if form.what.startswith("gather"):
            conc = self.conc((TileGroup(0, 1, rows - form.visual, form.visual),), cols, form.visual or 1, filled=False)
            norm = self._norm(form) if form.what == "gather_norm" else None
            gather = concentrate.Gather(self.mat(rows, cols), conc, self.mat(1, max(1, form.visual), "i32"), norm, site=len(self.sites) - 1)
            with self.gathering():
                concentrate.emit_gather(b, TIMED, gather, t.slots, loc)
            return form.repeat
        source, target = self.mat(rows, cols, form.dtype), self.mat(rows, cols, form.dtype)
        if form.what == "norm":
            concentrate.emit_norm(b, TIMED, concentrate.Normed(source, self._norm(form), target), t, loc)
        elif form.what == "rope":
            tables = self.mat(rows, form.head), self.mat(rows, form.head)
            ids = self.mat(1, rows, "i32") if form.second else None
            concentrate.emit_rope(b, TIMED, concentrate.Rope(source, *tables, target, form.head, ids), t, loc)
        elif form.what == "elementwise":
            other = self.mat(rows, cols) if form.second else None
            concentrate.emit_elementwise(b, TIMED, concentrate.Elementwise("add" if form.second else "silu", source, other, target), t, loc)
        elif form.what == "take":
            movement.emit_take_rows(b, TIMED, movement.Take(source, self.mat(1, rows, "i32"), target), t, loc)
        else:
            movement.emit_copy(b, TIMED, source, target, t, loc)
        return form.repeat

    def _norm(self, form: RowsForm) -> concentrate.Norm:
        moments = self.mat(form.rows, 2, "f32") if form.moments else None
        return concentrate.Norm("layer" if form.bias else "rms", 1e-5, self.mat(1, form.cols), self.mat(1, form.cols) if form.bias else None, moments)

    # ---- timing ------------------------------------------------------------------------------------------------------
    def time(self, text: np.ndarray, source: np.ndarray, modules: tuple[str, ...], share: float) -> Cost:
        """Run the program without data; what its timed kernels take, times `share`."""
        from focus.runtime import _sim
        table = [{"layer": 0, "site": "q_proj", "width": s.width, "slices": s.slices, "visual": s.visual,
                  "tiles": [list(tile) for tile in s.tiles()], "count_base": get_attr(s.counts.value.owner, "address")} for s in self.sites]
        counts = [np.concatenate([np.full(s.slices, max(1, round(visual * UNIQUE_SHARE)) if visual else 0, np.int32) for _, _, visual in s.tiles()])
                  for s in self.sites]
        run = _sim.Simulator(text, source, self.target.machine.to_json(), json.dumps(table)).run(False, False, counts)
        number = modules.index(TIMED)
        return Cost(float(run["modules"]["cycles"][number]) * share, float(run["modules"]["dram_bytes"][number]) * share)


@dataclass
class _Attributes:
    """While active, kernels carry these attributes."""
    b: TileBuilder
    values: dict

    def __enter__(self) -> None:
        self.b.kernel_attrs = self.values

    def __exit__(self, *_: object) -> None:
        self.b.kernel_attrs = {}
