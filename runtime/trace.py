"""Concentration traces: what a run found similar, and all that a data-free run needs beyond the binary.

In: arrays per site, or a safetensors file.  Out: `Trace`, checked against a binary, and its unique-vector counts per (m-tile, slice).

Keys (docs/algorithm.md), for each layer l and site s:
    retained/{l}/{s}   int32 [n]            original visual-token indices seen by that site, ascending
    group/{l}/{s}      int32 [n, slices]    row of the representative of each vector; its own row if it is unique
    zero/{l}/{s}       uint8 [n, slices]    1 where the vector is all zeros
Metadata (strings): model, grid, V, S, block, vector, threshold, m_tile; JSON where they are not plain words.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .errors import FocusError
from .files import atomic_write

if TYPE_CHECKING:
    from .fxb import Binary, Site

PARTS = {"retained": np.dtype(np.int32), "group": np.dtype(np.int32), "zero": np.dtype(np.uint8)}


class Trace(dict):
    """A dictionary of numpy arrays with the keys above, and `metadata`, a dictionary of strings."""

    def __init__(self, arrays: Mapping[str, np.ndarray] = (), metadata: Mapping[str, str] | None = None):
        super().__init__(arrays)
        self.metadata = dict(metadata or {})

    def save(self, path: str | os.PathLike) -> None:
        """Write a safetensors file, whole or not at all.  Raises FocusError."""
        with atomic_write(path) as temporary:
            save_file({key: np.ascontiguousarray(value) for key, value in self.items()}, temporary, metadata=self.metadata)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Trace:
        """A trace from a safetensors file.  Raises FocusError naming the file."""
        path = Path(path)
        try:
            with open(path, "rb"), safe_open(path, framework="numpy") as file:
                return cls({key: file.get_tensor(key) for key in file.keys()}, file.metadata())
        except OSError as e:
            raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
        except (SafetensorError, TypeError, AttributeError) as e:      # the last two: element types that numpy lacks
            raise FocusError(f"{path}: no readable safetensors file: {e}") from None


def from_simulator(found: Sequence[Mapping[str, np.ndarray]], binary: Binary) -> Trace:
    """The trace of a functional run from what the simulator recorded, one entry for each site of the binary."""
    arrays = {f"{part}/{site.name}": np.ascontiguousarray(entry[part], dtype)
              for site, entry in zip(binary.sites, found, strict=True) for part, dtype in PARTS.items()}
    return Trace(arrays, metadata(binary))


def metadata(binary: Binary) -> dict[str, str]:
    """The metadata of traces of a binary."""
    c, tokens = binary.concentration, binary.tokens
    out = {"model": binary.model, "block": json.dumps(c.block), "vector": str(c.vector), "threshold": repr(c.threshold),
           "m_tile": str(c.m_tile)}
    if tokens:
        out |= {"V": str(tokens.V), "S": str(tokens.S), "grid": json.dumps([g.model_dump() for g in tokens.grids])}
    return out


def check(trace: Mapping[str, np.ndarray], binary: Binary) -> None:
    """Whether a trace can drive a binary: it has every site, in the right sizes, and obeys the algorithm.

    Raises FocusError naming the first key that does not, and says so when the trace is of another model.
    """
    theirs = getattr(trace, "metadata", {})
    for key, ours in metadata(binary).items():
        if key in theirs and theirs[key] != ours:
            raise FocusError(f"trace of another model or configuration: {key} is {theirs[key]}, the binary has {ours}")
    wanted = {f"{part}/{site.name}" for site in binary.sites for part in PARTS}
    if missing := wanted - trace.keys():
        raise FocusError(f"trace of another model: it has no '{min(missing)}'")
    if unknown := {key for key in trace if not key.startswith("retained/")} - wanted:       # layers without a site may say what they retain
        raise FocusError(f"trace of another model: the binary has no site for '{min(unknown)}'")
    for site in binary.sites:
        arrays = [np.asarray(trace[f"{part}/{site.name}"]) for part in PARTS]
        for (part, dtype), array in zip(PARTS.items(), arrays):
            shape = (site.visual,) if part == "retained" else (site.visual, site.slices)
            if array.shape != shape:
                raise FocusError(f"trace of another model: '{part}/{site.name}' has shape {list(array.shape)}; {list(shape)} expected")
            if array.dtype != dtype:
                raise FocusError(f"trace '{part}/{site.name}' is {array.dtype}; {dtype} expected")
        _check_site(site, *arrays, binary.tokens.V)


def _check_site(site: Site, retained: np.ndarray, group: np.ndarray, zero: np.ndarray, visual: int) -> None:
    """The algorithm's invariants on one site."""
    if len(retained) and (retained[0] < 0 or retained[-1] >= visual or np.any(np.diff(retained) <= 0)):
        raise FocusError(f"trace 'retained/{site.name}' is not an ascending list of tokens 0..{visual - 1}")
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


def _first_rows(site: Site) -> np.ndarray:
    """For each visual row of a site, the first visual row of its m-tile."""
    sizes = np.array([visual for _, _, visual in site.tiles], np.int64)
    return np.repeat(np.cumsum(sizes) - sizes, sizes)


def unique_counts(trace: Mapping[str, np.ndarray], site: Site) -> np.ndarray:
    """int32 [tiles, slices]: representatives that are not all zeros, identity rows not counted."""
    group, zero = (np.asarray(trace[f"{part}/{site.name}"]) for part in ("group", "zero"))
    unique = (group == np.arange(site.visual)[:, None]) & (zero == 0)
    out = np.zeros((len(site.tiles), site.slices), np.int32)
    start = 0
    for i, (_, _, visual) in enumerate(site.tiles):
        out[i] = unique[start:start + visual].sum(0)
        start += visual
    return out
