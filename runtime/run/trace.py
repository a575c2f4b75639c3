"""Concentration traces: what a run found similar, and all that a data-free run needs beyond the binary.

In: arrays per site, or a safetensors file.  Out: `Trace`, checked against a binary, and its unique-vector counts per (m-tile, slice).

Keys (docs/algorithm.md), for each layer l and site s:
    retained/{l}/{s}   int32 [n]            original visual-token indices seen by that site, ascending; none for sites of the vision tower
    group/{l}/{s}      int32 [n, slices]    row of the representative of each vector; its own row if it is unique
    zero/{l}/{s}       uint8 [n, slices]    1 where the vector is all zeros
A compact trace, enough to time a program, has in place of group and zero
    counts/{l}/{s}     int32 [tiles, slices]    unique vectors of each (m-tile, slice)
Metadata (strings): model, grid, V, S, block, vector, threshold, m_tile, hoist, overrides; JSON where they are not plain words.
"""
from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors.numpy import save_file

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.sites import SITES, sees_all

if TYPE_CHECKING:
    from focus.runtime.run.fxb import Binary
    from focus.runtime.spec.concentration import Concentration
    from focus.runtime.spec.tokens import TokenLayout

PARTS: dict[str, np.dtype[Any]] = {"retained": np.dtype(np.int32), "group": np.dtype(np.int32), "zero": np.dtype(np.uint8)}
COMPACT: dict[str, np.dtype[Any]] = {"retained": np.dtype(np.int32), "counts": np.dtype(np.int32)}


class MergingSite(Protocol):
    """What a trace has to know of a place where vectors are merged, whether a binary states it (`fxb.Site`) or a plan (`synth.TraceSite`)."""
    @property
    def name(self) -> str:
        """`layer/site`, as in the keys."""
    @property
    def site(self) -> str:
        """One of `ALL_SITES`."""
    @property
    def visual(self) -> int:
        """Visual rows."""
    @property
    def slices(self) -> int:
        """Vectors of a row."""
    @property
    def tiles(self) -> tuple[tuple[int, int, int], ...]:
        """(first visual row, identity rows, visual rows) of each m-tile."""


