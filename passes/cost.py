"""The cost function that chooses tile sizes, residency and loop order for the tile pass.

In: shapes and the machine.  Out: the cheapest `LinearTiling` or `AttentionTiling` that fits the buffers.  Cost = array or DRAM
cycles, whichever bounds the kernel, plus what cannot overlap, plus the DRAM cycles times the machine's `traffic_weight` (traffic is energy
even where bandwidth hides it).  Figures of the machine: docs/machine.md.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from focus.runtime.errors import FocusError
from focus.runtime.machine import Machine

UNIQUE_SHARE = 0.6      #: unique vectors a retained token that tilings are chosen for; the published runs have 0.5 to 0.9


def ceil(a: int, b: int) -> int:
    return -(-a // b)


def aligned(n: int) -> int:
    """Buffers begin at multiples of 64 bytes."""
    return ceil(n, 64) * 64


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


def bytes_per_cycle(machine: Machine) -> float:
    return machine.dram.bytes_per_second / machine.frequency_hz


def row_tiles(rows: int, m: int) -> list[tuple[int, int]]:
    """(rows, how many) of the tiles that m cuts `rows` into."""
    full, rest = divmod(rows, m)
    return [(m, full)] * (full > 0) + [(rest, 1)] * (rest > 0)


def m_candidates(rows: int, limit: int = 1024) -> list[int]:
    """Even splits of the rows, and powers of two: sizes worth trying, largest first."""
    even = {min(limit, ceil(ceil(rows, p), 32) * 32) for p in range(1, 9)}
    even |= {min(limit, ceil(ceil(rows, ceil(rows, limit)), 32) * 32)}
    return sorted({m for m in even | {32, 64, 128, 256, 384, 512, 768, 1024} if m <= max(32, ceil(rows, 32) * 32)}, reverse=True)


def linear_tiling(machine: Machine, rows: int, n: int, k: int, weights: int = 1, residual: bool = False, moments: bool = False,
                  slow: bool = False, aside: bool = False, where: str = "") -> LinearTiling:
    """Tiling of out[rows, n] = x[rows, k] W^T for `weights` weight matrices at once (2 for SwiGLU), all dense.

    moments: the rows' moments are collected on the way.  slow: the activation needs a reciprocal for each element; aside: it works on
    results that have left the accumulators, two tiles at a time.  Raises FocusError when nothing fits the buffers.
    """
    size, best = machine.buffer_bytes, None
    for m in m_candidates(rows):
        for n_sub in (2 * WEIGHT_SUBS, 5, 4, 3, 2, 1):
            subs = n_sub * weights
            tiles = _residual_tiles(machine, m, subs, residual)
            if not _fits(machine, m, n, n_sub, subs) or tiles is None or moments and m * 8 > size("stats"):
                continue
            for resident in (False, True):
                if (m * k * 2 if resident else m * 64) > size("input"):
                    continue
                x_reads = 1 if resident else ceil(n, 32 * n_sub)
                load = rows * k * 2 / bytes_per_cycle(machine) if resident and 2 * m * k * 2 > size("input") else 0
                held = _held(machine, m, n_sub, subs, 2, False, False, slow, aside) * rows / m * ceil(n, 32 * n_sub)
                cost = load + held + _linear_cost(machine, row_tiles(rows, m), n, k, weights, n_sub, x_reads, residual)
                if best is None or cost < best.cost:
                    best = LinearTiling(m, n_sub, resident, cost, tiles)
    return best or _nothing_fits(machine, rows, n, k, where)


def concentrated_tiling(machine: Machine, m: int, n: int, k: int, weights: int = 1, residual: bool = False, gathered: bool = False,
                        slow: bool = False, aside: bool = False, where: str = "") -> LinearTiling:
    """Tiling of one m-tile of `m` rows whose input, or result (`gathered`), is concentrated.

    Partial sums of unique vectors wait in `partials` buffers for the scatter unit: with four, short passes hide the array's fill too.
    slow: the activation needs a reciprocal for each element; aside: it works on results that have left the accumulators.
    Raises FocusError when nothing fits the buffers.
    """
    size, best, slices = machine.buffer_bytes, None, ceil(k, 32)
    for n_sub in (2 * WEIGHT_SUBS, 5, 4, 3, 2, 1):
        subs = n_sub * weights
        tiles = _residual_tiles(machine, m, subs, residual or aside)
        if not _fits(machine, m, n, n_sub, subs) or tiles is None or aside and tiles < min(2, n_sub):
            continue
        for partials, shared in ((4, False), (2, False), (1, False), (1, True)):
            unroll = partials // gcd(partials, subs)
            looped = k // 32 // unroll * unroll
            slots = 1 if shared else min(unroll, looped) + slices - looped      # k-slices of the loop's body and behind the loop
            if (partials * m * 128 > size("conc") or slots * aligned(m * 64) > size("input") or slots * aligned(subs * 2048) > size("wgt")
                    or (slots + gathered * n_sub) * aligned(m * 2) > size("map") or gathered * min(TABLES, n_sub) * aligned(m * 64) > size("table")):
                continue
            separate = gathered and subs * aligned(m * 128) + n_sub * aligned(m * 64) <= size("output")
            wait = max(0, (0.6 * m + 94 + m / 2) / partials - 0.6 * m) * ceil(n, 32) * slices * weights
            wait += shared * 150 * ceil(n, 32 * n_sub) * slices
            wait += _held(machine, m, n_sub, subs, tiles, gathered, separate, slow, aside) * ceil(n, 32 * n_sub)
            wait += KERNEL_CYCLES if gathered and ceil(n, 32) % n_sub else 0
            cost = wait + _linear_cost(machine, [(m, 1)], n, k, weights, n_sub, ceil(n, 32 * n_sub), residual)
            if best is None or cost < best.cost:
                best = LinearTiling(m, n_sub, False, cost, tiles, partials, separate, shared)
    return best or _nothing_fits(machine, m, n, k, where, concentrated=True)


WEIGHT_SUBS = 3         #: sub-tiles whose weights are loaded together; of more, the first are loaded while the last are in use
TABLES = 2              #: tables of unique vectors that the sub-tiles of an n-tile take turns in
KERNEL_CYCLES = 2000    #: what a kernel more costs
BLOCK_MEMBERS = 8       #: of the largest block of the similarity concentrator, whose matching takes as many steps a vector


def _held(machine: Machine, m: int, n_sub: int, subs: int, tiles: int, gathered: bool, separate: bool, slow: bool, aside: bool) -> float:
    """Cycles for which results of an n-tile stay in accumulators that the next n-tile wants, beside plain arithmetic: slow activations, and
    gathering where no other memory has room for the result."""
    if machine.buffer_bytes("output") >= 2 * subs * m * 128:
        return 0
    activation = slow * m * 32 / machine.sfu.reciprocal
    if aside:
        return max(0, n_sub - tiles) * activation
    gathering = BLOCK_MEMBERS * machine.sic.cycles_per_candidate * m if gathered and not separate else 0
    return n_sub * activation + max(0, n_sub - tiles) * gathering


def _fits(machine: Machine, m: int, n: int, n_sub: int, subs: int) -> bool:
    """Whether an n-tile's accumulators, weights and bias fit, and all its sub-tiles are needed."""
    size = machine.buffer_bytes
    wanted = n_sub == 1 or 32 * (n_sub - 1) < n
    return wanted and subs * aligned(m * 128) <= size("output") and subs * 2048 <= size("wgt") and aligned(subs * 64) <= size("vector")


