"""Kernels that sweep over the rows of an operand in DRAM: norms, RoPE, elementwise ops, and similarity concentration (SIC).

In: operands as `Mat`, targets as `Mat` or `Concentrated`.  Out: one `focus.kernel` for each shape of m-tile.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from focus.dialects.mapping import RowsMapping
from focus.passes.kernels.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.forms import RowsForm
from focus.passes.kernels.places import Places
from focus.passes.kernels.rows import Concentrated, RowTile, TileGroup, dense_tiles, group_tiles


def gather_slice(b: TileBuilder, conc: Concentrated, tile: RowTile, slice_: Idx, src: Mat, room: Room) -> None:
    """Concentrate one slice of an m-tile that stands on-chip ([identity rows, visual rows] x up to a vector) and write it out.

    Written are the compact rows and the map; or, where the room has `expanded`, every row with its group's vector.
    """
    expanded = room.expanded
    count = conc.count_of(b, tile, slice_)
    b.op("sic.gather", src, room.table, count, attrs={"site": room.site, "identity": tile.identity}, ids=room.ids, map=room.map)
    if expanded is None:
        b.store(room.table, conc.data_of(b, tile, slice_, src.cols), "compact", count=count)
        if room.map is not None:
            b.store(room.map, conc.map_of(b, tile, slice_), "map")
        return
    for at, n, row in tile.parts:
        target = b.window(expanded, row, conc.vector * slice_, n, src.cols)
        if room.map is not None and row is tile.parts[-1][2]:
            b.op("expand", room.table, room.map, target, attrs={"identity": tile.identity, "stream": "result"})
        else:
            b.store(b.window(room.table, at, 0, n, src.cols), target, "result")


@dataclass(frozen=True)
class Room:
    """What concentrating a slice uses: retained ids of the tile, a table of unique vectors, the map from rows to them; the site number; in DRAM,
    `expanded` [n + T, width] where dense rows are wanted."""
    ids: Mat | None
    table: Mat
    map: Mat | None
    site: int = 0
    expanded: Mat | None = None


@dataclass
class Norm:
    """A norm to apply on the way: kind "rms" or "layer", weight and bias [1, D], moments [M, 2] f32 or None (then they are swept)."""
    kind: str
    eps: float
    weight: Mat
    bias: Mat | None
    moments: Mat | None


def _norm_params(b: TileBuilder, places: Places, norm: Norm) -> tuple[Mat, Mat | None]:
    weight = places.make(b, "norm_weight")
    b.load(norm.weight, weight, "param")
    if norm.bias is None:
        return weight, None
    bias = places.make(b, "norm_bias")
    b.load(norm.bias, bias, "param")
    return weight, bias


def _row_stats(b: TileBuilder, places: Places, norm: Norm, x: Mat, tile: RowTile) -> Mat:
    """Mean and reciprocal deviation of each row of a tile, from stored moments or by a sweep over the row."""
    stats = places.make(b, "row_stats")
    if norm.moments is not None:
        tile.load(b, norm.moments, 0, 2, stats, "stats")
    else:
        columns = places.table["swept"].cols
        with b.loop(x.cols, columns) as c:
            part = places.make(b, "swept")
            tile.load(b, x, c, columns, part, "activation")
            b.op("v.reduce", part, stats, attrs={"op": "moments", "init": "first"})
    b.op("v.stats", stats, stats, attrs={"kind": norm.kind, "inv": 1.0 / x.cols, "eps": norm.eps})
    return stats


# ---- concentration -----------------------------------------------------------------------------------------------------------
def gather_places(form: RowsForm, vector: int) -> Places:
    """What concentrating an m-tile of `form.rows` rows takes on chip: whole slices and a narrower one at the end have places of their own."""
    p = Places()
    for suffix, width in (("", vector if form.cols >= vector else 0), (".rest", form.cols % vector)):
        p.add(f"slice{suffix}", "output", (form.rows, width), "f16")
        p.add(f"unique{suffix}", "table", (form.rows, width), "f16")
        p.add(f"map{suffix}", "map", (1, form.visual), "u16", int(width > 0))
    p.add("retained", "ids", (1, form.visual), "i32")
    if form.what == "gather_norm":
        p.add("norm_weight", "vector", (1, form.cols), "f16")
        p.add("norm_bias", "vector", (1, form.cols), "f16", int(form.bias))
        p.add("row_stats", "stats", (form.rows, 2), "f32")
        p.add("swept", "output", (form.rows, min(vector, form.cols)), "f16", int(not form.moments))
    return p


def gather_form(conc: Concentrated, group: TileGroup, norm: Norm | None) -> RowsForm:
    """The form of concentrating the m-tiles of a group, or their norm."""
    return RowsForm("gather" if norm is None else "gather_norm", group.rows, conc.width, moments=norm is not None and norm.moments is not None,
                    bias=norm is not None and norm.bias is not None, visual=group.visual, repeat=group.count)


@dataclass(frozen=True)
class Gather:
    """A concentration: x [n + T, D] or its norm at a site; retained ids [1, n]; `expanded` [n + T, D] where dense rows are wanted."""
    x: Mat
    conc: Concentrated
    ids: Mat
    norm: Norm | None = None
    expanded: Mat | None = None
    site: int = 0


def emit_gather(b: TileBuilder, name: str, gather: Gather, slots: int, loc: ir.Location) -> None:
    """Concentrate x, or its norm, slice by slice of every m-tile; into `expanded` as dense rows if given."""
    x, conc, norm = gather.x, gather.conc, gather.norm
    for group in conc.groups:
        places = gather_places(gather_form(conc, group, norm), conc.vector)
        with b.kernel(name, loc, slots):
            params = _norm_params(b, places, norm) if norm else None
            with group_tiles(b, group, conc.visual, conc.m_tile) as tile:
                stats = _row_stats(b, places, norm, x, tile) if norm else None
                retained = None
                if tile.visual:
                    retained = places.make(b, "retained")
                    b.load(b.window(gather.ids, 0, tile.parts[-1][2], 1, tile.visual), retained, "ids")

                def slice_(j: Idx, suffix: str) -> None:
                    part = places.make(b, f"slice{suffix}")
                    tile.load(b, x, conc.vector * j, part.cols, part, "activation")
                    if params and stats:
                        (weight, bias), column = params, conc.vector * j
                        b.op("v.normalize", part, stats, b.window(weight, 0, column, 1, part.cols), part,
                             bias=None if bias is None else b.window(bias, 0, column, 1, part.cols))
                    room = Room(retained, places.make(b, f"unique{suffix}"), places.make(b, f"map{suffix}") if tile.visual else None, gather.site,
                                gather.expanded)
                    gather_slice(b, conc, tile, j, part, room)

                whole = x.cols // conc.vector
                if whole:
                    with b.loop(whole, 1) as j:
                        slice_(j, "")
                if x.cols % conc.vector:
                    slice_(Idx(whole), ".rest")


# ---- norms -------------------------------------------------------------------------------------------------------------------
def norm_places(form: RowsForm, mapping: RowsMapping) -> Places:
    """What a norm takes on chip: whole rows, which are read once; or parts of them, read a second time where moments are computed first."""
    p, rows, cols = Places(), min(mapping.m, form.rows), min(mapping.n, form.cols)
    p.add("norm_weight", "vector", (1, form.cols), "f16")
    p.add("norm_bias", "vector", (1, form.cols), "f16", int(form.bias))
    p.add("row_stats", "stats", (rows, 2), "f32")
    p.add("swept", "output", (rows, cols), "f16", int(cols < form.cols and not form.moments))
    p.add("part", "output", (rows, cols), "f16")
    return p


def norm_form(x: Mat, norm: Norm) -> RowsForm:
    """The form of the norm of a matrix."""
    return RowsForm("norm", x.rows, x.cols, moments=norm.moments is not None, bias=norm.bias is not None)


@dataclass(frozen=True)
class Normed:
    """out = norm(x), dense."""
    x: Mat
    norm: Norm
    out: Mat


def emit_norm(b: TileBuilder, name: str, normed: Normed, mapping: RowsMapping, loc: ir.Location) -> None:
    """Emit a norm.  Rows are read once where the mapping's tiles have whole rows, else once for the moments too."""
    x, norm, out = normed.x, normed.norm, normed.out
    places = norm_places(norm_form(x, norm), mapping)
    with b.kernel(name, loc, mapping.slots):
        weight, bias = _norm_params(b, places, norm)
        if mapping.n >= x.cols and norm.moments is None:
            with dense_tiles(b, x.rows, mapping.m) as tile:
                part = places.make(b, "part")
                stats = places.make(b, "row_stats")
                tile.load(b, x, 0, x.cols, part, "activation")
                b.op("v.reduce", part, stats, attrs={"op": "moments", "init": "always"})
                b.op("v.stats", stats, stats, attrs={"kind": norm.kind, "inv": 1.0 / x.cols, "eps": norm.eps})
                b.op("v.normalize", part, stats, weight, part, bias=bias)
                tile.store(b, part, out, 0, x.cols, "result")
            return
        columns = places.table["part"].cols
        with dense_tiles(b, x.rows, mapping.m) as tile:
            stats = _row_stats(b, places, norm, x, tile)
            with b.loop(x.cols, columns) as c:
                part = places.make(b, "part")
                tile.load(b, x, c, columns, part, "activation")
                b.op("v.normalize", part, stats, b.window(weight, 0, c, 1, columns), part,
                     bias=None if bias is None else b.window(bias, 0, c, 1, columns))
                tile.store(b, part, out, c, columns, "result")


