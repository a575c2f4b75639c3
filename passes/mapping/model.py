"""What a mapping costs: cycles and DRAM bytes of its kernels, from the machine's own rates.

In: a form, a legal mapping, a target.  Out: `cost`, what the search compares: array or DRAM cycles, whichever bounds the kernel, plus what cannot
overlap, plus the DRAM cycles times the machine's `traffic_weight` (traffic is energy even where bandwidth hides it).
"""
from __future__ import annotations

from collections.abc import Callable
from math import inf

from focus.dialects.mapping import AttentionMapping, GemmMapping, KernelMapping, SpillMapping
from focus.passes.kernels.forms import AttentionForm, Form, GemmForm, SpillForm
from focus.passes.kernels.linear import ASIDE
from focus.passes.kernels.places import ceil
from focus.passes.mapping.space import Target, spilled_bytes

UNIQUE_SHARE = 0.6      #: unique vectors a retained token that mappings are chosen for; the published runs have 0.5 to 0.9
KERNEL_CYCLES = 2000    #: what a kernel more costs
SHARED_CYCLES = 150     #: what a k-slice costs more where all share one place
BLOCK_MEMBERS = 8       #: of the published block of the similarity concentrator, whose matching takes as many steps a vector


def cost(target: Target, form: Form, mapping: KernelMapping) -> float:
    """Cycles of all kernels of the mapping, with their traffic weighed."""
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping):
        return _gemm(target, form, mapping)
    if isinstance(form, AttentionForm) and isinstance(mapping, AttentionMapping):
        return _attention(target, form, mapping)
    if isinstance(form, SpillForm) and isinstance(mapping, SpillMapping):
        return (_making(target, form, mapping) + _using(target, form, mapping)) * form.heads
    return 0.0              # rows have one candidate, or the first is the best


def row_tiles(rows: int, m: int) -> list[tuple[int, int]]:
    """(rows, how many) of the tiles that m cuts `rows` into."""
    full, rest = divmod(rows, m)
    return [(m, full)] * (full > 0) + [(rest, 1)] * (rest > 0)


def _gemm(target: Target, form: GemmForm, t: GemmMapping) -> float:
    machine, g = target.machine, target.geometry
    m, n_tiles, subs = min(t.m, max(form.rows, g.rows)), ceil(form.n, t.n), t.n // g.cols
    if form.visual is None:
        tiles, x_reads = row_tiles(form.rows, t.m), 1 if t.stays == "input" else n_tiles
        m = t.m
        extra = _held(target, form, t, m) * form.rows / m * n_tiles
        if t.stays == "input" and 2 * m * form.k * 2 > machine.buffer_bytes("input"):
            extra += form.rows * form.k * 2 / machine.bytes_per_cycle
    else:
        tiles, x_reads, m = [(form.rows, 1)], n_tiles, form.rows
        extra = _held(target, form, t, m) * n_tiles
        if form.unique:
            rows, slices = UNIQUE_SHARE * m, ceil(form.k, g.vector)
            latency = rows + machine.timing.fill + m / machine.sic.scatter_per_cycle
            extra += max(0, latency / max(t.partials, 1) - rows) * ceil(form.n, g.cols) * slices * form.weights
            extra += t.shared_slices * SHARED_CYCLES * n_tiles * slices
        extra += KERNEL_CYCLES if form.gathered and ceil(form.n, g.cols) % subs else 0
    return (extra + _passes(target, form, t, tiles, x_reads)) * form.tiles * form.repeat


def _held(target: Target, form: GemmForm, t: GemmMapping, m: int) -> float:
    """Cycles for which results of an n-tile stay in accumulators that the next n-tile wants, beside plain arithmetic: slow activations, and
    gathering where no other memory has room for the result."""
    machine, g, subs = target.machine, target.geometry, t.n // target.geometry.cols
    if machine.buffer_bytes("output") >= 2 * subs * form.weights * m * g.sum_row_bytes:
        return 0
    activation = form.slow * m * g.cols / machine.sfu.reciprocal
    tiles = ASIDE if form.aside else t.residual_tiles
    if form.aside:
        return max(0, subs - tiles) * activation
    gathering = BLOCK_MEMBERS * machine.sic.cycles_per_candidate * m if form.gathered and not t.separate_result else 0
    return subs * activation + max(0, subs - tiles) * gathering


def _passes(target: Target, form: GemmForm, t: GemmMapping, tiles: list[tuple[int, int]], x_reads: int) -> float:
    """Cycles: array or DRAM, whichever bounds, draining that cannot overlap, and a share of the traffic."""
    machine, g = target.machine, target.geometry
    bpc, rows, m, subs = machine.bytes_per_cycle, sum(r * c for r, c in tiles), max(r for r, _ in tiles), t.n // g.cols
    k_passes = ceil(form.k, g.vector) * ceil(g.vector, g.rows) if form.unique else ceil(form.k, g.rows)
    array = sum(machine.cycles_per_pass(r) * c for r, c in tiles) * ceil(form.n, g.cols) * k_passes * form.weights
    weights = form.n * form.k * form.weights * sum(c for _, c in tiles)
    traffic = 2 * (rows * form.k * x_reads + weights + rows * form.n * (2 if form.residual else 1))
    rings = machine.buffer_bytes("output") // (subs * form.weights * m * g.sum_row_bytes)
    drain = 0 if rings > 1 else rows * ceil(form.n, g.cols * subs) * (form.weights * 2 * g.cols / machine.sfu.multiply + g.result_row_bytes / bpc)
    return max(array, traffic / bpc) + drain + machine.energy.traffic_weight * traffic / bpc


