"""GEMM kernels: linear layers (dense or concentrated input, one weight matrix or SwiGLU's two) and batched resampling.

In: operands as `Mat` or `Concentrated`.  Out: one `focus.kernel`: loops m-tile, n-tile, k-slice; the epilogue (bias, activation,
residual, row moments, concentration of the result) works on the accumulators of a 32-wide sub-tile while the array goes on.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import gcd, inf

from torch_mlir import ir

from focus.passes.mapping import cost
from focus.passes.tile.builder import Idx, Mat, TileBuilder
from focus.passes.kernels.concentrate import gather_slice
from focus.passes.kernels.rows import Concentrated, RowTile, TileGroup, dense_tiles, group_tiles
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine


@dataclass
class Linear:
    """One linear kernel: y = act(x W^T + bias) [* (x Wup^T + up_bias)] [+ residual, or * residual where `combine` is "mul"].

    x: [M, K] or concentrated; weights: one or two [N, K]; biases: [1, N] or None each; residual: [R, N] with R dividing M; out: [M, N]
    f16 or f32, or a `Concentrated` (then `ids` is the [1, n] list of retained tokens); moments: [M, 2] f32 or None.
    aside: the activation works on results that have left the accumulators; first: number of the first slice in a concentrated `out`.
    """
    name: str
    x: Mat | Concentrated
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
    k: int = field(init=False)
    n: int = field(init=False)

    def __post_init__(self):
        self.n, self.k = self.weights[0].rows, self.weights[0].cols

    @property
    def period(self) -> int:
        """Rows after which the residual begins again."""
        return self.x.rows if self.residual is None else self.residual.rows


def emit_linear(b: TileBuilder, machine: Machine, lin: Linear, loc: ir.Location) -> None:
    """Emit the kernel (one for each shape of m-tile when an operand is concentrated).  Raises FocusError when nothing fits."""
    conc = next((m for m in (lin.x, lin.out) if isinstance(m, Concentrated)), None)
    gate = None
    for group in [None] if conc is None else conc.groups:
        layers = [lin]
        if _apart(machine, lin, group):
            gate = gate or b.buffer("dram", lin.x.rows, lin.n, "f16", "gate", "temp")
            layers = _halves(lin, gate)
        for layer in layers:
            if group is None:
                _emit_dense(b, machine, layer, loc)
            else:
                _emit_group(b, machine, layer, conc, group, loc)


def _apart(machine: Machine, lin: Linear, group: TileGroup | None) -> bool:
    """Whether SwiGLU's two products cost less one after the other, or fit only so: tiles are larger, so that operands are read less often, and
    the gate goes through DRAM."""
    if lin.activation != "swiglu" or lin.residual is not None or lin.moments is not None:
        return False

    def cycles(*layers: Linear) -> float:
        try:
            return sum(_tiling(machine, layer, group).cost for layer in layers)
        except FocusError:
            return inf

    gate = Mat(None, lin.x.rows, lin.n, "f16", "dram", lin.n)       # there is none yet, its form is enough
    return cycles(*_halves(lin, gate)) < cycles(lin)


def _halves(lin: Linear, gate: Mat) -> list[Linear]:
    """SwiGLU as two layers: the activated gate goes to memory, the other product is multiplied by it."""
    return [replace(lin, weights=lin.weights[:1], biases=lin.biases[:1], out=gate, activation="silu", aside=True),
            replace(lin, weights=lin.weights[1:], biases=lin.biases[1:], activation="none", residual=gate, combine="mul")]


SLOW = ("swiglu", "silu", "gelu_tanh", "gelu_erf", "gelu_quick")        #: activations that need a reciprocal for each element


def _tiling(machine: Machine, lin: Linear, group: TileGroup | None) -> cost.LinearTiling:
    """Tiling of the m-tiles of a group; without one, of dense rows.  Raises FocusError when nothing fits."""
    gemm = cost.Gemm(lin.n, lin.k, len(lin.weights), lin.residual is not None, lin.moments is not None, isinstance(lin.out, Concentrated),
                     lin.activation in SLOW, lin.aside)
    if group is None:
        return cost.linear_tiling(machine, lin.period, gemm)
    return cost.concentrated_tiling(machine, group.rows, group.visual, gemm)


def _emit_dense(b: TileBuilder, machine: Machine, lin: Linear, loc: ir.Location) -> None:
    """All rows; where the residual repeats (position embeddings), one period after the other."""
    rows, tiling = lin.period, _tiling(machine, lin, None)
    with b.kernel(lin.name, loc), b.loop(lin.x.rows, rows) as p:
        period = lambda m: None if m is None else b.window(m, p, 0, rows, m.cols)
        part = replace(lin, x=period(lin.x), out=period(lin.out), moments=period(lin.moments))
        with dense_tiles(b, rows, tiling.m) as tile:
            _tile_body(b, part, tile, tiling)


def _emit_group(b: TileBuilder, machine: Machine, lin: Linear, conc: Concentrated, group: TileGroup, loc: ir.Location) -> None:
    """The m-tiles of one shape.  Where the result is concentrated, n-tiles are whole: columns that are left over have a kernel of their own."""
    tiling = _tiling(machine, lin, group)
    columns = -(-lin.n // 32)
    rest = columns % tiling.n_sub if isinstance(lin.out, Concentrated) else 0
    parts = [_columns(b, lin, 0, columns - rest), _columns(b, lin, columns - rest, rest)] if rest else [lin]
    for part in parts:
        with b.kernel(lin.name, loc), group_tiles(b, group, conc.visual, conc.m_tile) as tile:
            _tile_body(b, part, tile, tiling if part is parts[0] else _tiling(machine, part, group))


def _columns(b: TileBuilder, lin: Linear, first: int, count: int) -> Linear:
    """`count` sub-tiles of 32 columns of a layer whose result is concentrated, from `first` on."""
    rows = lambda m: b.window(m, 32 * first, 0, 32 * count, m.cols)
    cols = lambda m: None if m is None else b.window(m, 0, 32 * first, m.rows, 32 * count)
    return replace(lin, weights=[rows(w) for w in lin.weights], biases=[cols(v) for v in lin.biases], residual=cols(lin.residual), first=first)


def _tile_body(b: TileBuilder, lin: Linear, tile: RowTile, tiling: cost.LinearTiling) -> None:
    """Everything of one m-tile: resident operand, moments, the loop over n-tiles."""
    stats = b.buffer("stats", tile.rows, 2, "f32", "moments") if lin.moments is not None else None
    ids = None
    if isinstance(lin.out, Concentrated) and tile.visual:
        ids = b.buffer("ids", 1, tile.visual, "i32", "retained")
        b.load(b.window(lin.ids, 0, tile.parts[-1][2], 1, tile.visual), ids, "ids")
    resident = None
    if tiling.resident:
        resident = b.buffer("input", tile.rows, lin.k, "f16", "x")
        tile.load(b, lin.x, 0, lin.k, resident, "activation")
    columns = -(-lin.n // 32)       # in sub-tiles of 32
    with b.loop(columns, subs := min(tiling.n_sub, columns)) as sub:
        n = 32 * sub
        width = min(32 * subs, lin.n)
        widths = [min(32, width - 32 * s) for s in range(subs)]
        accs = [[b.buffer("output", tile.rows, w, "f32", f"acc{s}") for _ in lin.weights] for s, w in enumerate(widths)]
        biases = [_row_vector(b, bias, n, width) for bias in lin.biases]
        if isinstance(lin.x, Concentrated):
            _concentrated_slices(b, lin, lin.x, tile, n, accs, tiling)
        else:
            _dense_slices(b, lin, tile, n, accs, resident)
        if lin.aside:
            _epilogue_aside(b, lin, tile, n, [acc for acc, in accs], biases[0])
        turns = []
        if lin.residual is not None:
            turns = [b.buffer("vector", tile.rows, widths[0], "f16", f"residual{i}") for i in range(min(tiling.residual_tiles, subs))]
        tables = []
        if isinstance(lin.out, Concentrated):
            tables = [b.buffer("table", tile.rows, widths[0], "f16", f"unique{i}") for i in range(min(cost.TABLES, subs))]
        for s in range(0 if lin.aside else subs):
            windows = [None if v is None else b.window(v, 0, 32 * s, 1, 32) for v in biases]
            residual = b.window(turns[s % len(turns)], 0, 0, tile.rows, widths[s]) if turns else None
            result = residual if tables else None       # gathering takes long: accumulators are left first, where there is room
            if tiling.separate_result:
                result = b.buffer("output", tile.rows, widths[s], "f16", "result")
            table = tables[s % len(tables)] if tables else None
            _epilogue(b, lin, tile, sub + s, accs[s], windows, residual, result, stats, ids, table, first=s == 0)
    if stats is not None:
        tile.store(b, stats, lin.moments, 0, 2, "stats")


def _row_vector(b: TileBuilder, vector: Mat | None, col: Idx, cols: int) -> Mat | None:
    """A stretch of a parameter vector in the vector unit's memory."""
    if vector is None:
        return None
    buf = b.buffer("vector", 1, cols, "f16", "bias")
    b.load(b.window(vector, 0, col, 1, cols), buf, "param")
    return buf


