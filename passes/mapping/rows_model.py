"""Cost of sweeps over rows and of moving rows: cycles and DRAM bytes.

In: rates, a form, a mapping.  Out: `predict_rows`.

A tile is loaded, worked on and stored.  Tiles follow each other as fast as the bus, the vector unit or the concentrator lets them, or as a
tile's whole way takes, divided by the slots of its place.
"""
from __future__ import annotations

from dataclasses import dataclass

from focus.dialects.mapping import RowsMapping
from focus.passes.kernels.concentrate import elementwise_places, gather_places, norm_places, rope_places
from focus.passes.kernels.forms import RowsForm
from focus.passes.kernels.movement import move_places
from focus.passes.kernels.places import Places, ceil, widths
from focus.passes.mapping.rates import ID, INDEX, PUBLISHED_BLOCK, VALUE, Cost, Rates

STATS = 8               #: bytes of a row's moments
START = 10              #: cycles of a kernel before the first and after the last tile
SIZES = {"f16": 2, "u16": 2}


@dataclass(frozen=True)
class _Tile:
    """Bytes in, bytes out, cycles of the unit that works on it, for one tile."""
    load: float
    store: float
    work: float = 0.0

    def __add__(self, other: _Tile) -> _Tile:
        return _Tile(self.load + other.load, self.store + other.store, self.work + other.work)


def predict_rows(rates: Rates, form: RowsForm, mapping: RowsMapping) -> Cost:
    """Cycles and DRAM bytes of all rows."""
    if form.what == "cut":
        return Cost(0, 0)
    if form.what.startswith("gather"):
        return _gather(rates, form)
    make = {"norm": _norm, "rope": _rope, "elementwise": _elementwise}.get(form.what, _moved)
    total = Cost(0, 0)
    for rows, count in _cut(form.rows, mapping.m):
        total += make(rates, form, mapping, rows).times(count)
    return (total + Cost(START, 0)).times(form.repeat)


def _cut(total: int, size: int) -> list[tuple[int, int]]:
    full, rest = divmod(total, size)
    return [(size, full)] * (full > 0) + [(rest, 1)] * (rest > 0)


def _loop(rates: Rates, tile: _Tile, count: float, slots: float) -> Cost:
    """`count` tiles through a ring of `slots`."""
    way = rates.latency + rates.bus(tile.load) + tile.work + rates.bus(tile.store)
    return Cost(max(rates.bus(tile.load + tile.store), tile.work, way / min(slots, count)) * count, (tile.load + tile.store) * count)


def _slots(rates: Rates, places: Places, name: str, mapping: RowsMapping, *after: str) -> int:
    return min(rates.slots(places, [name, *after], mapping.slots).get(name, [1]))


def _norm(rates: Rates, form: RowsForm, t: RowsMapping, rows: int) -> Cost:
    places, pitch, columns = norm_places(form, t), VALUE * form.cols, min(t.n, form.cols)
    vector, tiles = rates.timing.vector, ceil(form.cols, columns)
    data = rates.transfer(rows, VALUE * columns, pitch)
    normalise = vector("v.normalize", rows, columns, extra=form.bias)
    stats = vector("v.stats", rows)
    slots = _slots(rates, places, "part", t)
    if columns == form.cols and not form.moments:
        return _loop(rates, _Tile(data, data, vector("v.reduce", rows, columns, "moments") + stats + normalise), 1, slots)
    swept = Cost(0, 0)
    if not form.moments:
        swept = _loop(rates, _Tile(data, 0, vector("v.reduce", rows, columns, "moments")), tiles, _slots(rates, places, "swept", t, "part"))
    known = STATS * rows if form.moments else 0
    return swept + _loop(rates, _Tile(data, data, normalise), tiles, slots) + Cost(stats + rates.latency + rates.bus(known), known)


def _rope(rates: Rates, form: RowsForm, t: RowsMapping, rows: int) -> Cost:
    width = VALUE * form.head
    head = rates.transfer(rows, width, VALUE * form.cols)
    tables = 2 * (rates.transfer(rows, width, width) + (ID * rows if form.second else 0))
    slots = _slots(rates, rope_places(form, t), "head", t, "rotated")
    heads = _loop(rates, _Tile(head, head, rates.timing.vector("v.rope", rows, form.head)), form.cols // form.head, slots)
    return heads + Cost(rates.bus(tables), tables)


def _elementwise(rates: Rates, form: RowsForm, t: RowsMapping, rows: int) -> Cost:
    total, slots = Cost(0, 0), _slots(rates, elementwise_places(form, t), "a", t)
    vector = rates.timing.vector
    for columns, count in _cut(form.cols, min(t.n, form.cols)):
        data = rates.transfer(rows, VALUE * columns, VALUE * form.cols)
        work = vector("v.zip", rows, columns, "add") if form.second else vector("v.map", rows, columns, "silu")
        total += _loop(rates, _Tile(data * (1 + form.second), data, work), count, slots)
    return total


def _moved(rates: Rates, form: RowsForm, t: RowsMapping, rows: int) -> Cost:
    size, total = SIZES.get(form.dtype, 4), Cost(0, 0)
    slots = _slots(rates, move_places(form, t), "rows", t)
    for columns, count in _cut(form.cols, min(t.n, form.cols)):
        data = rates.transfer(rows, size * columns, size * form.cols)
        taken = rows * rates.transfer(1, size * columns, size * form.cols) if form.second else data
        total += _loop(rates, _Tile(taken, data), count, slots)
    return total + Cost(0, ID * rows if form.second else 0)


def _gather(rates: Rates, form: RowsForm) -> Cost:
    """One m-tile, slice by slice; with a norm, after the moments of its rows."""
    vector, norm = rates.geometry.vector, form.what == "gather_norm"
    total, swept = Cost(START, ID * form.visual), Cost(0, 0)
    identity = form.rows - form.visual
    slots = rates.slots(gather_places(form, vector), ["slice", "slice.rest", "unique", "unique.rest", "map", "map.rest"], 4)
    for width in widths(form.cols, vector)[:1] + [form.cols % vector] * (form.cols % vector > 0 and form.cols > vector):
        count = form.cols // vector if width == vector else 1
        data = rates.transfer(form.rows, VALUE * width, VALUE * form.cols)
        out = rates.transfer(rates.unique(form.visual, identity), VALUE * width, VALUE * width) + INDEX * form.visual
        work = rates.timing.sic_gather(form.visual, identity, PUBLISHED_BLOCK, width)
        normalise = rates.timing.vector("v.normalize", form.rows, width, extra=form.bias) if norm else 0
        ring = min(slots["slice" if width == vector else "slice.rest"])
        way = 2 * rates.latency + rates.bus(data) + work + normalise
        total += Cost(max(rates.bus(data + out), work, normalise, way / ring) * count, (data + out) * count)
        if norm and not form.moments:
            swept += _loop(rates, _Tile(data, 0, rates.timing.vector("v.reduce", form.rows, width, "moments")), count, 2)
    first = rates.latency + (rates.timing.vector("v.stats", form.rows) if norm else 0)
    known = STATS * form.rows if norm and form.moments else 0
    return (total + swept + Cost(first + rates.bus(known), known)).times(form.repeat)
