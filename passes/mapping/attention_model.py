"""Cost of attention: cycles and DRAM bytes of its kernels, on the chip and through DRAM.

In: rates, a form, a mapping.  Out: `predict_attention`, `predict_spilled`.

A query tile steps over key columns.  In a step the array makes the scores of each strand, then weights the values, the first block of columns as
soon as the strand's softmax is done; the next step follows.  Causal tiles visit the steps that their last row sees.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import ceil as up

from focus.dialects.mapping import AttentionMapping, SpillMapping
from focus.passes.kernels.attention import VALUE_TILES, attention_places
from focus.passes.kernels.forms import AttentionForm, SpillForm
from focus.passes.kernels.places import ceil
from focus.passes.mapping.gemm_model import row_tiles
from focus.passes.mapping.rates import ID, INDEX, UNIQUE_SHARE, VALUE, Cost, Rates
from focus.passes.mapping.space import spilled_bytes

START = 200             #: cycles of a kernel before the first and after the last step


def predict_attention(rates: Rates, form: AttentionForm, mapping: AttentionMapping) -> Cost:
    """Cycles and DRAM bytes of all heads."""
    kernel = _Kernel(rates, form, mapping)
    total = Cost(0, 0)
    for tile in kernel.tiles():
        total += kernel.tile(*tile)
    together = mapping.strands if form.fixed else 1         # strands of concentrated queries are heads
    return (total.times(form.heads / together) + Cost(START, 0)).times(form.repeat)


@dataclass
class _Kernel:
    """The kernel of one section or group of m-tiles."""
    rates: Rates
    form: AttentionForm
    mapping: AttentionMapping
    steps: dict[tuple[int, int, int], Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        form, t, g = self.form, self.mapping, self.rates.geometry
        places = attention_places(form, t, g)
        names = lambda *starts: [name for name in places.table if name.startswith(starts)]
        order = names("keys", "slice", "map") + names("columns", "values") + names("positions", "q") + names("scores", "probabilities", "partial")
        self.slots = self.rates.slots(places, order + names("softmax", "weighted"), t.slots)
        self.out_cols = min(t.out_cols, form.head_dim)
        self.blocks, self.outs = ceil(form.head_dim, self.out_cols), 0 if form.scores_only else ceil(self.out_cols, g.cols)
        self.unit = g.vector if form.fixed else g.rows
        self.pieces = ceil(form.head_dim, self.unit)
        self.parts = ceil(g.vector, g.rows) if form.fixed else 1                # array passes of a slice

    def ring(self, name: str) -> int:
        return min(self.slots.get(name, [1]))

    def tiles(self) -> list[tuple[int, int, int]]:
        """(rows of a strand, strands, the row after the last) of each query tile."""
        form, t = self.form, self.mapping
        if form.fixed:
            return [(form.visual, t.strands, form.first + (i + 1) * form.visual) for i in range(form.tiles)]
        found = []
        for at in range(0, form.rows, t.m * t.strands):
            left = min(t.m * t.strands, form.rows - at)
            strands = ceil(left, t.m)
            found.append((ceil(left, strands), strands, at + t.m * t.strands))
        return found

    @cached_property
    def _streamed(self) -> int:
        """Rows of concentrated queries that go through the array."""
        return self.rates.unique(self.form.visual, self.form.fixed - self.form.visual)

    def tile(self, rows: int, strands: int, end: int) -> Cost:
        """All steps of a query tile, for all blocks of output columns."""
        form, t, tm = self.form, self.mapping, self.rates.timing
        total = Cost(0, 0)
        for number, (count, ahead) in enumerate(form.regions):
            seen = count if ahead is None else max(0, min(count, end + ahead))
            key = rows, strands, number
            if key not in self.steps:
                self.steps[key] = self._step(number, min(t.step, count), rows, strands)
            total += self.steps[key].times(ceil(seen, t.step) * self.blocks)
        streamed = self._streamed if form.fixed else rows
        queries = strands * self.rates.transfer(streamed, VALUE * form.head_dim, VALUE * form.head_dim * form.heads) if t.stays == "queries" else 0
        out = 0.0 if form.scores_only else strands * self.rates.transfer(rows, VALUE * self.out_cols, VALUE * form.head_dim * form.heads)
        waits: float = tm.array_latency(rows) - tm.array(rows)
        if not form.scores_only:
            waits += tm.vector("v.finish", rows, self.out_cols) + (self.rates.bus(out) if self.ring("weighted0") < 2 else 0)
        if queries and self.ring("q") < 2:
            waits += self.rates.latency + self.rates.bus(queries) + tm.array_latency(streamed)
        return total + Cost(waits * self.blocks, out * self.blocks + queries)

    def _step(self, number: int, step: int, rows: int, strands: int) -> Cost:
        """One step of key columns of region `number`."""
        form, t, rates, tm, g = self.form, self.mapping, self.rates, self.rates.timing, self.rates.geometry
        subs, wide = ceil(step, g.cols), form.head_dim * form.kv_heads * VALUE
        streamed = self._streamed if form.fixed else rows
        array, done = tm.array(streamed), tm.array_latency(streamed)
        one: float = array * self.parts             # a slice's passes for one array width of keys, and
        after = done - array                        # cycles after them until their last result is there
        if form.fixed:
            scatter = tm.scatter(form.fixed, g.cols)
            one = max(one, scatter, ((self.parts - 1) * array + done + scatter) / max(1, t.partials))
            after += scatter
        split = subs if t.split else 1
        softmax, rescale = self._softmax(number, rows, step)
        weigh = tm.array(rows) * ceil(step, g.rows)
        values = rates.transfer(ceil(step, split), VALUE * min(g.cols, self.out_cols), wide)
        turns = max(1, min(VALUE_TILES, self.outs)) * self.ring(f"values.{number}")
        held = min(VALUE_TILES, max(1, self.outs))          # value tiles that a strand goes through before the next one does
        period = rates.period(((strands - 1) * held + 1) * weigh / split - tm.array(rows) + tm.array_latency(rows), values, turns)
        times = _Times(one * self.pieces * subs, after, softmax, rescale, weigh, period)
        cycles = self._order(strands, split, times)

        kv_cols = min(t.kv_cols, form.head_dim)
        tiles = ceil(form.head_dim, kv_cols)
        keys = rates.transfer(step, VALUE * kv_cols, wide)
        queries = 0.0
        if t.stays != "queries":
            width = VALUE * self.unit
            queries = strands * self.pieces * rates.transfer(streamed, width, width if form.fixed else VALUE * form.head_dim * form.heads)
        maps = strands * self.pieces * rates.transfer(1, INDEX * form.visual, INDEX * form.visual) if form.fixed else 0.0
        use = one * ceil(kv_cols, self.unit) * subs * strands - array + done
        ring = rates.period(use, keys + (queries + maps) / tiles, self.ring(f"keys.{number}"))
        scores = one * self.pieces * subs * strands
        cycles = cycles + max(0.0, ring * tiles - scores) if tiles > 1 else max(cycles, ring)
        nbytes = keys * tiles + values * split * self.outs + queries + maps + (rates.transfer(1, ID * step, ID * step) if form.masked else 0)
        return Cost(max(cycles, rates.bus(nbytes), strands * (softmax + rescale * split)), nbytes)

    def _softmax(self, number: int, rows: int, step: int) -> tuple[int, int]:
        """Cycles of the softmax of a strand's scores, and of rescaling its accumulators."""
        vector = self.rates.timing.vector
        bounding = vector("v.map", rows, step, "tanh") if self.form.capped else 0
        if self.form.scores_only:           # statistics in the first sweep, probabilities and their maxima in the second
            return bounding + vector("v.softmax" if not number else "v.prob", rows, step, extra=self.form.masked), 0
        return bounding + vector("v.softmax", rows, step, extra=self.form.masked), vector("v.rescale", rows, self.out_cols)

    def _order(self, strands: int, split: int, times: _Times) -> float:
        """When the array has done a step that begins at 0: it takes passes in order, and so does the vector unit."""
        at, vector = strands * times.scores, 0.0
        ready: list[float] = []
        for s in range(strands):
            for _ in range(split):
                vector = max(vector, (s + 1) * times.scores + times.after) + times.softmax / split + times.rescale
                ready.append(vector)
        if not self.outs:
            return at
        held = 1 if split > 1 else min(VALUE_TILES, self.outs)
        for when in ready:
            at = max(at, when) + held * times.weigh / split
            if split > 1:
                at += (self.outs - 1) * max(times.weigh / split, times.period)
        return at if split > 1 else at + (self.outs - held) * max(strands * times.weigh, times.period)


