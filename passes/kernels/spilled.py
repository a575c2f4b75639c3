"""Attention of concentrated queries whose probabilities go through DRAM, for query tiles too long for scores and accumulators at once.

In: concentrated queries, dense keys and values, positions (`Attention`).  Out: for every few heads, kernels that make probabilities from
unique query vectors, and kernels that weight the values with them, in m-tiles of any size.  One serves all m-tiles of a shape, where steps of
key columns divide them; else each has its own.

What is written is what the running softmax holds: fp16 probabilities relative to the row's maximum so far, for every 32 key columns the
factor by which that maximum scales earlier columns down, and the finished row state.  So numbers are those of scores that stay on chip.
"""
from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Iterator

from torch_mlir import ir

from focus.passes.mapping import cost
from focus.passes.tile.builder import Idx, Mat, TileBuilder
from focus.passes.mapping.cost import PARTIALS, PLACES, SPILLED_COLS, ceil
from focus.passes.kernels import attention
from focus.passes.kernels.attention import Attention, Block, ConcentratedScores, Heads, Strand, positions_of, score_pass, softmax_step
from focus.passes.kernels.linear import Alternating
from focus.passes.kernels.rows import TileGroup, dense_tiles, group_tiles
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine


@dataclass(frozen=True)
class Spill:
    """What lies in DRAM between making and using, for `heads` heads at a time, each of `rows` x `keys`.

    probabilities: f16 [heads * rows, keys rounded up]; factors: f32 [heads * key tiles * height, 1], the rows of a key tile together;
    states: f32 [heads * rows, 4].  A key tile has 32 columns; `height` is `rows` rounded up to a multiple of that.
    """
    rows: int
    keys: int
    height: int
    key_tiles: int
    probabilities: Mat
    factors: Mat
    states: Mat

    @staticmethod
    def of(b: TileBuilder, heads: int, rows: int, keys: int, step: int) -> "Spill":
        height, tiles = ceil(rows, SPILLED_COLS) * SPILLED_COLS, ceil(keys, step) * ceil(step, SPILLED_COLS)
        temp = lambda n, cols, dtype, name: b.buffer("dram", n, cols, dtype, name, "temp")
        return Spill(rows, keys, height, tiles, temp(heads * rows, ceil(keys, 32) * 32, "f16", "probabilities"),
                     temp(heads * tiles * height, 1, "f32", "factors"), temp(heads * rows, 4, "f32", "states"))

    def probabilities_of(self, b: TileBuilder, head: Idx, row: Idx, rows: int, column: Idx) -> Mat:
        """Rows [row, row + rows) of the key tile at `column`."""
        whole = b.window(self.probabilities, head * self.rows, 0, self.rows, self.keys)
        return b.window(whole, row, column, rows, SPILLED_COLS)

    def factors_of(self, b: TileBuilder, head: Idx, row: Idx, rows: int, column: Idx) -> Mat:
        tile = head * (self.key_tiles * self.height) + column * (self.height // SPILLED_COLS)
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


def emit_spilled_attention(b: TileBuilder, machine: Machine, att: Attention, loc: ir.Location) -> None:
    """Emit the attention of the visual rows of concentrated queries.  Raises FocusError when no tiling fits."""
    conc, heads, keys = att.q, att.heads, att.lead + att.q.visual
    groups = [g for g in conc.groups if g.visual]
    t = cost.spilled_tiling(machine, [(g.rows, g.count) for g in groups], conc.visual, keys, heads.dim)
    together = min(heads.q, attention.heads_spilled(machine, conc.visual, keys))
    if t is None or not together:
        raise FocusError(f"{att.name}: probabilities of {conc.visual} x {keys} cannot go through DRAM on machine '{machine.name}'")
    spill = Spill.of(b, together, conc.visual, keys, t.step)
    made = [part for g in groups for part in (_apart(g) if g.rows % t.step else [g])]
    for share in _shares(heads, together):
        for group in made:
            with b.kernel(att.name, loc):
                _make(b, att, t, spill, share, group)
        for tiles in _uses(spill, t.m, conc.m_tile, att.lead):
            with b.kernel(att.name, loc):
                _use(b, att, t, spill, share, tiles)


def _apart(group: TileGroup) -> Iterator[TileGroup]:
    """The m-tiles of a group one by one: their triangles have no common form where no step of key columns divides the rows."""
    return (replace(group, first=group.first + i, count=1) for i in range(group.count))


def _make(b: TileBuilder, att: Attention, t: cost.SpilledTiling, spill: Spill, share: Share, group: TileGroup) -> None:
    """Probabilities, factors and row states of the visual rows of a group of m-tiles."""
    conc, dim = att.q, att.heads.dim
    k, kpos = b.window(att.k, 0, 0, spill.keys, att.k.cols), b.window(att.positions, 0, 0, 1, spill.keys)
    with _heads_of(b, att.heads, share) as (head, kv, number), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
        row = tile.parts[-1][2]
        strand = Strand(tile, head, group.visual, [Block(0, group.visual)], qpos=positions_of(b, att.positions, row + att.lead, group.visual),
                        state=b.buffer("stats", group.visual, 4, "f32", "softmax"))
        strand.scores = ConcentratedScores(b, conc, strand, dim, Alternating(b, tile.rows, PARTIALS), resident=False)
        step = min(t.step, spill.keys)
        with b.loop(spill.keys, step, hi=tile.index * conc.m_tile + (group.visual + att.lead)) as j:
            columns = positions_of(b, kpos, j, step)
            parts = range(0, step, SPILLED_COLS)
            scores = [b.buffer("output", tile.rows, min(SPILLED_COLS, step - at), "f32", "scores") for at in parts]
            # partial sums take turns in two places, in the loop over slices too
            score_pass(b, 32, [strand], k, j, step, kv * dim, dim, [scores], unroll=1 + len(parts) % PARTIALS)
            places = [b.buffer("vector", group.visual, part.cols, "f16", f"probabilities{i}") for i, part in enumerate(scores[:PLACES])]
            for i, (at, part) in enumerate(zip(parts, scores)):
                p = b.window(places[i % len(places)], 0, 0, group.visual, part.cols)
                softmax_step(b, att.heads.scale, strand, part, p, b.window(columns, 0, at, 1, part.cols), "never" if at else "first")
                factors = b.buffer("stats", group.visual, 1, "f32", "factors")
                b.map(b.window(strand.state, 0, 2, group.visual, 1), factors)
                b.store(p, spill.probabilities_of(b, number, row, group.visual, j + at), "score")
                b.store(factors, spill.factors_of(b, number, row, group.visual, j + at), "score")
        b.store(strand.state, spill.states_of(b, number, row, group.visual), "score")


@dataclass(frozen=True)
class Uses:
    """Query tiles in which probabilities are used: rows [first, first + count) in tiles of `m`, of which every row sees the key columns before
    `all_see`, and only those from row `later` of a tile on what follows (None: all see all that is before the tile's last row)."""
    first: int
    count: int
    m: int
    all_see: int | None = None
    later: int = 0


def _uses(spill: Spill, m: int, m_tile: int, lead: int) -> Iterator[Uses]:
    """The rows of a spill in tiles of m: a loop where they stay within the m-tiles in which probabilities were made, else one by one, because
    a row has none beyond the columns that its m-tile sees."""
    if m_tile % m == 0 or spill.rows <= m_tile:
        yield Uses(0, spill.rows, m)
        return
    for at in range(0, spill.rows, m):
        end, border = min(at + m, spill.rows), (at // m_tile + 1) * m_tile
        all_see = ceil(border + lead, SPILLED_COLS) * SPILLED_COLS
        reaches_over = border < end and all_see < spill.keys
        yield Uses(at, end - at, m, all_see if reaches_over else None, border - at)


def _use(b: TileBuilder, att: Attention, t: cost.SpilledTiling, spill: Spill, share: Share, uses: Uses) -> None:
    """Values weighted by probabilities from DRAM, divided by their sums."""
    dim, v, out = att.heads.dim, b.window(att.v, 0, 0, spill.keys, att.v.cols), b.window(att.out, uses.first, 0, uses.count, att.out.cols)
    with _heads_of(b, att.heads, share) as (head, kv, number), dense_tiles(b, uses.count, uses.m) as tile, b.loop(dim, t.out_cols) as block:
        at, rows = tile.parts[0][2], tile.rows
        row = at + uses.first
        state = b.buffer("stats", rows, 4, "f32", "softmax")
        b.load(spill.states_of(b, number, row, rows), state, "score")
        blocks = [(c, b.buffer("output", rows, 32, "f32", "weighted")) for c in range(0, t.out_cols, 32)]
        last = row + (uses.m + att.lead)
        stretches = [(0, 0, last)] if uses.all_see is None else [(0, 0, Idx(uses.all_see)), (uses.later, uses.all_see, last)]
        for skip, column, end in stretches:
            accumulators = [(c, b.window(acc, skip, 0, rows - skip, 32)) for c, acc in blocks]
            step = min(SPILLED_COLS, spill.keys - column)
            with b.loop(spill.keys - column, step, hi=end + -column) as j:
                part = Part(number, row + skip, rows - skip, j + column, step)
                _weigh(b, v, spill, part, kv * dim + block, accumulators, "never" if column else "first")
        for c, acc in blocks:
            result = b.recast(acc, "f16")
            b.op("v.finish", acc, state, result)
            b.store(result, b.window(out, at, head * dim + (block + c), rows, 32), "result")


@dataclass(frozen=True)
class Part:
    """Probabilities of head `number` of a share: rows [row, row + rows), key columns [column, column + columns)."""
    number: Idx
    row: Idx
    rows: int
    column: Idx
    columns: int


def _weigh(b: TileBuilder, v: Mat, spill: Spill, part: Part, first: Idx, accumulators: list[tuple[int, Mat]], init: str) -> None:
    """Accumulators (+)= probabilities x values.  first: the first column of the values; accumulators: (column from there, tile)."""
    p, factors = b.buffer("input", part.rows, part.columns, "f16", "probabilities"), b.buffer("stats", part.rows, 4, "f32", "factors")
    where = (part.number, part.row, part.rows, part.column)
    b.load(spill.factors_of(b, *where), b.window(factors, 0, 2, part.rows, 1), "score")
    b.load(spill.probabilities_of(b, *where), p, "score")
    turns = [b.buffer("wgt", part.columns, 32, "f16", f"values{i}") for i in range(len(accumulators) if init == "first" else cost.VALUE_TILES)]
    for i, (at, acc) in enumerate(accumulators):
        values = turns[i % len(turns)]
        b.load(b.window(v, part.column, first + at, part.columns, 32), values, "kv")
        b.op("v.rescale", acc, factors, attrs={"init": init})
        b.mm(p, values, acc, init, kn=True)
