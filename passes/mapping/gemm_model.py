"""Cost of a GEMM: cycles and DRAM bytes of its kernels.

In: rates, a form, a mapping.  Out: `predict_gemm`.

A kernel is n-tiles of k-slices.  A slice takes as long as its array passes, its scatters, its loads, or the period of the slowest ring of
buffers.  Between n-tiles the array waits for accumulators without a second slot until the epilogue has read them.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from focus.dialects.mapping import GemmMapping
from focus.passes.kernels.forms import GemmForm
from focus.passes.kernels.linear import ASIDE, gemm_places, in_body, unroll_of, weight_pieces
from focus.passes.kernels.places import ceil, widths
from focus.passes.mapping.rates import INDEX, PUBLISHED_BLOCK, VALUE, Cost, Rates

START = 30                  #: cycles until the first instruction of a kernel starts


def predict_gemm(rates: Rates, form: GemmForm, mapping: GemmMapping) -> Cost:
    """Cycles and DRAM bytes of all m-tiles."""
    if form.resample:
        return _resample(rates, form, mapping)
    kernel = _Kernel(rates, form, mapping)
    total = Cost(0, 0)
    last = None
    for rows, count in ([(form.rows, form.tiles)] if form.visual is not None else row_tiles(form.rows, min(mapping.m, form.rows))):
        last = _Tile(kernel, rows)
        total += last.all().times(count)
    assert last is not None
    return (total + Cost(START + last.ends(), 0)).times(form.repeat)


def row_tiles(rows: int, m: int) -> list[tuple[int, int]]:
    """(rows of a tile, number of such tiles) when `rows` are cut into tiles of m."""
    full, rest = divmod(rows, m)
    return [(m, full)] * (full > 0) + [(rest, 1)] * (rest > 0)


def _resample(rates: Rates, form: GemmForm, t: GemmMapping) -> Cost:
    """A constant times tokens, which are the stationary operand."""
    g, tm = rates.geometry, rates.timing
    slices, columns = ceil(form.k, g.rows), ceil(form.n, g.cols)
    array = sum(tm.array(rows) * count for rows, count in row_tiles(form.rows, t.m)) * slices * columns
    tiles = ceil(form.rows, t.m) * ceil(form.n, t.n)
    nbytes = VALUE * (form.k * form.n * ceil(form.rows, t.m) + form.rows * form.k * ceil(form.n, t.n) + form.rows * form.n)
    return Cost(max(array, rates.bus(nbytes)) + tiles * (tm.fill + rates.latency), nbytes).times(form.repeat)


@dataclass
class _Kernel:
    """What all m-tiles of a kernel share."""
    rates: Rates
    form: GemmForm
    mapping: GemmMapping
    slots: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        places = gemm_places(self.form, self.mapping, self.rates.geometry)
        names = list(places.table)
        weights = [name for name in names if name.startswith("w.")]
        inner = [] if self.mapping.shared_slices else ["x", *weights, "map"]
        outer = ["bias", *([] if self.mapping.shared_slices else [name for name in names if ".rest" in name]), "residual"]
        others = [name for name in names if name.startswith(("acc", "result"))] + ["partial", "unique_out", "map_out", "aside", "gate", "up"]
        self.slots = self.rates.slots(places, inner + outer + others, self.mapping.slots)

    def ring(self, name: str) -> list[int]:
        """Slots of the buffers of a name, in a k-slice or, where only a narrower one is left, in that."""
        if self.mapping.stays == "input" and name == "x":
            return self.slots.get("x", [1])
        rest = name.replace("w.", "w.rest.") if name.startswith("w.") else f"{name}.rest"
        return self.slots.get(name) or self.slots.get(rest) or [1]


@dataclass
class _Tile:
    """One m-tile of `rows` rows."""
    kernel: _Kernel
    rows: int

    def __post_init__(self) -> None:
        rates, form = self.kernel.rates, self.kernel.form
        g, tm = rates.geometry, rates.timing
        self.rates, self.form, self.mapping = rates, form, self.kernel.mapping
        self.visual = form.visual or 0
        self.identity = 0 if form.visual is None else form.rows - self.visual
        self.scattered = form.unique and self.visual > 0
        streamed = rates.unique(self.visual, self.identity) if form.unique else self.rows
        self.streamed, self.array, self.done = streamed, tm.array(streamed), tm.array_latency(streamed)
        self.scatter = tm.scatter(self.rows, g.cols) if self.scattered else 0
        depth = g.vector if form.unique else g.rows
        self.slices, self.width = ceil(form.k, depth), min(depth, form.k)
        self.parts = ceil(g.vector, g.rows) if form.unique else 1           # array passes of a slice

    def all(self) -> Cost:
        """All n-tiles, and the operand that stays."""
        whole, rest = divmod(self.form.n, self.mapping.n)
        total = Cost(0, 0)
        for n, times in ((self.mapping.n, whole), (rest, 1 if rest else 0)):
            if times:
                total += self._columns(n).times(times)
        if self.mapping.stays == "input":
            nbytes = self.rates.transfer(self.rows, VALUE * self.form.k, VALUE * self.form.k)
            hidden = min(self.kernel.ring("x")) > 1
            total += Cost(0 if hidden else self.rates.bus(nbytes) + self.rates.latency, nbytes)
        return total

    def ends(self) -> float:
        """Cycles that overlap with nothing: the first loads, and the epilogue of the last n-tile."""
        n = min(self.mapping.n, self.form.n)
        first = self._weights(n) + self._input() + (self.rows * self.form.k * VALUE if self.mapping.stays == "input" else 0)
        out, gather = self._results(n), max(self._gathers(n), default=0)
        loads = self.rates.bus(first) + 2 * self.rates.latency
        return loads + self.done + sum(self._epilogues(n)) + gather + self.rates.bus(out) / max(1, self._subs(n))

    # ---- bytes -------------------------------------------------------------------------------------------------------
    def _subs(self, n: int) -> int:
        return ceil(n, self.rates.geometry.cols)

    def _weights(self, n: int) -> float:
        """Of a k-slice of all weight matrices."""
        return self.rates.transfer(n, VALUE * self.width, VALUE * self.form.k) * self.form.weights

    def _input(self) -> float:
        """Of a k-slice of the operand, with its map."""
        if self.form.unique:
            data = self.rates.transfer(self.streamed, VALUE * self.width, VALUE * self.width)
            return data + (self.rates.transfer(1, INDEX * self.visual, INDEX * self.visual) if self.visual else 0)
        return 0 if self.mapping.stays == "input" else self.rates.transfer(self.rows, VALUE * self.width, VALUE * self.form.k)

    def _rows_of(self, n: int) -> float:
        """Of an n-tile's results or residual, a sub-tile at a time."""
        subs, rest = divmod(n, cols := self.rates.geometry.cols)
        of = lambda width: self.rates.transfer(self.rows, VALUE * width, VALUE * self.form.n)
        return subs * of(cols) + (of(rest) if rest else 0)

    def _results(self, n: int) -> float:
        if not self.form.gathered:
            return self._rows_of(n)
        vector, count = self.rates.geometry.vector, ceil(n, self.rates.geometry.vector)
        compact = self.rates.transfer(self.rates.unique(self.visual, self.identity) * count, VALUE * vector, VALUE * vector)
        return compact + count * (self.rates.transfer(1, INDEX * self.visual, INDEX * self.visual) if self.visual else 0)

    # ---- cycles ------------------------------------------------------------------------------------------------------
    def _columns(self, n: int) -> Cost:
        """One n-tile."""
        rates, form = self.rates, self.form
        slice_, subs = self._slice(n), self._subs(n)
        epilogues, gathers, out = self._epilogues(n), self._gathers(n), self._results(n)
        clipped = form.k / (self.width * self.slices) if form.k else 1          # the last slice is narrower
        added = self._added(n) if form.added else Cost(0, 0)
        nbytes = (self._weights(n) + self._input()) * self.slices * clipped + out + added.dram_bytes
        of_bias = self.rows if form.turn == "across" else n
        nbytes += (self._rows_of(n) if form.residual else 0) + form.biases * rates.transfer(1, VALUE * of_bias, VALUE * of_bias)
        main = slice_ * self.slices + added.cycles + self._waits(subs, slice_ / subs, epilogues, gathers, out)
        return Cost(max(main, sum(epilogues), sum(gathers), rates.bus(nbytes)), nbytes)

    def _slice(self, n: int) -> float:
        """Cycles of a k-slice: those of its passes, or of the slowest thing they wait for."""
        rates, form, t = self.rates, self.form, self.mapping
        subs, cols = self._subs(n), rates.geometry.cols
        each = subs * form.weights
        bounds = [self.array * self.parts * each, self.scatter * each, rates.bus(self._weights(n) + self._input())]
        if self.scattered:
            bounds.append(((self.parts - 1) * self.array + self.done + self.scatter) / max(1, t.partials) * each)
        if self.scattered and subs < self._subs(min(t.n, form.n)) and self._subs(t.n) > t.partials:
            bounds.append(self.done + self.scatter)     # passes of columns beyond the matrix are empty, but wait for their buffer of partial sums
        body = in_body(form.k // rates.geometry.vector, unroll_of(form, t, subs)) if form.unique and not t.shared_slices else 1
        body = max(1, body)
        loads: list[tuple[float, float, float]] = []         # slots, cycles from the first use to the last, bytes; in order of the loads
        if self._input():
            loads.append((min(self.kernel.ring("x")) * body, (self.parts * each - 1) * self.array, self._input()))
        pieces, places = weight_pieces(subs, t), t.weight_places
        turns: dict[int, list[float]] = {}      # of a place in which pieces take turns: cycles that each of them takes it for
        for i, piece in enumerate(pieces):
            passes = (len(piece) - 1) * form.weights * self.parts + self.parts - 1
            nbytes = rates.transfer(min(len(piece) * cols, n), VALUE * self.width, VALUE * form.k)
            rings = self.kernel.ring(f"w.{i % places}")
            if len(pieces) > places:
                turns.setdefault(i % places, []).append(rates.period(passes * self.array + self.done, nbytes * form.weights, 1))
                if i >= len(pieces) - places:       # the last one in its place; that of the next slice is loaded meanwhile, where it has a slot
                    before = sum(len(p) for p in pieces[:i % places]) * form.weights * self.parts * self.array
                    bounds += [sum(turns[i % places]) / (min(rings) * body), before + sum(turns[i % places][1:]) + (passes + 1) * self.array]
                continue
            loads += [(min(rings[w::form.weights] or rings) * body, passes * self.array, nbytes) for w in range(form.weights)]
        for i, (slots, use, nbytes) in enumerate(loads):
            ahead = sum(other for held, _, other in loads[:i] if held <= slots)          # loads before it wait for the same passes
            bounds.append(rates.period(use + self.done, nbytes + ahead, slots))
        if self.scattered:
            use = (each - 1) * max(self.array * self.parts, self.scatter) + (self.parts - 1) * self.array + self.done + self.scatter
            bounds.append(rates.period(use, INDEX * self.visual, min(self.kernel.ring("map")) * body))
        return max(bounds)

    def _added(self, n: int) -> Cost:
        """Adding the transpose of a matrix to the accumulators of an n-tile: a block of rows, as many as the array has, after the other."""
        rates, cols, side = self.rates, self.rates.geometry.cols, min(self.rates.geometry.rows, self.rows)
        blocks, one = ceil(self.rows, side), rates.timing.array(side)
        turns: dict[int, float] = {}            # of a place in which pieces take turns: cycles of a block
        for i, piece in enumerate(weight_pieces(self._subs(n), self.mapping)):
            place = i % self.mapping.weight_places
            nbytes = rates.transfer(min(len(piece) * cols, n), VALUE * side, VALUE * self.rows * self.form.tiles)
            turns[place] = turns.get(place, 0) + rates.period((len(piece) - 1) * one + rates.timing.array_latency(side), nbytes, 1)
        bounds = [cycles / min(self.kernel.ring(f"w.turned.{place}")) for place, cycles in turns.items()]
        nbytes = rates.transfer(n, VALUE * side, VALUE * self.rows * self.form.tiles)
        return Cost(max(self._subs(n) * one, rates.bus(nbytes), *bounds), nbytes).times(blocks)

    def _waits(self, subs: int, each: float, epilogues: list[float], gathers: list[float], out: float) -> float:
        """Cycles for which the first passes of an n-tile wait for accumulators without a second slot.  each: cycles of a sub-tile in a slice."""
        single = next((s for s in range(subs) if self.kernel.slots[f"acc{s}"][0] < 2), subs)
        free, one, store = 0.0, self.rates.bus(out) / subs, []
        for s, cycles in enumerate(epilogues):
            free += cycles
            left = free
            if self.mapping.pairs_aside:
                done = max(0, s + 1 - self.mapping.pairs_aside)         # sub-tiles whose places are free again
                leaving = 2 * self._leaving(self.rates.geometry.cols)
                left = leaving * (s + 1) + sum(epilogues[:done]) - leaving * done
                if done and gathers:
                    left = max(left, epilogues[0] + sum(gathers[:done]))
            elif self.form.aside:
                left = sum(self._leaving(self.rates.geometry.cols) for _ in range(s + 1)) + max(0, s + 1 - ASIDE) * cycles
            elif self.form.gathered and not self.mapping.separate_result and self.form.residual:
                left += sum(gathers[:max(0, s + 1 - self.mapping.residual_tiles)])
            elif self.form.gathered and not self.mapping.separate_result:
                left = max(free + gathers[s], epilogues[0] + sum(gathers[:s + 1]))
            elif not self.form.gathered:
                left += one
            store.append(left)
        return max([0.0] + [store[s] - s * each for s in range(single, subs)])

    def _leaving(self, cols: int) -> float:
        """Cycles of moving a sub-tile out of its accumulators."""
        vector = self.rates.timing.vector
        return vector("v.zip", self.rows, cols, "add") if self.form.biases else vector("v.map", self.rows, cols, "copy")

    def _epilogues(self, n: int) -> list[float]:
        """Cycles of the vector unit for each sub-tile."""
        subs, rest = divmod(n, cols := self.rates.geometry.cols)
        return [self._epilogue(cols)] * subs + ([self._epilogue(rest)] if rest else [])

    def _epilogue(self, width: int) -> float:
        """Cycles of the vector unit for a sub-tile of so many columns."""
        form = self.form
        vector = lambda mnemonic, op: self.rates.timing.vector(mnemonic, self.rows, width, op)
        steps = form.biases * vector("v.zip", "add") + (2 - form.biases) * bool(self.mapping.pairs_aside) * vector("v.map", "copy")
        if form.weights == 2 or form.slow:
            steps += vector("v.map", "silu")
        if form.weights == 2:
            steps += vector("v.zip", "mul")
        if form.aside and not form.biases:
            steps += vector("v.map", "copy")
        if form.residual:
            steps += vector("v.zip", "mul" if form.half == "product" else "add")
        return (steps or vector("v.map", "copy")) + (vector("v.reduce", "moments") if form.moments else 0)

    def _gathers(self, n: int) -> list[float]:
        """Cycles of the similarity concentrator for each sub-tile."""
        if not self.form.gathered:
            return []
        vector = self.rates.geometry.vector
        return [self.rates.timing.sic_gather(self.visual, self.identity, PUBLISHED_BLOCK, min(width, vector)) * ceil(width, vector)
                for width in widths(n, self.rates.geometry.cols)]
