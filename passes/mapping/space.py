"""The legal mappings of a form on a machine, as an enumerable space.

In: a form and a target (machine, geometry with the request's vector length).  Out: `candidates`, every mapping worth trying whose footprint fits the
memories and whose sizes the emitter can cut; `problem`, why a given mapping is none; `no_mapping`, the error where there is none.

What a mapping takes on chip is what its kernel declares (`places` in `focus.passes.kernels`).
"""
from __future__ import annotations

import itertools
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from focus.dialects.mapping import AttentionMapping, GemmMapping, KernelMapping, RowsMapping, SpillMapping
from focus.passes.capacity import SMALLER, fits, no_room
from focus.passes.kernels.attention import attention_generators, attention_places
from focus.passes.kernels.concentrate import elementwise_places, gather_places, norm_places, rope_places
from focus.passes.kernels.forms import AttentionForm, Form, GemmForm, RowsForm, SpillForm
from focus.passes.kernels.linear import ASIDE, gemm_generators, gemm_places, resample_places, weight_bytes, weight_pieces
from focus.passes.kernels.movement import move_places
from focus.passes.kernels.places import Places, ceil
from focus.passes.kernels.spilled import Uses, making_places, tiles_of_use, using_places
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.geometry import PUBLISHED_SIDE, Geometry
from focus.runtime.spec.isa import NUM_AGUS
from focus.runtime.spec.machine import Machine

WEIGHT_SUBS = 3         #: most sub-tiles whose weights are loaded together
MOST_PLACES = 6         #: most places that small pieces take turns in
MOST_PARTIALS = 8       #: most buffers of partial sums of short passes, which are scattered later than the next ones end
SHORT_PASS = 192        #: rows up to which a pass may be over before a large piece is loaded
FEW_SUBS = 6            #: array widths of an n-tile up to which all are worth trying; of more, those that cut the result evenly (see also `_in_turn`)
UP_IN: tuple[Literal["table", "conc", "vector"], ...] = ("table", "conc", "vector")      #: memories that products may wait in, the emptiest first
MOST_PAIRS = 3          #: most sub-tiles whose pairs of products leave the accumulators
MOST_SUBS = 24          #: most array widths of an n-tile
MOST_WIDTHS = 6         #: legal widths of an n-tile that are tried from the widest on; narrower ones read more
LONGEST = 1024          #: rows of an m-tile beyond which nothing is gained
QUERY_ROWS = 512        #: most rows of a tile of dense queries
STEPS = 3               #: most array widths of key columns in a step
BLOCK_ROWS = 256        #: rows that stop together where the keys have passed them
SPILL_SHARE = 1 / 16    #: of DRAM's capacity that probabilities may take
EVEN = 32               #: rows that a tile of whole rows is a multiple of, where it can be
SWEPT_COLS = 64         #: columns of a tile of a sweep over rows that cannot have them all
ROUND = (8, 16, *(PUBLISHED_SIDE * n for n in (1, 2, 4, 6, 8, 12, 16, 24, 32)))     #: sizes of m-tiles that are always worth trying
APART = 32              #: tiles of one shape that may be written out one by one, where their bounds have no common form
MOVED_COLS = 4096       #: most columns of a tile of rows that are only moved


@dataclass(frozen=True)
class Target:
    """A machine, and the vector length of the request that is compiled for it."""
    machine: Machine
    vector: int

    @cached_property
    def geometry(self) -> Geometry:
        return replace(self.machine.geometry, vector=self.vector)


def footprint(target: Target, form: Form, mapping: KernelMapping) -> list[Places]:
    """What the kernels of a mapping take on chip, one entry per kernel.  Raises FocusError where the mapping is of another kind than the form."""
    g = target.geometry
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping):
        return [resample_places(form, mapping, g) if form.resample else gemm_places(form, mapping, g)]
    if isinstance(form, AttentionForm) and isinstance(mapping, AttentionMapping):
        return [attention_places(form, mapping, g)]
    if isinstance(form, SpillForm) and isinstance(mapping, SpillMapping):
        made = [making_places(form, (rows, min(rows, form.m_tile)), mapping, g) for rows, _ in form.tiles]
        return made + [using_places(form, mapping, g, uses) for uses in _distinct(tiles_of_use(form, mapping.m, g))]
    if isinstance(form, RowsForm) and isinstance(mapping, RowsMapping):
        if form.what == "cut":
            return []
        if form.what in ("gather", "gather_norm"):
            return [gather_places(form, g.vector)]
        places = {"norm": norm_places, "rope": rope_places, "elementwise": elementwise_places}.get(form.what, move_places)
        return [places(form, mapping)]
    raise FocusError(f"a {mapping.kind} mapping does not fit this op")