def _residual_tiles(machine: Machine, m: int, subs: int, residual: bool) -> int | None:
    """Tiles of the residual that fit (at most two); None where one is needed and none fits."""
    if not residual:
        return 0
    return min(2, (machine.buffer_bytes("vector") - aligned(subs * 64)) // aligned(m * 64)) or None


def _linear_cost(machine: Machine, tiles: list[tuple[int, int]], n: int, k: int, weights: int, n_sub: int, x_reads: int, residual: bool) -> float:
    """Cycles: array or DRAM, whichever bounds, draining that cannot overlap, and a share of the traffic."""
    bpc, rows, m = bytes_per_cycle(machine), sum(r * c for r, c in tiles), max(r for r, _ in tiles)
    array = sum(machine.cycles_per_pass(r) * c for r, c in tiles) * ceil(n, 32) * ceil(k, 32) * weights
    traffic = 2 * (rows * k * x_reads + n * k * weights * sum(c for _, c in tiles) + rows * n * (2 if residual else 1))
    rings = machine.buffer_bytes("output") // (n_sub * weights * m * 128)
    drain = 0 if rings > 1 else rows * ceil(n, 32 * n_sub) * (weights * 64 / 192 + 64 / bpc)
    return max(array, traffic / bpc) + drain + machine.energy.traffic_weight * traffic / bpc


def _nothing_fits(machine: Machine, rows: int, n: int, k: int, where: str, concentrated: bool = False):
    names = ("input", "wgt", "conc", "output", "vector") + (("map", "table") if concentrated else ())
    sizes = ", ".join(f"{name} {machine.buffer_bytes(name)} B" for name in names)
    raise FocusError(f"{where}: no tiling of {rows} x {n} x {k} fits the buffers of machine '{machine.name}' ({sizes})"
                     + ("; m-tiles of fewer tokens (m_tile of the concentration) need less" if concentrated else ""))


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
                     paired: bool = False, causal: bool = False, scores_only: bool = False, unique: float = 1.0,
                     where: str = "") -> AttentionTiling:
    """Tiling of one head's attention of `rows` queries over `keys` keys in `regions` loops, each with buffers of its own.

    scores_only: no values are needed (importance).  unique: the share of query vectors that are unique, where the array sees only those.
    fixed_m: rows that concentration has fixed; then strands are two heads of one group, where those are `paired`.
    causal: the trip count of the loop over steps grows with the m-tile, so a step must divide the rows of all strands.
    Two strands let the vector unit work on one while the array works on the other; that pays where passes stream back to back (rule
    `shadow`).  Where each pass pays its own fill and drain, one strand of twice the rows with `split` tiles does better.
    Raises FocusError when nothing fits the buffers.
    """
    best = None
    for m in [fixed_m] if fixed_m else m_candidates(rows, 512):
        for strands in (2, 1) if (paired if fixed_m else rows > m) else (1,):
            for step in (96, 64, 32):
                if step > 32 and step - 32 >= keys or causal and (m if fixed_m else m * strands) % step:
                    continue
                for blocks in [n for n in (1, 2, 3, 4) if head_dim % n == 0]:
                    for resident in (True, False):
                        t = _attention_cost(machine, rows, keys, head_dim, regions, m, strands, step, blocks, resident, scores_only, unique,
                                            fixed_m is not None)
                        if t and (best is None or t.cost < best.cost):
                            best = t
    if best is None:
        size = machine.buffer_bytes
        raise FocusError(f"{where}: attention of {fixed_m or rows} query rows with head width {head_dim} does not fit the buffers of machine "
                         f"'{machine.name}' (input {size('input')} B, output {size('output')} B, wgt {size('wgt')} B)")
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


