"""Strided views: how a torch value lies in the row-major memory of a focus matrix.

In: shapes and strides in elements.  Out: `View`, whose shape operations are arithmetic (nothing moves), and `Box`, the rows and
columns of a row-major matrix that a view occupies.  No MLIR here: `root` is any object that stands for the memory.

torch's view, permute, slice and their relatives say where elements are, not what they are.  The accelerator's ops take
matrices, so a view that has unit-stride features and one row stride is a matrix again, whatever its rank was on the way.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any


class BadView(ValueError):
    """An axis, an index or a step that the view does not have."""


@dataclass(frozen=True)
class Box:
    """`rows` x `cols` elements at (`row`, `col`) of the memory seen as a row-major matrix with `pitch` columns."""
    rows: int
    cols: int
    row: int
    col: int
    pitch: int


@dataclass(frozen=True)
class View:
    """Elements `offset + sum(index * strides)` of the row-major memory `root`; strides are in elements, 0 for a broadcast axis."""
    root: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @staticmethod
    def dense(root: Any, shape: Iterable[int]) -> View:
        """The whole of `root`, row-major."""
        shape = tuple(shape)
        return View(root, shape, row_major(shape))

    @property
    def rank(self) -> int:
        return len(self.shape)

    def axis(self, axis: int, extra: int = 0) -> int:
        """A possibly negative axis number as 0..rank-1+extra.  Raises BadView where there is none of it, as all that take an axis do."""
        rank = self.rank + extra
        if not -rank <= axis < rank:
            raise BadView(f"there is no axis {axis} in rank {rank}")
        return axis + rank if axis < 0 else axis

    def permute(self, order: Sequence[int]) -> View:
        order = [self.axis(a) for a in order]
        return replace(self, shape=tuple(self.shape[a] for a in order), strides=tuple(self.strides[a] for a in order))

    def transpose(self, a: int, b: int) -> View:
        order = list(range(self.rank))
        a, b = self.axis(a), self.axis(b)
        order[a], order[b] = order[b], order[a]
        return self.permute(order)

    def unsqueeze(self, axis: int) -> View:
        axis = self.axis(axis, extra=1)
        return replace(self, shape=self.shape[:axis] + (1,) + self.shape[axis:], strides=self.strides[:axis] + (0,) + self.strides[axis:])

    def squeeze(self, axis: int) -> View:
        """Drop `axis` if its size is 1, as torch does; else the same view."""
        axis = self.axis(axis)
        return self.select(axis, 0) if self.shape[axis] == 1 else self

    def select(self, axis: int, index: int) -> View:
        axis = self.axis(axis)
        if not -self.shape[axis] <= index < self.shape[axis]:
            raise BadView(f"there is no index {index} in an axis of {self.shape[axis]}")
        index += self.shape[axis] if index < 0 else 0
        return View(self.root, self.shape[:axis] + self.shape[axis + 1:], self.strides[:axis] + self.strides[axis + 1:],
                    self.offset + index * self.strides[axis])

    def slice(self, axis: int, start: int, stop: int, step: int = 1) -> View:
        """Elements start, start + step, ... before `stop` of one axis; bounds may be negative or beyond the end, as in torch."""
        axis = self.axis(axis)
        if step < 1:
            raise BadView(f"there is no step of {step}")
        chosen = range(self.shape[axis])[start:stop:step]
        shape, strides = list(self.shape), list(self.strides)
        shape[axis], strides[axis] = len(chosen), strides[axis] * step
        return View(self.root, tuple(shape), tuple(strides), self.offset + (chosen.start * self.strides[axis] if chosen else 0))

    def expand(self, shape: Sequence[int]) -> View | None:
        """Broadcast to `shape` (-1 keeps a size); None when the shapes do not broadcast."""
        lead = len(shape) - self.rank
        if lead < 0:
            return None
        old, strides = (1,) * lead + self.shape, [0] * lead + list(self.strides)
        out = []
        for i, (have, want) in enumerate(zip(old, shape)):
            want = have if want == -1 else want
            if have != want:
                if have != 1:
                    return None
                strides[i] = 0
            out.append(want)
        return View(self.root, tuple(out), tuple(strides), self.offset)

    def reshape(self, shape: Sequence[int]) -> View | None:
        """The same elements in row-major order under another shape (one size may be -1); None when that would move data."""
        shape = list(shape)
        if -1 in shape:
            known = -prod(shape)
            if not known or prod(self.shape) % known:
                return None
            shape[shape.index(-1)] = prod(self.shape) // known
        if prod(shape) != prod(self.shape):
            return None
        runs = _runs(self.shape, self.strides)
        strides, at = [0] * len(shape), len(shape)
        for size, stride in reversed(runs):
            filled = 1
            while at and filled < size:
                at -= 1
                if shape[at] == 1:
                    continue
                strides[at] = stride * filled
                filled *= shape[at]
            if filled != size:
                return None
        return View(self.root, tuple(shape), tuple(strides), self.offset)

    def memory_order(self) -> list[int]:
        """The axes from the slowest to the fastest in memory; axes of size 1 and broadcast axes come first."""
        return sorted(range(self.rank), key=lambda a: (0, 0) if self.shape[a] == 1 or not self.strides[a] else (1, -self.strides[a]))

    def box(self, row_axes: Sequence[int], col_axes: Sequence[int], memory: Sequence[int]) -> Box | None:
        """The matrix of this view with `row_axes` as rows and `col_axes` as columns, both in row-major order.

        `memory` is the shape of the root.  None when the columns do not have stride 1, the rows do not have one stride, or the
        columns cross the end of the root's rows.
        """
        rows = _one_run([self.shape[a] for a in row_axes], [self.strides[a] for a in row_axes])
        cols = _one_run([self.shape[a] for a in col_axes], [self.strides[a] for a in col_axes])
        if rows is None or cols is None or (cols[0] > 1 and cols[1] != 1):
            return None
        total = prod(memory)
        pitch = rows[1] if rows[0] > 1 else _pitch_of_one_row(self.offset, cols[0], memory)
        if pitch < cols[0] or total % pitch or self.offset % pitch + cols[0] > pitch:
            return None
        return Box(rows[0], cols[0], self.offset // pitch, self.offset % pitch, pitch)

    def period(self, row_axes: Sequence[int]) -> list[int]:
        """The row axes that are left when leading broadcast axes and axes of size 1 go: the rows that repeat."""
        axes = [a for a in row_axes if self.shape[a] > 1]
        while axes and self.strides[axes[0]] == 0:
            axes.pop(0)
        return axes


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides of `shape`, in elements."""
    return tuple(prod(shape[i + 1:]) for i in range(len(shape)))


def _runs(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(size, stride) of the maximal groups of axes that lie like one axis; axes of size 1 vanish."""
    runs: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    return runs


def _one_run(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, int] | None:
    runs = _runs(shape, strides)
    return None if len(runs) > 1 else runs[0] if runs else (1, 0)


def _pitch_of_one_row(offset: int, cols: int, memory: Sequence[int]) -> int:
    """A row pitch for a single row: the memory's own where the row fits, else the row's width, else the whole memory as one row."""
    total = prod(memory)
    for pitch in (memory[-1] if memory else 1, cols):
        if total % pitch == 0 and offset % pitch + cols <= pitch:
            return pitch
    return total