def _distinct(uses: Iterator[Uses]) -> list[Uses]:
    """Of each shape, the first."""
    return list({(min(u.m, u.count), u.all_see is None, u.later): u for u in uses}.values())


def fits_all(machine: Machine, footprints: list[Places]) -> bool:
    """Whether each kernel's places fit the memories."""
    return all(fits(machine, places.bytes()) for places in footprints)


def problem(target: Target, form: Form, mapping: KernelMapping) -> str | None:
    """Why a mapping is not legal for a form: a size that the emitter cannot cut, or a memory that is too small; None for a legal one."""
    g, cut = target.geometry, None
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping):
        cut = _gemm_problem(form, mapping, g)
    elif isinstance(form, AttentionForm) and isinstance(mapping, AttentionMapping):
        cut = _attention_problem(form, mapping, g)
    elif isinstance(form, SpillForm) and isinstance(mapping, SpillMapping):
        cut = _spill_problem(form, mapping, target)
    elif isinstance(form, RowsForm) and form.what in ("gather", "gather_norm", "cut") and isinstance(mapping, RowsMapping):
        most = m_tile_rows(target)
        if (mapping.m, mapping.n) != (most, target.vector):
            cut = f"m and n are {mapping.m} and {mapping.n}, expected the {most} rows that buffers are laid out for and vectors of {target.vector}"
    try:
        kernels = [] if cut else footprint(target, form, mapping)
    except FocusError as e:
        return str(e)
    for places in kernels:
        if not fits(target.machine, places.bytes()):
            return no_room(target.machine, places.bytes())
    return cut


def _too_many(generators: int) -> str | None:
    return f"needs up to {generators} address generators; there are {NUM_AGUS}" if generators > NUM_AGUS else None


def _gemm_problem(form: GemmForm, t: GemmMapping, g: Geometry) -> str | None:
    if t.n % g.cols:
        return f"n is {t.n}, expected a multiple of the array's {g.cols} columns"
    if form.gathered and t.n >= form.n + g.cols:
        return f"n is {t.n}, expected at most the result's {form.n} columns, rounded up to whole sub-tiles of {g.cols}"
    if t.turn != form.turn:
        return f"turn is \"{t.turn}\", expected \"{form.turn}\""
    if form.turn == "back" and t.stays != "none":
        return "what is turned back has no input that could stay"
    if form.added and t.m < form.rows and (form.rows % t.m or t.m % g.rows):
        return f"m is {t.m}, expected a multiple of {g.rows} that divides the {form.rows} rows, or all of them, where a transposed matrix is added"
    if form.visual is not None and t.m < form.rows:
        return f"m is {t.m}, expected the {form.rows} rows of an m-tile of the concentration"
    if form.unique and (t.stays != "none" or (form.visual and not t.partials)):
        return "a concentrated input cannot stay, and needs at least one buffer of partial sums"
    if t.weight_subs < 1:
        return f"weight_subs is {t.weight_subs}, expected 1 or more"
    if t.weight_places < 1:
        return f"weight_places is {t.weight_places}, expected 1 or more"
    if t.pairs_aside < 0 or (t.pairs_aside and (form.weights != 2 or form.residual or form.moments)):
        return "pairs_aside is for both products of SwiGLU at once"
    if form.residual and not t.residual_tiles:
        return "residual_tiles is 0, expected 1 or more"
    if t.separate_result and not form.gathered:
        return "separate_result is for results that are concentrated"
    return _too_many(gemm_generators(form, t, g))


