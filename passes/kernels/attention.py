"""Fused attention: scores, running softmax and weighted values of one head's m-tile without leaving the chip; and the prompt's
importance of every visual token (SEC).

In: queries (`Mat` or `Concentrated`), keys and values, positions.  Out: one `focus.kernel` a section: query rows that see the same
regions of key columns.  Keys and values are the stationary operands.  Each region is walked in steps of key columns; masking is
by sequence position, and columns that no row of an m-tile can see are not visited.
"""
from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Iterator

from torch_mlir import ir

from focus.passes.mapping import cost
from focus.passes.tile.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.linear import Alternating
from focus.passes.kernels.rows import Concentrated, RowTile, TileGroup, group_tiles
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine


@dataclass(frozen=True)
class Region:
    """Key columns [start, start + count).  `ahead`, unless None: rows [r0, r1) of the query section see only those before ahead + r1."""
    start: int
    count: int
    ahead: int | None = None


@dataclass(frozen=True)
class Section:
    """Query rows [start, start + count) and the key regions they see.  `repeat` sections of this form follow each other (segments)."""
    start: int
    count: int
    regions: tuple[Region, ...]
    repeat: int = 1


@dataclass(frozen=True)
class Heads:
    """Shape of the attention: query heads, key/value heads, width of a head, score scale."""
    q: int
    kv: int
    dim: int
    scale: float


@dataclass(frozen=True)
class Attention:
    """One attention: q [R, heads * dim] (dense or concentrated), k, v [lead + R, kv * dim], out like q.

    Causal attention has `positions` [1, lead + R] i32 and copies of the text rows that visual tokens can see in the `lead` first rows of k
    and v, so that what a tile of visual rows sees is one stretch of rows.
    """
    name: str
    q: Mat | Concentrated
    k: Mat
    v: Mat
    out: Mat
    heads: Heads
    positions: Mat | None
    lead: int = 0


@dataclass(frozen=True)
class Block:
    """Rows of a strand that leave off together: from the key column `until` on, none of them sees anything (None: never)."""
    row: int
    rows: int
    until: int | None = None


@dataclass
class Strand:
    """One of the interleaved query tiles: its rows, query head, how its scores are made, and on-chip state.

    Scores are made for all rows of `tile`; what follows is for its last `rows` rows (all but the identity rows), `blocks` of them at a time.
    """
    tile: RowTile
    head: Idx
    rows: int
    blocks: list[Block]
    scores: "_DenseScores | ConcentratedScores | None" = None
    q: Mat | None = None
    qpos: Mat | None = None
    state: Mat | None = None
    acc: list[tuple[int, Mat]] = field(default_factory=list)        #: accumulators: first column of each part, and the part


def causal_sections(visual: int, text: int, text_before: int, lead: int) -> list[Section]:
    """Sections of a causal prefill in storage order (visual rows, then text rows); key columns count from the `lead` copied rows on.

    text_before: text rows ahead of every visual token.
    """
    sections, text_at = [], lead + visual
    if visual:
        sections.append(Section(0, visual, (Region(0, text_at, ahead=lead),)))
    if text_before and visual:
        sections.append(Section(visual, text_before, (Region(text_at, text_before, ahead=0),)))
    if not visual:
        sections.append(Section(0, text, (Region(0, text, ahead=0),)))
    elif text > text_before:
        sections.append(Section(visual + text_before, text - text_before, (Region(lead, visual + text),)))
    return sections


def segment_sections(rows: int, segments: list[int]) -> list[Section]:
    """Sections of unmasked attention inside segments; equal neighbours become one section that repeats."""
    sections, at = [], 0
    for n in segments or [rows]:
        last = sections[-1] if sections else None
        if last and last.count == n:
            sections[-1] = replace(last, repeat=last.repeat + 1)
        else:
            sections.append(Section(at, n, (Region(at, n),)))
        at += n
    return sections


