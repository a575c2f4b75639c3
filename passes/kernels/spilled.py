"""Attention of concentrated queries whose probabilities go through DRAM, for query tiles too long for scores and accumulators at once.

In: concentrated queries, dense keys and values, positions (`Attention`).  Out: for every few heads, kernels that make probabilities from
unique query vectors, one for each shape of m-tile, and a kernel that weights the values with them, in m-tiles of any size.

What is written is what the running softmax holds: fp16 probabilities relative to the row's maximum so far, for every 32 key columns the
factor by which that maximum scales earlier columns down, and the finished row state.  So numbers are those of scores that stay on chip.
"""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Iterator

from torch_mlir import ir

from focus.passes import cost
from focus.passes.builder import Idx, Mat, TileBuilder
from focus.passes.cost import PLACES, SPILLED_COLS, ceil
from focus.passes.kernels import attention
from focus.passes.kernels.attention import Attention, Block, ConcentratedScores, Heads, Strand, positions_of, score_pass, softmax_step
from focus.passes.kernels.linear import Alternating
from focus.passes.kernels.rows import TileGroup, dense_tiles, group_tiles
from focus.runtime.errors import FocusError
from focus.runtime.machine import Machine


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
    for share in _shares(heads, together):
        for group in groups:
            with b.kernel(att.name, loc):
                _make(b, att, t, spill, share, group)
        with b.kernel(att.name, loc):
            _use(b, att, t, spill, share)


def _make(b: TileBuilder, att: Attention, t: cost.SpilledTiling, spill: Spill, share: Share, group: TileGroup) -> None:
    """Probabilities, factors and row states of the visual rows of a group of m-tiles."""
    conc, dim = att.q, att.heads.dim
    k, kpos = b.window(att.k, 0, 0, spill.keys, att.k.cols), b.window(att.positions, 0, 0, 1, spill.keys)
    with _heads_of(b, att.heads, share) as (head, kv, number), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
        row = tile.parts[-1][2]
        strand = Strand(tile, head, group.visual, [Block(0, group.visual)], qpos=positions_of(b, att.positions, row + att.lead, group.visual),
                        state=b.buffer("stats", group.visual, 4, "f32", "softmax"))
        strand.scores = ConcentratedScores(b, conc, strand, dim, Alternating(b, tile.rows, 2), resident=False)
        step = min(t.step, spill.keys)
        with b.loop(spill.keys, step, hi=tile.index * conc.m_tile + (group.visual + att.lead)) as j:
            columns = positions_of(b, kpos, j, step)
            parts = range(0, step, SPILLED_COLS)
            scores = [b.buffer("output", tile.rows, min(SPILLED_COLS, step - at), "f32", "scores") for at in parts]
            score_pass(b, 32, [strand], k, j, step, kv * dim, dim, [scores])
            places = [b.buffer("vector", group.visual, part.cols, "f16", f"probabilities{i}") for i, part in enumerate(scores[:PLACES])]
            for i, (at, part) in enumerate(zip(parts, scores)):
                p = b.window(places[i % len(places)], 0, 0, group.visual, part.cols)
                softmax_step(b, att.heads.scale, strand, part, p, b.window(columns, 0, at, 1, part.cols), "never" if at else "first")
                factors = b.buffer("stats", group.visual, 1, "f32", "factors")
                b.map(b.window(strand.state, 0, 2, group.visual, 1), factors)
                b.store(p, spill.probabilities_of(b, number, row, group.visual, j + at), "score")
                b.store(factors, spill.factors_of(b, number, row, group.visual, j + at), "score")
        b.store(strand.state, spill.states_of(b, number, row, group.visual), "score")


def _use(b: TileBuilder, att: Attention, t: cost.SpilledTiling, spill: Spill, share: Share) -> None:
    """Values weighted by probabilities from DRAM, divided by their sums."""
    dim, v, out = att.heads.dim, b.window(att.v, 0, 0, spill.keys, att.v.cols), b.window(att.out, 0, 0, spill.rows, att.out.cols)
    with _heads_of(b, att.heads, share) as (head, kv, number), dense_tiles(b, spill.rows, t.m) as tile, b.loop(dim, t.out_cols) as block:
        row, rows = tile.parts[0][2], tile.rows
        state = b.buffer("stats", rows, 4, "f32", "softmax")
        b.load(spill.states_of(b, number, row, rows), state, "score")
        blocks = [(at, b.buffer("output", rows, 32, "f32", "weighted")) for at in range(0, t.out_cols, 32)]
        step = min(SPILLED_COLS, spill.keys)
        with b.loop(spill.keys, step, hi=row + (t.m + att.lead)) as j:
            p, factors = b.buffer("input", rows, step, "f16", "probabilities"), b.buffer("stats", rows, 4, "f32", "factors")
            b.load(spill.factors_of(b, number, row, rows, j), b.window(factors, 0, 2, rows, 1), "score")
            b.load(spill.probabilities_of(b, number, row, rows, j), p, "score")
            for at, acc in blocks:
                values = b.buffer("wgt", step, 32, "f16", "values")
                b.load(b.window(v, j, kv * dim + (block + at), step, 32), values, "kv")
                b.op("v.rescale", acc, factors, attrs={"init": "first"})
                b.mm(p, values, acc, "first", kn=True)
        for at, acc in blocks:
            result = b.recast(acc, "f16")
            b.op("v.finish", acc, state, result)
            b.store(result, b.window(out, row, head * dim + (block + at), rows, 32), "result")
