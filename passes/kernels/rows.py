"""How the rows of an operand are cut into m-tiles, dense or concentrated.

In: row counts, the token split (visual rows first, then text rows) and the m-tile.  Out: `RowTile`s, which know where each of
their rows lies in DRAM, and `Concentrated`, the DRAM and count-memory image of a concentrated operand.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from focus.passes.kernels.builder import Idx, Mat, TileBuilder, as_idx


@dataclass(frozen=True)
class RowTile:
    """Rows of one m-tile: `parts` are (first row in the tile, rows, first row in DRAM); `index` is the tile's number."""
    rows: int
    parts: tuple[tuple[int, int, Idx], ...]
    index: Idx = field(default_factory=Idx)
    identity: int = 0
    visual: int = 0

    def load(self, b: TileBuilder, src: Mat, col: Idx | int, cols: int, dst: Mat, stream: str) -> None:
        """Load columns [col, col + cols) of this tile's rows from `src` into `dst` (rows x cols)."""
        for at, n, row in self.parts:
            b.load(b.window(src, row, col, n, cols), b.window(dst, at, 0, n, cols), stream)

    def store(self, b: TileBuilder, src: Mat, dst: Mat, col: Idx | int, cols: int, stream: str) -> None:
        for at, n, row in self.parts:
            b.store(b.window(src, at, 0, n, cols), b.window(dst, row, col, n, cols), stream)


@dataclass(frozen=True)
class TileGroup:
    """`count` consecutive m-tiles of one shape: `identity` text rows (from text row `text0`) before `visual` visual rows."""
    first: int
    count: int
    identity: int
    visual: int
    text0: int = 0

    @property
    def rows(self) -> int:
        return self.identity + self.visual


def split(visual: int, text: int, m_tile: int, capacity: int) -> tuple[TileGroup, ...]:
    """m-tiles of `visual` retained tokens in order.  The text rows join the last tile where the buffers' `capacity` rows hold them, else follow."""
    groups: list[TileGroup] = []
    full, rest = divmod(visual, m_tile)
    if rest == 0 and full and m_tile + text <= capacity:
        full, rest = full - 1, m_tile
    if full:
        groups.append(TileGroup(0, full, 0, m_tile))
    at, joined = full, 0
    if rest:
        joined = text if rest + text <= capacity else 0
        groups.append(TileGroup(at, 1, joined, rest))
        at += 1
    for text0 in range(joined, text, capacity):
        groups.append(TileGroup(at, 1, min(capacity, text - text0), 0, text0))
        at += 1
    return tuple(groups)


@dataclass(frozen=True)
class Concentrated:
    """A concentrated operand.

    `data`: DRAM f16 [tiles * slices * capacity, vector], compact rows of (tile, slice); `map`: DRAM u16 [tiles * slices, visual
    capacity]; `counts`: count memory u16 [1, tiles * slices].  A slice is `vector` columns of the `width` wide rows.
    """
    data: Mat
    map: Mat
    counts: Mat
    groups: tuple[TileGroup, ...]
    width: int
    visual: int
    text: int
    m_tile: int
    vector: int

    @property
    def rows(self) -> int:
        return self.visual + self.text

    @property
    def slices(self) -> int:
        return -(-self.width // self.vector)

    @property
    def capacity(self) -> int:
        return max(g.rows for g in self.groups)

    def entry(self, tile: RowTile, slice_: Idx) -> Idx:
        """Number of (tile, slice) in the order of the count memory."""
        return tile.index * self.slices + slice_

    def count_of(self, b: TileBuilder, tile: RowTile, slice_: Idx) -> Mat:
        return b.window(self.counts, 0, self.entry(tile, slice_), 1, 1)

    def data_of(self, b: TileBuilder, tile: RowTile, slice_: Idx, cols: int, col: int = 0) -> Mat:
        return b.window(self.data, self.entry(tile, slice_) * self.capacity, col, tile.rows, cols)

    def map_of(self, b: TileBuilder, tile: RowTile, slice_: Idx) -> Mat:
        return b.window(self.map, self.entry(tile, slice_), 0, 1, tile.visual)

    def tiles(self) -> list[tuple[int, int, int]]:
        """(first retained visual row, identity rows, visual rows) of every tile, as the binary's site table lists them."""
        return [((g.first + i) * self.m_tile if g.visual else self.visual, g.identity, g.visual) for g in self.groups for i in range(g.count)]


@contextlib.contextmanager
def group_tiles(b: TileBuilder, group: TileGroup, visual: int, m_tile: int) -> Iterator[RowTile]:
    """The loop over the m-tiles of a group (none for a single one)."""
    with b.loop(group.count, 1) as i:
        index = i + group.first
        parts = []
        if group.identity:
            parts.append((0, group.identity, as_idx(visual + group.text0)))
        if group.visual:
            parts.append((group.identity, group.visual, index * m_tile))
        yield RowTile(group.rows, tuple(parts), index, group.identity, group.visual)


@contextlib.contextmanager
def dense_tiles(b: TileBuilder, rows: int, m_tile: int) -> Iterator[RowTile]:
    """The loop over m-tiles of `m_tile` of the rows [0, rows)."""
    with b.loop(rows, m_tile) as m:
        yield RowTile(min(m_tile, rows), ((0, min(m_tile, rows), m),))