def emit_attention(b: TileBuilder, machine: Machine, att: Attention, sections: list[Section], loc: ir.Location) -> None:
    """Emit dense attention, one kernel a section.  Raises FocusError when no tiling fits the buffers."""
    for s in sections:
        causal = any(r.ahead is not None for r in s.regions)
        t = cost.attention_tiling(machine, s.count, sum(r.count for r in s.regions), att.heads.dim, len(s.regions), causal=causal)
        with b.kernel(att.name, loc), b.loop(s.repeat, 1) as i:
            rows = lambda m, at, n: b.window(m, i * s.count + at, 0, n, m.cols)
            q, out = rows(att.q, s.start, s.count), rows(att.out, s.start, s.count)
            kv = [keys_of(b, att, rows, r) for r in s.regions]
            qpos = b.window(att.positions, 0, att.lead + s.start, 1, s.count) if att.positions is not None else None
            with _heads(b, att.heads) as (head, group), b.loop(s.count, t.m * t.strands) as m:
                # a single trip has constant sizes; in a loop the last tiles are clipped
                sizes = [min(t.m, s.count - (0 if m.terms else k * t.m)) for k in range(t.strands)]
                strands = [Strand(RowTile(n, ((0, n, m + k * t.m),)), head, n, [Block(0, n)]) for k, n in enumerate(sizes) if n > 0]
                for strand in strands:
                    strand.scores = _DenseScores(b, att.heads.dim, q)
                    if t.resident_q:
                        strand.q = b.buffer("input", strand.tile.rows, att.heads.dim, "f16", "q")
                        strand.tile.load(b, q, head * att.heads.dim, att.heads.dim, strand.q, "activation")
                    if qpos is not None:
                        strand.qpos = positions_of(b, qpos, strand.tile.parts[0][2], strand.tile.rows)
                _columns(b, att, t, strands, kv, group, m + t.m * t.strands, out)


BLOCK_ROWS = 256        #: rows that stop together where the keys have passed them


def emit_concentrated_attention(b: TileBuilder, machine: Machine, att: Attention, loc: ir.Location) -> None:
    """Emit the attention of the visual rows of concentrated queries; an m-tile of the concentration is the query tile.

    The identity rows of a tile are not finished here: text rows see other keys and are few.  Raises FocusError when no tiling fits.
    """
    conc, heads = att.q, att.heads
    for group in _separable(conc.groups):
        if not group.visual:
            continue
        keys = att.lead + conc.visual
        region = Region(0, keys, ahead=att.lead)
        whole_slices = heads.dim % 32 == 0
        paired = whole_slices and heads.q // heads.kv % 2 == 0
        t = cost.attention_tiling(machine, group.rows, keys, heads.dim, fixed_m=group.rows, paired=paired, causal=group.count > 1)
        # a slice of 32 columns may span heads only where 32 does not divide the head: then heads are written out one by one
        for fixed in [None] if whole_slices else range(heads.q):
            with b.kernel(att.name, loc):
                kv = [keys_of(b, att, lambda m, at, n: b.window(m, at, 0, n, m.cols), region)]
                with _heads(b, heads, fixed, t.strands) as (head, kv_head), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
                    qpos = positions_of(b, att.positions, tile.parts[-1][2] + att.lead, group.visual)
                    partial = Alternating(b, tile.rows, cost.partial_sums(machine, tile.rows))
                    blocks = _blocks_of(group, conc.m_tile, att.lead, t.step, machine)
                    strands = [Strand(tile, head + i, group.visual, blocks, qpos=qpos) for i in range(t.strands)]
                    for strand in strands:
                        strand.scores = ConcentratedScores(b, conc, strand, heads.dim, partial, t.resident_q and whole_slices)
                    row_end = tile.index * conc.m_tile + group.visual
                    _columns(b, att, t, strands, kv, kv_head, row_end, att.out)


