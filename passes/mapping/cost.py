"""The cost function that chooses tile sizes, residency and loop order for the tile pass.

In: shapes and the machine.  Out: the cheapest `LinearTiling` or `AttentionTiling` that fits the buffers.  Cost = array or DRAM
cycles, whichever bounds the kernel, plus what cannot overlap, plus the DRAM cycles times the machine's `traffic_weight` (traffic is energy
even where bandwidth hides it).  Figures of the machine: docs/machine.md.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from focus.passes.capacity import aligned, fits, m_tile_error, no_room
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

UNIQUE_SHARE = 0.6      #: unique vectors a retained token that tilings are chosen for; the published runs have 0.5 to 0.9


def ceil(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Gemm:
    """What a tiling is for: out = act(x W^T) for `weights` matrices [n, k] at once (2 for SwiGLU), and what else is done with the result.

    residual: another matrix is added to it or multiplies it; moments: those of its rows are collected; gathered: it is concentrated; slow:
    the activation needs a reciprocal for each element; aside: it works on results that have left the accumulators, two tiles at a time.
    """
    n: int
    k: int
    weights: int = 1
    residual: bool = False
    moments: bool = False
    gathered: bool = False
    slow: bool = False
    aside: bool = False


@dataclass(frozen=True)
class LinearTiling:
    """m-tile rows, 32-wide column sub-tiles of an n-tile, whether an m-tile's whole rows stay in the input buffer, how many tiles of
    the residual and of partial sums are under way, whether a result to be concentrated leaves the accumulators first, and whether all
    k-slices share one place (for want of room)."""
    m: int
    n_sub: int
    resident: bool
    cost: float
    residual_tiles: int = 0
    partials: int = 0
    separate_result: bool = False
    shared_slices: bool = False


def row_tiles(rows: int, m: int) -> list[tuple[int, int]]:
    """(rows, how many) of the tiles that m cuts `rows` into."""
    full, rest = divmod(rows, m)
    return [(m, full)] * (full > 0) + [(rest, 1)] * (rest > 0)


def m_candidates(rows: int, limit: int = 1024) -> list[int]:
    """Even splits of the rows, and powers of two: sizes worth trying, largest first."""
    even = {min(limit, ceil(ceil(rows, p), 32) * 32) for p in range(1, 9)}
    even |= {min(limit, ceil(ceil(rows, ceil(rows, limit)), 32) * 32)}
    return sorted({m for m in even | {32, 64, 128, 256, 384, 512, 768, 1024} if m <= max(32, ceil(rows, 32) * 32)}, reverse=True)


def linear_tiling(machine: Machine, rows: int, g: Gemm) -> LinearTiling:
    """Tiling of `rows` rows, all dense.  Raises FocusError when nothing fits the buffers."""
    best = None
    for m in m_candidates(rows):
        for n_sub in _widths(g):
            tiles = _tiles_beside(machine, g, m, n_sub)
            for resident in (False, True):
                if not fits(machine, _dense_needs(g, m, n_sub, resident)):
                    continue
                x_reads = 1 if resident else ceil(g.n, 32 * n_sub)
                load = rows * g.k * 2 / machine.bytes_per_cycle if resident and 2 * m * g.k * 2 > machine.buffer_bytes("input") else 0
                held = _held(machine, g, m, n_sub, tiles) * rows / m * ceil(g.n, 32 * n_sub)
                cost = load + held + _linear_cost(machine, g, row_tiles(rows, m), n_sub, x_reads)
                if best is None or cost < best.cost:
                    best = LinearTiling(m, n_sub, resident, cost, tiles)
    if best is None:
        raise FocusError(no_room(machine, _dense_needs(g, m_candidates(rows)[-1], 1, False)))
    return best


def concentrated_tiling(machine: Machine, m: int, visual: int, g: Gemm) -> LinearTiling:
    """Tiling of one m-tile of `m` rows, of which the last `visual` are visual, whose input or result is concentrated.

    Partial sums of unique vectors wait in `partials` buffers for the scatter unit: with four, short passes hide the array's fill too.
    Raises FocusError when nothing fits the buffers.
    """
    best, slices = None, ceil(g.k, 32)
    for n_sub in _widths(g):
        tiles = _tiles_beside(machine, g, m, n_sub)
        for partials, shared in ((4, False), (2, False), (1, False), (1, True)):
            needs = _concentrated_needs(g, m, visual, n_sub, partials, shared)
            if not fits(machine, needs):
                continue
            n_tiles = ceil(g.n, 32 * n_sub)
            separate = g.gathered and needs["output"] + n_sub * aligned(m * 64) <= machine.buffer_bytes("output")
            rows = UNIQUE_SHARE * m
            wait = max(0, (rows + machine.timing.fill + m / 2) / partials - rows) * ceil(g.n, 32) * slices * g.weights
            wait += shared * 150 * n_tiles * slices
            wait += _held(machine, g, m, n_sub, tiles, separate) * n_tiles
            wait += KERNEL_CYCLES if g.gathered and ceil(g.n, 32) % n_sub else 0
            cost = wait + _linear_cost(machine, g, [(m, 1)], n_sub, n_tiles)
            if best is None or cost < best.cost:
                best = LinearTiling(m, n_sub, False, cost, tiles, partials, separate, shared)
    if best is None:
        raise m_tile_error(machine, lambda m, visual: _concentrated_needs(g, m, visual, 1, 1, True), m, visual)
    return best


WEIGHT_SUBS = 3         #: sub-tiles whose weights are loaded together; of more, the first are loaded while the last are in use
TABLES = 2              #: tables of unique vectors that the sub-tiles of an n-tile take turns in
KERNEL_CYCLES = 2000    #: what a kernel more costs
BLOCK_MEMBERS = 8       #: of the largest block of the similarity concentrator, whose matching takes as many steps a vector


def _widths(g: Gemm) -> list[int]:
    """Sub-tiles that an n-tile may have, most first: none that is not needed."""
    return [n_sub for n_sub in (2 * WEIGHT_SUBS, 5, 4, 3, 2, 1) if n_sub == 1 or 32 * (n_sub - 1) < g.n]


def _needs(g: Gemm, m: int, n_sub: int) -> dict[str, int]:
    """Bytes that an n-tile takes whatever form the operands have: accumulators, biases and the tiles beside them, moments."""
    subs, beside = n_sub * g.weights, min(2, n_sub) if g.aside else int(g.residual)
    return {"output": subs * aligned(m * 128), "vector": aligned(subs * 64) + beside * aligned(m * 64), "stats": g.moments * aligned(m * 8)}


def _dense_needs(g: Gemm, m: int, n_sub: int, resident: bool) -> dict[str, int]:
    """Bytes of a tiling of dense rows."""
    return _needs(g, m, n_sub) | {"input": aligned(m * 2 * (g.k if resident else 32)), "wgt": n_sub * g.weights * 2048}


def _concentrated_needs(g: Gemm, m: int, visual: int, n_sub: int, partials: int, shared: bool) -> dict[str, int]:
    """Bytes of a tiling of an m-tile.  The k-slices of the loop's body, and those behind the loop, have places of their own unless `shared`."""
    subs = n_sub * g.weights
    slots = 1 if shared else places(g.k // 32, partials // gcd(partials, subs) if visual else 1) + (g.k % 32 > 0)
    return _needs(g, m, n_sub) | {
        "input": slots * aligned(m * 64), "wgt": slots * aligned(subs * 2048), "conc": partials * aligned(m * 128) if visual else 0,
        "map": (slots + g.gathered * n_sub) * aligned(visual * 2), "table": g.gathered * min(TABLES, n_sub) * aligned(m * 64),
        "ids": g.gathered * aligned(visual * 4)}


def places(slices: int, unroll: int) -> int:
    """Places that a loop over k-slices takes whose body has `unroll` of them: those of the body, and those that are left behind the loop."""
    looped = slices // unroll * unroll
    return min(unroll, looped) + slices - looped


def _tiles_beside(machine: Machine, g: Gemm, m: int, n_sub: int) -> int:
    """Tiles that the vector unit's memory has room for, at most two: of the residual, or of results that have left the accumulators."""
    if not (g.residual or g.aside):
        return 0
    return min(2, (machine.buffer_bytes("vector") - aligned(n_sub * g.weights * 64)) // aligned(m * 64))


def _held(machine: Machine, g: Gemm, m: int, n_sub: int, tiles: int, separate: bool = False) -> float:
    """Cycles for which results of an n-tile stay in accumulators that the next n-tile wants, beside plain arithmetic: slow activations, and
    gathering where no other memory has room for the result."""
    if machine.buffer_bytes("output") >= 2 * n_sub * g.weights * m * 128:
        return 0
    activation = g.slow * m * 32 / machine.sfu.reciprocal
    if g.aside:
        return max(0, n_sub - tiles) * activation
    gathering = BLOCK_MEMBERS * machine.sic.cycles_per_candidate * m if g.gathered and not separate else 0
    return n_sub * activation + max(0, n_sub - tiles) * gathering


def _linear_cost(machine: Machine, g: Gemm, tiles: list[tuple[int, int]], n_sub: int, x_reads: int) -> float:
    """Cycles: array or DRAM, whichever bounds, draining that cannot overlap, and a share of the traffic."""
    bpc, rows, m = machine.bytes_per_cycle, sum(r * c for r, c in tiles), max(r for r, _ in tiles)
    array = sum(machine.cycles_per_pass(r) * c for r, c in tiles) * ceil(g.n, 32) * ceil(g.k, 32) * g.weights
    traffic = 2 * (rows * g.k * x_reads + g.n * g.k * g.weights * sum(c for _, c in tiles) + rows * g.n * (2 if g.residual else 1))
    rings = machine.buffer_bytes("output") // (n_sub * g.weights * m * 128)
    drain = 0 if rings > 1 else rows * ceil(g.n, 32 * n_sub) * (g.weights * 64 / 192 + 64 / bpc)
    return max(array, traffic / bpc) + drain + machine.energy.traffic_weight * traffic / bpc


@dataclass(frozen=True)
class AttentionTiling:
    """Query rows of a strand, strands whose work interleaves, key columns of a step, head columns of a K or V tile, output
    columns accumulated at once, whether the queries of a strand stay in the input buffer, and whether scores and accumulators are `split`
    into tiles of 32 columns, so that the vector unit works on one while the array works on the next."""
    m: int
    strands: int
    step: int
    kv_cols: int
    out_cols: int
    resident_q: bool
    cost: float
    split: bool = False


def attention_tiling(machine: Machine, rows: int, keys: int, head_dim: int, regions: int = 1, fixed_m: int | None = None,
                     paired: bool = False, causal: bool = False, scores_only: bool = False, unique: float = 1.0) -> AttentionTiling:
    """Tiling of one head's attention of `rows` queries over `keys` keys in `regions` loops, each with buffers of its own.

    scores_only: no values are needed (importance).  unique: the share of query vectors that are unique, where the array sees only those.
    fixed_m: rows that concentration has fixed; then strands are two heads of one group, where those are `paired`.
    causal: the trip count of the loop over steps grows with the m-tile, so a step must divide the rows of all strands.
    Two strands let the vector unit work on one while the array works on the other; that pays where passes stream back to back (rule
    `shadow`).  Where each pass pays its own fill and drain, one strand of twice the rows with `split` tiles does better.
    Raises FocusError when nothing fits the buffers.
    """
    best, needs = None, {}
    for m in [fixed_m] if fixed_m else m_candidates(rows, 512):
        for strands in (2, 1) if (paired if fixed_m else rows > m) else (1,):
            for step in (96, 64, 32):
                if step > 32 and step - 32 >= keys or causal and (m if fixed_m else m * strands) % step:
                    continue
                for blocks in [n for n in (1, 2, 3, 4) if head_dim % n == 0]:
                    for resident in (True, False):
                        t, needs = _attention_cost(machine, rows, keys, head_dim, regions, m, strands, step, blocks, resident, scores_only,
                                                   unique, fixed_m is not None)
                        if t and (best is None or t.cost < best.cost):
                            best = t
    if best is None:        # what was tried last is the smallest
        raise FocusError(no_room(machine, needs))
    return best


@dataclass(frozen=True)
class SpilledTiling:
    """Attention whose probabilities go through DRAM: key columns of a step in which they are made, query rows and output columns of a
    tile in which they are used."""
    step: int
    m: int
    out_cols: int
    cost: float


SPILLED_COLS = 32       #: columns of a tile of spilled probabilities: they share a maximum a row
PLACES = 2              #: tiles of probabilities on their way out, in turn
PARTIALS = 2            #: places for partial sums of unique queries, in turn
APART = 32              #: tiles of one shape that may be written out one by one, where their bounds have no common form


def spilled_tiling(machine: Machine, tiles: list[tuple[int, int]], visual: int, keys: int, head_dim: int) -> SpilledTiling | None:
    """Tiling of one head's causal attention of `visual` queries, concentrated in m-tiles of (rows, how many) `tiles`, over `keys` keys.

    Cost is that of what causality leaves (`seen`).  None where the form is not possible: slices that span heads, several m-tiles of rows that
    32 does not divide, or buffers that are too small.
    """
    best, m_tile = None, tiles[0][0]
    if head_dim % 32 or len(tiles) > 1 and m_tile % 32:
        return None
    single = sum(count for _, count in tiles) == 1
    uses = [m for m in m_candidates(visual) if single or m <= m_tile and (m_tile % m == 0 or ceil(visual, m) <= APART)]
    for step in (96, 64, 32):
        if step > 32 and step - 32 >= keys or sum(count for rows, count in tiles if rows % step) > APART:
            continue
        made = _making_cost(machine, tiles, visual, keys, head_dim, step)
        for m in uses if made is not None else ():
            for blocks in [n for n in (1, 2, 4) if head_dim % (32 * n) == 0]:
                used = _using_cost(machine, visual, keys, head_dim, m, blocks, single or m_tile % m == 0)
                if used is not None and (best is None or made + used < best.cost):
                    best = SpilledTiling(step, m, head_dim // blocks, made + used)
    return best


def seen(rows: int, m: int, keys: int) -> float:
    """Share of rows x keys that m-tiles of causal attention visit: each the columns up to its last row's; further keys stand in front."""
    ends = [min(rows, at + m) for at in range(0, rows, m)]
    return sum((end - at) * (keys - rows + end) for at, end in zip(range(0, rows, m), ends)) / (rows * keys)


def spilled_bytes(rows: int, keys: int) -> int:
    """DRAM bytes of the probabilities of `rows` x `keys`, with a factor for each row of a tile."""
    return rows * (keys * 2 + ceil(keys, SPILLED_COLS) * 4)


def _making_cost(machine: Machine, tiles: list[tuple[int, int]], visual: int, keys: int, head_dim: int, step: int) -> float | None:
    """Cycles of one head's scores, from unique query vectors that are read for each step, and of writing probabilities; None: does not fit."""
    bpc, m, subs = machine.bytes_per_cycle, max(rows for rows, _ in tiles), ceil(step, 32)
    slices = places(head_dim // 32, 1 + subs % PARTIALS)
    needs = {"input": slices * aligned(m * 64), "output": subs * aligned(m * 128), "vector": min(PLACES, subs) * aligned(m * 64),
             "wgt": slices * aligned(64 * step), "conc": PARTIALS * aligned(m * 128), "stats": aligned(m * 16) + subs * aligned(m * 4),
             "map": slices * aligned(m * 2),
             "ids": aligned(m * 4) + aligned(step * 4)}
    if not fits(machine, needs):
        return None
    passes, rows = ceil(keys, 32) * head_dim // 32, sum(r * c for r, c in tiles)
    array = sum(machine.cycles_per_pass(int(r * UNIQUE_SHARE)) * c for r, c in tiles) * passes
    scatter, sfu = rows * passes / 2, rows * keys * 4 / 192
    traffic = (rows * UNIQUE_SHARE * ceil(keys, step) + sum(c for _, c in tiles) * keys) * head_dim * 2 + spilled_bytes(visual, keys)
    return (max(array, scatter, sfu, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc) * seen(visual, tiles[0][0], keys)


def _using_cost(machine: Machine, visual: int, keys: int, head_dim: int, m: int, blocks: int, within: bool) -> float | None:
    """Cycles of one head's values weighted by probabilities from DRAM, read for each of `blocks` of output columns; None: does not fit.

    within: the tiles stay within the m-tiles in which probabilities were made; else a tile may have two loops, each with places of its own."""
    bpc, subs, cut, loops = machine.bytes_per_cycle, head_dim // blocks // 32, row_tiles(visual, m), 1 if within else 2
    needs = {"input": loops * aligned(m * 64), "output": subs * aligned(m * 128), "wgt": (subs + (loops - 1) * VALUE_TILES) * 2048,
             "stats": (1 + loops) * aligned(m * 16)}
    if not fits(machine, needs):
        return None
    array = sum(machine.cycles_per_pass(r) * c for r, c in cut) * ceil(keys, 32) * head_dim // 32
    traffic = sum(c for _, c in cut) * keys * head_dim * 2 + blocks * spilled_bytes(visual, keys)
    return (max(array, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc) * seen(visual, m, keys)


def partial_sums(machine: Machine, m: int) -> int:
    """Buffers of an m-tile's partial sums that the scores of concentrated queries take turns in, as many as fit."""
    return min(PARTIALS, machine.buffer_bytes("conc") // aligned(m * 128))


VALUE_TILES = 2         #: tiles of 32 value columns that take turns in a step


def _attention_cost(machine: Machine, rows: int, keys: int, head_dim: int, regions: int, m: int, strands: int, step: int, blocks: int,
                    resident: bool, scores_only: bool, unique: float, concentrated: bool) -> tuple[AttentionTiling | None, Mapping[str, int]]:
    """The tiling with its cost, or None where it does not fit; and the bytes that it needs of each memory."""
    bpc, slices, out_cols = machine.bytes_per_cycle, ceil(head_dim, 32), head_dim // blocks
    spanned = concentrated and head_dim % 32 > 0        # slices span heads: the pieces of a head take turns in one place
    if spanned and resident:
        return None, {}
    # two tiles of 32, in a loop: more tiles, or several steps without a loop, would need too many semaphores
    split = machine.array.rule != "shadow" and strands == 1 and step == 64 < keys and regions == 1 and not concentrated and not scores_only
    values = 0 if scores_only else VALUE_TILES * aligned(2 * (32 if split else step) * min(32, out_cols))
    widths = {head_dim} | {c for c in (128, 96, 64) if c < head_dim} if resident else set()
    least, wgt = min(32, head_dim), lambda c: regions * (values + _keys_bytes(step, c, head_dim))
    kv_cols = max((c for c in widths | {least} if wgt(c) <= machine.buffer_bytes("wgt")), default=least)
    parts = [kv_cols] if spanned or head_dim % kv_cols == 0 else [kv_cols, head_dim % kv_cols]
    q = aligned(m * head_dim * 2) if resident or scores_only else regions * aligned(m * 64) * len(parts)
    maps = sum(ceil(c, 32) for c in parts) * aligned(m * 2)
    step_tiles = regions * aligned(m * step * 2)
    needs = {"input": strands * (q + step_tiles), "output": strands * (2 * step_tiles + aligned(m * out_cols * 4)), "wgt": wgt(kv_cols),
             "stats": strands * aligned(m * 16)}
    if concentrated:
        needs |= {"map": strands * maps, "conc": aligned(m * 128), "ids": aligned(m * 4) + aligned(step * 4)}
    if not fits(machine, needs):
        return None, needs
    n_steps, n_blocks, tiles = ceil(keys, step), blocks, row_tiles(rows, m)
    one = sum(machine.cycles_per_pass(r) * c for r, c in tiles)
    array = one * ceil(keys, 32) * n_blocks * (slices * unique + ceil(out_cols, 32))
    sfu = rows * n_blocks * n_steps * (3 * step + out_cols) / 192
    exposed = 0.15 if strands == 2 or split else 1
    fetches = sum(c for _, c in tiles) / strands
    traffic = rows * head_dim * 2 * (1 if resident else n_steps * n_blocks) + fetches * keys * head_dim * 2 * (n_blocks + 1)
    single = wgt(kv_cols) + regions * _keys_bytes(step, kv_cols, head_dim) > machine.buffer_bytes("wgt")
    stall = n_steps * fetches * n_blocks * ceil(head_dim, kv_cols) * (60 if single else 20)
    cost = max(array, traffic / bpc) + sfu * exposed + stall + machine.energy.traffic_weight * traffic / bpc
    return AttentionTiling(m, strands, step, kv_cols, out_cols, resident, cost, split), needs


def _keys_bytes(step: int, width: int, head_dim: int) -> int:
    """A tile of keys, and the narrower one of the columns that it does not divide."""
    return aligned(2 * step * width) + (aligned(2 * step * (head_dim % width)) if head_dim % width else 0)