def _attention_problem(form: AttentionForm, t: AttentionMapping, g: Geometry) -> str | None:
    unit = g.vector if form.fixed else g.rows
    if t.step % g.cols:
        return f"step is {t.step}, expected a multiple of the array's {g.cols} columns"
    if form.head_dim % min(t.out_cols, form.head_dim):
        return f"out_cols is {t.out_cols}, expected a divisor of the head's {form.head_dim} columns"
    if t.out_cols < form.head_dim and t.out_cols % g.cols and form.head_dim > g.cols and t.split:
        return f"out_cols is {t.out_cols}, expected a multiple of the array's {g.cols} columns where accumulators are split"
    if t.kv_cols < form.head_dim and t.kv_cols % unit:
        return f"kv_cols is {t.kv_cols}, expected a multiple of {unit}"
    if form.fixed:
        spans = form.head_dim % g.vector > 0
        if not t.partials:
            return "partials is 0, expected at least one buffer of partial sums"
        if t.strands > 1 and (form.group % t.strands or spans):
            return f"strands is {t.strands}, expected 1 or a divisor of the {form.group} query heads of a group, and whole vectors in a head"
        if spans and (t.stays == "queries" or (t.kv_cols < form.head_dim and t.kv_cols % g.vector)):
            return "queries whose vectors span heads cannot stay"
        if form.tiles > 1 and form.fixed % t.step:
            return f"step is {t.step}, expected a divisor of the {form.fixed} rows of alike m-tiles"
        if t.split:
            return "split is for dense queries"
    elif form.causal and (t.m * t.strands) % t.step and form.rows > t.m * t.strands and form.keys > t.step:
        return f"step is {t.step}, expected a divisor of m times strands ({t.m * t.strands}) in causal attention"
    if form.scores_only and (t.stays != "queries" or t.strands > 1 or t.split):
        return "importance keeps its queries, in one strand"
    if t.split and (t.strands > 1 or len(form.regions) > 1 or t.step != 2 * g.cols or form.keys <= t.step):
        return "split needs one strand, one region and a loop over steps of two array widths"
    return _too_many(attention_generators(form, t, g))


def _spill_problem(form: SpillForm, t: SpillMapping, target: Target) -> str | None:
    g = target.geometry
    single = sum(count for _, count in form.tiles) == 1
    if t.partials < 1:
        return f"partials is {t.partials}, expected at least one buffer of partial sums"
    if form.head_dim % g.vector or form.head_dim % g.cols:
        return f"vectors of {g.vector} and array columns ({g.cols}) must divide the head's {form.head_dim} columns"
    if len(form.tiles) > 1 and form.m_tile % g.cols:
        return f"an m-tile of {form.m_tile} rows is not a multiple of the array's {g.cols} columns"
    if t.step % g.cols or sum(count for rows, count in form.tiles if rows % t.step) > APART:
        return f"step is {t.step}, expected a multiple of {g.cols} that divides the m-tiles"
    if t.out_cols % g.cols or form.head_dim % t.out_cols:
        return f"out_cols is {t.out_cols}, expected a multiple of {g.cols} that divides the head's {form.head_dim} columns"
    if not single and not (t.m <= form.m_tile and (form.m_tile % t.m == 0 or ceil(form.visual, t.m) <= APART)):
        return f"m is {t.m}, expected a divisor of the m-tile's {form.m_tile} rows, or few tiles"
    if form.visual > t.m and t.m % g.cols and form.keys > g.cols and (form.m_tile % t.m == 0 or form.visual <= form.m_tile):
        return f"m is {t.m}, expected a multiple of {g.cols}: the key columns that a tile sees grow by as many"
    if not t.heads or t.heads * spilled_bytes(form.visual, form.keys, g) > target.machine.dram.capacity_bytes:
        return f"the probabilities of {t.heads} heads do not fit DRAM"
    return None


def spilled_bytes(rows: int, keys: int, g: Geometry) -> int:
    """DRAM bytes of the probabilities of `rows` x `keys`, with a factor for each row of a tile."""
    return rows * (keys * 2 + ceil(keys, g.cols) * 4)


# ---- candidates --------------------------------------------------------------------------------------------------------------
def candidates(target: Target, form: Form) -> Iterator[KernelMapping]:
    """Every legal mapping worth trying, those with the largest tiles first."""
    return (mapping for mapping in _tried(target, form) if problem(target, form, mapping) is None)


def _tried(target: Target, form: Form) -> Iterator[KernelMapping]:
    if isinstance(form, GemmForm):
        return _gemms(target, form)
    if isinstance(form, AttentionForm):
        return _attentions(target, form)
    return _spills(target, form) if isinstance(form, SpillForm) else _rows(target, form)