def query_form(machine: Machine, conc: Concentrated, lead: int, heads: Heads) -> str:
    """What costs least for the visual rows of concentrated queries: "expand" them to dense rows; or scores from unique vectors, which
    "stay" on the chip or are spilled ("spill") to DRAM as probabilities.

    Dense queries may be cut into any m-tiles; concentrated ones come in the m-tiles of the concentration.  If scores stay, the accumulators
    besides them may hold only a part of the output columns, so that scores are made several times.
    """
    visual, keys = conc.visual, lead + conc.visual
    tiles = [(g.rows, g.count) for g in conc.groups if g.visual]
    dense = cost.attention_tiling(machine, visual, keys, heads.dim, causal=True)
    forms = {"expand": dense.cost * cost.seen(visual, dense.m * dense.strands, keys)}
    with contextlib.suppress(FocusError):
        stay = sum(n * cost.attention_tiling(machine, rows, keys, heads.dim, fixed_m=rows, paired=heads.q // heads.kv % 2 == 0,
                                             unique=cost.UNIQUE_SHARE).cost for rows, n in tiles)
        forms["stay"] = stay * cost.seen(visual, conc.m_tile, keys)
    spilled = cost.spilled_tiling(machine, tiles, visual, keys, heads.dim)
    if spilled is not None and heads_spilled(machine, visual, keys):
        forms["spill"] = spilled.cost
    return min(forms, key=forms.get)


SPILL_SHARE = 1 / 16    #: of DRAM's capacity that probabilities may take


