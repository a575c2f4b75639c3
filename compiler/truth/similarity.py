"""Levels 2 and 3 of the concentration algorithm in PyTorch: which vectors of some rows are merged, and what becomes of them.

In: rows, their indices in the grids of a token layout, settings.  Out: `concentrate` -> `MergedRows`; `Record`, which does it at the sites of a run
and keeps what was found.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import TokenLayout


@dataclass
class MergedRows:
    """Rows with each vector replaced by the mean of its group, and the groups found (shapes [n, slices])."""
    rows: Tensor
    group: np.ndarray
    zero: np.ndarray
    threshold_margin: np.ndarray
    choice_margin: np.ndarray


def candidate_rows(ids: np.ndarray, tokens: TokenLayout, settings: Concentration) -> list[np.ndarray]:
    """For each offset of the block, in order df, dh, dw: the row of every token's candidate, -1 where there is none.  `ids`: int
    [n], in the order of the rows; a candidate comes before its token."""
    row_of = np.full(tokens.V, -1)
    row_of[ids] = np.arange(len(ids))
    number = tokens.grid_numbers()[ids]
    first = np.array([g.first for g in tokens.grids])[number]
    strides = np.array([g.strides for g in tokens.grids])[number]
    tile = np.arange(len(ids)) // settings.rows_of_tile
    candidates = []
    for steps in product(*(range(side) for side in settings.block)):
        if not any(steps):
            continue
        at = ids - strides @ np.array(steps)
        rows = np.where(at >= first, row_of[np.maximum(at, 0)], -1)
        candidates.append(np.where((rows >= 0) & (rows < np.arange(len(ids))) & (tile[rows] == tile), rows, -1))
    return candidates


def concentrate(x: Tensor, ids: np.ndarray, tokens: TokenLayout, settings: Concentration,
                decided: np.ndarray | None = None) -> MergedRows:
    """Levels 2 and 3 on the rows x [n, width] of the retained tokens `ids`; means are over the groups `decided` [n, slices] if given."""
    n, width = x.shape
    vectors = F.pad(x, (0, -width % settings.vector)).view(n, -1, settings.vector)
    slices = vectors.shape[1]
    norms = vectors.square().sum(-1).sqrt()
    best, second = torch.full((n, slices), -torch.inf), torch.full((n, slices), -torch.inf)
    pointer = torch.arange(n)[:, None].repeat(1, slices)
    for rows in map(torch.from_numpy, candidate_rows(ids, tokens, settings)):
        there, at = (rows >= 0)[:, None], rows.clamp(min=0)
        scale = norms * norms.index_select(0, at)
        similarity = (vectors * vectors.index_select(0, at)).sum(-1) / scale
        similarity = torch.where(scale > 0, similarity, 0).clamp_(max=1)        # rounding alone exceeds 1
        similarity = torch.where(there, similarity, -torch.inf)
        wins = similarity > best                # strictly: among equals the earlier offset stays
        second = torch.where(wins, best, torch.maximum(second, similarity))
        pointer = torch.where(wins, rows[:, None], pointer)
        best = torch.where(wins, similarity, best)
    own = torch.arange(n)[:, None]
    group = pointer = torch.where(best > settings.threshold, pointer, own)
    if decided is None:
        while not torch.equal(further := group.gather(0, group), group):
            group = further
        merged = group
    else:                   # where the candidate that a vector points to went is decided; what is found is where the vector goes from there
        merged = torch.from_numpy(decided.astype(np.int64))
        group = torch.where(pointer == own, own, merged.gather(0, pointer))
    return MergedRows(group_means(vectors, merged).view(n, -1)[:, :width], group.int().numpy(), (norms == 0).to(torch.uint8).numpy(),
                        (best - settings.threshold).abs().numpy(), (best - second).nan_to_num(posinf=torch.inf, nan=torch.inf).numpy())


def group_means(vectors: Tensor, group: Tensor) -> Tensor:
    """Each vector [n, slices, v] replaced by the mean over the vectors with the same representative in its slice."""
    n, slices, size = vectors.shape
    flat = (group * slices + torch.arange(slices)).view(-1)
    sums = torch.zeros(n * slices, size).index_add_(0, flat, vectors.reshape(-1, size))
    counts = torch.zeros(n * slices).index_add_(0, flat, torch.ones(n * slices))
    return (sums[flat] / counts[flat, None]).view(n, slices, size)


@dataclass
class Record:
    """What a run finds at its sites: `trace` and `details` as in `reference_details`.  `decisions`: the trace of another run, whose groups are used;
    `values`: keep the rows, too; `stored`: what becomes of a value that is stored."""
    decisions: Mapping[str, np.ndarray]
    values: bool
    stored: Callable[[Tensor], Tensor]
    trace: dict[str, np.ndarray] = field(default_factory=dict)
    details: dict[str, np.ndarray] = field(default_factory=dict)

    def merge(self, key: str, rows: Tensor, ids: np.ndarray, tokens: TokenLayout, settings: Concentration) -> Tensor:
        """Rows [n, width] with their vectors merged, as they are stored.  Raises FocusError where the decisions are not of such rows."""
        decided = self.decisions.get(f"group/{key}")
        expected = (len(rows), -(-rows.shape[1] // settings.vector))
        if decided is not None and decided.shape != expected:
            raise FocusError(f"group/{key}: expected the shape {list(expected)} of this model's tokens and vectors, got {list(decided.shape)}")
        if decided is not None and np.any((decided < 0) | (decided > np.arange(len(rows))[:, None])):
            raise FocusError(f"group/{key}: every vector's representative is expected at its row or before it")
        done = concentrate(rows, ids, tokens, settings, decided)
        self.trace[f"group/{key}"], self.trace[f"zero/{key}"] = done.group, done.zero
        self.details[f"threshold_margin/{key}"], self.details[f"choice_margin/{key}"] = done.threshold_margin, done.choice_margin
        if self.values:
            self.details[f"value/{key}"] = rows.numpy()
        return self.stored(done.rows)
