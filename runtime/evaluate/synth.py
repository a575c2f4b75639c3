"""Synthetic traces: what a run might find similar, with a wanted ratio of retained tokens to unique vectors.

In: the sites of a program (`TracePlan`) and a `Recipe`.  Out: arrays of a trace, one site at a time, the same for the same seed; obeying
docs/algorithm.md: tokens are nested from layer to layer, a vector joins only the group of a candidate of its block in its m-tile that is
retained and not zero, and groups are numbered by their first row.  The compact form holds the counts that the full form would have.
Rows of a vision tower may join the row before them: a program does not say where in a picture they are.

Retained tokens come from a smooth field over the cells, as attention favours regions: neighbours tend to stay together.
"""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from focus.runtime.run import trace as traces
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.sites import ALL_SITES, SITES
from focus.runtime.spec.tokens import Grid, Run, TokenLayout

if TYPE_CHECKING:
    from focus.runtime.evaluate.baselines import DecoderSizes
    from focus.runtime.run.fxb import Binary


IN_A_ROW = (1, 1, 2)        #: block of a vision tower's rows


@dataclass(frozen=True)
class TraceSite:
    """A place where vectors are merged: `tiles` are (first row, identity rows, rows) of its m-tiles, `block` the sides of its block."""
    layer: int
    site: str
    slices: int
    visual: int
    tiles: tuple[tuple[int, int, int], ...]
    block: tuple[int, int, int]

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.site}"


