"""Where the visual tokens of a request stand: in the sequence, in their grids, and in the accelerator's memory.

In: runs of visual positions and the grids they come from.  Out: `TokenLayout`, with positions, the storage order and the grid of
each token as numpy arrays.

Sequence order is the model's: text and visual tokens as the prompt has them.  Storage order is the accelerator's: all visual tokens in
order, then all text tokens in order.  Which visual tokens survive pruning depends on the data, but `[k visual | T text]` does not.
"""
from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.grids import GridNumbers
from focus.runtime.spec.schema import MOST_SIZE, Many, Number, Record, Size

MOST_TOKENS = 2 ** 24               #: of a prefill: as many as an extent counts rows


class Run(NamedTuple):
    """Visual tokens that stand next to each other: positions start .. start + length - 1 of the sequence."""
    start: int
    length: int


class Grid(Record, GridNumbers):
    """One video or image.  Strides count visual tokens, with the tokens between rows or frames that belong to no cell (newlines) included."""
    first: Number
    frames: Size
    height: Size
    width: Size
    frame_stride: Size
    height_stride: Size
    width_stride: Size = 1

    @classmethod
    def dense(cls, first: int, frames: int, height: int, width: int, row_gap: int = 0, frame_gap: int = 0) -> Grid:
        """A grid whose cells follow one another, with `row_gap` other tokens after each row and `frame_gap` after each frame."""
        row = width + row_gap
        return cls(first=first, frames=frames, height=height, width=width, frame_stride=height * row + frame_gap, height_stride=row)

    @model_validator(mode="after")
    def _check(self) -> Grid:
        inner = self.width_stride if self.width > 1 else 0
        inner *= self.width - 1
        if self.height > 1 and self.height_stride <= inner:
            raise ValueError(f"height_stride {self.height_stride} makes rows of width {self.width} overlap")
        inner += (self.height - 1) * self.height_stride
        if self.frames > 1 and self.frame_stride <= inner:
            raise ValueError(f"frame_stride {self.frame_stride} makes frames of {self.height} x {self.width} overlap")
        return self


class TokenLayout(Record):
    """The tokens of one prefill.

    `V` visual tokens in a sequence of `S`; `runs` are their positions, ascending; `grids` their neighbourhoods, ascending by `first`.
    `visual_ids` are the vocabulary ids that mark visual positions in `input_ids` (placeholders that the model replaces by features).
    """
    V: Number
    S: Annotated[int, Field(gt=0, le=MOST_TOKENS)]
    runs: Many[Run] = ()
    grids: Many[Grid] = ()
    visual_ids: Many[Annotated[int, Field(ge=-MOST_SIZE, le=MOST_SIZE)]] = ()

    @model_validator(mode="after")
    def _check(self) -> TokenLayout:
        end = 0
        for start, length in self.runs:
            if length < 1 or start < end:
                raise ValueError(f"run of {length} visual tokens at {start} is empty or overlaps the run before it, which ends at {end}")
            end = start + length
        if end > self.S:
            raise ValueError(f"runs reach position {end - 1} of a sequence of {self.S}")
        if (total := sum(run.length for run in self.runs)) != self.V:
            raise ValueError(f"runs hold {total} visual tokens, V is {self.V}")
        self._check_grids()
        return self

    def _check_grids(self) -> None:
        if self.V and (not self.grids or self.grids[0].first):
            raise ValueError("the first grid must begin at visual token 0")
        ends = [grid.first for grid in self.grids[1:]] + [self.V]
        for grid, end in zip(self.grids, ends):
            if grid.last >= end:
                raise ValueError(f"grid at {grid.first} reaches visual token {grid.last}, beyond its last, {end - 1}")

    # ---- construction ------------------------------------------------------------------------------------------------
    @classmethod
    def from_mask(cls, visual: np.ndarray, grids: tuple[Grid, ...] | list[Grid] = (), visual_ids: tuple[int, ...] = ()) -> TokenLayout:
        """The layout of a sequence from a bool [S] mask of its visual positions.  Raises FocusError when `grids` do not fit."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(visual, np.int8), [0]])))
        runs = tuple(Run(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2]))
        return cls(V=int(np.sum(visual)), S=len(visual), runs=runs, grids=tuple(grids), visual_ids=tuple(visual_ids))

    @classmethod
    def from_flat(cls, V: int, S: int, runs: list[int], grids: list[int], visual_ids: tuple[int, ...] = ()) -> TokenLayout:
        """The layout from the flat integer lists of the `#focus.tokens` attribute (2 a run, 7 a grid)."""
        if len(runs) % 2 or len(grids) % 7:
            raise FocusError(f"token layout: {len(runs)} run numbers and {len(grids)} grid numbers; multiples of 2 and 7 expected")
        names = list(Grid.model_fields)
        return cls(V=V, S=S, runs=tuple(Run(*runs[i:i + 2]) for i in range(0, len(runs), 2)), visual_ids=tuple(visual_ids),
                   grids=tuple(Grid(**dict(zip(names, grids[i:i + 7]))) for i in range(0, len(grids), 7)))

    def flat_runs(self) -> list[int]:
        return [n for run in self.runs for n in run]

    def flat_grids(self) -> list[int]:
        return [n for grid in self.grids for n in grid.model_dump().values()]

    # ---- positions and orders ----------------------------------------------------------------------------------------
    @property
    def T(self) -> int:
        """Number of text tokens."""
        return self.S - self.V

    @property
    def prompt_rows(self) -> int:
        """Number of text tokens after the last visual token; all of them when there is no visual token."""
        return self.S - (self.runs[-1].start + self.runs[-1].length if self.runs else 0)

    def visual_mask(self) -> np.ndarray:
        """bool [S]: which positions of the sequence are visual."""
        mask = np.zeros(self.S, bool)
        for start, length in self.runs:
            mask[start:start + length] = True
        return mask

    def visual_positions(self) -> np.ndarray:
        """int32 [V]: position in the sequence of each visual token."""
        return np.flatnonzero(self.visual_mask()).astype(np.int32)

    def text_positions(self) -> np.ndarray:
        """int32 [T]: position in the sequence of each text token."""
        return np.flatnonzero(~self.visual_mask()).astype(np.int32)

    def storage_order(self) -> np.ndarray:
        """int32 [S]: position in the sequence of each storage row; also the positions the causal mask compares."""
        return np.concatenate([self.visual_positions(), self.text_positions()])

    def grid_numbers(self) -> np.ndarray:
        """int32 [V]: the grid each visual token belongs to: the last whose `first` it reaches."""
        firsts = [grid.first for grid in self.grids]
        return (np.searchsorted(firsts, np.arange(self.V), side="right") - 1).astype(np.int32)
