"""Sweeps that read an operand back and leave it normalised, rotated, combined or concentrated (SIC).

In: operands as `Mat`, targets as `Mat` or `Concentrated`.  Out: one `focus.kernel` for each shape of m-tile.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch_mlir import ir

from focus.passes.tile.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.rows import Concentrated, RowTile, dense_tiles, group_tiles, tile_rows
from focus.passes.capacity import aligned, fits, m_tile_error
from focus.runtime.spec.machine import Machine


def gather_slice(b: TileBuilder, conc: Concentrated, tile: RowTile, slice_: Idx, src: Mat, ids: Mat | None, site: int,
                 expanded: Mat | None = None, table: Mat | None = None) -> None:
    """Concentrate one slice of an m-tile that stands on-chip ([identity rows, visual rows] x up to 32) and write it out.

    Written are the compact rows and the map; or, where `expanded` [n + T, width] is given, every row with its group's vector.
    table: room for the unique vectors, if it is shared.
    """
    table = table or b.buffer("table", tile.rows, src.cols, "f16", "unique")
    count = conc.count_of(b, tile, slice_)
    map_ = b.buffer("map", 1, tile.visual, "u16", "map") if tile.visual else None
    b.op("sic.gather", src, table, count, attrs={"site": site, "identity": tile.identity}, ids=ids, map=map_)
    if expanded is None:
        b.store(table, conc.data_of(b, tile, slice_, src.cols), "compact", count=count)
        if map_ is not None:
            b.store(map_, conc.map_of(b, tile, slice_), "map")
        return
    for at, n, row in tile.parts:
        target = b.window(expanded, row, 32 * slice_, n, src.cols)
        if map_ is not None and row is tile.parts[-1][2]:
            b.op("expand", table, map_, target, attrs={"identity": tile.identity, "stream": "result"})
        else:
            b.store(b.window(table, at, 0, n, src.cols), target, "result")


@dataclass
class Norm:
    """A norm to apply on the way: kind "rms" or "layer", weight and bias [1, D], moments [M, 2] f32 or None (then they are swept)."""
    kind: str
    eps: float
    weight: Mat
    bias: Mat | None
    moments: Mat | None


def _row_stats(b: TileBuilder, norm: Norm, x: Mat, tile: RowTile, columns: int) -> Mat:
    """Mean and reciprocal deviation of each row of a tile, from stored moments or by a sweep over the row."""
    stats = b.buffer("stats", tile.rows, 2, "f32", "row_stats")
    if norm.moments is not None:
        tile.load(b, norm.moments, 0, 2, stats, "stats")
    else:
        with b.loop(x.cols, columns) as c:
            part = b.buffer("output", tile.rows, columns, "f16", "row")
            tile.load(b, x, c, columns, part, "activation")
            b.op("v.reduce", part, stats, attrs={"op": "moments", "init": "first"})
    b.op("v.stats", stats, stats, attrs={"kind": norm.kind, "inv": 1.0 / x.cols, "eps": norm.eps})
    return stats


def _norm_params(b: TileBuilder, norm: Norm) -> tuple[Mat, Mat | None]:
    """Weight and bias, whole, in the vector unit's memory for the time of the kernel."""
    bufs = []
    for name, p in (("norm_weight", norm.weight), ("norm_bias", norm.bias)):
        buf = None if p is None else b.buffer("vector", 1, p.cols, "f16", name)
        if buf is not None:
            b.load(p, buf, "param")
        bufs.append(buf)
    return bufs[0], bufs[1]


def _gather_needs(cols: int, norm: Norm | None, rows: int, visual: int) -> dict[str, int]:
    """Bytes that concentrating an m-tile needs: whole slices and a narrower one at the end have places of their own."""
    widths = [32] * (cols >= 32) + [cols % 32] * (cols % 32 > 0)
    tiles = sum(aligned(rows * 2 * width) for width in widths)
    needs = {"output": tiles, "table": tiles, "map": len(widths) * aligned(visual * 2), "ids": aligned(visual * 4)}
    if norm is not None:
        needs |= {"vector": (1 if norm.bias is None else 2) * aligned(cols * 2), "stats": aligned(rows * 8)}
        needs["output"] += aligned(rows * 2 * min(32, cols)) if norm.moments is None else 0
    return needs