def least_rows(g: Geometry) -> int:
    """Rows of an m-tile that is always worth trying: as many as the array has, or as the published one."""
    return min(PUBLISHED_SIDE, g.rows)


def m_candidates(rows: int, side: int, limit: int = LONGEST) -> list[int]:
    """Even splits of the rows in multiples of the array's side, and powers of two: sizes worth trying, largest first."""
    even = {min(limit, ceil(ceil(rows, p), side) * side) for p in range(1, 9)}
    even |= {min(limit, ceil(ceil(rows, ceil(rows, limit)), side) * side)}
    powers = {m for m in ROUND if side <= m <= limit}
    return sorted({m for m in even | powers if m <= max(side, ceil(rows, side) * side)}, reverse=True)


def _gemms(target: Target, form: GemmForm) -> Iterator[GemmMapping]:
    g, machine = target.geometry, target.machine
    rows = m_candidates(form.rows, least_rows(g)) if form.visual is None else [form.rows]
    for m in rows:
        most = machine.buffer_bytes("output") // (min(m, form.rows) * g.cols * 4 * form.weights)
        legal_widths, always = 0, {1, 2, 4, *(_in_turn(most) if form.unique and form.rows <= SHORT_PASS else ())}
        for s in _subs(ceil(form.n, g.cols), most, always):
            if legal_widths >= MOST_WIDTHS and s not in always:
                continue
            whole = GemmMapping(form=form.half, turn=form.turn, m=m, n=g.cols * s)
            tiles = _tiles_beside(target, form, whole)
            whole = replace(whole, residual_tiles=tiles if form.residual else 0)
            if not form.unique:
                for stays in ("none", "input") if form.visual is None and not form.resample and form.k else ("none",):
                    yield from _separated(form, replace(whole, stays=stays), target)
                legal_widths += 1
                continue
            legal = 0       # fewer buffers are no better, but for the length of a loop's body: the two largest numbers are worth trying
            more = [(n, False) for n in range(MOST_PARTIALS, 4, -1) if s * form.weights % n == 0] if form.rows <= SHORT_PASS else []
            for partials, shared in (*more, (4, False), (3, False), (2, False), (1, False), (1, True)):
                found = [t for t in _separated(form, replace(whole, partials=partials, shared_slices=shared), target)
                         if legal < 2 and problem(target, form, t) is None]
                legal += bool(found)
                yield from found
            legal_widths += legal > 0


def _in_turn(most: int) -> range:
    """Array widths, at most `most`, of whose small pieces of weights the largest number of places takes as many each."""
    return range(2 * MOST_PLACES, min(most, MOST_SUBS) + 1, MOST_PLACES)


def _subs(total: int, most: int, always: Set[int]) -> list[int]:
    """Array widths of an n-tile that are worth trying for a result of `total` of them, where accumulators hold `most`; largest first."""
    even = {ceil(total, parts) for parts in range(max(1, ceil(total, MOST_SUBS)), ceil(total, FEW_SUBS) + 1)}
    return sorted({s for s in even | always | set(range(2, FEW_SUBS + 1)) if s <= min(most, total)} | {1}, reverse=True)


def _pieces(target: Target, form: GemmForm, t: GemmMapping) -> Iterator[GemmMapping]:
    """The mapping with weights in pieces that fit, in the ways worth trying: the largest pieces in two places; and for short passes smaller ones,
    which are there sooner, in as many places as there is room for, each used as often."""
    room, subs = target.machine.buffer_bytes("wgt"), ceil(min(t.n, form.n), target.geometry.cols)
    taken = lambda m: weight_bytes(form, m, target.geometry)
    most = next((replace(t, weight_subs=n) for n in range(WEIGHT_SUBS, 1, -1) if taken(replace(t, weight_subs=n)) <= room), replace(t, weight_subs=1))
    yield most
    if form.added:          # which share the memory with tiles of the matrix that is added
        yield from (replace(t, weight_subs=n) for n in range(1, most.weight_subs))
    if min(t.m, form.rows) > SHORT_PASS:
        return
    for size in range(1, most.weight_subs + 1):
        many = (replace(t, weight_subs=size, weight_places=n) for n in range(min(subs, MOST_PLACES), 2, -1))
        yield from itertools.islice((m for m in many if len(weight_pieces(subs, m)) % m.weight_places == 0 and taken(m) <= room), 1)


