"""GEMM kernels: linear layers (dense or concentrated input, one weight matrix or SwiGLU's two) and batched resampling.

In: operands as `Mat` or `Concentrated`, and the mapping of each kernel.  Out: one `focus.kernel` for each mapping: loops m-tile, n-tile, k-slice; the
epilogue (bias, activation, residual, row moments, concentration of the result) works on the accumulators of a sub-tile, one array wide, while
the array goes on.
"""
from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import gcd
from typing import Literal

from torch_mlir import ir

from focus.dialects.mapping import GemmMapping
from focus.passes.kernels.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.concentrate import Room, gather_slice
from focus.passes.kernels.forms import GemmForm
from focus.passes.kernels.places import Places, ceil, widths
from focus.passes.kernels.rows import Concentrated, RowTile, TileGroup, dense_tiles, group_tiles
from focus.runtime.spec.geometry import Geometry

SLOW = ("swiglu", "silu", "gelu_tanh", "gelu_erf", "gelu_quick")        #: activations that need a reciprocal for each element
TABLES = 2              #: tables of unique vectors that the sub-tiles of an n-tile take turns in
MAPS = 4                #: maps of results that they take turns in
ASIDE = 2               #: places in which results that have left the accumulators take turns


@dataclass
class Linear:
    """One linear kernel: y = act(x W^T + bias) [* (x Wup^T + up_bias)] [+ residual, or * residual where `combine` is "mul"].

    x: [M, K] or concentrated; weights: one or two [N, K]; biases: [1, N] or None each; residual: [R, N] with R dividing M; out: [M, N]
    f16 or f32, or a `Concentrated` (then `ids` is the [1, n] list of retained tokens); moments: [M, 2] f32 or None.
    aside: the activation works on results that have left the accumulators; first: number of the first slice in a concentrated `out`;
    expanded: the rows of a concentrated `out` are written dense, to here [M, N].
    turn: "across": x is the weights and the one weight is the tokens, so that a bias [M, 1] belongs to rows.  added: a matrix [N, M] whose
    transpose is added by array passes of `identity`, which is as large as the array is deep; turn "back": y is that of the one weight [N, M], and
    there is no x.
    """
    name: str
    x: Mat | Concentrated | None
    weights: list[Mat]
    biases: list[Mat | None]
    out: Mat | Concentrated
    activation: str = "none"
    residual: Mat | None = None
    moments: Mat | None = None
    ids: Mat | None = None
    site: int = 0
    combine: str = "add"
    aside: bool = False
    first: int = 0
    expanded: Mat | None = None
    turn: Literal["none", "across", "back"] = "none"
    added: Mat | None = None
    identity: Mat | None = None
    k: int = field(init=False)
    n: int = field(init=False)

    def __post_init__(self):
        self.n, self.k = self.weights[0].rows, 0 if self.x is None else self.weights[0].cols

    @property
    def rows(self) -> int:
        """M."""
        return self.weights[0].cols if self.x is None else self.x.rows

    @property
    def transposed(self) -> Mat | None:
        """The matrix whose transpose is added."""
        return self.weights[0] if self.x is None else self.added

    @property
    def dense_x(self) -> Mat:
        """The input, which is dense."""
        assert isinstance(self.x, Mat)
        return self.x

    @property
    def dense_out(self) -> Mat:
        """The result, which is dense."""
        assert isinstance(self.out, Mat)
        return self.out

    @property
    def period(self) -> int:
        """Rows after which the residual begins again."""
        return self.rows if self.residual is None else self.residual.rows

    def form(self, group: TileGroup | None) -> GemmForm:
        """The form of the kernel on the m-tiles of a group; without one, on dense rows."""
        unique = isinstance(self.x, Concentrated)
        return GemmForm(self.period if group is None else group.rows, self.n, self.k, len(self.weights), None if group is None else group.visual,
                        1 if group is None else group.count, unique, residual=self.residual is not None, moments=self.moments is not None,
                        gathered=isinstance(self.out, Concentrated), slow=self.activation in SLOW, aside=self.aside,
                        biases=sum(bias is not None for bias in self.biases), turn=self.turn, added=self.transposed is not None,
                        repeat=self.rows // self.period if group is None else 1)


def sub_tiles(form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> list[int]:
    """Columns of each sub-tile of an n-tile, as wide as the array."""
    return widths(min(mapping.n, form.n), geometry.cols)


def weight_pieces(subs: int, mapping: GemmMapping) -> list[range]:
    """The sub-tiles whose weights are loaded together, at most `weight_subs`: as even as can be, and where places take turns as often in each, where
    that is possible."""
    pieces, places = ceil(subs, mapping.weight_subs), mapping.weight_places
    if pieces > places and ceil(pieces, places) * places <= subs:
        pieces = ceil(pieces, places) * places
    each, more = divmod(subs, pieces)
    starts = [i * each + min(i, more) for i in range(pieces + 1)]
    return [range(a, b) for a, b in itertools.pairwise(starts)]


def in_body(slices: int, unroll: int) -> int:
    """Places that a loop over k-slices takes whose body has `unroll` of them: those of the body, and those that are left after the loop."""
    looped = slices // unroll * unroll
    return min(unroll, looped) + slices - looped


def unroll_of(form: GemmForm, mapping: GemmMapping, subs: int) -> int:
    """k-slices in the body of the loop: as many as it takes to use all places of partial sums in turn."""
    partials = max(1, mapping.partials)
    return partials // gcd(partials, subs * form.weights) if form.unique and form.visual else 1


def weight_bytes(form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> int:
    """What the weights of a mapping take: those of `gemm_places`, which has the rest too."""
    p = Places()
    _weight_places(p, form, mapping, geometry)
    return sum(place.bytes * place.count for place in p.table.values())


def _slices(form: GemmForm, mapping: GemmMapping, geometry: Geometry, subs: int) -> Iterator[tuple[str, int, int]]:
    """(suffix, width, places) of the k-slices of a form: whole ones, and what is left."""
    slice_ = geometry.vector if form.unique else geometry.rows
    whole, rest = divmod(form.k, slice_)
    count, left = int(whole > 0), int(rest > 0)
    if form.unique:
        count = (1 if mapping.shared_slices else in_body(whole, unroll_of(form, mapping, subs))) if whole else 0
        left = int(rest > 0 and not (mapping.shared_slices and whole))
    elif whole:
        left = 0                    # the loop over k-slices has one body, whose last slice is clipped
    yield "", slice_, count
    yield ".rest", rest, left


def _weight_places(p: Places, form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> None:
    """Declare the places of weights, and of tiles of a matrix that is added."""
    subs = sub_tiles(form, mapping, geometry)
    pieces = [sum(subs[s] for s in piece) for piece in weight_pieces(len(subs), mapping)]
    widest = [max(pieces[i::mapping.weight_places]) for i in range(min(mapping.weight_places, len(pieces)))]
    for suffix, width, count in _slices(form, mapping, geometry, len(subs)):
        for i, most in enumerate(widest):
            p.add(f"w{suffix}.{i}", "wgt", (most, width), "f16", count * form.weights)
    for i, most in enumerate(widest if form.added else ()):
        p.add(f"w.turned.{i}", "wgt", (most, min(geometry.rows, mapping.m, form.rows)), "f16")


@functools.lru_cache(1 << 14)
def gemm_places(form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> Places:
    """What a GEMM kernel takes on chip; callers share it."""
    p, rows, subs = Places(), min(mapping.m, form.rows), sub_tiles(form, mapping, geometry)
    visual = form.visual or 0
    for s, width in enumerate(subs):
        p.add(f"acc{s}", "output", (rows, width), "f32", form.weights)
        p.add(f"result{s}", "output", (rows, width), "f16", int(mapping.separate_result))
    p.add("bias", "vector", (rows, 1) if form.turn == "across" else (1, min(mapping.n, form.n)), "f16", form.biases)
    p.add("residual", "vector", (rows, subs[0]), "f16", min(mapping.residual_tiles, len(subs)) if form.residual else 0)
    p.add("aside", "vector", (rows, subs[0]), "f16", min(ASIDE, len(subs)) if form.aside else 0)
    p.add("moments", "stats", (rows, 2), "f32", int(form.moments))
    vectors = ceil(subs[0], geometry.vector)
    p.add("gate", "vector", (rows, subs[0]), "f16", min(mapping.pairs_aside, len(subs)))
    p.add("up", mapping.up_in, (rows, subs[0]), "f16", min(mapping.pairs_aside, len(subs)))
    if form.gathered:
        p.add("retained", "ids", (1, visual), "i32")
        tables = 1 if mapping.pairs_aside and mapping.up_in == "table" else TABLES
        p.add("unique_out", "table", (rows, min(geometry.vector, subs[0])), "f16", min(tables, len(subs) * vectors))
        p.add("map_out", "map", (1, visual), "u16", min(MAPS, len(subs) * vectors))
    if mapping.stays == "input":
        p.add("x", "input", (rows, form.k), "f16")
    for suffix, width, count in _slices(form, mapping, geometry, len(subs)):
        if mapping.stays != "input":
            p.add(f"x{suffix}", "input", (rows, width), "f16", count)
        p.add(f"map{suffix}", "map", (1, visual), "u16", count if form.unique else 0)
    _weight_places(p, form, mapping, geometry)
    p.add("identity", "input", (min(geometry.rows, rows), min(geometry.rows, rows)), "f16", int(form.added))
    p.add("partial", "conc", (rows, geometry.cols), "f32", mapping.partials if form.unique and visual else 0)
    return p


def gemm_generators(form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> int:
    """Address generators that a GEMM kernel takes at most: one for each place in DRAM and each window on chip that an instruction names."""
    subs = len(sub_tiles(form, mapping, geometry))
    parts = 2 if form.visual and form.visual < form.rows else 1         # text rows and visual rows are apart in DRAM
    whole, rest = divmod(form.k, geometry.vector)
    bodies = in_body(whole, unroll_of(form, mapping, subs)) + (rest > 0) if form.unique else 1
    pieces, places = weight_pieces(subs, mapping), mapping.weight_places
    windows = len(pieces) + sum(max(len(piece) for piece in pieces[i::places]) for i in range(min(places, len(pieces))))
    operand = 5 if form.unique else 2 * parts               # source and place; count, and the map's source and place
    slice_ = operand + form.weights * windows if form.k else 0
    turning = parts * (windows + subs) + 2 if form.added else 0
    if form.unique and geometry.vector > geometry.rows:     # several passes a slice: windows of the operand and of the weights
        slice_ += 1 + form.weights * subs
    epilogue = subs * (form.weights + form.biases) + 2 * form.biases + form.residual * parts * (subs + min(mapping.residual_tiles, subs))
    out = 2 * mapping.pairs_aside if mapping.pairs_aside else subs
    if form.gathered:
        each = ceil(geometry.cols, geometry.vector)
        out += subs * (3 * each + each - 1) + TABLES + MAPS + 2     # counts, unique vectors, maps; parts of a result; retained ids
    else:
        out += parts * subs + (parts - 1) * subs            # in DRAM; the text rows' on chip
    return bodies * slice_ + turning + epilogue + out + mapping.partials + form.moments * (2 + parts)


def emit_linear(b: TileBuilder, lin: Linear, mappings: tuple[GemmMapping, ...], loc: ir.Location) -> None:
    """Emit the kernels of `mappings`: for dense operands one (or SwiGLU's two halves), else those of each shape of m-tile in turn."""
    conc = next((m for m in (lin.x, lin.out) if isinstance(m, Concentrated)), None)
    todo, gate = deque(mappings), None
    for group in [None] if conc is None else conc.groups:
        layers = [lin]
        if todo[0].form == "gate":
            gate = gate or b.buffer("dram", lin.rows, lin.n, "f16", "gate", "temp")
            layers = halves(lin, gate)
        for layer in layers:
            if conc is None or group is None:
                emit_dense(b, layer, todo.popleft(), loc)
            else:
                emit_group(b, layer, conc, group, todo, loc)


def halves(lin: Linear, gate: Mat) -> list[Linear]:
    """SwiGLU as two layers: the activated gate goes to memory, the other product is multiplied by it."""
    return [replace(lin, weights=lin.weights[:1], biases=lin.biases[:1], out=gate, activation="silu", aside=True),
            replace(lin, weights=lin.weights[1:], biases=lin.biases[1:], activation="none", residual=gate, combine="mul")]


def emit_dense(b: TileBuilder, lin: Linear, mapping: GemmMapping, loc: ir.Location) -> None:
    """All rows; where the residual repeats (position embeddings), one period after the other."""
    rows = lin.period
    with b.kernel(lin.name, loc, mapping.slots), b.loop(lin.rows, rows) as p:
        period = lambda m: b.window(m, p, 0, rows, m.cols)
        part = replace(lin, x=None if lin.x is None else period(lin.dense_x), out=period(lin.dense_out),
                       moments=None if lin.moments is None else period(lin.moments))
        with dense_tiles(b, rows, mapping.m) as tile:
            _Body(b, part, tile, mapping, lin.form(None)).emit()


def emit_group(b: TileBuilder, lin: Linear, conc: Concentrated, group: TileGroup, todo: deque[GemmMapping], loc: ir.Location) -> None:
    """The m-tiles of one shape.  Where the result is concentrated, n-tiles are whole: columns that are left over have a kernel of their own."""
    cols, at, left = b.geometry.cols, 0, ceil(lin.n, b.geometry.cols)
    while left:
        mapping = todo.popleft()
        rest = left % (mapping.n // cols) if isinstance(lin.out, Concentrated) else 0
        emit_tiles(b, _columns(b, lin, at, left - rest) if at or rest else lin, conc, group, mapping, loc)
        at, left = at + left - rest, rest


def emit_tiles(b: TileBuilder, lin: Linear, conc: Concentrated, group: TileGroup, mapping: GemmMapping, loc: ir.Location) -> None:
    """One kernel: the m-tiles of a group, of a concentrated operand or result `conc`."""
    with b.kernel(lin.name, loc, mapping.slots), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
        _Body(b, lin, tile, mapping, lin.form(group)).emit()


def _columns(b: TileBuilder, lin: Linear, first: int, count: int) -> Linear:
    """`count` sub-tiles of columns of a layer whose result is concentrated, from `first` on."""
    cols = b.geometry.cols
    rows = lambda m: b.window(m, cols * first, 0, cols * count, m.cols)
    part = lambda m: None if m is None else b.window(m, 0, cols * first, m.rows, cols * count)
    return replace(lin, weights=[rows(w) for w in lin.weights], biases=[part(v) for v in lin.biases], residual=part(lin.residual),
                   first=first * cols // b.geometry.vector)


@dataclass(frozen=True)
class Weights:
    """Stationary tiles of one k-slice of a weight matrix, loaded in `pieces` of sub-tiles, which take turns in `places`: a piece is loaded while
    the one before it is in use.  subs: columns of each sub-tile."""
    source: Mat
    pieces: list[range]
    subs: list[int]
    places: tuple[Mat, ...]
    stream: str = "weight"

    def load(self, b: TileBuilder, number: int, n: Idx, k: Idx, width: int) -> None:
        """Load piece `number` of rows [n, ...) and columns [k, k + width) of the matrix."""
        cols, piece, place = b.geometry.cols, self.pieces[number], self.places[number % len(self.places)]
        target = b.window(place, 0, 0, sum(self.subs[s] for s in piece), width)
        b.load(b.window(self.source, n + cols * piece.start, k, target.rows, width), target, self.stream)

    def tile(self, b: TileBuilder, sub: int, col: Idx | int, width: int) -> Mat:
        """Sub-tile `sub`, columns [col, col + width) of the k-slice."""
        cols = b.geometry.cols
        number = next(i for i, piece in enumerate(self.pieces) if sub in piece)
        return b.window(self.places[number % len(self.places)], cols * (sub - self.pieces[number].start), col, self.subs[sub], width)


@dataclass
class _Body:
    """Everything of one m-tile of a kernel: resident operand, moments, the loop over n-tiles."""
    b: TileBuilder
    lin: Linear
    tile: RowTile
    mapping: GemmMapping
    form: GemmForm

    def emit(self) -> None:
        b, lin, tile = self.b, self.lin, self.tile
        geometry = b.geometry
        places = self.places = gemm_places(self.form, self.mapping, geometry)
        stats = places.make(b, "moments") if lin.moments is not None else None
        ids = None
        if isinstance(lin.out, Concentrated) and tile.visual:
            assert lin.ids is not None
            ids = places.make(b, "retained")
            b.load(b.window(lin.ids, 0, tile.parts[-1][2], 1, tile.visual), ids, "ids")
        resident = None
        if self.mapping.stays == "input":
            resident = places.make(b, "x")
            tile.load(b, lin.dense_x, 0, lin.k, resident, self.streams[0])
        identity = None
        if lin.identity is not None:
            identity = places.make(b, "identity")
            b.load(b.window(lin.identity, 0, 0, identity.rows, identity.cols), identity, "param")
        subs = sub_tiles(self.form, self.mapping, geometry)
        with b.loop(ceil(lin.n, geometry.cols), len(subs)) as sub:
            n = geometry.cols * sub
            accs = [[places.make(b, f"acc{s}") for _ in lin.weights] for s in range(len(subs))]
            biases = [self._bias(bias, n) for bias in lin.biases]
            if isinstance(lin.x, Concentrated):
                self._concentrated_slices(lin.x, n, accs)
            elif lin.x is not None:
                self._dense_slices(n, accs, resident)
            if identity is not None and lin.transposed is not None:
                self._add_transposed(lin.transposed, n, [acc for acc, in accs], identity)
            if lin.aside:
                self._epilogue_aside(n, [acc for acc, in accs], biases[0])
            turns = [places.make(b, "residual", i) for i in range(places.table["residual"].count)] if "residual" in places else []
            tables, maps = ([places.make(b, name, i) for i in range(places.table[name].count)] if name in places else []
                            for name in ("unique_out", "map_out"))
            if self.mapping.pairs_aside:
                outs = [_Out(sub + s, accs[s], [], None, None, None, ids, tables, maps) for s in range(len(subs))]
                self._epilogue_pairs(accs, biases, outs)
            for s in range(0 if lin.aside or self.mapping.pairs_aside else len(subs)):
                windows = [self._bias_of(v, s) for v in biases]
                residual = b.window(turns[s % len(turns)], 0, 0, tile.rows, subs[s]) if turns else None
                result = residual if tables else None       # gathering takes long: accumulators are left first, where there is room
                if self.mapping.separate_result:
                    result = places.make(b, f"result{s}")
                self._epilogue(_Out(sub + s, accs[s], windows, residual, result, stats, ids, tables, maps), s)
        if stats is not None and lin.moments is not None:
            tile.store(b, stats, lin.moments, 0, 2, "stats")

    @property
    def streams(self) -> tuple[str, str]:
        """What the transfers of the operand that streams through the array carry, and of the stationary one."""
        return {"none": ("activation", "weight"), "across": ("weight", "activation"), "back": ("", "activation")}[self.lin.turn]

    def _bias(self, vector: Mat | None, col: Idx) -> Mat | None:
        """A stretch of a parameter vector in the vector unit's memory: of an n-tile's columns, or of the rows that stream across."""
        if vector is None:
            return None
        buf = self.places.make(self.b, "bias")
        if self.lin.turn == "across":
            self.tile.load(self.b, vector, 0, 1, buf, "param")
            return buf
        self.b.load(self.b.window(vector, 0, col, 1, buf.cols), buf, "param")
        return buf

    def _bias_of(self, bias: Mat | None, sub: int) -> Mat | None:
        """That of a sub-tile."""
        if bias is None or self.lin.turn == "across":
            return bias
        return self.b.window(bias, 0, self.b.geometry.cols * sub, 1, self.b.geometry.cols)

    # ---- k-slices ------------------------------------------------------------------------------------------------
    def _weight_buffers(self, suffix: str = "") -> list[Weights]:
        """Room for the stationary tiles of one k-slice of each weight matrix."""
        names = [name for name in self.places.table if name.startswith(f"w{suffix}.") and name.removeprefix(f"w{suffix}.").isdigit()]
        subs = sub_tiles(self.form, self.mapping, self.b.geometry)
        pieces = weight_pieces(len(subs), self.mapping)
        return [Weights(w, pieces, subs, tuple(self.places.make(self.b, name) for name in names), self.streams[1]) for w in self.lin.weights]

    def _sub_tiles(self, n: Idx, k: Idx, weights: list[Weights], width: int) -> Iterator[int]:
        """The sub-tiles of a k-slice in order, whose weights are loaded meanwhile: what places take at once, then a piece for each that is done."""
        b, pieces = self.b, weights[0].pieces
        for stack in weights:
            for i in range(len(stack.places)):
                stack.load(b, i, n, k, width)
        for number, piece in enumerate(pieces):
            yield from piece
            following = number + len(weights[0].places)
            if following < len(pieces):
                for stack in weights:
                    stack.load(b, following, n, k, width)

    def _dense_slices(self, n: Idx, accs: list[list[Mat]], resident: Mat | None) -> None:
        b, lin, tile = self.b, self.lin, self.tile
        width = min(b.geometry.rows, lin.k)
        suffix = "" if lin.k >= b.geometry.rows else ".rest"
        with b.loop(lin.k, b.geometry.rows) as k:
            if resident is not None:
                x = b.window(resident, 0, k, tile.rows, width)
            else:
                x = self.places.make(b, f"x{suffix}")
                tile.load(b, lin.dense_x, k, width, x, self.streams[0])
            weights = self._weight_buffers(suffix)
            for s in self._sub_tiles(n, k, weights, width):
                for w, a in zip(weights, accs[s]):
                    b.mm(x, w.tile(b, s, 0, width), a, "first")

    def _add_transposed(self, source: Mat, n: Idx, accs: list[Mat], identity: Mat) -> None:
        """Accumulators += the transpose of columns [n, ...) of the tile's rows of `source` [N, M]: rows of the identity stream through its tiles."""
        b, lin, tile, side = self.b, self.lin, self.tile, identity.rows
        names = [name for name in self.places.table if name.startswith("w.turned.")]
        subs = sub_tiles(self.form, self.mapping, b.geometry)
        pieces = weight_pieces(len(subs), self.mapping)
        for at, rows, first in tile.parts:
            with b.loop(rows, side) as j:
                width = min(side, rows)
                places = tuple(self.places.make(b, name) for name in names)
                stack = Weights(source, pieces, subs, places, "residual" if lin.k else self.streams[1])
                for s in self._sub_tiles(n, first + j, [stack], width):
                    acc = b.window(b.window(accs[s], at, 0, rows, accs[s].cols), j, 0, width, accs[s].cols)
                    b.mm(b.window(identity, 0, 0, width, width), stack.tile(b, s, 0, width), acc, "never" if lin.k else "always")

    def _slice_buffers(self, suffix: str) -> tuple[Mat, list[Weights], Mat | None]:
        """Room for what one k-slice of a concentrated operand needs: unique vectors, weights, and the map if rows are mapped."""
        make = self.places.make
        return make(self.b, f"x{suffix}"), self._weight_buffers(suffix), make(self.b, f"map{suffix}") if self.tile.visual else None

    def _concentrated_slices(self, x: Concentrated, n: Idx, accs: list[list[Mat]]) -> None:
        """k-slices of a concentrated operand: unique vectors through the array, partial sums scattered to the tile's tokens.

        The mapping's `partials` buffers of partial sums take turns, so that one is scattered while the next pass fills another; the loop's body
        has as many k-slices as it takes to use all of them.
        """
        b, lin, tile, vector = self.b, self.lin, self.tile, x.vector
        buffers = Alternating(b, self.places, self.mapping.partials) if tile.visual else None
        unroll = unroll_of(self.form, self.mapping, len(accs))
        full = lin.k // vector
        whole = full // unroll * unroll
        shared = self._slice_buffers("" if full else ".rest") if self.mapping.shared_slices else None

        def slice_(j: Idx, init: str, width: int) -> None:
            count = x.count_of(b, tile, j)
            rows, weights, map_ = shared or self._slice_buffers("" if width == vector else ".rest")
            rows = b.window(rows, 0, 0, tile.rows, width)
            b.load(x.data_of(b, tile, j, width), rows, "compact", count=count)
            for s in self._sub_tiles(n, vector * j, weights, width):
                if s == 0 and map_ is not None:     # wanted after the first weights: the scatter unit follows the array
                    b.load(x.map_of(b, tile, j), map_, "map")
                for w, a in zip(weights, accs[s]):
                    stationary = lambda col, cols, w=w, s=s: w.tile(b, s, col, cols)
                    if buffers is not None and map_ is not None:
                        buffers.passes(UniqueSlice(rows, map_, count, tile), stationary, a, init)
                    else:
                        array_passes(b, rows, stationary, a, init, count)

        if whole:
            with b.loop(whole, unroll) as j:
                for i in range(unroll):
                    slice_(j + i, "never" if i else "first", vector)
        for j in range(whole, x.slices):
            slice_(Idx(j), "never" if j else "first", min(vector, lin.k - vector * j))

    # ---- epilogue ------------------------------------------------------------------------------------------------
    def _epilogue(self, out: _Out, number: int) -> None:
        """Bias, activation, residual, moments and the way out of a sub-tile; `out.result`: where to, if not in place."""
        b, lin, tile, acc, residual = self.b, self.lin, self.tile, out.acc, out.residual
        n = b.geometry.cols * out.sub
        out_type = lin.out.dtype if isinstance(lin.out, Mat) else "f16"
        result = out.result or (acc[0] if out_type == "f32" else b.recast(acc[0], "f16"))
        steps: list[Callable[[Mat | None], None]] = []      # each emits a step to a destination; all but the last stay in fp32
        for a, bias in zip(acc, out.biases):
            if bias is not None:
                steps.append(functools.partial(self._add_row, a, bias))
        if lin.activation == "swiglu":
            steps.insert(1 if out.biases[0] is not None else 0, lambda d: b.map(acc[0], d or acc[0], "silu"))
            steps.append(lambda d: b.zip("mul", acc[0], acc[1], d or acc[0]))
        elif lin.activation != "none":
            steps.append(lambda d: b.map(acc[0], d or acc[0], lin.activation))
        if residual is not None and lin.residual is not None:
            tile.load(b, lin.residual, n, result.cols, residual, "residual")
            steps.append(lambda d: b.zip(lin.combine, acc[0], residual, d or acc[0]))
        if not steps and out_type == "f16":
            steps.append(lambda d: b.map(acc[0], d or acc[0]))
        for i, emit in enumerate(steps):
            emit(result if i == len(steps) - 1 else None)
        if out.stats is not None:
            b.op("v.reduce", result, out.stats, attrs={"op": "moments", "init": "first" if number == 0 else "never"})
        self._way_out(out, number, result)

    def _way_out(self, out: _Out, number: int, result: Mat) -> None:
        """Gather or store the result of a sub-tile, which is sub-tile `number` of its n-tile."""
        b, lin, tile, n = self.b, self.lin, self.tile, self.b.geometry.cols * out.sub
        if isinstance(lin.out, Concentrated):
            vector = lin.out.vector
            each = b.geometry.cols // vector            # fuse-concentration gathers a result only where vectors divide a sub-tile
            for i, width in enumerate(widths(result.cols, vector)):
                turn = number * each + i
                table = b.window(out.tables[turn % len(out.tables)], 0, 0, tile.rows, width)
                room = Room(out.ids, table, out.maps[turn % len(out.maps)] if out.maps else None, lin.site, lin.expanded)
                gather_slice(b, lin.out, tile, out.sub * each + (lin.first + i), b.window(result, 0, vector * i, tile.rows, width), room)
        else:
            tile.store(b, result, lin.out, n, result.cols, "result")

    def _add_row(self, acc: Mat, row: Mat, to: Mat | None) -> None:
        self.b.zip("add", acc, row, to or acc, "col" if self.lin.turn == "across" else "row")

    def _epilogue_pairs(self, accs: list[list[Mat]], biases: list[Mat | None], outs: list[_Out]) -> None:
        """SwiGLU at once: both products leave the accumulators before the activation, so that the array can go on."""
        b, cols = self.b, self.b.geometry.cols
        count = self.places.table["gate"].count
        turns = [[self.places.make(b, name, i) for name in ("gate", "up")] for i in range(count)]
        pair = lambda i: [b.window(place, 0, 0, self.tile.rows, accs[i][0].cols) for place in turns[i % count]]

        def leave(i: int) -> None:
            for acc, bias, place in zip(accs[i], biases, pair(i)):
                if bias is None:
                    b.map(acc, place)
                else:
                    self._add_row(acc, b.window(bias, 0, cols * i, 1, acc.cols), place)

        for i in range(min(count, len(accs))):
            leave(i)
        for i, out in enumerate(outs):
            gate, up = pair(i)
            b.map(gate, gate, "silu")
            b.zip("mul", gate, up, gate)
            self._way_out(out, i, gate)
            if i + count < len(accs):
                leave(i + count)

    def _epilogue_aside(self, n: Idx, accs: list[Mat], bias: Mat | None) -> None:
        """Results leave the accumulators before their activation, which takes the vector unit long, so that the array can go on.

        Two places of the vector unit's memory take turns.
        """
        b, lin, tile, cols = self.b, self.lin, self.tile, self.b.geometry.cols
        places = [self.places.make(b, "aside", i) for i in range(self.places.table["aside"].count)]
        place = lambda i: b.window(places[i % len(places)], 0, 0, tile.rows, accs[i].cols)

        def leave(i: int) -> None:
            own = self._bias_of(bias, i)
            if own is None:
                b.map(accs[i], place(i))
            else:
                self._add_row(accs[i], own, place(i))

        for i in range(len(places)):
            leave(i)
        for i, acc in enumerate(accs):
            b.map(place(i), place(i), lin.activation)
            tile.store(b, place(i), lin.dense_out, n + cols * i, acc.cols, "result")
            if i + len(places) < len(accs):
                leave(i + len(places))


@dataclass(frozen=True)
class _Out:
    """What the epilogue of sub-tile `sub` works on: accumulators, biases, the tile of the residual, where the result goes (None: in place), row
    moments, retained ids, tables of unique vectors and maps to them."""
    sub: Idx
    acc: list[Mat]
    biases: list[Mat | None]
    residual: Mat | None
    result: Mat | None
    stats: Mat | None
    ids: Mat | None
    tables: list[Mat]
    maps: list[Mat]


def array_passes(b: TileBuilder, x: Mat, weights: Callable[[Idx, int], Mat], acc: Mat, init: str, count: Mat) -> None:
    """`acc` (+)= x W^T, one array pass for as many columns of x as the array has rows.

    weights: (first column, columns) -> the stationary tile.  init: "first", "never", or "always": the first pass overwrites.
    """
    depth = b.geometry.rows
    if init == "always" and x.cols > depth:
        init = "inner"
    with b.loop(x.cols, depth) as col:
        cols = min(depth, x.cols)
        b.mm(b.window(x, 0, col, x.rows, cols), weights(col, cols), acc, init, count=count)


@dataclass(frozen=True)
class UniqueSlice:
    """A slice of a concentrated operand on the chip: identity rows and unique vectors, the map from the tile's rows to them, and how many there
    are."""
    rows: Mat
    map: Mat
    count: Mat
    tile: RowTile


class Alternating:
    """Buffers of partial sums used in turn, allocated where this object is made."""

    def __init__(self, b: TileBuilder, places: Places, count: int):
        self.b, self.turn = b, 0
        self.buffers = [places.make(b, "partial", i) for i in range(count)]

    def passes(self, x: UniqueSlice, weights: Callable[[Idx, int], Mat], acc: Mat, init: str) -> None:
        """Array passes over unique vectors, one for as many columns as the array has rows, and the scatter of their partial sums into `acc`.

        weights: (first column, columns) -> the stationary tile.
        """
        b = self.b
        partial = b.window(self.buffers[self.turn], 0, 0, x.tile.rows, acc.cols)
        self.turn = (self.turn + 1) % len(self.buffers)
        array_passes(b, x.rows, weights, partial, "always", x.count)
        b.op("scatter", partial, acc, attrs={"init": init, "identity": x.tile.identity}, map=x.map)


# ---- resampling --------------------------------------------------------------------------------------------------------------
def resample_places(form: GemmForm, mapping: GemmMapping, geometry: Geometry) -> Places:
    """What batched resampling takes on chip."""
    p, rows, k = Places(), min(mapping.m, form.rows), min(geometry.rows, form.k)
    for s, width in enumerate(sub_tiles(form, mapping, geometry)):
        p.add(f"acc{s}", "output", (rows, width), "f32")
    p.add("x", "input", (rows, k), "f16")
    p.add("w", "wgt", (k, min(mapping.n, form.n)), "f16")
    return p


@dataclass(frozen=True)
class Resampling:
    """out[i * M + m, n] = sum_k lhs[m, k] rhs[i * K + k, n] for each i in the batch: a fixed map over tokens.

    lhs: [M, K] constant; rhs: [batch * K, N]; out: [batch * M, N].
    """
    lhs: Mat
    rhs: Mat
    out: Mat


def emit_resample(b: TileBuilder, name: str, r: Resampling, mapping: GemmMapping, loc: ir.Location) -> None:
    """Emit batched resampling, rhs stationary."""
    lhs, rhs, out = r.lhs, r.rhs, r.out
    m_rows, k_cols, geometry = lhs.rows, lhs.cols, b.geometry
    form = GemmForm(m_rows, rhs.cols, k_cols, resample=True)
    places, subs = resample_places(form, mapping, geometry), sub_tiles(form, mapping, geometry)
    with b.kernel(name, loc, mapping.slots), b.loop(out.rows // m_rows, 1) as i:
        source, target = b.window(rhs, i * k_cols, 0, k_cols, rhs.cols), b.window(out, i * m_rows, 0, m_rows, rhs.cols)
        with dense_tiles(b, m_rows, mapping.m) as tile, b.loop(rhs.cols, mapping.n) as n:
            accs = [places.make(b, f"acc{s}") for s in range(len(subs))]
            with b.loop(k_cols, geometry.rows) as k:
                x, w = places.make(b, "x"), places.make(b, "w")
                tile.load(b, lhs, k, x.cols, x, "param")
                b.load(b.window(source, k, n, w.rows, w.cols), w, "activation")
                for s, acc in enumerate(accs):
                    b.mm_kn(x, b.window(w, 0, geometry.cols * s, geometry.rows, geometry.cols), acc, "first")
            for s, acc in enumerate(accs):
                result = b.recast(acc, "f16")
                b.map(acc, result)
                tile.store(b, result, target, n + geometry.cols * s, result.cols, "result")