def heads_spilled(machine: Machine, visual: int, keys: int) -> int:
    """Heads whose probabilities DRAM is to hold at a time."""
    return int(machine.dram.capacity_bytes * SPILL_SHARE // cost.spilled_bytes(visual, keys))


def _blocks_of(group: TileGroup, m_tile: int, lead: int, step: int, machine: Machine) -> list[Block]:
    """The visual rows of a tile in blocks.  In the loop over several tiles, without a loop over key columns, or where short passes cost
    more than they save, in one that never leaves off."""
    if group.count > 1 or machine.array.rule != "shadow" or lead + group.first * m_tile + group.visual <= step:
        return [Block(0, group.visual)]
    size = -(-group.visual // -(-group.visual // BLOCK_ROWS))
    starts = range(0, group.visual, size)
    return [Block(r, min(size, group.visual - r), lead + group.first * m_tile + min(r + size, group.visual)) for r in starts]


def _separable(groups: tuple[TileGroup, ...]) -> Iterator[TileGroup]:
    """The groups, with those of an m-tile that no step of key columns divides taken apart: their triangles have no common form."""
    for g in groups:
        if g.count == 1 or g.rows % 32 == 0:
            yield g
        else:
            yield from (replace(g, first=g.first + i, count=1) for i in range(g.count))


def keys_of(b: TileBuilder, att: Attention, rows, r: Region) -> tuple[Mat, Mat, Mat | None, Region]:
    """Keys, values and positions of a region."""
    pos = b.window(att.positions, 0, r.start, 1, r.count) if att.positions is not None else None
    return rows(att.k, r.start, r.count), rows(att.v, r.start, r.count), pos, r


@contextlib.contextmanager
def _heads(b: TileBuilder, heads: Heads, fixed: int | None = None, together: int = 1) -> Iterator[tuple[Idx, Idx]]:
    """Loops over heads, `together` at a time, or one fixed head; yields (first query head, key/value head)."""
    shared = heads.q // heads.kv
    if fixed is not None:
        yield Idx(fixed), Idx(fixed // shared)
        return
    with b.loop(heads.kv, 1) as g, b.loop(shared, together) as h:
        yield g * shared + h, g


def positions_of(b: TileBuilder, positions: Mat, start: Idx, count: int) -> Mat:
    buf = b.buffer("ids", 1, count, "i32", "positions")
    b.load(b.window(positions, 0, start, 1, count), buf, "ids")
    return buf


class _DenseScores:
    """Scores of dense queries: slices of the resident tile, or streamed again for each step of key columns."""
    rolled = True       #: the key tiles of a head may be a loop

    def __init__(self, b: TileBuilder, dim: int, q: Mat):
        self.b, self.dim, self.q = b, dim, q

    def run(self, strand: Strand, keys: Mat, col: Idx, scores: list[Mat], fresh: bool) -> None:
        """scores (+)= q[:, 32 col : 32 col + width] keys^T, the columns in parts; `fresh`: starts afresh where the loop over columns does."""
        b = self.b
        for d in range(0, keys.cols, 32):
            width, at = min(32, keys.cols - d), 32 * col + d
            if strand.q is not None:
                x = b.window(strand.q, 0, at, strand.tile.rows, width)
            else:
                x = b.buffer("input", strand.tile.rows, width, "f16", "q")
                strand.tile.load(b, self.q, strand.head * self.dim + at, width, x, "activation")
            for at, part, c in _subtiles(scores):
                b.mm(x, b.window(keys, at, d, 32, width), b.window(part, 0, c, strand.tile.rows, 32), "first" if fresh and d == 0 else "never")


class ConcentratedScores:
    """Scores of concentrated queries: unique vectors through the array, partial sums scattered to the tile's rows."""

    def __init__(self, b: TileBuilder, conc: Concentrated, strand: Strand, dim: int, partial: Alternating, resident: bool):
        self.b, self.conc, self.tile, self.dim, self.head = b, conc, strand.tile, dim, strand.head
        self.partial, self.rows = partial, None
        self.rolled = dim % 32 == 0     # else slices span heads, and each head's pieces are its own
        self.places = None if self.rolled else self._places(32)
        if resident:
            tile = strand.tile
            self.rows = b.buffer("input", dim // 32 * tile.rows, 32, "f16", "q")
            for d in range(dim // 32):
                slice_ = self.head * (dim // 32) + d
                b.load(conc.data_of(b, tile, slice_, 32), b.window(self.rows, d * tile.rows, 0, tile.rows, 32), "compact",
                       count=conc.count_of(b, tile, slice_))

    def run(self, strand: Strand, keys: Mat, col: Idx, scores: list[Mat], fresh: bool) -> None:
        b = self.b
        for at, slice_, offset, width in self._pieces(col, keys.cols):
            count = self.conc.count_of(b, self.tile, slice_)
            x, map_ = self.places or self._places(width)
            if self.rows is not None:
                x = b.window(self.rows, (col + at // 32) * self.tile.rows, 0, self.tile.rows, 32)
            else:
                x = b.window(x, 0, 0, self.tile.rows, width)
                b.load(self.conc.data_of(b, self.tile, slice_, width, offset), x, "compact", count=count)
            b.load(self.conc.map_of(b, self.tile, slice_), map_, "map")
            init = "first" if fresh and at == 0 else "never"
            for row, part, c in _subtiles(scores):
                w, acc = b.window(keys, row, at, 32, width), b.window(part, 0, c, self.tile.rows, 32)
                self.partial.pass_(x, w, acc, map_, self.tile, init, count)

    def _places(self, width: int) -> tuple[Mat | None, Mat]:
        """Room for a slice's unique vectors, unless all are resident, and for its map.  Where slices span heads, all take turns in one place."""
        x = None if self.rows is not None else self.b.buffer("input", self.tile.rows, width, "f16", "q")
        return x, self.b.buffer("map", 1, self.tile.visual, "u16", "map")

    def _pieces(self, col: Idx, width: int) -> list[tuple[int, Idx, int, int]]:
        """(first column of the key tile, slice, first column in the slice, columns) that cover a head's columns."""
        if self.dim % 32 == 0:
            return [(d, self.head * (self.dim // 32) + col + d // 32, 0, 32) for d in range(0, width, 32)]
        pieces, at, begin = [], 0, self.head.const * self.dim + 32 * col.const      # heads are written out: both are constants
        while at < width:
            slice_, offset = divmod(begin + at, 32)
            n = min(32 - offset, width - at)
            pieces.append((at, Idx(slice_), offset, n))
            at += n
        return pieces


def _columns(b: TileBuilder, att: Attention, t: cost.AttentionTiling, strands: list[Strand], kv, group: Idx, row_end: Idx, out: Mat) -> None:
    """Output column blocks of one query tile: softmax over all regions, weighted sum, division, store."""
    dim = att.heads.dim
    cols = t.out_cols
    with b.loop(dim, cols) as block:
        for s in strands:
            s.state = b.buffer("stats", s.rows, 4, "f32", "softmax")
            s.acc = [(at, b.buffer("output", s.rows, width, "f32", "weighted")) for at, width in _blocks(cols, 32 if t.split else cols)]
        for i, (k, v, kpos, region) in enumerate(kv):
            with b.loop(region.count, t.step, hi=None if region.ahead is None else row_end + region.ahead) as j:
                _step(b, att, t, strands, (k, v, kpos), j, group * dim, block, cols, "never" if i else "first")
        for s in strands:
            for at, acc in s.acc:
                result = b.recast(acc, "f16")
                b.op("v.finish", acc, s.state, result)
                b.store(result, b.window(out, s.tile.parts[-1][2], s.head * dim + (block + at), s.rows, acc.cols), "result")


def _step(b: TileBuilder, att: Attention, t: cost.AttentionTiling, strands: list[Strand], kv, j: Idx, first: Idx, block: Idx, cols: int,
          init: str) -> None:
    """One step of key columns: scores of each strand, softmax of each, then the weighted values of each.

    first: the first key column of the head; block, cols: the output columns of this head that are accumulated now.
    """
    k, v, kpos = kv
    step = min(t.step, k.rows)
    columns = positions_of(b, kpos, j, step) if kpos is not None else None
    parts = _blocks(step, 32 if t.split else step)
    tiles = [[b.buffer("output", s.tile.rows, width, "f32", "scores") for _, width in parts] for s in strands]
    probs = [[b.buffer("input", s.rows, width, "f16", "probabilities") for _, width in parts] for s in strands]
    score_pass(b, t.kv_cols, strands, k, j, step, first, att.heads.dim, tiles)
    blocks = _blocks(cols, 32)
    turns = [b.buffer("wgt", parts[0][1], min(32, cols), "f16", f"values{i}") for i in range(min(cost.VALUE_TILES, len(blocks)))]
    for number, (at, width) in enumerate(parts):
        begins = "never" if number else init
        positions = None if columns is None else b.window(columns, 0, at, 1, width)
        for s, tile, p in zip(strands, tiles, probs):
            softmax_step(b, att.heads.scale, s, tile[number], p[number], positions, begins)
        values = b.window(v, j + at, 0, width, v.cols) if t.split else v
        _weighted(b, strands, [p[number] for p in probs], values, Idx(0) if t.split else j, first + block, blocks, turns, begins)


def softmax_step(b: TileBuilder, scale: float, s: Strand, scores: Mat, probs: Mat, kpos: Mat | None, init: str) -> None:
    """Probabilities of a tile of scores by the running softmax, and accumulators rescaled where a row's maximum grew."""
    for k in s.blocks:
        part = lambda m, at=0: b.window(m, k.row + at, 0, k.rows, m.cols)
        live = {} if k.until is None else {"until": k.until}
        b.op("v.softmax", part(scores, s.tile.rows - s.rows), part(s.state), attrs={"scalar": scale, "init": init} | live,
             dst=part(probs), qpos=None if s.qpos is None else b.window(s.qpos, 0, k.row, 1, k.rows), kpos=kpos)
        for _, acc in s.acc:
            b.op("v.rescale", part(acc), part(s.state), attrs={"init": init} | live)


def _weighted(b: TileBuilder, strands: list[Strand], probs: list[Mat], v: Mat, row: Idx, first: Idx, blocks: list[tuple[int, int]], turns: list[Mat],
              init: str) -> None:
    """Accumulators (+)= probabilities x values, in `blocks` of output columns; the value tiles take `turns`."""
    rows = probs[0].cols
    for i, (at, width) in enumerate(blocks):
        values = b.window(turns[i % len(turns)], 0, 0, rows, width)
        b.load(b.window(v, row, first + at, rows, width), values, "kv")
        for s, p in zip(strands, probs):
            start, acc = next((a, m) for a, m in reversed(s.acc) if a <= at)
            for k in s.blocks:
                for c in range(0, rows, 32):
                    b.mm(b.window(p, k.row, c, k.rows, 32), b.window(values, c, 0, 32, width), b.window(acc, k.row, at - start, k.rows, 32),
                         "never" if c else init, kn=True, until=k.until)


def score_pass(b: TileBuilder, kv_cols: int, strands: list[Strand], k: Mat, j: Idx, step: int, first: Idx, dim: int,
               tiles: list[list[Mat]], unroll: int = 1) -> None:
    """scores of all strands, each in parts, against key rows [j, j + step), key columns [first, first + dim) in tiles of kv_cols, `unroll` of
    them in the body of the loop."""
    def part(col: Idx, width: int, fresh: bool, place: Mat | None = None) -> None:
        keys = b.buffer("wgt", step, width, "f16", "keys") if place is None else b.window(place, 0, 0, step, width)
        b.load(b.window(k, j, first + 32 * col, step, width), keys, "kv")
        for s, tile in zip(strands, tiles):
            s.scores.run(s, keys, col, tile, fresh)

    if not strands[0].scores.rolled:
        place = b.buffer("wgt", step, kv_cols, "f16", "keys")
        for at, width in _blocks(dim, kv_cols):
            part(Idx(at // 32), width, at == 0, place)
        return
    whole, rest = divmod(dim, kv_cols)
    looped, units = whole // unroll * unroll, -(-kv_cols // 32)     # columns in units of 32
    if looped:
        with b.loop(looped * units, unroll * units) as col:
            for i in range(unroll):
                part(col + i * units, kv_cols, i == 0)
    for i in range(looped, whole):
        part(Idx(i * units), kv_cols, i == 0)
    if rest:
        part(Idx((dim - rest) // 32), rest, not whole)


def _subtiles(parts: list[Mat]) -> Iterator[tuple[int, Mat, int]]:
    """(column of the whole, part, column of the part) of every 32 columns of a tile that is stored in parts side by side."""
    at = 0
    for part in parts:
        for c in range(0, part.cols, 32):
            yield at + c, part, c
        at += part.cols


def _blocks(total: int, width: int) -> list[tuple[int, int]]:
    return [(at, min(width, total - at)) for at in range(0, total, width)]


def emit_importance(b: TileBuilder, machine: Machine, name: str, q: Mat, k: Mat, positions: Mat, zeros: Mat, out: Mat, heads: Heads,
                    visual: int, prompt: int, loc: ir.Location) -> None:
    """out[0, t] = max over heads and prompt rows of the softmax probability of visual token t (algorithm.md, level 1).

    q [R, heads * dim], k [R, kv * dim], positions [1, R]: rows in storage order, `visual` retained tokens first, the last `prompt` rows are
    the prompt.
    zeros: [1, visual] f32 constant; out: [1, visual] f32.  The row statistics are finished in a first pass over all keys; the second
    pass over the visual keys makes probabilities and takes maxima.
    """
    t = cost.attention_tiling(machine, prompt, k.rows, heads.dim, 2, scores_only=True)
    step = t.step
    with b.kernel(name, loc):
        best = b.buffer("importance", 1, visual, "f32", "importance")
        b.load(zeros, best, "ids")
        rows = b.window(q, k.rows - prompt, 0, prompt, q.cols)
        qpos = b.window(positions, 0, k.rows - prompt, 1, prompt)
        with _heads(b, heads) as (head, group), b.loop(prompt, t.m) as m:
            n = min(t.m, prompt)
            strand = Strand(RowTile(n, ((0, n, m),)), head, n, [], _DenseScores(b, heads.dim, q), qpos=positions_of(b, qpos, m, n),
                            state=b.buffer("stats", n, 4, "f32", "softmax"))
            strand.q = b.buffer("input", n, heads.dim, "f16", "q")
            strand.tile.load(b, rows, head * heads.dim, heads.dim, strand.q, "activation")

            def tile_of(keys: Mat, kpos: Mat, j: Idx) -> tuple[Mat, Mat]:
                columns = positions_of(b, kpos, j, min(step, keys.rows))
                tile = b.buffer("output", n, min(step, keys.rows), "f32", "scores")
                score_pass(b, t.kv_cols, [strand], keys, j, min(step, keys.rows), group * heads.dim, heads.dim, [[tile]])
                return tile, columns

            with b.loop(k.rows, step) as j:
                tile, columns = tile_of(k, positions, j)
                b.op("v.softmax", tile, strand.state, attrs={"scalar": heads.scale, "init": "first"}, qpos=strand.qpos, kpos=columns)
            with b.loop(visual, step) as j:
                tile, columns = tile_of(b.window(k, 0, 0, visual, k.cols), b.window(positions, 0, 0, 1, visual), j)
                b.op("v.prob", tile, strand.state, tile, attrs={"scalar": heads.scale}, qpos=strand.qpos, kpos=columns)
                b.op("sec.importance", tile, b.window(best, 0, j, 1, tile.cols), attrs={"init": "never"})
        b.store(best, out, "ids")