def emit_gather(b: TileBuilder, machine: Machine, name: str, x: Mat, conc: Concentrated, ids: Mat, site: int, loc: ir.Location,
                norm: Norm | None = None, expanded: Mat | None = None) -> None:
    """Concentrate x [n + T, D], or its norm, slice by slice of every m-tile; into `expanded` [n + T, D] as dense rows if given.

    Raises FocusError where an m-tile does not fit the buffers.
    """
    needs = partial(_gather_needs, x.cols, norm)
    for group in conc.groups:
        if not fits(machine, needs(group.rows, group.visual)):
            raise m_tile_error(machine, needs, group.rows, group.visual)
        with b.kernel(name, loc):
            weight, bias = _norm_params(b, norm) if norm else (None, None)
            with group_tiles(b, group, conc.visual, conc.m_tile) as tile:
                stats = _row_stats(b, norm, x, tile, min(32, x.cols)) if norm else None
                retained = None
                if tile.visual:
                    retained = b.buffer("ids", 1, tile.visual, "i32", "retained")
                    b.load(b.window(ids, 0, tile.parts[-1][2], 1, tile.visual), retained, "ids")

                def slice_(j: Idx, width: int) -> None:
                    part = b.buffer("output", tile.rows, width, "f16", "slice")
                    tile.load(b, x, 32 * j, width, part, "activation")
                    if norm:
                        b.op("v.normalize", part, stats, b.window(weight, 0, 32 * j, 1, width), part,
                             bias=None if bias is None else b.window(bias, 0, 32 * j, 1, width))
                    gather_slice(b, conc, tile, j, part, retained, site, expanded)

                if x.cols // 32:
                    with b.loop(x.cols // 32, 1) as j:
                        slice_(j, 32)
                if x.cols % 32:
                    slice_(Idx(x.cols // 32), x.cols % 32)


def emit_norm(b: TileBuilder, machine: Machine, name: str, x: Mat, norm: Norm, out: Mat, loc: ir.Location) -> None:
    """out = norm(x), dense.  Rows are read once where a few whole rows fit the output buffer, else once for the moments too."""
    whole_rows = tile_rows(machine, output=2 * 2 * x.cols, stats=8)
    with b.kernel(name, loc):
        weight, bias = _norm_params(b, norm)
        if norm.moments is None and whole_rows >= min(16, x.rows):
            with dense_tiles(b, x.rows, whole_rows) as tile:
                part = b.buffer("output", tile.rows, x.cols, "f16", "rows")
                stats = b.buffer("stats", tile.rows, 2, "f32", "row_stats")
                tile.load(b, x, 0, x.cols, part, "activation")
                b.op("v.reduce", part, stats, attrs={"op": "moments", "init": "always"})
                b.op("v.stats", stats, stats, attrs={"kind": norm.kind, "inv": 1.0 / x.cols, "eps": norm.eps})
                b.op("v.normalize", part, stats, weight, part, bias=bias)
                tile.store(b, part, out, 0, x.cols, "result")
            return
        columns = min(64, x.cols)
        with dense_tiles(b, x.rows, tile_rows(machine, output=2 * 2 * columns, stats=8)) as tile:
            stats = _row_stats(b, norm, x, tile, columns)
            with b.loop(x.cols, columns) as c:
                part = b.buffer("output", tile.rows, columns, "f16", "part")
                tile.load(b, x, c, columns, part, "activation")
                b.op("v.normalize", part, stats, b.window(weight, 0, c, 1, columns), part,
                     bias=None if bias is None else b.window(bias, 0, c, 1, columns))
                tile.store(b, part, out, c, columns, "result")


def emit_rope(b: TileBuilder, machine: Machine, name: str, x: Mat, cos: Mat, sin: Mat, out: Mat, head_dim: int, loc: ir.Location,
              ids: Mat | None = None, visual: int = 0, visual_table: int = 0) -> None:
    """Rotary embedding of every head.  x, out: [R, H * head_dim]; cos, sin: [S, head_dim] in the row order of x.

    With `ids` ([1, visual] retained tokens) the visual rows of x use the table rows ids[r]; the text rows after them use the table rows from
    `visual_table` on.
    """
    sections = [(0, x.rows, None)] if ids is None else [(0, visual, ids), (visual, x.rows - visual, None)]
    rows = tile_rows(machine, vector=4 * 2 * head_dim, output=4 * 2 * head_dim, ids=4 * 4)
    for start, count, gathered in sections:
        if not count:
            continue
        table0 = start if ids is None else visual_table
        with b.kernel(name, loc), dense_tiles(b, count, rows) as tile:
            source, target = (b.window(m, start, 0, count, m.cols) for m in (x, out))
            tables = []
            for table, label in ((cos, "cos"), (sin, "sin")):
                buf = b.buffer("vector", tile.rows, head_dim, "f16", label)
                (_, n, row), = tile.parts
                if gathered is None:
                    b.load(b.window(b.window(table, table0, 0, count, head_dim), row, 0, n, head_dim), buf, "param")
                else:
                    picked = b.buffer("ids", 1, n, "i32", f"{label}_rows")
                    b.load(b.window(gathered, 0, row, 1, n), picked, "ids")
                    b.load_rows(table, buf, picked, "param")
                tables.append(buf)
            with b.loop(x.cols // head_dim, 1) as h:
                src = b.buffer("output", tile.rows, head_dim, "f16", "head")
                dst = b.buffer("output", tile.rows, head_dim, "f16", "rotated")
                tile.load(b, source, h * head_dim, head_dim, src, "activation")
                b.op("v.rope", src, tables[0], tables[1], dst)
                tile.store(b, dst, target, h * head_dim, head_dim, "result")


def emit_elementwise(b: TileBuilder, machine: Machine, name: str, op: str, a: Mat, other: Mat | None, out: Mat, loc: ir.Location) -> None:
    """out = op(a) for an activation, or op(a, other) for "add" and "mul" with other's rows dividing a's rows."""
    columns = min(64, a.cols)
    period = a.rows if other is None else other.rows
    with b.kernel(name, loc), b.loop(a.rows // period, 1) as p:
        source, target = b.window(a, p * period, 0, period, a.cols), b.window(out, p * period, 0, period, a.cols)
        with dense_tiles(b, period, tile_rows(machine, 512, output=4 * columns, vector=4 * columns)) as tile, b.loop(a.cols, columns) as c:
            x = b.buffer("output", tile.rows, columns, "f16", "a")
            tile.load(b, source, c, columns, x, "activation")
            if other is None:
                b.map(x, x, op)
            else:
                y = b.buffer("vector", tile.rows, columns, "f16", "b")
                tile.load(b, other, c, columns, y, "residual")
                b.zip(op, x, y, x)
            tile.store(b, x, target, c, columns, "result")