def _separated(form: GemmForm, t: GemmMapping, target: Target) -> Iterator[GemmMapping]:
    """The mapping, with weights in pieces that fit: with pairs of SwiGLU leaving the accumulators, and with a concentrated result doing so,
    where there is room."""
    for mapping in _pieces(target, form, t):
        yield from _leaving(form, mapping, target)


def _leaving(form: GemmForm, t: GemmMapping, target: Target) -> Iterator[GemmMapping]:
    """The ways in which results may leave the accumulators."""
    if form.weights == 2 and not form.residual and not form.moments:
        counts = range(min(t.n // target.geometry.cols, MOST_PAIRS), 0, -1)
        pairs = (replace(t, pairs_aside=n, up_in=memory) for n in counts for memory in UP_IN)
        yield from itertools.islice((p for p in pairs if problem(target, form, p) is None), 1)
    apart = replace(t, separate_result=True)
    yield apart if form.gathered and problem(target, form, apart) is None else t


def _tiles_beside(target: Target, form: GemmForm, t: GemmMapping) -> int:
    """Tiles that the vector unit's memory has room for, at most two: of the residual, or of results that have left the accumulators."""
    if not (form.residual or form.aside):
        return 0
    for tiles in range(2, 0, -1):
        taken = gemm_places(form, replace(t, residual_tiles=tiles, partials=int(form.unique)), target.geometry).bytes()
        if fits(target.machine, taken if target.machine.scratchpad else {"vector": taken.get("vector", 0)}):
            return min(tiles, ASIDE)
    return 1


def _attentions(target: Target, form: AttentionForm) -> Iterator[AttentionMapping]:
    g, machine, dim = target.geometry, target.machine, form.head_dim
    unit, shadow = (g.vector if form.fixed else g.rows), machine.array.rule == "shadow"
    partials = next((n for n in (2, 1) if form.fixed * g.cols * 4 * n <= machine.buffer_bytes("conc")), 1) if form.fixed else 0
    for m in [form.fixed] if form.fixed else m_candidates(form.rows, least_rows(g), QUERY_ROWS):
        pairs = form.group % 2 == 0 if form.fixed else form.rows > m
        for strands in (2, 1) if pairs else (1,):
            for step in (g.cols * n for n in range(STEPS, 0, -1)):
                if step > g.cols and step - g.cols >= form.keys:
                    continue
                for blocks in [n for n in (1, 2, 3, 4) if dim % n == 0]:
                    for stays in ("queries", "none"):
                        widths = {dim} | {c for c in (4 * unit, 3 * unit, 2 * unit) if c < dim} if stays == "queries" else set()
                        split = not shadow and strands == 1 and step == 2 * g.cols < form.keys and len(form.regions) == 1 and not form.fixed
                        base = AttentionMapping(m=m, strands=strands, step=step, out_cols=dim // blocks, stays=stays, partials=partials,
                                                split=split and not form.scores_only,
                                                block_rows=BLOCK_ROWS if form.fixed and form.tiles == 1 and shadow else 0)
                        for kv in sorted(widths | {min(unit, dim)}, reverse=True):      # the widest that fits is the best
                            t = replace(base, kv_cols=kv)
                            if problem(target, form, t) is None:
                                yield t
                                break


def _spills(target: Target, form: SpillForm) -> Iterator[SpillMapping]:
    g = target.geometry
    heads = min(form.heads, int(target.machine.dram.capacity_bytes * SPILL_SHARE // spilled_bytes(form.visual, form.keys, g)))
    rows = max(count for count, _ in form.tiles)
    partials = next((n for n in (2, 1) if rows * g.cols * 4 * n <= target.machine.buffer_bytes("conc")), 1)
    for step in (g.cols * n for n in range(STEPS, 0, -1)):
        if step > g.cols and step - g.cols >= form.keys:
            continue
        for m in m_candidates(form.visual, least_rows(g)):
            for blocks in [n for n in (1, 2, 4) if form.head_dim % (g.cols * n) == 0]:
                yield SpillMapping(step=step, m=m, out_cols=form.head_dim // blocks, heads=max(heads, 0), partials=partials)


def tile_rows(machine: Machine, longest: int = LONGEST, **row_bytes: int) -> int:
    """Rows of a tile that takes `row_bytes[memory]` bytes per row in each of these memories: as many as fit, a multiple of `EVEN` if possible."""
    fit = min(machine.buffer_bytes(memory) // n for memory, n in row_bytes.items())
    fit = max(1, min(longest, fit // EVEN * EVEN or fit))
    while fit > 1 and not fits(machine, {memory: n * fit for memory, n in row_bytes.items()}):      # parts of one scratchpad
        fit = fit - EVEN if fit > EVEN else fit - 1
    return fit


def m_tile_rows(target: Target) -> int:
    """Rows that the buffers are laid out for: a k-slice and its unique vectors and partial sums, a tile of the residual and row moments, each
    doubled, but for the partial sums, and three array widths of accumulators."""
    g = target.geometry
    return tile_rows(target.machine, input=2 * 2 * max(g.rows, g.vector), table=2 * 2 * g.vector, conc=4 * g.cols, output=3 * 4 * g.cols,
                     vector=2 * 2 * g.cols, stats=2 * 8)


def _rows(target: Target, form: RowsForm) -> Iterator[RowsMapping]:
    machine, size = target.machine, {"f16": 2, "u16": 2}.get(form.dtype, 4)
    if form.what in ("gather", "gather_norm", "cut"):
        yield RowsMapping(m=m_tile_rows(target), n=target.vector)
    elif form.what == "norm":
        whole = tile_rows(machine, output=2 * 2 * form.cols, stats=8)
        if not form.moments and whole >= min(16, form.rows):
            yield RowsMapping(m=whole, n=form.cols)
        columns = min(SWEPT_COLS, form.cols)
        yield RowsMapping(m=tile_rows(machine, output=2 * 2 * columns, stats=8), n=columns)
    elif form.what == "rope":
        yield RowsMapping(m=tile_rows(machine, vector=4 * 2 * form.head, output=4 * 2 * form.head, ids=4 * 4), n=form.head)
    elif form.what == "elementwise":
        columns = min(SWEPT_COLS, form.cols)
        yield RowsMapping(m=tile_rows(machine, 512, output=4 * columns, vector=4 * columns), n=columns)
    else:
        columns = min(form.cols, MOVED_COLS)
        yield RowsMapping(m=max(1, min(LONGEST, machine.buffer_bytes("output") // 2 // (columns * size))), n=columns)


def no_mapping(target: Target, form: Form) -> FocusError:
    """The error where a form has no legal mapping: of each memory that is too small for the smallest one, what is needed and what there is."""
    g, machine = target.geometry, target.machine
    least: GemmMapping | AttentionMapping | RowsMapping
    if isinstance(form, GemmForm):
        least = GemmMapping(form=form.half, turn=form.turn, m=form.rows if form.visual is not None else min(form.rows, least_rows(g)), n=g.cols,
                            partials=int(form.unique), shared_slices=form.unique, residual_tiles=int(form.residual))
    elif isinstance(form, AttentionForm):
        unit = g.vector if form.fixed else g.rows
        blocks = max(n for n in (1, 2, 3, 4) if form.head_dim % n == 0)
        least = AttentionMapping(m=form.fixed or min(form.rows, least_rows(g)), step=g.cols, kv_cols=min(unit, form.head_dim),
                                 out_cols=form.head_dim // blocks, stays="queries" if form.scores_only else "none", partials=int(form.fixed > 0))
    elif isinstance(form, RowsForm):
        least = RowsMapping(m=form.rows if form.what.startswith("gather") else 1, n=1 if not form.head else form.head)
    else:
        return FocusError(f"probabilities of {form.visual} x {form.keys} cannot go through DRAM on machine '{machine.name}'")
    needs = footprint(target, form, least)[0].bytes()
    if fits(machine, needs):
        return FocusError(problem(target, form, least) or "has no mapping")
    return FocusError(no_room(machine, needs, SMALLER if _smaller_helps(target, form, least) else None))


def _smaller_helps(target: Target, form: GemmForm | AttentionForm | RowsForm, least: GemmMapping | AttentionMapping | RowsMapping) -> bool:
    """Whether the number of visual rows of a tile is what does not fit."""
    if not form.visual or (isinstance(form, AttentionForm) and not form.fixed):
        return False
    few = replace(form, rows=1, visual=1) if not isinstance(form, AttentionForm) else replace(form, fixed=1, visual=1)
    return fits_all(target.machine, footprint(target, few, replace(least, m=1)))