class Trace(dict[str, np.ndarray]):
    """A dictionary of numpy arrays with the keys above, `metadata`, a dictionary of strings, and `path`, the file it is from."""

    def __init__(self, arrays: Mapping[str, np.ndarray] | None = None, metadata: Mapping[str, str] | None = None,
                 path: str | os.PathLike | None = None):
        super().__init__(arrays or {})
        self.metadata, self.path = dict(metadata or {}), path

    def save(self, path: str | os.PathLike) -> None:
        """Write a safetensors file, whole or not at all.  Raises FocusError."""
        with atomic_write(path) as temporary:
            save_file({key: np.ascontiguousarray(value) for key, value in self.items()}, temporary, metadata=self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Trace:
        """A trace from a safetensors file, whose arrays are mapped, not read.  Raises FocusError naming the file."""
        from focus.runtime.run.fxb import open_mapped
        return cls(*open_mapped(path), path)


def write(path: str | os.PathLike, shapes: Mapping[str, tuple[np.dtype, tuple[int, ...]]], arrays: Iterable[tuple[str, np.ndarray]],
          metadata: Mapping[str, str]) -> None:
    """Write a trace of which one array is in memory at a time: `arrays` yields them by name, in any order.  Raises FocusError."""
    table: dict[str, dict[str, Any]] = {}
    end = 0
    for key, (dtype, shape) in sorted(shapes.items(), key=lambda item: (-item[1][0].itemsize, item[0])):    # widest first: all are aligned
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        table[key] = {"dtype": {1: "U8", 4: "I32"}[dtype.itemsize], "shape": list(shape), "data_offsets": [begin, end]}
    header = json.dumps({"__metadata__": dict(metadata)} | table, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    missing = set(shapes)
    with atomic_write(path) as temporary, open(temporary, "wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.truncate(8 + len(header) + end)
        for key, array in arrays:
            dtype, shape = shapes[key]
            assert array.shape == tuple(shape), key
            out.seek(8 + len(header) + table[key]["data_offsets"][0])
            out.write(np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8).data)
            missing.discard(key)
    assert not missing, missing


def from_simulator(found: Sequence[Mapping[str, np.ndarray]], binary: Binary, id_lists: Sequence[np.ndarray] = ()) -> Trace:
    """The trace of a functional run: what the simulator recorded, one entry for each site of the binary, and the retained tokens of every
    layer, from the original indices left after each pruning (`id_lists`)."""
    arrays = retained(binary, id_lists) | {f"{part}/{site.name}": np.ascontiguousarray(entry[part], dtype)
              for site, entry in zip(binary.sites, found, strict=True) for part, dtype in parts_of(site).items()}
    return Trace(arrays, metadata(binary))


def parts_of(site: MergingSite, compact: bool = False) -> dict[str, np.dtype[Any]]:
    """The arrays a trace has of a site; in the vision tower, where nothing is pruned, no list of retained tokens."""
    parts = COMPACT if compact else PARTS
    return parts if site.site in SITES else {part: dtype for part, dtype in parts.items() if part != "retained"}


def retained(binary: Binary, id_lists: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """`retained/{l}/{s}` of every layer and site; in a layer that prunes, the first sites still see the tokens from before."""
    if binary.tokens is None or not binary.tokens.V:
        return {}
    now, lists = np.arange(binary.tokens.V, dtype=np.int32), iter(id_lists)
    out: dict[str, np.ndarray] = {}
    counts = binary.concentration.retained(binary.layers, binary.tokens.V)
    for layer in range(binary.layers):
        before = now
        if counts[layer + 1] < counts[layer]:
            now = next(lists)
        out |= {f"retained/{layer}/{site}": before if binary.concentration.sees_all(site) else now for site in SITES}
    return out


def metadata(binary: Binary) -> dict[str, str]:
    """The metadata of traces of a binary."""
    return describe(binary.model, binary.concentration, binary.tokens)


def describe(model: str, c: Concentration, tokens: TokenLayout | None) -> dict[str, str]:
    """The metadata of traces of a model with this concentration and these tokens."""
    out = {"model": model, "block": json.dumps(c.block), "vector": str(c.vector), "threshold": repr(c.threshold),
           "m_tile": str(c.rows_of_tile), "hoist": str(c.hoists).lower(),
           "overrides": json.dumps([o.model_dump(mode="json", exclude_none=True) for o in c.overrides])}
    if tokens:
        out |= {"V": str(tokens.V), "S": str(tokens.S), "grid": json.dumps([g.model_dump() for g in tokens.grids])}
    return out


def check(trace: Mapping[str, np.ndarray], binary: Binary) -> None:
    """Whether a trace can drive a binary: it has every site, in the right sizes, and obeys the algorithm.

    Raises FocusError with the file, if the trace is from one, and the first key that is wrong; and with the model, if the trace is of another.
    """
    try:
        _check(trace, binary)
    except FocusError as e:
        path = getattr(trace, "path", None)
        raise FocusError(f"{path}: {e}" if path else str(e)) from None


def _check(trace: Mapping[str, np.ndarray], binary: Binary) -> None:
    theirs = getattr(trace, "metadata", {})
    for key, ours in metadata(binary).items():
        if key in theirs and theirs[key] != ours:
            raise FocusError(f"trace of another model or configuration: {key} is {theirs[key]}, the binary has {ours}")
    parts = {site.name: parts_of(site, f"counts/{site.name}" in trace) for site in binary.sites}
    wanted = {f"{part}/{site}" for site, names in parts.items() for part in names}
    if missing := wanted - trace.keys():
        raise FocusError(f"trace of another model: it has no '{min(missing)}'")
    optional = {f"retained/{layer}/{site}" for layer in range(binary.layers) for site in SITES}     # also of layers that merge nothing
    if unknown := trace.keys() - wanted - optional:
        raise FocusError(f"trace of another model: the binary has no site for '{min(unknown)}'")
    shapes = {f"{part}/{site.name}": shape for site in binary.sites for part, shape in (
        ("retained", (site.visual,)), ("group", (site.visual, site.slices)), ("zero", (site.visual, site.slices)),
        ("counts", (len(site.tiles), site.slices)))}
    arrays = {key: array_of(trace, key, shapes.get(key)) for key in trace}
    check_retained(arrays, binary.tokens.V if binary.tokens else 0, binary.concentration.hoists)
    for site in binary.sites:
        if "counts" in parts[site.name]:
            _check_counts(site, arrays[f"counts/{site.name}"])
        else:
            check_site(site, arrays[f"group/{site.name}"], arrays[f"zero/{site.name}"])


def array_of(trace: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An array of a trace if it is there, has the type of its part and this shape (where None: the dimensions of its part).  Of a mapped one
    nothing is read.  Raises FocusError."""
    if key not in trace:
        raise FocusError(f"trace: it has no '{key}'")
    part = key.partition("/")[0]
    try:
        array = np.asarray(trace[key])
    except (TypeError, ValueError, RuntimeError):
        raise FocusError(f"trace '{key}' is no array, but {type(trace[key]).__name__}") from None
    dimensions, dtype = 1 if part == "retained" else 2, (PARTS | COMPACT)[part]
    if array.ndim != dimensions:
        raise FocusError(f"trace '{key}' has shape {list(array.shape)}; {dimensions} dimension{'s'[:dimensions - 1]} expected")
    if shape is not None and array.shape != shape:
        raise FocusError(f"trace of another model: '{key}' has shape {list(array.shape)}; {list(shape)} expected")
    if array.dtype != dtype:
        raise FocusError(f"trace '{key}' is {array.dtype}; {dtype} expected")
    return array


def arrays_of(trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All arrays of a trace that says what to keep and merge, or of a part of one, each as `array_of` wants it.  Raises FocusError."""
    if not isinstance(trace, Mapping):
        raise FocusError(f"trace: {type(trace).__name__} given; a mapping of names to arrays expected")
    if unknown := [key for key in trace if not isinstance(key, str) or key.partition("/")[0] not in PARTS]:
        raise FocusError(f"trace: unexpected {unknown[0]!r}; names that begin with {', '.join(f'{part}/' for part in PARTS)} expected")
    return {key: array_of(trace, key) for key in trace}


def check_retained(trace: Mapping[str, np.ndarray], visual: int, hoist: bool) -> None:
    """Whether lists of retained tokens agree: tokens are dropped, never regained, and only where a layer prunes (`Concentration.hoist`).
    `trace`: any arrays by their keys.  Raises FocusError."""
    at, before = (-1, True), ""
    keys = [key.split("/") for key in trace if key.startswith("retained/")]
    for layer, place, key in sorted((int(layer), SITES.index(site), f"retained/{layer}/{site}") for _, layer, site in keys):
        ids, stage = trace[key], (layer, not sees_all(SITES[place], hoist))
        if len(ids) and (ids[0] < 0 or ids[-1] >= visual or np.any(np.diff(ids) <= 0)):
            raise FocusError(f"trace '{key}' is not an ascending list of tokens 0..{visual - 1}")
        if before and not np.array_equal(ids, trace[before]):
            kept = stage == at or (stage == (at[0] + 1, False) and at[1])         # nothing is dropped between the two
            wrong = np.setxor1d(ids, trace[before]) if kept else np.setdiff1d(ids, trace[before])
            if len(wrong):
                has, lacks = (key, before) if wrong[0] in ids else (before, key)
                raise FocusError(f"trace '{has}' has token {wrong[0]}, which '{lacks}' has not; tokens are only ever dropped, "
                                 f"{'before the queries' if hoist else 'after the attention'} of a layer")
        at, before = stage, key


def _check_counts(site: MergingSite, counts: np.ndarray) -> None:
    rows = np.array([visual for _, _, visual in site.tiles])[:, None]
    bad = (counts < 0) | (counts > rows)
    if bad.any():
        tile, column = np.argwhere(bad)[0]
        raise FocusError(f"trace 'counts/{site.name}' [{tile}, {column}] is {counts[tile, column]}; 0..{rows[tile, 0]} expected")


def check_site(site: MergingSite, group: np.ndarray, zero: np.ndarray) -> None:
    """Whether the arrays of one site obey the algorithm.  Raises FocusError."""
    rows = np.arange(site.visual)[:, None]
    bad = (group < _first_rows(site)[:, None]) | (group > rows)
    if not bad.any():
        representative = np.take_along_axis(group, group, 0)
        bad = representative != group
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise FocusError(f"trace 'group/{site.name}' [{row}, {column}] is {group[row, column]}, which is no representative before it "
                         f"in its m-tile")
    if zero.max(initial=0) > 1 or np.any(group[zero == 1] != np.broadcast_to(rows, group.shape)[zero == 1]):
        raise FocusError(f"trace 'zero/{site.name}' is not 0 or 1, or an all-zero vector has a representative")


def _first_rows(site: MergingSite) -> np.ndarray:
    """For each visual row of a site, the first visual row of its m-tile."""
    sizes = np.array([visual for _, _, visual in site.tiles], np.int64)
    return np.repeat(np.cumsum(sizes) - sizes, sizes)


def unique_counts(trace: Mapping[str, np.ndarray], site: MergingSite) -> np.ndarray:
    """int32 [tiles, slices]: representatives that are not all zeros, identity rows not counted."""
    if f"counts/{site.name}" in trace:
        return np.ascontiguousarray(trace[f"counts/{site.name}"], np.int32)
    group, zero = (np.asarray(trace[f"{part}/{site.name}"]) for part in ("group", "zero"))
    unique = (group == np.arange(site.visual)[:, None]) & (zero == 0)
    out = np.zeros((len(site.tiles), site.slices), np.int32)
    start = 0
    for i, (_, _, visual) in enumerate(site.tiles):
        out[i] = unique[start:start + visual].sum(0)
        start += visual
    return out
