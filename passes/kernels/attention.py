"""Fused attention: scores, online softmax and weighted values of one head's m-tile without leaving the chip; and the prompt's
importance of every visual token (SEC).

In: queries (`Mat` or `Concentrated`), keys and values, positions.  Out: one `focus.kernel` a section: query rows that see the same
regions of key columns.  Keys and values are the stationary operands.  Each region is walked in steps of key columns; masking is
by sequence position, and columns that no row of an m-tile can see are not visited.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch_mlir import ir

from focus.dialects.mapping import AttentionMapping
from focus.passes.kernels.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.forms import AttentionForm
from focus.passes.kernels.linear import Alternating, UniqueSlice
from focus.passes.kernels.movement import CacheRows
from focus.passes.kernels.places import Places, ceil, widths
from focus.passes.kernels.rows import Concentrated, RowTile, TileGroup, group_tiles
from focus.runtime.spec.geometry import Geometry

VALUE_TILES = 2         #: tiles of value columns, one array wide, that rotate in a step


class Cut(Protocol):
    """What a concentrated operand's cut into m-tiles is known by, with memory (`Concentrated`) or without."""
    @property
    def visual(self) -> int: ...
    @property
    def m_tile(self) -> int: ...
    @property
    def vector(self) -> int: ...
    @property
    def groups(self) -> tuple[TileGroup, ...]: ...


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
    """Shape of the attention: query heads, key/value heads, width of a head, score scale, and what bounds scores (0: nothing)."""
    q: int
    kv: int
    dim: int
    scale: float
    cap: float = 0.0

    @staticmethod
    def of(op: ir.OpView) -> Heads:
        """Those of an op on heads."""
        return Heads(op.heads, op.kv_heads, op.head_dim, op.scale, op.cap)


@dataclass(frozen=True)
class Attention:
    """One attention: q [R, heads * dim] (dense or concentrated), k, v [lead + R + dropped, kv * dim], out like q.

    Causal attention has `positions` [1, lead + R + dropped] i32 of the keys and copies of the text rows that visual tokens can see in the `lead`
    first rows of k and v, so that what a tile of visual rows sees is one stretch of rows.  Where keys are of `dropped` more visual tokens than
    queries, `own` [1, lead + R] are the positions of the queries.
    """
    name: str
    q: Mat | Concentrated
    k: Mat
    v: Mat
    out: Mat
    heads: Heads
    positions: Mat | None
    lead: int = 0
    dropped: int = 0
    own: Mat | None = None

    @property
    def ahead(self) -> int:
        """Key columns that visual row 0 may see before its own: leading text rows, and tokens that have no query."""
        return self.lead + self.dropped

    @property
    def of_queries(self) -> Mat | None:
        """The positions of leading rows and queries, which causal attention has."""
        return self.own if self.own is not None else self.positions

    @property
    def unique(self) -> Concentrated:
        """The queries, which are concentrated."""
        assert isinstance(self.q, Concentrated)
        return self.q

    @property
    def dense(self) -> Mat:
        """The queries, which are dense."""
        assert isinstance(self.q, Mat)
        return self.q

    @property
    def compared(self) -> tuple[Mat, Mat]:
        """The positions of leading rows and queries, and of keys, which causal attention has."""
        assert self.positions is not None and self.of_queries is not None
        return self.of_queries, self.positions


@dataclass(frozen=True)
class Block:
    """Rows of a strand that stop together: from the key column `until` on, causality hides all keys from them (None: never)."""
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
    scores: Scorer | None = None
    q: Mat | None = None
    qpos: Mat | None = None
    state: Mat | None = None
    acc: list[tuple[int, Mat]] = field(default_factory=list)        #: accumulators: first column of each part, and the part

    @property
    def scorer(self) -> Scorer:
        assert self.scores is not None
        return self.scores

    @property
    def running(self) -> Mat:
        """The row state of its softmax."""
        assert self.state is not None
        return self.state


def causal_sections(visual: int, text: int, text_before: int, lead: int, dropped: int = 0) -> list[Section]:
    """Sections of a causal prefill in storage order (visual rows, then text rows); key columns count from the `lead` copied rows on.

    text_before: text rows ahead of every visual token.  dropped: visual tokens that have keys and no queries.
    """
    sections, text_at = [], lead + visual + dropped
    if visual:
        sections.append(Section(0, visual, (Region(0, text_at, ahead=lead + dropped),)))
    if text_before and visual:
        sections.append(Section(visual, text_before, (Region(text_at, text_before, ahead=0),)))
    if not visual:
        sections.append(Section(0, text, (Region(0, text, ahead=0),)))
    elif text > text_before:
        sections.append(Section(visual + text_before, text - text_before, (Region(lead, visual + dropped + text),)))
    return sections