# ---- rotary embedding --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Rope:
    """Rotary embedding of every head.  x, out: [R, H * head_dim]; cos, sin: [S, head_dim] in the row order of x.

    With `ids` ([1, visual] retained tokens) the visual rows of x use the table rows ids[r]; the text rows after them use the table rows from
    `visual_table` on.
    """
    x: Mat
    cos: Mat
    sin: Mat
    out: Mat
    head_dim: int
    ids: Mat | None = None
    visual_table: int = 0


def rope_places(form: RowsForm, mapping: RowsMapping) -> Places:
    """What rotating takes on chip; form.second: table rows are picked by ids."""
    p, rows = Places(), min(mapping.m, form.rows)
    for name, space in (("cos", "vector"), ("sin", "vector"), ("head", "output"), ("rotated", "output")):
        p.add(name, space, (rows, form.head), "f16")
    for name in ("cos_rows", "sin_rows"):
        p.add(name, "ids", (1, rows), "i32", int(form.second))
    return p


def emit_rope(b: TileBuilder, name: str, rope: Rope, mapping: RowsMapping, loc: ir.Location) -> None:
    """Emit the rotation: a kernel for all rows, or for visual and text rows one each."""
    x, ids, head_dim = rope.x, rope.ids, rope.head_dim
    sections = [(0, x.rows, None)] if ids is None else [(0, ids.cols, ids), (ids.cols, x.rows - ids.cols, None)]
    for start, count, gathered in sections:
        if not count:
            continue
        table0 = start if ids is None else rope.visual_table
        places = rope_places(RowsForm("rope", count, x.cols, head=head_dim, second=gathered is not None), mapping)
        with b.kernel(name, loc, mapping.slots), dense_tiles(b, count, mapping.m) as tile:
            source, target = (b.window(m, start, 0, count, m.cols) for m in (x, rope.out))
            tables = []
            for table, label in ((rope.cos, "cos"), (rope.sin, "sin")):
                buf = places.make(b, label)
                (_, n, row), = tile.parts
                if gathered is None:
                    b.load(b.window(b.window(table, table0, 0, count, head_dim), row, 0, n, head_dim), buf, "param")
                else:
                    picked = places.make(b, f"{label}_rows")
                    b.load(b.window(gathered, 0, row, 1, n), picked, "ids")
                    b.load_rows(table, buf, picked, "param")
                tables.append(buf)
            _rotate_heads(b, places, tile, (source, target), tables)