def seen(rows: int, m: int, keys: int) -> float:
    """Share of rows x keys that m-tiles of causal attention visit: each the columns up to its last row's; further keys stand in front."""
    ends = [min(rows, at + m) for at in range(0, rows, m)]
    return sum((end - at) * (keys - rows + end) for at, end in zip(range(0, rows, m), ends)) / (rows * keys)


def _attention(target: Target, form: AttentionForm, t: AttentionMapping) -> float:
    machine, g, dim, keys = target.machine, target.geometry, form.head_dim, form.keys
    bpc, blocks, regions = machine.bytes_per_cycle, dim // min(t.out_cols, dim), len(form.regions)
    unique = UNIQUE_SHARE if form.fixed else 1.0
    rows = form.fixed * form.tiles if form.fixed else form.rows
    n_steps, tiles = ceil(keys, t.step), row_tiles(rows, t.m)
    one = sum(machine.cycles_per_pass(r) * c for r, c in tiles)
    slices = ceil(dim, g.vector) * ceil(g.vector, g.rows) if form.fixed else ceil(dim, g.rows)
    array = one * blocks * (ceil(keys, g.cols) * slices * unique + ceil(keys, g.rows) * (0 if form.scores_only else ceil(t.out_cols, g.cols)))
    sfu = rows * blocks * n_steps * (3 * t.step + t.out_cols) / machine.sfu.multiply
    exposed = 0.15 if t.strands == 2 or t.split else 1
    fetches = sum(c for _, c in tiles) / t.strands
    stays = t.stays == "queries"
    traffic = rows * dim * 2 * (1 if stays else n_steps * blocks) + fetches * keys * dim * 2 * (blocks + 1)
    values = 0 if form.scores_only else 4 * t.step * min(g.cols, t.out_cols)
    wgt = regions * (2 * t.step * min(t.kv_cols, dim) + values)
    single = wgt + regions * 2 * t.step * min(t.kv_cols, dim) > machine.buffer_bytes("wgt")
    stall = n_steps * fetches * blocks * ceil(dim, t.kv_cols) * (60 if single else 20)
    whole = max(array, traffic / bpc) + sfu * exposed + stall + machine.energy.traffic_weight * traffic / bpc
    return whole * _visited(form, t) * form.heads * form.repeat


def _visited(form: AttentionForm, t: AttentionMapping) -> float:
    """Share of rows x keys that is visited."""
    if not form.causal:
        return 1.0
    if form.fixed:
        end = form.first + form.visual * (form.tiles + 1) / 2 + form.keys - _all_rows(form)
        return min(1.0, end / form.keys)
    return seen(form.rows, t.m * t.strands, form.keys) if form.keys >= form.rows else 1.0


def _all_rows(form: AttentionForm) -> int:
    """Rows that the keys of a causal region belong to, leading ones left out."""
    count, ahead = form.regions[0]
    return count - (ahead or 0)


def _making(target: Target, form: SpillForm, t: SpillMapping) -> float:
    """Cycles of one head's scores, from unique query vectors that are read for each step, and of writing probabilities."""
    machine, g = target.machine, target.geometry
    bpc, rows = machine.bytes_per_cycle, sum(r * c for r, c in form.tiles)
    passes = ceil(form.keys, g.cols) * ceil(form.head_dim, g.vector) * ceil(g.vector, g.rows)
    array = sum(machine.cycles_per_pass(int(r * UNIQUE_SHARE)) * c for r, c in form.tiles) * passes
    scatter = rows * ceil(form.keys, g.cols) * ceil(form.head_dim, g.vector) / machine.sic.scatter_per_cycle
    sfu = rows * form.keys * 4 / machine.sfu.multiply
    traffic = (rows * UNIQUE_SHARE * ceil(form.keys, t.step) + sum(c for _, c in form.tiles) * form.keys) * form.head_dim * 2
    traffic += spilled_bytes(form.visual, form.keys, g)
    whole = max(array, scatter, sfu, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc
    return whole * seen(form.visual, form.tiles[0][0], form.keys)


def _using(target: Target, form: SpillForm, t: SpillMapping) -> float:
    """Cycles of one head's values weighted by probabilities from DRAM, read for each block of output columns."""
    machine, g = target.machine, target.geometry
    bpc, blocks, cut = machine.bytes_per_cycle, form.head_dim // t.out_cols, row_tiles(form.visual, t.m)
    array = sum(machine.cycles_per_pass(r) * c for r, c in cut) * ceil(form.keys, g.rows) * ceil(form.head_dim, g.cols)
    traffic = sum(c for _, c in cut) * form.keys * form.head_dim * 2 + blocks * spilled_bytes(form.visual, form.keys, g)
    return (max(array, traffic / bpc) + machine.energy.traffic_weight * traffic / bpc) * seen(form.visual, t.m, form.keys)


def best(target: Target, form: Form, legal: list[KernelMapping]) -> tuple[KernelMapping | None, float]:
    """The cheapest of some mappings (of equal ones the first) and its cost; None and infinity of none."""
    price: Callable[[KernelMapping], float] = lambda mapping: cost(target, form, mapping)
    chosen = min(legal, key=price, default=None)
    return chosen, inf if chosen is None else price(chosen)