def segment_sections(rows: int, segments: list[int]) -> list[Section]:
    """Sections of unmasked attention inside segments; equal neighbours become one section that repeats."""
    sections: list[Section] = []
    at = 0
    for n in segments or [rows]:
        last = sections[-1] if sections else None
        if last and last.count == n:
            sections[-1] = replace(last, repeat=last.repeat + 1)
        else:
            sections.append(Section(at, n, (Region(at, n),)))
        at += n
    return sections


def _region_forms(section: Section) -> tuple[tuple[int, int | None], ...]:
    return tuple((r.count, None if r.ahead is None else r.ahead) for r in section.regions)


def section_form(heads: Heads, section: Section, masked: bool) -> AttentionForm:
    """The form of dense attention of a section; masked: positions are compared."""
    return AttentionForm(section.count, _region_forms(section), heads.dim, heads.q, heads.kv, masked=masked, repeat=section.repeat,
                         capped=heads.cap > 0)


def group_form(heads: Heads, conc: Cut, group: TileGroup, ahead: int) -> AttentionForm:
    """The form of attention of the visual rows of a group of m-tiles of concentrated queries, over leading rows and visual tokens; ahead: key columns
    that row 0 may see before its own."""
    return AttentionForm(group.visual * group.count, ((ahead + conc.visual, ahead),), heads.dim, heads.q, heads.kv, fixed=group.rows,
                         visual=group.visual, first=group.first * conc.m_tile, tiles=group.count, masked=True, capped=heads.cap > 0)