def emit_step_rope(b: TileBuilder, name: str, rope: Rope, new: int, mapping: RowsMapping, loc: ir.Location) -> None:
    """Emit the rotation of the rows of a step, `new` of each request: row r of a request uses the table row whose number is the step's plus r."""
    x, width = rope.x, rope.head_dim
    places = rope_places(RowsForm("rope", new, x.cols, head=width), mapping)
    with b.kernel(name, loc, mapping.slots), b.loop(x.rows // new, 1) as i, dense_tiles(b, new, mapping.m) as tile:
        source, target = (b.window(m, i * new, 0, new, m.cols) for m in (x, rope.out))
        (_, n, row), = tile.parts
        first, tables = b.step(rope.cos.rows - new + 1), []
        for table, label in ((rope.cos, "cos"), (rope.sin, "sin")):
            tables.append(places.make(b, label))
            b.load(b.window(b.window(table, first, 0, new, width), row, 0, n, width), tables[-1], "param")
        _rotate_heads(b, places, tile, (source, target), tables)


def _rotate_heads(b: TileBuilder, places: Places, tile: RowTile, rows: tuple[Mat, Mat], tables: list[Mat]) -> None:
    """All heads of a tile, from the first to the second of `rows`."""
    source, target = rows
    width = tables[0].cols
    with b.loop(source.cols // width, 1) as h:
        src = places.make(b, "head")
        dst = places.make(b, "rotated")
        tile.load(b, source, h * width, width, src, "activation")
        b.op("v.rope", src, tables[0], tables[1], dst)
        tile.store(b, dst, target, h * width, width, "result")


# ---- elementwise -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Elementwise:
    """out = op(a) for an activation, or op(a, other) for "add" and "mul" with other's rows dividing a's rows."""
    op: str
    a: Mat
    other: Mat | None
    out: Mat


def elementwise_places(form: RowsForm, mapping: RowsMapping) -> Places:
    """What an elementwise op takes on chip; form.second: it has two operands."""
    p, shape = Places(), (min(mapping.m, form.rows), min(mapping.n, form.cols))
    p.add("a", "output", shape, "f16")
    p.add("b", "vector", shape, "f16", int(form.second))
    return p


def emit_elementwise(b: TileBuilder, name: str, e: Elementwise, mapping: RowsMapping, loc: ir.Location) -> None:
    """Emit an elementwise op."""
    a, other = e.a, e.other
    period = a.rows if other is None else other.rows
    places = elementwise_places(RowsForm("elementwise", period, a.cols, second=other is not None), mapping)
    columns = places.table["a"].cols
    with b.kernel(name, loc, mapping.slots), b.loop(a.rows // period, 1) as p:
        source, target = b.window(a, p * period, 0, period, a.cols), b.window(e.out, p * period, 0, period, a.cols)
        with dense_tiles(b, period, mapping.m) as tile, b.loop(a.cols, columns) as c:
            x = places.make(b, "a")
            tile.load(b, source, c, columns, x, "activation")
            if other is None:
                b.map(x, x, e.op)
            else:
                y = places.make(b, "b")
                tile.load(b, other, c, columns, y, "residual")
                b.zip(e.op, x, y, x)
            tile.store(b, x, target, c, columns, "result")