@dataclass(frozen=True)
class TracePlan:
    """Everything a trace depends on but the data: sites in order, tokens, and the metadata of the trace."""
    sites: tuple[TraceSite, ...]
    tokens: TokenLayout
    metadata: Mapping[str, str]
    depth: int

    @classmethod
    def of_binary(cls, binary: Binary) -> TracePlan:
        """The plan of a program.  Raises FocusError for one that merges nothing."""
        if not binary.sites or binary.tokens is None:           # a checked binary with sites has a token layout
            raise FocusError(f"{binary.model or 'the program'} merges no vectors (concentration without similarity): it needs no trace")
        block = lambda s: binary.concentration.at(s.layer, s.site).block if s.site in SITES else IN_A_ROW
        sites = tuple(TraceSite(s.layer, s.site, s.slices, s.visual, s.tiles, block(s)) for s in binary.sites)
        return cls(sites, binary.tokens, traces.metadata(binary), max(s.layer for s in sites) + 1)

    @classmethod
    def of_decoder(cls, name: str, decoder: DecoderSizes, tokens: TokenLayout, concentration: Concentration) -> TracePlan:
        """The plan of a decoder's prefill under a schedule, without a program.  Its tiles name no identity rows."""
        widths = dict(zip(SITES, (decoder.hidden, decoder.query_width, decoder.query_width, decoder.hidden, decoder.intermediate)))
        counts = concentration.retained(decoder.layers, tokens.V)
        sites = []
        for layer in range(decoder.layers):
            for site in SITES:
                settings = concentration.at(layer, site)
                if not settings.similarity:
                    continue
                n = counts[layer + (not concentration.sees_all(site))]
                tiles = tuple((row, 0, min(concentration.rows_of_tile, n - row)) for row in range(0, n, concentration.rows_of_tile))
                sites.append(TraceSite(layer, site, -(-widths[site] // concentration.vector), n, tiles, settings.block))
        return cls(tuple(sites), tokens, traces.describe(name, concentration, tokens), decoder.layers)


@dataclass(frozen=True)
class Recipe:
    """What a synthetic trace should look like.

    ratio: retained tokens per unique vector, overall, or by site name (sites left out: 1); 1 merges nothing.  spread: standard deviation of
    the unique vectors of a (tile, slice) relative to their mean.  ramp: factors of `ratio - 1` in the first and last layer, linear between.
    zeros: share of the rows of a tile whose vectors are all zeros.
    """
    ratio: float | Mapping[str, float] = 1.7
    spread: float = 0.0
    ramp: tuple[float, float] | None = None
    zeros: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for site, ratio in self.ratio.items() if isinstance(self.ratio, Mapping) else [("", self.ratio)]:
            if site and site not in ALL_SITES:
                raise FocusError(f"ratio of site '{site}': expected one of {', '.join(ALL_SITES)}")
            if not ratio >= 1 or ratio == float("inf"):
                raise FocusError(f"ratio{' of ' + site if site else ''} is {ratio}; retained tokens per unique vector are 1 or more")
        if not 0 <= self.spread <= 1 or not 0 <= self.zeros < 1:
            raise FocusError(f"spread is {self.spread} and zeros {self.zeros}; 0..1 expected")
        if self.ramp is not None and not all(0 <= factor < float("inf") for factor in self.ramp):
            raise FocusError(f"ramp is {self.ramp[0]}, {self.ramp[1]}; factors of 0 or more expected")
        if self.seed < 0:
            raise FocusError(f"seed is {self.seed}; 0 or more expected")

    def wanted(self, site: TraceSite, depth: int) -> float:
        """The ratio of a site."""
        ratio = self.ratio.get(site.site, 1.0) if isinstance(self.ratio, Mapping) else self.ratio
        if self.ramp is None:
            return ratio
        first, last = self.ramp
        return 1 + (ratio - 1) * (first + (last - first) * (site.layer / max(depth - 1, 1)))


# ---- traces ------------------------------------------------------------------------------------------------------------
def synthesise(plan: TracePlan, recipe: Recipe, compact: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """(key, array) of a trace, site by site.  Raises FocusError for a ratio the tokens cannot have."""
    field_ = _importance(plan.tokens, recipe.seed)
    retained = np.arange(plan.tokens.V, dtype=np.int32)
    tiles: list[_TraceTile] = []
    cut: tuple = ()
    for number, site in enumerate(plan.sites):
        shape = (site.site in SITES, site.visual, tuple(t[2] for t in site.tiles), site.block)
        if shape != cut:
            tokens, ids = plan.tokens, retained
            if site.site in SITES:
                ids = retained = _keep(retained, field_, site.visual)
            else:
                tokens, ids = _row(site.visual), np.arange(site.visual, dtype=np.int32)
            tiles = [_TraceTile.of(ids[row:row + n], tokens, site.block, recipe) for row, _, n in site.tiles if n]
            cut = shape
        rng = np.random.default_rng([recipe.seed, number])
        counts = _counts(site, tiles, recipe, recipe.wanted(site, plan.depth), rng)
        if site.site in SITES:
            yield f"retained/{site.name}", retained
        if compact:
            yield f"counts/{site.name}", _with_empty(site, counts)
        else:
            yield from _groups(site, tiles, counts, rng)


def synth(plan: TracePlan, recipe: Recipe, compact: bool = False) -> traces.Trace:
    """The whole trace in memory.  Raises FocusError."""
    return traces.Trace(dict(synthesise(plan, recipe, compact)), plan.metadata)


def write(path: str | os.PathLike, plan: TracePlan, recipe: Recipe, compact: bool = False) -> None:
    """Write a trace of which one site is in memory at a time.  Raises FocusError; then nothing is written."""
    shapes: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    for site in plan.sites:
        kinds = traces.parts_of(site, compact)
        sizes = {"retained": (site.visual,), "counts": (len(site.tiles), site.slices)}
        shapes |= {f"{part}/{site.name}": (dtype, sizes.get(part, (site.visual, site.slices))) for part, dtype in kinds.items()}
    traces.write(path, shapes, synthesise(plan, recipe, compact), plan.metadata)


# ---- tokens ------------------------------------------------------------------------------------------------------------
def _row(count: int) -> TokenLayout:
    """So many tokens in one row."""
    return TokenLayout(V=count, S=count, runs=(Run(0, count),), grids=(Grid.dense(0, 1, 1, count),))


def _coordinates(tokens: TokenLayout) -> np.ndarray:
    """float [V, 3]: frame, row and column of each visual token by the strides of its grid; newlines stand after their row."""
    grid = np.array([[g.first, *g.strides] for g in tokens.grids])[tokens.grid_numbers()]
    rest, out = np.arange(tokens.V) - grid[:, 0], []
    for stride in grid[:, 1:].T:
        out.append(rest // stride)
        rest = rest % stride
    return np.stack(out, 1).astype(float)


def _importance(tokens: TokenLayout, seed: int) -> np.ndarray:
    """float [V]: a smooth random field over the cells, with a little noise of each token's own."""
    rng = np.random.default_rng([seed, 1 << 20])
    at = _coordinates(tokens)
    waves = rng.normal(size=(24, 3)) * [0.15, 0.35, 0.35]
    return np.cos(at @ waves.T + rng.uniform(0, 2 * np.pi, 24)).sum(1) + 0.2 * rng.normal(size=tokens.V)


def _keep(retained: np.ndarray, field_: np.ndarray, n: int) -> np.ndarray:
    """The n most important of the retained tokens, ascending."""
    if n == len(retained):
        return retained
    order = np.argsort(-field_[retained], kind="stable")[:n]
    return np.sort(retained[order])


@dataclass
class _TraceTile:
    """An m-tile: `candidates` int [n, members], rows each row may join, those that exist first; how many; rows that may join some; zero rows."""
    candidates: np.ndarray
    number: np.ndarray
    joining: np.ndarray
    zero: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.number)

    @classmethod
    def of(cls, ids: np.ndarray, tokens: TokenLayout, block: tuple[int, int, int], recipe: Recipe) -> _TraceTile:
        """The tile of these tokens.  A zero row neither joins nor is joined."""
        n = len(ids)
        zero = np.zeros(n, bool)
        zero[np.random.default_rng([recipe.seed, int(ids[0]), n]).permutation(n)[:round(recipe.zeros * n)]] = True
        row_of = np.full(tokens.V + 1, -1)
        row_of[ids] = np.where(zero, -1, np.arange(n))
        grid = np.array([[g.first, *g.strides] for g in tokens.grids])[tokens.grid_numbers()[ids]]
        columns = []
        for step in np.ndindex(*block):
            offset = grid[:, 1:] @ np.array(step)
            if any(step):
                before = ids - offset
                columns.append(np.where(before >= grid[:, 0], row_of[np.maximum(before, -1)], -1))
        found = np.stack(columns, 1) if columns else np.full((n, 1), -1)
        found[zero] = -1
        order = np.argsort(found < 0, axis=1, kind="stable")
        number = (found >= 0).sum(1)
        return cls(np.take_along_axis(found, order, 1), number, np.flatnonzero(number), zero)


# ---- counts ------------------------------------------------------------------------------------------------------------
def _counts(site: TraceSite, tiles: list[_TraceTile], recipe: Recipe, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """int [tiles, slices]: unique vectors that are not zero, summing to what the ratio says (rounded)."""
    rows = np.array([t.rows for t in tiles])[:, None] * np.ones((1, site.slices), np.int64)
    high = rows - np.array([t.zero.sum() for t in tiles])[:, None]
    low = high - np.array([len(t.joining) for t in tiles])[:, None]
    total = round(rows.sum() / ratio)
    if total > high.sum():
        total = int(high.sum())         # zero vectors need no computation: the ratio cannot be lower
    if total < low.sum():
        raise FocusError(f"site {site.name}: a ratio of {ratio:.6g} is impossible; with these tokens, tiles and block at most "
                         f"{rows.sum() / max(low.sum(), 1):.3f}")
    wanted = rows * (total / rows.sum()) * (1 + recipe.spread * rng.standard_normal(rows.shape))
    counts = np.clip(np.rint(wanted).astype(np.int64), low, high)
    return _adjust(counts, low, high, total, rng)


def _adjust(counts: np.ndarray, low: np.ndarray, high: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """Counts changed as evenly as their bounds allow until they sum to `total`."""
    flat = counts.reshape(-1)
    while missing := total - int(flat.sum()):
        room = (high.reshape(-1) - flat) if missing > 0 else (flat - low.reshape(-1))
        open_ = np.flatnonzero(room > 0)
        step = max(1, abs(missing) // len(open_))
        chosen = open_ if step > 1 or abs(missing) >= len(open_) else rng.permutation(open_)[:abs(missing)]
        flat[chosen] += np.minimum(room[chosen], step) * (1 if missing > 0 else -1)
    return flat.reshape(counts.shape)


def _with_empty(site: TraceSite, counts: np.ndarray) -> np.ndarray:
    """Counts [tiles, slices] with rows of zeros for the tiles that hold only identity rows."""
    out = np.zeros((len(site.tiles), site.slices), np.int32)
    out[[i for i, t in enumerate(site.tiles) if t[2]]] = counts
    return out


# ---- groups ------------------------------------------------------------------------------------------------------------
def _groups(site: TraceSite, tiles: list[_TraceTile], counts: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Group and zero arrays with exactly these counts."""
    group, zero = np.empty((site.visual, site.slices), np.int32), np.zeros((site.visual, site.slices), np.uint8)
    columns, start = np.arange(site.slices), 0
    for tile, unique in zip(tiles, counts):
        joined = tile.rows - int(tile.zero.sum()) - unique                         # [slices]: rows that join another
        rank = np.full(tile.rows, tile.rows)
        rank[tile.joining] = rng.permutation(len(tile.joining))
        # which rows join: a window of one random order, begun elsewhere in each slice
        shifted = (rank[:, None] + rng.integers(0, max(len(tile.joining), 1), site.slices)) % max(len(tile.joining), 1)
        joins = (shifted < joined) & (tile.number > 0)[:, None]
        choice = rng.integers(0, 1 << 16, (tile.rows, site.slices), np.uint16) % np.maximum(tile.number, 1)[:, None]
        target = np.take_along_axis(tile.candidates, choice, 1)
        out = group[start:start + tile.rows]
        for row in range(tile.rows):                                               # a candidate comes before its row: its group is known
            out[row] = np.where(joins[row], out[target[row], columns], row)
        out += start
        zero[start:start + tile.rows] = tile.zero[:, None]
        start += tile.rows
    yield f"group/{site.name}", group
    yield f"zero/{site.name}", zero


# ---- the authors' traces -----------------------------------------------------------------------------------------------
def convert(published: Mapping[str, Mapping[str, np.ndarray]], plan: TracePlan) -> Iterator[tuple[str, np.ndarray]]:
    """(key, array) of a trace from the authors' arrays.

    published: `mask_zero`, `mask_similar`, `group_idx`, each site -> [layers, 1, V, vectors]; group_idx is the flattened index
    token * vectors + slice of the representative.  All V tokens have rows; those that are zero in every vector of a site have been pruned.
    Raises FocusError when layers, V, widths or indices do not fit the plan.
    """
    for name in ("mask_zero", "mask_similar", "group_idx"):
        if name not in published:
            raise FocusError(f"no entry '{name}'; expected mask_zero, mask_similar and group_idx")
        for kind in dict.fromkeys(s.site for s in plan.sites):
            if kind not in published[name]:
                raise FocusError(f"'{name}' has no site '{kind}'")
    for site in plan.sites:
        zero, similar, index = (_layer(published[name][site.site], name, site, plan) for name in ("mask_zero", "mask_similar", "group_idx"))
        retained = _pruned(zero.astype(bool), site, plan.tokens.V)
        row_of = np.full(plan.tokens.V, -1)
        row_of[retained] = np.arange(len(retained))
        zero, similar, index = zero[retained].astype(bool), similar[retained].astype(bool), index[retained].astype(np.int64)
        bad = (index < 0) | (index >= plan.tokens.V * site.slices) | (index % site.slices != np.arange(site.slices))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise FocusError(f"group_idx of site {site.name}: token {retained[row]}, slice {column} has {index[row, column]}; "
                             f"token * {site.slices} + {column} expected")
        rows = np.arange(len(retained))[:, None]
        group = np.where(similar & ~zero, row_of[index // site.slices], rows).astype(np.int32)
        if (group < 0).any():
            row, column = np.argwhere(group < 0)[0]
            raise FocusError(f"group_idx of site {site.name}: token {retained[row]}, slice {column} joins a token that was pruned")
        yield f"retained/{site.name}", retained
        yield f"group/{site.name}", group
        yield f"zero/{site.name}", zero.astype(np.uint8)


def _layer(array: np.ndarray, name: str, site: TraceSite, plan: TracePlan) -> np.ndarray:
    """One layer [V, vectors] of an array of the authors' format."""
    array = np.asarray(array)
    if array.ndim != 4 or array.shape[0] < plan.depth or array.shape[1:] != (1, plan.tokens.V, site.slices):
        raise FocusError(f"'{name}' of site '{site.site}' has shape {list(array.shape)}; [{plan.depth} layers, 1, {plan.tokens.V} tokens, "
                         f"{site.slices} vectors] expected")
    return array[site.layer, 0]


def _pruned(zero: np.ndarray, site: TraceSite, visual: int) -> np.ndarray:
    """int32 [n]: the tokens a site sees."""
    if site.visual == visual:
        return np.arange(visual, dtype=np.int32)
    alive = np.flatnonzero(~zero.all(1)).astype(np.int32)
    if len(alive) != site.visual:
        raise FocusError(f"site {site.name}: {len(alive)} tokens have a vector that is not zero; the schedule keeps {site.visual} there")
    return alive


# ---- summaries ---------------------------------------------------------------------------------------------------------
def ratios(trace: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Vectors and unique vectors of each `layer/site` of a trace, compact or not.  Raises FocusError for a file that is no trace."""
    out = {}
    for site in dict.fromkeys(key.partition("/")[2] for key in trace if key.startswith(("group/", "counts/"))):
        layer, _, name = site.partition("/")
        if not layer.isdecimal() or name not in ALL_SITES:
            raise FocusError(f"no trace: '{site}' is no layer and site ({', '.join(ALL_SITES)})")
        compact = f"counts/{site}" in trace
        arrays = {part: traces.array_of(trace, f"{part}/{site}") for part in (traces.COMPACT if compact else traces.PARTS)}
        rows = len(arrays["retained"])
        if compact:
            out[site] = rows * arrays["counts"].shape[1], int(arrays["counts"].sum())
            continue
        group, zero = arrays["group"], arrays["zero"]
        if len(group) != rows or zero.shape != group.shape:
            raise FocusError(f"trace 'group/{site}' has shape {list(group.shape)}, 'zero/{site}' {list(zero.shape)}; both of {rows} rows expected")
        out[site] = group.size, int(((group == np.arange(rows)[:, None]) & (zero == 0)).sum())
    if not out:
        raise FocusError("no trace: it has no keys group/<layer>/<site> or counts/<layer>/<site>")
    return dict(sorted(out.items(), key=lambda item: (int(item[0].split("/")[0]), item[0])))