def spilled_tiling(machine: Machine, tiles: list[tuple[int, int]], visual: int, keys: int, head_dim: int) -> SpilledTiling | None:
    """Tiling of one head's causal attention of `visual` queries, concentrated in m-tiles of (rows, how many) `tiles`, over `keys` keys.

    Cost is that of what causality leaves (`seen`).  None where the form is not possible: slices that span heads, m-tiles that no step of
    key columns divides, or buffers that are too small.
    """
    best, m_tile = None, tiles[0][0]
    if head_dim % 32 or len(tiles) > 1 and m_tile % 32:
        return None
    uses = m_candidates(visual) if sum(count for _, count in tiles) == 1 else [m_tile // d for d in (1, 2, 4, 8) if m_tile % (32 * d) == 0]
    for step in (96, 64, 32):
        if step > 32 and step - 32 >= keys or any(count > 1 and rows % step for rows, count in tiles):
            continue
        made = _making_cost(machine, tiles, visual, keys, head_dim, step)
        for m in uses if made is not None else ():
            for blocks in [n for n in (1, 2, 4) if head_dim % (32 * n) == 0]:
                used = _using_cost(machine, visual, keys, head_dim, m, blocks)
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
    size, bpc, m = machine.buffer_bytes, bytes_per_cycle(machine), max(rows for rows, _ in tiles)
    subs = ceil(step, 32)
    if (aligned(m * 64) > size("input") or subs * aligned(m * 128) > size("output") or min(PLACES, subs) * aligned(m * 64) > size("vector")
            or 2 * aligned(m * 128) > size("conc") or aligned(m * 16) + subs * aligned(m * 4) > size("stats")
            or aligned(m * 2) > size("map") or aligned(64 * step) > size("wgt")):
        return None
    passes, rows = ceil(keys, 32) * head_dim // 32, sum(r * c for r, c in tiles)
    array = sum(machine.cycles_per_pass(int(r * UNIQUE_SHARE)) * c for r, c in tiles) * passes
    scatter, sfu = rows * passes / 2, rows * keys * 4 / 192
    traffic = (rows * UNIQUE_SHARE * ceil(keys, step) + sum(c for _, c in tiles) * keys) * head_dim * 2 + spilled_bytes(visual, keys)
    return (max(array, scatter, sfu, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc) * seen(visual, tiles[0][0], keys)


def _using_cost(machine: Machine, visual: int, keys: int, head_dim: int, m: int, blocks: int) -> float | None:
    """Cycles of one head's values weighted by probabilities from DRAM, read for each of `blocks` of output columns; None: does not fit."""
    size, bpc, subs = machine.buffer_bytes, bytes_per_cycle(machine), head_dim // blocks // 32
    if (aligned(m * 64) > size("input") or subs * aligned(m * 128) > size("output") or subs * 2048 > size("wgt")
            or 2 * aligned(m * 16) > size("stats")):
        return None
    cut = row_tiles(visual, m)
    array = sum(machine.cycles_per_pass(r) * c for r, c in cut) * ceil(keys, 32) * head_dim // 32
    traffic = sum(c for _, c in cut) * keys * head_dim * 2 + blocks * spilled_bytes(visual, keys)
    return (max(array, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc) * seen(visual, m, keys)


def partial_sums(machine: Machine, m: int) -> int:
    """Buffers of an m-tile's partial sums that the scores of concentrated queries take turns in: two, or one, or none that fits."""
    return min(2, machine.buffer_bytes("conc") // aligned(m * 128))


VALUE_TILES = 2         #: tiles of 32 value columns that take turns in a step


def _attention_cost(machine: Machine, rows: int, keys: int, head_dim: int, regions: int, m: int, strands: int, step: int, blocks: int,
                    resident: bool, scores_only: bool, unique: float, concentrated: bool) -> AttentionTiling | None:
    """The tiling with its cost, or None where it does not fit."""
    size, bpc = machine.buffer_bytes, bytes_per_cycle(machine)
    slices = ceil(head_dim, 32)
    spanned = concentrated and head_dim % 32 > 0        # slices span heads: the pieces of a head take turns in one place
    if spanned and resident:
        return None
    out_cols = head_dim // blocks
    # two tiles of 32, in a loop: more tiles, or several steps without a loop, would need too many semaphores
    split = machine.array.rule != "shadow" and strands == 1 and step == 64 < keys and regions == 1 and not concentrated and not scores_only
    values = 0 if scores_only else VALUE_TILES * aligned(2 * (32 if split else step) * min(32, out_cols))
    widths = {head_dim} | {c for c in (128, 96, 64) if c < head_dim} if resident else set()
    kv_cols = max((c for c in widths | {min(32, head_dim)} if regions * (values + _keys_bytes(step, c, head_dim)) <= size("wgt")), default=0)
    if not kv_cols:
        return None
    parts = [kv_cols] if spanned or head_dim % kv_cols == 0 else [kv_cols, head_dim % kv_cols]
    q = aligned(m * head_dim * 2) if resident else regions * aligned(m * 64) * len(parts)
    maps = sum(ceil(c, 32) for c in parts) * aligned(m * 2) if concentrated else 0
    if concentrated and not partial_sums(machine, m):
        return None
    step_tiles = regions * aligned(m * step * 2)
    if (strands * (q + step_tiles) > size("input") or strands * maps > size("map")
            or strands * (2 * step_tiles + aligned(m * out_cols * 4)) > size("output") or strands * aligned(m * 16) > size("stats")):
        return None
    n_steps, n_blocks, tiles = ceil(keys, step), blocks, row_tiles(rows, m)
    one = sum(machine.cycles_per_pass(r) * c for r, c in tiles)
    array = one * ceil(keys, 32) * n_blocks * (slices * unique + ceil(out_cols, 32))
    sfu = rows * n_blocks * n_steps * (3 * step + out_cols) / 192
    exposed = 0.15 if strands == 2 or split else 1
    fetches = sum(c for _, c in tiles) / strands
    traffic = rows * head_dim * 2 * (1 if resident else n_steps * n_blocks) + fetches * keys * head_dim * 2 * (n_blocks + 1)
    single = regions * (values + 2 * _keys_bytes(step, kv_cols, head_dim)) > size("wgt")
    stall = n_steps * fetches * n_blocks * ceil(head_dim, kv_cols) * (60 if single else 20)
    cost = max(array, traffic / bpc) + sfu * exposed + stall + machine.energy.traffic_weight * traffic / bpc
    return AttentionTiling(m, strands, step, kv_cols, out_cols, resident, cost, split)


def _keys_bytes(step: int, width: int, head_dim: int) -> int:
    """A tile of keys, and the narrower one of the columns that it does not divide."""
    return aligned(2 * step * width) + (aligned(2 * step * (head_dim % width)) if head_dim % width else 0)