def attention_places(form: AttentionForm, mapping: AttentionMapping, geometry: Geometry) -> Places:
    """What attention takes on chip, all strands and regions."""
    p, dim, cols = Places(), form.head_dim, geometry.cols
    unique = form.fixed > 0
    whole_slices = dim % geometry.vector == 0
    rolled = not unique or whole_slices
    tile = form.fixed if unique else min(mapping.m, form.rows)
    rows = form.visual if unique else tile                  # rows that are finished
    strands = mapping.strands if unique else min(mapping.strands, ceil(form.rows, mapping.m))
    p.add("positions", "ids", (1, rows), "i32", (1 if unique else strands) if form.masked else 0)
    if mapping.stays == "queries" and not unique:
        p.add("q", "input", (tile, dim), "f16", strands)
    if mapping.stays == "queries" and unique:
        p.add("q", "input", (dim // geometry.vector * tile, geometry.vector), "f16", strands)
    p.add("softmax", "stats", (rows, 4), "f32", strands)
    out_cols = min(mapping.out_cols, dim)
    for i, width in enumerate([] if form.scores_only else widths(out_cols, cols if mapping.split else out_cols)):
        p.add(f"weighted{i}", "output", (rows, width), "f32", strands)
    for r, (count, _) in enumerate(form.regions):
        step = min(mapping.step, count)
        parts = widths(step, cols if mapping.split else step)
        p.add(f"columns.{r}", "ids", (1, step), "i32", int(form.masked))
        for i, width in enumerate(parts):
            p.add(f"scores.{r}.{i}", "output", (tile, width), "f32", strands)
            p.add(f"probabilities.{r}.{i}", "input", (rows, width), "f16", 0 if form.scores_only else strands)
        kv_cols = min(mapping.kv_cols, dim)
        rest = dim % kv_cols
        p.add(f"keys.{r}", "wgt", (step, kv_cols), "f16", 1)
        p.add(f"keys.{r}.rest", "wgt", (step, rest), "f16", int(rolled))
        blocks = [] if form.scores_only else widths(out_cols, cols)
        p.add(f"values.{r}", "wgt", (parts[0], min(cols, out_cols)), "f16", min(VALUE_TILES, len(blocks)))
        unit = geometry.vector if unique else geometry.rows
        if unique and not rolled:           # slices span heads: all pieces of a head take turns in one place
            p.add("slice", "input", (tile, unit), "f16", 0 if mapping.stays == "queries" else strands)
            p.add("map", "map", (1, form.visual), "u16", strands)
            continue
        for suffix, width in (("", kv_cols), (".rest", rest)):
            for d, part in enumerate(widths(width, unit)):
                p.add(f"slice.{r}{suffix}.{d}", "input", (tile, part), "f16", 0 if mapping.stays == "queries" else strands)
                p.add(f"map.{r}{suffix}.{d}", "map", (1, form.visual), "u16", strands if unique else 0)
    p.add("partial", "conc", (tile, cols), "f32", mapping.partials if unique else 0)
    return p


def attention_generators(form: AttentionForm, mapping: AttentionMapping, geometry: Geometry) -> int:
    """Address generators that an attention kernel takes at most: one for each place in DRAM and each window on chip that an instruction names."""
    dim, cols, unique = form.head_dim, geometry.cols, form.fixed > 0
    strands, resident = mapping.strands, mapping.stays == "queries"
    unit = geometry.vector if unique else geometry.rows
    blocks, out = (ceil(form.visual, mapping.block_rows) if unique and mapping.block_rows else 1), widths(min(mapping.out_cols, dim), cols)
    accs = len(out) if mapping.split else 1
    total = strands * (4 + 2 * accs + blocks * (2 + accs + len(out)))                           # positions, state, results and accumulators
    if resident:
        total += strands * (3 * ceil(dim, unit) if unique else 3)
    for count, _ in form.regions:
        step = min(mapping.step, count)
        subs, kv_cols = ceil(step, cols), min(mapping.kv_cols, dim)
        for width in [kv_cols] + [dim % kv_cols] * (dim % kv_cols > 0):
            pieces = ceil(width, unit) + (unique and dim % geometry.vector > 0)
            passes = 1 + (geometry.vector > geometry.rows) if unique else 1
            each = (1 if resident else 3) + (3 if unique else 0)                                # queries, counts, maps
            total += 2 + pieces * (strands * each + subs * passes)
        total += 2 + strands * subs * (2 + blocks + mapping.split) + strands * blocks * ceil(step, geometry.rows)     # scores and probabilities
        total += (subs if mapping.split else 1) * len(out) + len(out) + min(VALUE_TILES, len(out)) * ceil(step, geometry.rows)          # values
    return total + mapping.partials


def emit_attention(b: TileBuilder, att: Attention, sections: list[Section], mappings: tuple[AttentionMapping, ...], loc: ir.Location) -> None:
    """Emit dense attention, one kernel per section."""
    for s, t in zip(sections, mappings, strict=True):
        form = section_form(att.heads, s, att.positions is not None)
        places = attention_places(form, t, b.geometry)
        with b.kernel(att.name, loc, t.slots), b.loop(s.repeat, 1) as i:
            rows = lambda m, at, n: b.window(m, i * s.count + at, 0, n, m.cols)
            q, out = rows(att.dense, s.start, s.count), rows(att.out, s.start, s.count)
            kv = [keys_of(b, att, rows, r) for r in s.regions]
            qpos = b.window(att.of_queries, 0, att.lead + s.start, 1, s.count) if att.of_queries is not None else None
            with _heads(b, att.heads) as (head, group), b.loop(s.count, t.m * t.strands) as m:
                # a single trip has constant sizes; in a loop the last tiles are clipped
                sizes = [min(t.m, s.count - (0 if m.terms else k * t.m)) for k in range(t.strands)]
                strands = [Strand(RowTile(n, ((0, n, m + k * t.m),)), head, n, [Block(0, n)]) for k, n in enumerate(sizes) if n > 0]
                for strand in strands:
                    strand.scores = _DenseScores(b, places, att.heads.dim, q)
                    if t.stays == "queries":
                        strand.q = b.window(places.make(b, "q"), 0, 0, strand.tile.rows, att.heads.dim)
                        strand.tile.load(b, q, head * att.heads.dim, att.heads.dim, strand.q, "activation")
                    if qpos is not None:
                        strand.qpos = positions_of(b, places, qpos, strand.tile.parts[0][2], strand.tile.rows)
                _Columns(b, att.heads, t, places, strands, kv, group, out).emit(m + t.m * t.strands)


@dataclass(frozen=True)
class CachedAttention:
    """Attention of the tokens of a step: q [requests * new, heads * dim], k and v caches, out like q.  `positions` [1, held + room] i32: 0, 1, ...,
    where there is more than one new token of a request, so that each sees no later one."""
    name: str
    q: Mat
    k: CacheRows
    v: CacheRows
    out: Mat
    heads: Heads
    positions: Mat | None = None

    @property
    def new(self) -> int:
        """Tokens of a request."""
        return self.q.rows // self.k.requests


def cached_form(heads: Heads, new: int, keys: int, requests: int) -> AttentionForm:
    """The form of attention over caches of at most `keys` tokens.  One new token: the query heads that share keys and values are rows of one
    head; more: each head by itself."""
    if new == 1:
        return AttentionForm(heads.q // heads.kv, ((keys, None),), heads.dim, heads.kv, heads.kv, repeat=requests, capped=heads.cap > 0)
    return AttentionForm(new, ((keys, None),), heads.dim, heads.q, heads.kv, masked=True, repeat=requests, capped=heads.cap > 0)


def emit_cached_attention(b: TileBuilder, att: CachedAttention, t: AttentionMapping, loc: ir.Location) -> None:
    """Emit attention over the tokens that caches hold at the step."""
    heads, new, cache = att.heads, att.new, att.k
    keys, shared = cache.held + cache.room, heads.q // heads.kv
    places = attention_places(cached_form(heads, new, keys, cache.requests), t, b.geometry)
    with b.kernel(att.name, loc, t.slots), b.loop(cache.requests, 1) as i:
        step = b.step(cache.steps(new))
        seen = step + (cache.held + new)
        k, v = (b.prefix(b.window(c.cache, i * c.capacity + c.lead, 0, keys, c.cache.cols), seen) for c in (att.k, att.v))
        kpos = None if att.positions is None else b.prefix(att.positions, seen, axis=1)
        kv = [(k, v, kpos, Region(0, keys))]
        qpos = None if att.positions is None else b.window(att.positions, 0, step + cache.held, 1, new)
        rows, q, out, pairs = new, att.q, att.out, _heads(b, heads)
        if new == 1:
            rows, pairs = shared, _groups(b, heads)
            q, out = (b.view(m, cache.requests * heads.q, heads.dim) for m in (att.q, att.out))
        with pairs as (head, group), b.loop(rows, t.m * t.strands) as m:
            first = i * heads.q + group * shared if new == 1 else i * new
            sizes = [min(t.m, rows - (0 if m.terms else n * t.m)) for n in range(t.strands)]
            strands = [Strand(RowTile(n, ((0, n, first + m + s * t.m),)), head, n, [Block(0, n)]) for s, n in enumerate(sizes) if n > 0]
            for s, strand in enumerate(strands):
                strand.scores = _DenseScores(b, places, heads.dim, q)
                if t.stays == "queries":
                    strand.q = b.window(places.make(b, "q"), 0, 0, strand.tile.rows, heads.dim)
                    strand.tile.load(b, q, head * heads.dim, heads.dim, strand.q, "activation")
                if qpos is not None:
                    strand.qpos = positions_of(b, places, qpos, m + s * t.m, strand.tile.rows)
            _Columns(b, heads, t, places, strands, kv, group, out).emit(Idx(0))


@contextlib.contextmanager
def _groups(b: TileBuilder, heads: Heads) -> Iterator[tuple[Idx, Idx]]:
    """Loop over key/value heads; yields (0, key/value head)."""
    with b.loop(heads.kv, 1) as g:
        yield Idx(0), g


def emit_concentrated_attention(b: TileBuilder, att: Attention, mappings: tuple[AttentionMapping, ...], loc: ir.Location) -> None:
    """Emit the attention of the visual rows of concentrated queries; an m-tile of the concentration is the query tile.

    The identity rows of a tile are not finished here: text rows see other keys and are few.
    """
    conc, heads = att.unique, att.heads
    groups = [g for g in separable(conc.groups, b.geometry) if g.visual]
    for group, t in zip(groups, mappings, strict=True):
        keys = att.ahead + conc.visual
        region = Region(0, keys, ahead=att.ahead)
        whole_slices = heads.dim % conc.vector == 0
        places = attention_places(group_form(heads, conc, group, att.ahead), t, b.geometry)
        # a slice may span heads only where vectors do not divide the head: then heads are written out one by one
        for fixed in [None] if whole_slices else range(heads.q):
            with b.kernel(att.name, loc, t.slots):
                kv = [keys_of(b, att, lambda m, at, n: b.window(m, at, 0, n, m.cols), region)]
                with _heads(b, heads, fixed, t.strands) as (head, kv_head), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
                    qpos = positions_of(b, places, att.compared[0], tile.parts[-1][2] + att.lead, group.visual)
                    partial = Alternating(b, places, t.partials)
                    blocks = _blocks_of(group, conc.m_tile, att.ahead, t)
                    strands = [Strand(tile, head + i, group.visual, blocks, qpos=qpos) for i in range(t.strands)]
                    for strand in strands:
                        strand.scores = ConcentratedScores(places, conc, strand, heads.dim, partial, t.stays == "queries")
                    row_end = tile.index * conc.m_tile + group.visual
                    _Columns(b, heads, t, places, strands, kv, kv_head, att.out).emit(row_end)


def _blocks_of(group: TileGroup, m_tile: int, ahead: int, t: AttentionMapping) -> list[Block]:
    """The visual rows of a tile in blocks of about `t.block_rows`; in one block that never stops early in a loop over several tiles, and where there
    is no loop over key columns."""
    if not t.block_rows or group.count > 1 or ahead + group.first * m_tile + group.visual <= t.step:
        return [Block(0, group.visual)]
    size = ceil(group.visual, ceil(group.visual, t.block_rows))
    starts = range(0, group.visual, size)
    return [Block(r, min(size, group.visual - r), ahead + group.first * m_tile + min(r + size, group.visual)) for r in starts]


def separable(groups: tuple[TileGroup, ...], geometry: Geometry) -> Iterator[TileGroup]:
    """The groups, with those of an m-tile that no step of key columns divides taken apart: their triangles have no common form."""
    for g in groups:
        if g.count == 1 or g.rows % geometry.cols == 0:
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


def positions_of(b: TileBuilder, places: Places, positions: Mat, start: Idx, count: int, name: str = "positions") -> Mat:
    buf = b.window(places.make(b, name), 0, 0, 1, count)
    b.load(b.window(positions, 0, start, 1, count), buf, "ids")
    return buf


class _DenseScores:
    """Scores of dense queries: slices of the resident tile, or streamed again for each step of key columns."""
    rolled = True       #: the key tiles of a head may be a loop

    def __init__(self, b: TileBuilder, places: Places, dim: int, q: Mat):
        self.b, self.places, self.dim, self.q = b, places, dim, q

    def run(self, strand: Strand, keys: KeyTile, scores: list[Mat], fresh: bool) -> None:
        """scores (+)= q[:, keys.col : ... + width] keys^T, the columns in parts; `fresh`: starts afresh where the loop over columns does."""
        b, geometry = self.b, self.b.geometry
        for i, (d, width) in enumerate(_blocks(keys.tile.cols, geometry.rows)):
            at = keys.column + d
            if strand.q is not None:
                x = b.window(strand.q, 0, at, strand.tile.rows, width)
            else:
                x = b.window(self.places.make(b, f"slice.{keys.name}.{i}"), 0, 0, strand.tile.rows, width)
                strand.tile.load(b, self.q, strand.head * self.dim + at, width, x, "activation")
            for row, part, c in _subtiles(scores, geometry.cols):
                b.mm(x, b.window(keys.tile, row, d, geometry.cols, width), b.window(part, 0, c, strand.tile.rows, geometry.cols),
                     "first" if fresh and d == 0 else "never")


@dataclass(frozen=True)
class KeyTile:
    """A tile of keys on chip: [columns of the step, columns of the head]; the head's first column in it, in units of `unit` and as such;
    `name` of the places that go with it."""
    tile: Mat
    units: Idx
    unit: int
    name: str

    @property
    def column(self) -> Idx:
        return self.unit * self.units


class ConcentratedScores:
    """Scores of concentrated queries: unique vectors through the array, partial sums scattered to the tile's rows."""

    def __init__(self, places: Places, conc: Concentrated, strand: Strand, dim: int, partial: Alternating, resident: bool):
        b = self.b = partial.b
        self.places, self.conc, self.tile, self.dim, self.head, self.partial = places, conc, strand.tile, dim, strand.head, partial
        self.rolled = dim % conc.vector == 0     # else slices span heads, and each head's pieces are its own
        self.room = None if self.rolled else (None if resident else places.make(b, "slice"), places.make(b, "map"))
        self.rows: Mat | None = None
        if resident:
            tile, vector = strand.tile, conc.vector
            self.rows = places.make(b, "q")
            for d in range(dim // vector):
                slice_ = self.head * (dim // vector) + d
                b.load(conc.data_of(b, tile, slice_, vector), b.window(self.rows, d * tile.rows, 0, tile.rows, vector), "compact",
                       count=conc.count_of(b, tile, slice_))

    def run(self, strand: Strand, keys: KeyTile, scores: list[Mat], fresh: bool) -> None:
        b, cols = self.b, self.b.geometry.cols
        for i, (at, slice_, offset, width) in enumerate(self._pieces(keys.units, keys.tile.cols)):
            count = self.conc.count_of(b, self.tile, slice_)
            x, map_ = self.room or self._room(f"{keys.name}.{i}")
            if self.rows is not None:
                x = b.window(self.rows, (keys.units + at // self.conc.vector) * self.tile.rows, 0, self.tile.rows, self.conc.vector)
            else:
                assert x is not None
                x = b.window(x, 0, 0, self.tile.rows, width)
                b.load(self.conc.data_of(b, self.tile, slice_, width, offset), x, "compact", count=count)
            b.load(self.conc.map_of(b, self.tile, slice_), map_, "map")
            unique = UniqueSlice(x, map_, count, self.tile)
            init = "first" if fresh and at == 0 else "never"
            for row, part, c in _subtiles(scores, cols):
                acc = b.window(part, 0, c, self.tile.rows, cols)
                stationary = lambda col, n, row=row, at=at: b.window(keys.tile, row, at + col, cols, n)
                self.partial.passes(unique, stationary, acc, init)

    def _room(self, name: str) -> tuple[Mat | None, Mat]:
        """Room for a slice's unique vectors, unless all are resident, and for its map.  Where slices span heads, all take turns in one place."""
        x = None if self.rows is not None else self.places.make(self.b, f"slice.{name}")
        return x, self.places.make(self.b, f"map.{name}")

    def _pieces(self, units: Idx, width: int) -> list[tuple[int, Idx, int, int]]:
        """(first column of the key tile, slice, first column in the slice, columns) that cover a head's columns."""
        vector = self.conc.vector
        if self.dim % vector == 0:
            return [(d, self.head * (self.dim // vector) + units + d // vector, 0, vector) for d in range(0, width, vector)]
        pieces, at, begin = [], 0, self.head.const * self.dim + vector * units.const    # heads are written out: both are constants
        while at < width:
            slice_, offset = divmod(begin + at, vector)
            n = min(vector - offset, width - at)
            pieces.append((at, Idx(slice_), offset, n))
            at += n
        return pieces


Scorer = _DenseScores | ConcentratedScores


@dataclass
class _Columns:
    """Output column blocks of one query tile: softmax over all regions, weighted sum, division, store.

    kv: keys, values, positions and region of each region; group: the key/value head; out: where results go.
    """
    b: TileBuilder
    heads: Heads
    t: AttentionMapping
    places: Places
    strands: list[Strand]
    kv: list[tuple[Mat, Mat, Mat | None, Region]]
    group: Idx
    out: Mat

    def emit(self, row_end: Idx) -> None:
        """row_end: the row after the last of the tile, which bounds the columns that causal attention visits."""
        b, t, dim, strands = self.b, self.t, self.heads.dim, self.strands
        cols = min(t.out_cols, dim)
        with b.loop(dim, cols) as block:
            for s in strands:
                s.state = b.window(self.places.make(b, "softmax"), 0, 0, s.rows, 4)
                parts = _blocks(cols, b.geometry.cols if t.split else cols)
                s.acc = [(at, b.window(self.places.make(b, f"weighted{i}"), 0, 0, s.rows, width)) for i, (at, width) in enumerate(parts)]
            for i, (_, _, _, region) in enumerate(self.kv):
                with b.loop(region.count, t.step, hi=None if region.ahead is None else row_end + region.ahead) as j:
                    self._step(i, j, block, "never" if i else "first")
            for s in strands:
                for at, acc in s.acc:
                    result = b.recast(acc, "f16")
                    b.op("v.finish", acc, s.running, result)
                    b.store(result, b.window(self.out, s.tile.parts[-1][2], s.head * dim + (block + at), s.rows, acc.cols), "result")

    def _step(self, number: int, j: Idx, block: Idx, init: str) -> None:
        """One step of key columns of region `number`: scores of each strand, softmax of each, then the weighted values of each.

        block: the first output column of this head that is accumulated now.
        """
        b, t, strands, places, r = self.b, self.t, self.strands, self.places, number
        dim, lanes = self.heads.dim, self.b.geometry.cols
        cols, first = min(t.out_cols, dim), self.group * dim
        k, v, kpos, _ = self.kv[number]
        step = min(t.step, k.rows)
        columns = positions_of(b, places, kpos, j, step, f"columns.{r}") if kpos is not None else None
        parts = _blocks(step, lanes if t.split else step)
        part_of = lambda name, i, rows, width: b.window(places.make(b, f"{name}.{r}.{i}"), 0, 0, rows, width)
        tiles = [[part_of("scores", i, s.tile.rows, width) for i, (_, width) in enumerate(parts)] for s in strands]
        probs = [[part_of("probabilities", i, s.rows, width) for i, (_, width) in enumerate(parts)] for s in strands]
        ScorePass(b, places, strands, k, j, step, first, dim, f"{r}").emit(min(t.kv_cols, dim), tiles)
        blocks = _blocks(cols, lanes)
        turns = [places.make(b, f"values.{r}", i) for i in range(places.table[f"values.{r}"].count)]
        for n, (at, width) in enumerate(parts):
            begins = "never" if n else init
            positions = None if columns is None else b.window(columns, 0, at, 1, width)
            for s, tile, p in zip(strands, tiles, probs):
                softmax_step(b, self.heads, s, Scores(tile[n], p[n], positions), begins)
            values = b.window(v, j + at, 0, width, v.cols) if t.split else v
            weighted = _Weighted(strands, [p[n] for p in probs], blocks, turns)
            weighted.emit(b, values, Idx(0) if t.split else j, first + block, begins)


@dataclass(frozen=True)
class Scores:
    """A tile of scores, where its probabilities go, and the positions of its key columns (None: nothing is masked)."""
    scores: Mat
    probs: Mat
    kpos: Mat | None


def capped(b: TileBuilder, heads: Heads, scores: Mat, live: dict[str, int] | None = None) -> float:
    """Bound scores in place, but for a last factor, where the attention does; what they are still to be multiplied by.  `live`: attributes that
    end the work on blocks that see nothing more."""
    if not heads.cap:
        return heads.scale
    b.op("v.map", scores, scores, attrs={"op": "tanh", "scalar": heads.scale / heads.cap} | (live or {}))
    return heads.cap


def softmax_step(b: TileBuilder, heads: Heads, s: Strand, tile: Scores, init: str) -> None:
    """Probabilities of a tile of scores by the online softmax, and accumulators rescaled where a row's maximum grew."""
    for k in s.blocks:
        part = lambda m, at=0: b.window(m, k.row + at, 0, k.rows, m.cols)
        live = {} if k.until is None else {"until": k.until}
        scores = part(tile.scores, s.tile.rows - s.rows)
        b.op("v.softmax", scores, part(s.running), attrs={"scalar": capped(b, heads, scores, live), "init": init} | live,
             dst=part(tile.probs), qpos=None if s.qpos is None else b.window(s.qpos, 0, k.row, 1, k.rows), kpos=tile.kpos)
        for _, acc in s.acc:
            b.op("v.rescale", part(acc), part(s.running), attrs={"init": init} | live)


@dataclass(frozen=True)
class _Weighted:
    """Accumulators (+)= probabilities x values, in `blocks` of output columns; the value tiles take `turns`.  A strand goes through all tiles that
    are there before the next one does, whose softmax has time meanwhile."""
    strands: list[Strand]
    probs: list[Mat]
    blocks: list[tuple[int, int]]
    turns: list[Mat]

    def emit(self, b: TileBuilder, v: Mat, row: Idx, first: Idx, init: str) -> None:
        """Rows [row, ...) of the values v, columns from `first` on."""
        rows, depth = self.probs[0].cols, b.geometry.rows
        for i in range(0, len(self.blocks), len(self.turns)):
            held = [(at, b.window(turn, 0, 0, rows, width)) for turn, (at, width) in zip(self.turns, self.blocks[i:])]
            for at, values in held:
                b.load(b.window(v, row, first + at, rows, values.cols), values, "kv")
            for s, p in zip(self.strands, self.probs):
                for at, values in held:
                    start, acc = next((a, m) for a, m in reversed(s.acc) if a <= at)
                    for k in s.blocks:
                        for c in range(0, rows, depth):
                            b.mm_kn(b.window(p, k.row, c, k.rows, depth), b.window(values, c, 0, depth, values.cols),
                                    b.window(acc, k.row, at - start, k.rows, values.cols), "never" if c else init, until=k.until)


@dataclass(frozen=True)
class ScorePass:
    """Scores of all strands against key rows [j, j + step), key columns [first, first + dim); `name`: of the region's places."""
    b: TileBuilder
    places: Places
    strands: list[Strand]
    k: Mat
    j: Idx
    step: int
    first: Idx
    dim: int
    name: str

    def emit(self, kv_cols: int, tiles: list[list[Mat]], unroll: int = 1) -> None:
        """`tiles` of scores, in parts for each strand, from tiles of kv_cols key columns, `unroll` of them in the body of the loop."""
        b, scores, dim = self.b, self.strands[0].scorer, self.dim
        unit = scores.conc.vector if isinstance(scores, ConcentratedScores) else b.geometry.rows
        if not scores.rolled:
            place = self.places.make(b, f"keys.{self.name}")
            for at, width in _blocks(dim, kv_cols):
                self._part(KeyTile(b.window(place, 0, 0, self.step, width), Idx(at // unit), unit, self.name), tiles, at == 0)
            return
        whole, rest = divmod(dim, kv_cols)
        looped, units = whole // unroll * unroll, ceil(kv_cols, unit)
        keys = lambda col, suffix="": KeyTile(self.places.make(b, f"keys.{self.name}{suffix}"), col, unit, f"{self.name}{suffix}")
        if looped:
            with b.loop(looped * units, unroll * units) as col:
                for i in range(unroll):
                    self._part(keys(col + i * units), tiles, i == 0)
        for i in range(looped, whole):
            self._part(keys(Idx(i * units)), tiles, i == 0)
        if rest:
            self._part(keys(Idx((dim - rest) // unit), ".rest"), tiles, not whole)

    def _part(self, keys: KeyTile, tiles: list[list[Mat]], fresh: bool) -> None:
        b = self.b
        b.load(b.window(self.k, self.j, self.first + keys.column, self.step, keys.tile.cols), keys.tile, "kv")
        for s, tile in zip(self.strands, tiles):
            s.scorer.run(s, keys, tile, fresh)


def _subtiles(parts: list[Mat], width: int) -> Iterator[tuple[int, Mat, int]]:
    """(column of the whole, part, column of the part) of every `width` columns of a tile that is stored in parts side by side."""
    at = 0
    for part in parts:
        for c in range(0, part.cols, width):
            yield at + c, part, c
        at += part.cols


def _blocks(total: int, width: int) -> list[tuple[int, int]]:
    return [(at, min(width, total - at)) for at in range(0, total, width)]


@dataclass(frozen=True)
class Importance:
    """out[0, t] = max over heads and prompt rows of the softmax probability of visual token t (algorithm.md, level 1).

    k [R, kv * dim], positions [1, R]: rows in storage order, `visual` retained tokens first; q [R', heads * dim]: its last `prompt` rows are those of
    the prompt.  zeros: [1, visual] f32 constant; out: [1, visual] f32.
    """
    q: Mat
    k: Mat
    positions: Mat
    zeros: Mat
    out: Mat
    heads: Heads
    visual: int
    prompt: int

    def form(self) -> AttentionForm:
        return importance_form(self.heads, self.k.rows, self.visual, self.prompt)


def importance_form(heads: Heads, rows: int, visual: int, prompt: int) -> AttentionForm:
    """The form of the importance: statistics over all `rows` keys, then probabilities of the visual ones."""
    return AttentionForm(prompt, ((rows, None), (visual, None)), heads.dim, heads.q, heads.kv, visual=visual, scores_only=True, masked=True,
                         capped=heads.cap > 0)


def emit_importance(b: TileBuilder, name: str, imp: Importance, mapping: AttentionMapping, loc: ir.Location) -> None:
    """The row statistics are finished in a first pass over all keys; the second pass over the visual keys makes probabilities and takes maxima."""
    heads, k, prompt, visual = imp.heads, imp.k, imp.prompt, imp.visual
    step = mapping.step
    places = attention_places(imp.form(), mapping, b.geometry)
    with b.kernel(name, loc, mapping.slots):
        best = b.buffer("importance", 1, visual, "f32", "importance")
        b.load(imp.zeros, best, "ids")
        rows = b.window(imp.q, imp.q.rows - prompt, 0, prompt, imp.q.cols)
        qpos = b.window(imp.positions, 0, k.rows - prompt, 1, prompt)
        with _heads(b, heads) as (head, group), b.loop(prompt, mapping.m) as m:
            n = min(mapping.m, prompt)
            strand = Strand(RowTile(n, ((0, n, m),)), head, n, [], _DenseScores(b, places, heads.dim, imp.q),
                            qpos=positions_of(b, places, qpos, m, n), state=places.make(b, "softmax"))
            strand.q = places.make(b, "q")
            strand.tile.load(b, rows, head * heads.dim, heads.dim, strand.q, "activation")

            def tile_of(number: int, keys: Mat, kpos: Mat, j: Idx) -> tuple[Mat, Mat]:
                columns = positions_of(b, places, kpos, j, min(step, keys.rows), f"columns.{number}")
                tile = places.make(b, f"scores.{number}.0")
                scored = ScorePass(b, places, [strand], keys, j, min(step, keys.rows), group * heads.dim, heads.dim, f"{number}")
                scored.emit(min(mapping.kv_cols, heads.dim), [[tile]])
                return tile, columns

            with b.loop(k.rows, step) as j:
                tile, columns = tile_of(0, k, imp.positions, j)
                b.op("v.softmax", tile, strand.running, attrs={"scalar": capped(b, heads, tile), "init": "first"}, qpos=strand.qpos, kpos=columns)
            with b.loop(visual, step) as j:
                tile, columns = tile_of(1, b.window(k, 0, 0, visual, k.cols), b.window(imp.positions, 0, 0, 1, visual), j)
                b.op("v.prob", tile, strand.running, tile, attrs={"scalar": capped(b, heads, tile)}, qpos=strand.qpos, kpos=columns)
                b.op("sec.importance", tile, b.window(best, 0, j, 1, tile.cols), attrs={"init": "never"})
        b.store(best, imp.out, "ids")