@dataclass(frozen=True)
class Weights:
    """Stationary tiles of one k-slice of a weight matrix: `pieces` of at most cost.WEIGHT_SUBS sub-tiles each, loaded one by one, so that the
    first sub-tiles' next weights come in while the last ones are in use."""
    pieces: tuple[Mat, ...]

    def tile(self, b: TileBuilder, sub: int, width: int) -> Mat:
        """Sub-tile `sub`, `width` columns of k wide."""
        return b.window(self.pieces[sub // cost.WEIGHT_SUBS], 32 * (sub % cost.WEIGHT_SUBS), 0, 32, width)


def _weight_buffers(b: TileBuilder, lin: Linear, width: int, subs: int) -> list[Weights]:
    """Room for the stationary tiles of one k-slice: `subs` sub-tiles of `width` columns of each weight matrix."""
    rows = [min(32 * min(cost.WEIGHT_SUBS, subs - s), lin.n - 32 * s) for s in range(0, subs, cost.WEIGHT_SUBS)]
    return [Weights(tuple(b.buffer("wgt", r, width, "f16", f"w{i}") for r in rows)) for i in range(len(lin.weights))]


def _load_weights(b: TileBuilder, lin: Linear, n: Idx, k: Idx, tiles: list[Weights], width: int) -> None:
    for w, stack in zip(lin.weights, tiles):
        for i, piece in enumerate(stack.pieces):
            target = b.window(piece, 0, 0, piece.rows, width)
            b.load(b.window(w, n + 32 * cost.WEIGHT_SUBS * i, k, piece.rows, width), target, "weight")


def _slice_buffers(b: TileBuilder, lin: Linear, tile: RowTile, width: int, subs: int) -> tuple[Mat, list[Weights], Mat | None]:
    """Room for what one k-slice of a concentrated operand needs: unique vectors, weights, and the map if rows are mapped."""
    return (b.buffer("input", tile.rows, width, "f16", "unique"), _weight_buffers(b, lin, width, subs),
            b.buffer("map", 1, tile.visual, "u16", "map") if tile.visual else None)


def _dense_slices(b: TileBuilder, lin: Linear, tile: RowTile, n: Idx, accs, resident: Mat | None) -> None:
    width = min(32, lin.k)
    with b.loop(lin.k, 32) as k:
        if resident is not None:
            x = b.window(resident, 0, k, tile.rows, width)
        else:
            x = b.buffer("input", tile.rows, width, "f16", "x")
            tile.load(b, lin.x, k, width, x, "activation")
        weights = _weight_buffers(b, lin, width, len(accs))
        _load_weights(b, lin, n, k, weights, width)
        for s, acc in enumerate(accs):
            for w, a in zip(weights, acc):
                b.mm(x, w.tile(b, s, width), a, "first")


def _concentrated_slices(b: TileBuilder, lin: Linear, x: Concentrated, tile: RowTile, n: Idx, accs, tiling: cost.LinearTiling) -> None:
    """k-slices of a concentrated operand: unique vectors through the array, partial sums scattered to the tile's tokens.

    The tiling's `partials` buffers of partial sums take turns, so that one is scattered while the next pass fills another; the loop's body
    has as many k-slices as it takes to use all of them.
    """
    partials, passes = tiling.partials, len(accs) * len(lin.weights)
    buffers = Alternating(b, tile.rows, partials) if tile.visual else None
    unroll = partials // gcd(partials, passes) if tile.visual else 1
    full = lin.k // 32
    whole = full // unroll * unroll
    shared = _slice_buffers(b, lin, tile, min(32, lin.k), len(accs)) if tiling.shared_slices else None

    def slice_(j: Idx, init: str, width: int = 32) -> None:
        count = x.count_of(b, tile, j)
        rows, weights, map_ = shared or _slice_buffers(b, lin, tile, width, len(accs))
        rows = b.window(rows, 0, 0, tile.rows, width)
        b.load(x.data_of(b, tile, j, width), rows, "compact", count=count)
        _load_weights(b, lin, n, 32 * j, weights, width)
        if tile.visual:         # wanted last: the scatter unit is behind the array
            b.load(x.map_of(b, tile, j), map_, "map")
        for s, acc in enumerate(accs):
            for w, a in zip(weights, acc):
                w32 = w.tile(b, s, width)
                if tile.visual:
                    buffers.pass_(rows, w32, a, map_, tile, init, count)
                else:
                    b.mm(rows, w32, a, init, count=count)

    if whole:
        with b.loop(whole, unroll) as j:
            for i in range(unroll):
                slice_(j + i, "never" if i else "first")
    for j in range(whole, x.slices):
        slice_(Idx(j), "never" if j else "first", min(32, lin.k - 32 * j))


class Alternating:
    """Concentrate_out buffers used in turn, allocated where this object is made."""

    def __init__(self, b: TileBuilder, rows: int, count: int):
        self.b, self.turn = b, 0
        self.buffers = [b.buffer("conc", rows, 32, "f32", f"partial{i}") for i in range(count)]

    def pass_(self, x: Mat, w: Mat, acc: Mat, map_: Mat, tile: RowTile, init: str, count: Mat) -> None:
        """One array pass over the unique vectors, and the scatter of its partial sums into `acc`."""
        partial = self.b.window(self.buffers[self.turn], 0, 0, tile.rows, acc.cols)
        self.turn = (self.turn + 1) % len(self.buffers)
        self.b.mm(x, w, partial, "always", count=count)
        self.b.op("scatter", partial, acc, attrs={"init": init, "identity": tile.identity}, map=map_)


def _epilogue(b: TileBuilder, lin: Linear, tile: RowTile, sub: Idx, acc: list[Mat], biases: list[Mat | None], residual: Mat | None,
              result: Mat | None, stats: Mat | None, ids: Mat | None, table: Mat | None, first: bool) -> None:
    """Bias, activation, residual, moments and the way out of sub-tile `sub`, 32 columns wide; `result`: where to, if not in place."""
    n = 32 * sub
    out_type = lin.out.dtype if isinstance(lin.out, Mat) else "f16"
    result = result or (acc[0] if out_type == "f32" else b.recast(acc[0], "f16"))
    steps = []              # each: (destination -> emit); all but the last stay in fp32
    for a, bias in zip(acc, biases):
        if bias is not None:
            steps.append(lambda d, a=a, bias=bias: b.zip("add", a, bias, d or a, "row"))
    if lin.activation == "swiglu":
        steps.insert(1 if biases[0] is not None else 0, lambda d: b.map(acc[0], d or acc[0], "silu"))
        steps.append(lambda d: b.zip("mul", acc[0], acc[1], d or acc[0]))
    elif lin.activation != "none":
        steps.append(lambda d: b.map(acc[0], d or acc[0], lin.activation))
    if residual is not None:
        tile.load(b, lin.residual, n, result.cols, residual, "residual")
        steps.append(lambda d: b.zip(lin.combine, acc[0], residual, d or acc[0]))
    if not steps and out_type == "f16":
        steps.append(lambda d: b.map(acc[0], d))
    for i, emit in enumerate(steps):
        emit(result if i == len(steps) - 1 else None)
    if stats is not None:
        b.op("v.reduce", result, stats, attrs={"op": "moments", "init": "first" if first else "never"})
    if isinstance(lin.out, Concentrated):
        gather_slice(b, lin.out, tile, sub + lin.first, result, ids, lin.site, table=b.window(table, 0, 0, tile.rows, result.cols))
    else:
        tile.store(b, result, lin.out, n, result.cols, "result")


def _epilogue_aside(b: TileBuilder, lin: Linear, tile: RowTile, n: Idx, accs: list[Mat], bias: Mat | None) -> None:
    """Results leave the accumulators before their activation, which takes the vector unit long, so that the array can go on.

    Two places of the vector unit's memory take turns.
    """
    places = [b.buffer("vector", tile.rows, accs[0].cols, "f16", f"aside{i}") for i in range(min(2, len(accs)))]
    place = lambda i: b.window(places[i % 2], 0, 0, tile.rows, accs[i].cols)

    def leave(i: int) -> None:
        if bias is None:
            b.map(accs[i], place(i))
        else:
            b.zip("add", accs[i], b.window(bias, 0, 32 * i, 1, accs[i].cols), place(i), "row")

    for i in range(len(places)):
        leave(i)
    for i, acc in enumerate(accs):
        b.map(place(i), place(i), lin.activation)
        tile.store(b, place(i), lin.out, n + 32 * i, acc.cols, "result")
        if i + 2 < len(accs):
            leave(i + 2)


def emit_resample(b: TileBuilder, machine: Machine, name: str, lhs: Mat, rhs: Mat, out: Mat, batch: int, loc: ir.Location) -> None:
    """out[i * M + m, n] = sum_k lhs[m, k] rhs[i * K + k, n] for each i in the batch: a fixed map over tokens, rhs stationary.

    lhs: [M, K] constant; rhs: [batch * K, N]; out: [batch * M, N].  Raises FocusError when no tiling fits.
    """
    m_rows, k_cols = lhs.rows, lhs.cols
    tiling = cost.linear_tiling(machine, m_rows, cost.Gemm(rhs.cols, k_cols))
    with b.kernel(name, loc), b.loop(batch, 1) as i:
        source, target = b.window(rhs, i * k_cols, 0, k_cols, rhs.cols), b.window(out, i * m_rows, 0, m_rows, rhs.cols)
        with dense_tiles(b, m_rows, tiling.m) as tile, b.loop(rhs.cols, 32 * tiling.n_sub) as n:
            subs = min(tiling.n_sub, -(-rhs.cols // 32))
            width = min(32 * subs, rhs.cols)
            accs = [b.buffer("output", tile.rows, min(32, width - 32 * s), "f32", f"acc{s}") for s in range(subs)]
            with b.loop(k_cols, 32) as k:
                x = b.buffer("input", tile.rows, min(32, k_cols), "f16", "x")
                tile.load(b, lhs, k, min(32, k_cols), x, "param")
                w = b.buffer("wgt", min(32, k_cols), width, "f16", "w")
                b.load(b.window(source, k, n, min(32, k_cols), width), w, "activation")
                for s, acc in enumerate(accs):
                    b.mm(x, b.window(w, 0, 32 * s, 32, 32), acc, "first", kn=True)
            for s, acc in enumerate(accs):
                result = b.recast(acc, "f16")
                b.map(acc, result)
                tile.store(b, result, target, n + 32 * s, result.cols, "result")
