"""Attention of concentrated queries whose probabilities go through DRAM, for query tiles too long for scores and accumulators at once.

In: concentrated queries, dense keys and values, positions (`Attention`).  Out: for every few heads, kernels that make probabilities from
unique query vectors, and kernels that weight the values with them, in m-tiles of any size.  One serves all m-tiles of a shape, where steps of
key columns divide them; else each has its own.

What is written is what the online softmax holds: fp16 probabilities relative to the row's maximum so far, for every tile of key columns, one
array wide, the factor by which that maximum scales earlier columns down, and the finished row state.  So numbers are those of scores that stay
on chip.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch_mlir import ir

from focus.dialects.mapping import SpillMapping
from focus.passes.kernels.attention import (
    VALUE_TILES,
    Attention,
    Block,
    ConcentratedScores,
    Cut,
    Heads,
    ScorePass,
    Scores,
    Strand,
    positions_of,
    softmax_step,
)
from focus.passes.kernels.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.forms import SpillForm
from focus.passes.kernels.linear import Alternating, in_body
from focus.passes.kernels.places import Places, ceil, widths
from focus.passes.kernels.rows import TileGroup, dense_tiles, group_tiles
from focus.runtime.spec.geometry import Geometry

PLACES = 2              #: tiles of probabilities on their way out, in turn


@dataclass(frozen=True)
class Spill:
    """What lies in DRAM between making and using, for `heads` heads at a time, each of `rows` x `keys`.

    probabilities: f16 [heads * rows, keys rounded up]; factors: f32 [heads * key tiles * height, 1], the rows of a key tile together;
    states: f32 [heads * rows, 4].  A key tile has `cols` columns, as many as the array; `height` is `rows` rounded up to a multiple of that.
    """
    rows: int
    keys: int
    height: int
    key_tiles: int
    cols: int
    probabilities: Mat
    factors: Mat
    states: Mat

    @staticmethod
    def of(b: TileBuilder, heads: int, rows: int, keys: int, step: int) -> Spill:
        cols = b.geometry.cols
        height, tiles = ceil(rows, cols) * cols, ceil(keys, step) * ceil(step, cols)
        temp = lambda n, cols, dtype, name: b.buffer("dram", n, cols, dtype, name, "temp")
        return Spill(rows, keys, height, tiles, cols, temp(heads * rows, ceil(keys, cols) * cols, "f16", "probabilities"),
                     temp(heads * tiles * height, 1, "f32", "factors"), temp(heads * rows, 4, "f32", "states"))

    def probabilities_of(self, b: TileBuilder, head: Idx, row: Idx, rows: int, column: Idx) -> Mat:
        """Rows [row, row + rows) of the key tile at `column`."""
        whole = b.window(self.probabilities, head * self.rows, 0, self.rows, self.keys)
        return b.window(whole, row, column, rows, self.cols)

    def factors_of(self, b: TileBuilder, head: Idx, row: Idx, rows: int, column: Idx) -> Mat:
        tile = head * (self.key_tiles * self.height) + column * (self.height // self.cols)
        return b.window(b.window(self.factors, tile, 0, self.rows, 1), row, 0, rows, 1)

    def states_of(self, b: TileBuilder, head: Idx, row: Idx, rows: int) -> Mat:
        return b.window(b.window(self.states, head * self.rows, 0, self.rows, 4), row, 0, rows, 4)


@dataclass(frozen=True)
class Share:
    """Heads [first, first + count) of each key/value head in [kv, kv + groups): those whose probabilities are in DRAM together."""
    kv: int
    groups: int
    first: int
    count: int


def _shares(heads: Heads, together: int) -> Iterator[Share]:
    """All heads, at most `together` at a time: whole groups where they fit, else parts of one."""
    each = heads.q // heads.kv
    groups = max(1, together // each)
    for kv in range(0, heads.kv, groups):
        for first in range(0, each, together):
            yield Share(kv, min(groups, heads.kv - kv), first, min(together, each - first))


@contextlib.contextmanager
def _heads_of(b: TileBuilder, heads: Heads, share: Share) -> Iterator[tuple[Idx, Idx, Idx]]:
    """Loops over the heads of a share; yields (query head, key/value head, number in the share)."""
    with b.loop(share.groups, 1) as g, b.loop(share.count, 1) as h:
        group = g + share.kv
        yield group * (heads.q // heads.kv) + h + share.first, group, g * share.count + h


def emit_spilled_attention(b: TileBuilder, att: Attention, t: SpillMapping, loc: ir.Location) -> None:
    """Emit the attention of the visual rows of concentrated queries."""
    conc, heads, keys = att.unique, att.heads, att.ahead + att.unique.visual
    groups = [g for g in conc.groups if g.visual]
    together = min(heads.q, t.heads)
    spill = Spill.of(b, together, conc.visual, keys, t.step)
    form = spill_form(heads, conc, att.ahead)
    made = [part for g in groups for part in (_apart(g) if g.rows % t.step else [g])]
    for share in _shares(heads, together):
        for group in made:
            with b.kernel(att.name, loc, t.slots):
                _Making(b, att, t, spill, making_places(form, (group.rows, group.visual), t, b.geometry)).emit(share, group)
        for tiles in tiles_of_use(form, t.m, b.geometry):
            with b.kernel(att.name, loc, t.slots):
                _Using(b, att, spill, using_places(form, t, b.geometry, tiles)).emit(share, tiles, t.out_cols)


def spill_form(heads: Heads, conc: Cut, ahead: int) -> SpillForm:
    """The form of attention through DRAM of concentrated queries."""
    return SpillForm(tuple((g.rows, g.count) for g in conc.groups if g.visual), conc.visual, ahead + conc.visual, heads.dim, heads.q, heads.kv,
                     conc.m_tile, capped=heads.cap > 0)


def making_places(form: SpillForm, tile: tuple[int, int], t: SpillMapping, geometry: Geometry) -> Places:
    """What making the probabilities of a tile of (rows, visual rows) takes on chip."""
    p, (rows, visual), cols, vector = Places(), tile, geometry.cols, geometry.vector
    step = min(t.step, form.keys)
    parts = widths(step, cols)
    p.add("positions", "ids", (1, visual), "i32")
    p.add("columns.0", "ids", (1, step), "i32")
    p.add("softmax", "stats", (visual, 4), "f32")
    for i, width in enumerate(parts):
        p.add(f"scores{i}", "output", (rows, width), "f32")
        p.add(f"probabilities{i}", "vector", (visual, width), "f16", int(i < PLACES))
    p.add("factors", "stats", (visual, 1), "f32", len(parts))
    slices = in_body(form.head_dim // vector, 1 + len(parts) % t.partials)
    p.add("keys.0", "wgt", (step, vector), "f16", slices)
    p.add("slice.0.0", "input", (rows, vector), "f16", slices)
    p.add("map.0.0", "map", (1, visual), "u16", slices)
    p.add("partial", "conc", (rows, cols), "f32", t.partials)
    return p


def using_places(form: SpillForm, t: SpillMapping, geometry: Geometry, uses: Uses) -> Places:
    """What using probabilities takes on chip: a tile that reaches over the end of an m-tile has two loops, each with places of its own."""
    p, rows, cols = Places(), min(t.m, uses.count), geometry.cols
    subs = widths(min(t.out_cols, form.head_dim), cols)
    p.add("softmax", "stats", (rows, 4), "f32")
    for i, width in enumerate(subs):
        p.add(f"weighted{i}", "output", (rows, width), "f32")
    for name, first, height in [("", 0, rows)] + ([(".later", uses.all_see, rows - uses.later)] if uses.all_see is not None else []):
        step = min(cols, form.keys - first)
        p.add(f"probabilities{name}", "input", (height, step), "f16")
        p.add(f"factors{name}", "stats", (height, 4), "f32")
        p.add(f"values{name}", "wgt", (step, cols), "f16", len(subs) if not name else min(VALUE_TILES, len(subs)))
    return p


def _apart(group: TileGroup) -> Iterator[TileGroup]:
    """The m-tiles of a group one by one: their triangles have no common form where no step of key columns divides the rows."""
    return (replace(group, first=group.first + i, count=1) for i in range(group.count))


@dataclass
class _Making:
    """Probabilities, factors and row states of the visual rows of a group of m-tiles."""
    b: TileBuilder
    att: Attention
    t: SpillMapping
    spill: Spill
    places: Places

    def emit(self, share: Share, group: TileGroup) -> None:
        b, att, spill, t, places = self.b, self.att, self.spill, self.t, self.places
        conc, dim, cols = att.unique, att.heads.dim, b.geometry.cols
        k, kpos = b.window(att.k, 0, 0, spill.keys, att.k.cols), b.window(att.compared[1], 0, 0, 1, spill.keys)
        with _heads_of(b, att.heads, share) as (head, kv, number), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
            row = tile.parts[-1][2]
            strand = Strand(tile, head, group.visual, [Block(0, group.visual)],
                            qpos=positions_of(b, places, att.compared[0], row + att.lead, group.visual), state=places.make(b, "softmax"))
            strand.scores = ConcentratedScores(places, conc, strand, dim, Alternating(b, places, t.partials), resident=False)
            step = min(t.step, spill.keys)
            with b.loop(spill.keys, step, hi=tile.index * conc.m_tile + (group.visual + att.ahead)) as j:
                columns = positions_of(b, places, kpos, j, step, "columns.0")
                parts = range(0, step, cols)
                scores = [places.make(b, f"scores{i}") for i in range(len(parts))]
                # partial sums take turns in their places, in the loop over slices too
                scored = ScorePass(b, places, [strand], k, j, step, kv * dim, dim, "0")
                scored.emit(conc.vector, [scores], unroll=1 + len(parts) % t.partials)
                room = [places.make(b, f"probabilities{i}") for i in range(min(PLACES, len(parts)))]
                for i, (at, part) in enumerate(zip(parts, scores)):
                    p = b.window(room[i % len(room)], 0, 0, group.visual, part.cols)
                    softmax_step(b, att.heads, strand, Scores(part, p, b.window(columns, 0, at, 1, part.cols)), "never" if at else "first")
                    factors = places.make(b, "factors")
                    b.map(b.window(strand.running, 0, 2, group.visual, 1), factors)
                    b.store(p, spill.probabilities_of(b, number, row, group.visual, j + at), "score")
                    b.store(factors, spill.factors_of(b, number, row, group.visual, j + at), "score")
            b.store(strand.running, spill.states_of(b, number, row, group.visual), "score")


@dataclass(frozen=True)
class Uses:
    """Query tiles in which probabilities are used: rows [first, first + count) in tiles of `m`, of which every row sees the key columns before
    `all_see`, and only those from row `later` of a tile on what follows (None: all see all that is before the tile's last row)."""
    first: int
    count: int
    m: int
    all_see: int | None = None
    later: int = 0


def tiles_of_use(form: SpillForm, m: int, geometry: Geometry) -> Iterator[Uses]:
    """The visual rows in tiles of m: a loop where they stay within the m-tiles in which probabilities were made, else one by one, because
    a row has none beyond the columns that its m-tile sees."""
    rows, m_tile, cols, ahead = form.visual, form.m_tile, geometry.cols, form.keys - form.visual
    if m_tile % m == 0 or rows <= m_tile:
        yield Uses(0, rows, m)
        return
    for at in range(0, rows, m):
        end, border = min(at + m, rows), (at // m_tile + 1) * m_tile
        all_see = ceil(border + ahead, cols) * cols
        reaches_over = border < end and all_see < form.keys
        yield Uses(at, end - at, m, all_see if reaches_over else None, border - at)


@dataclass
class _Using:
    """Values weighted by probabilities from DRAM, divided by their sums."""
    b: TileBuilder
    att: Attention
    spill: Spill
    places: Places

    def emit(self, share: Share, uses: Uses, out_cols: int) -> None:
        b, att, spill, places = self.b, self.att, self.spill, self.places
        dim, v, out = att.heads.dim, b.window(att.v, 0, 0, spill.keys, att.v.cols), b.window(att.out, uses.first, 0, uses.count, att.out.cols)
        cols, out_cols = b.geometry.cols, min(out_cols, dim)
        with _heads_of(b, att.heads, share) as (head, kv, number), dense_tiles(b, uses.count, uses.m) as tile, b.loop(dim, out_cols) as block:
            at, rows = tile.parts[0][2], tile.rows
            row = at + uses.first
            state = places.make(b, "softmax")
            b.load(spill.states_of(b, number, row, rows), state, "score")
            blocks = [(c, places.make(b, f"weighted{i}")) for i, c in enumerate(range(0, out_cols, cols))]
            last = row + (uses.m + att.ahead)
            stretches = [("", 0, 0, last)] if uses.all_see is None else [("", 0, 0, Idx(uses.all_see)), (".later", uses.later, uses.all_see, last)]
            for name, skip, column, end in stretches:
                accumulators = [(c, b.window(acc, skip, 0, rows - skip, acc.cols)) for c, acc in blocks]
                step = min(cols, spill.keys - column)
                with b.loop(spill.keys - column, step, hi=end + -column) as j:
                    part = Part(number, row + skip, rows - skip, j + column, step)
                    self._weigh(name, v, part, kv * dim + block, accumulators)
            for c, acc in blocks:
                result = b.recast(acc, "f16")
                b.op("v.finish", acc, state, result)
                b.store(result, b.window(out, at, head * dim + (block + c), rows, acc.cols), "result")

    def _weigh(self, name: str, v: Mat, part: Part, first: Idx, accumulators: list[tuple[int, Mat]]) -> None:
        """Accumulators (+)= probabilities x values.  first: the first column of the values; accumulators: (column from there, tile)."""
        b, spill, places, depth = self.b, self.spill, self.places, self.b.geometry.rows
        init = "never" if name else "first"
        p, factors = places.make(b, f"probabilities{name}"), places.make(b, f"factors{name}")
        where = (part.number, part.row, part.rows, part.column)
        b.load(spill.factors_of(b, *where), b.window(factors, 0, 2, part.rows, 1), "score")
        b.load(spill.probabilities_of(b, *where), p, "score")
        turns = [places.make(b, f"values{name}", i) for i in range(places.table[f"values{name}"].count)]
        for i, (at, acc) in enumerate(accumulators):
            values = b.window(turns[i % len(turns)], 0, 0, part.columns, acc.cols)
            b.load(b.window(v, part.column, first + at, part.columns, acc.cols), values, "kv")
            b.op("v.rescale", acc, factors, attrs={"init": init})
            for c in range(0, part.columns, depth):
                b.mm_kn(b.window(p, 0, c, part.rows, depth), b.window(values, c, 0, depth, acc.cols), acc, "never" if c else init)


@dataclass(frozen=True)
class Part:
    """Probabilities of head `number` of a share: rows [row, row + rows), key columns [column, column + columns)."""
    number: Idx
    row: Idx
    rows: int
    column: Idx
    columns: int