@dataclass(frozen=True)
class _Times:
    """Cycles in a step of one strand: of its scores on the array, until the last of them is there, of its softmax and of rescaling, of weighting
    the values; and between loads of a tile of values."""
    scores: float
    after: float
    softmax: float
    rescale: float
    weigh: float
    period: float


# ---- through DRAM ------------------------------------------------------------------------------------------------------------
def predict_spilled(rates: Rates, form: SpillForm, mapping: SpillMapping) -> Cost:
    """Cycles and DRAM bytes of making and using the probabilities of all heads."""
    return (_making(rates, form, mapping) + _using(rates, form, mapping)).times(form.heads)


def seen(rows: int, m: int, keys: int) -> float:
    """Share of rows x keys that causal attention visits: each m-tile the columns up to that of its last row, and the keys in front of all."""
    ends = [min(rows, at + m) for at in range(0, rows, m)]
    return sum((end - at) * (keys - rows + end) for at, end in zip(range(0, rows, m), ends)) / (rows * keys)


def _making(rates: Rates, form: SpillForm, t: SpillMapping) -> Cost:
    """One head's scores, from unique query vectors that are read for each step, and the way out of probabilities."""
    tm, g, share = rates.timing, rates.geometry, seen(form.visual, form.tiles[0][0], form.keys)
    rows, slices = sum(r * c for r, c in form.tiles), ceil(form.head_dim, g.vector)
    columns = ceil(form.keys, g.cols)
    array = sum(tm.array(up(r * UNIQUE_SHARE)) * c for r, c in form.tiles) * columns * slices * ceil(g.vector, g.rows)
    scatter = sum(tm.scatter(r, g.cols) * c for r, c in form.tiles) * columns * slices
    softmax = {r: tm.vector("v.softmax", r, g.cols, extra=True) + form.capped * tm.vector("v.map", r, g.cols, "tanh") for r, _ in form.tiles}
    vector = sum(softmax[r] * c for r, c in form.tiles) * columns
    nbytes = (rows * UNIQUE_SHARE * ceil(form.keys, t.step) + sum(c for _, c in form.tiles) * form.keys) * form.head_dim * VALUE
    nbytes += spilled_bytes(form.visual, form.keys, g)
    alone = sum((tm.array_latency(r) + tm.scatter(r, g.cols) + softmax[r] + 2 * rates.latency) * c
                for r, c in form.tiles)           # of each tile's first and last step, which overlap with nothing
    return Cost(max(array, scatter, vector, rates.bus(nbytes)), nbytes).times(share) + Cost(alone, 0)


def _using(rates: Rates, form: SpillForm, t: SpillMapping) -> Cost:
    """One head's values weighted by probabilities from DRAM, which are read for each block of output columns."""
    tm, g, cut = rates.timing, rates.geometry, row_tiles(form.visual, t.m)
    array = sum(tm.array(r) * c for r, c in cut) * ceil(form.keys, g.rows) * ceil(form.head_dim, g.cols)
    nbytes = sum(c for _, c in cut) * form.keys * form.head_dim * VALUE
    nbytes += form.head_dim // t.out_cols * spilled_bytes(form.visual, form.keys, g)
    alone = sum((tm.array_latency(r) + tm.vector("v.finish", r, t.out_cols) + 2 * rates.latency) * c for r, c in cut)
    return Cost(max(array, rates.bus(nbytes)), nbytes).times(seen(form.visual, t.m, form.keys)) + Cost(alone, 0)
