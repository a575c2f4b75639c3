"""Where the visual tokens of a request stand: from configuration and input ids to a `TokenLayout`.

In: input ids and, from the model's family, one `VisualItem` for each image or video.  Out: `focus.runtime.spec.tokens.TokenLayout` (runs of
visual positions, grids with strides) and `placement`, which says where the rows of each item go; `TowerRows`, where the rows of a vision tower are
in their pictures.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.isa import MAX_BLOCK_SIDE
from focus.runtime.spec.tokens import Grid, Run, TokenLayout


@dataclass(frozen=True)
class VisualItem:
    """One image or video: `kind` is "image" or "video"; `tokens` counts newlines too; `first` of its `grids` is relative to the item."""
    kind: str
    tokens: int
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class PlacedRun:
    """A maximal run of visual tokens of one kind: positions `start .. start + length - 1` of the sequence."""
    kind: str
    start: int
    length: int


def visual_runs(input_ids: np.ndarray, token_ids: dict[str, int]) -> list[PlacedRun]:
    """Runs of visual tokens in the sequence; `token_ids` maps each kind to its placeholder id.  `input_ids` int [S]."""
    runs: list[PlacedRun] = []
    for kind, token in token_ids.items():
        edges = np.flatnonzero(np.diff(np.concatenate(([False], input_ids == token, [False]))))
        runs += [PlacedRun(kind, int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2])]
    return sorted(runs, key=lambda r: r.start)


def check_count(runs: list[PlacedRun], kind: str, token: int, need: int) -> None:
    """Raise FocusError unless the runs of a kind, whose placeholder is `token`, have as many tokens as its inputs make."""
    have = sum(r.length for r in runs if r.kind == kind)
    if have != need:
        raise FocusError(f"input_ids: {have} {kind} tokens (id {token}), but the {kind} inputs make {need}")


def token_layout(input_ids: np.ndarray, token_ids: dict[str, int], items: list[VisualItem]) -> tuple[TokenLayout, list[PlacedRun]]:
    """The layout of a request and its runs by kind.

    `items` are the images in order and the videos in order.  Raises FocusError when the number of placeholders of a kind is not the
    number of tokens its items have, when there is no visual token, or when the tokens of one item do not follow one another.
    """
    runs = visual_runs(input_ids, token_ids)
    for kind, token in token_ids.items():
        check_count(runs, kind, token, sum(i.tokens for i in items if i.kind == kind))
    if not runs:
        raise FocusError("input_ids: no visual token; a request needs at least one image or video")
    grids = [g.model_copy(update={"first": g.first + first}) for first, item in _placed(items, runs) for g in item.grids]
    used = tuple(token for kind, token in token_ids.items() if any(i.kind == kind for i in items))
    return TokenLayout.from_mask(np.isin(input_ids, used), grids, used), runs


def _placed(items: list[VisualItem], runs: list[PlacedRun]) -> list[tuple[int, VisualItem]]:
    """Each item with the visual index of its first token, in order of that index."""
    first_of_kind: dict[str, list[int]] = {}
    seen = 0
    for run in runs:
        first_of_kind.setdefault(run.kind, []).extend(range(seen, seen + run.length))
        seen += run.length
    used = dict.fromkeys(first_of_kind, 0)
    placed: list[tuple[int, VisualItem]] = []
    for item in items:
        indices = first_of_kind[item.kind][used[item.kind]:used[item.kind] + item.tokens]
        used[item.kind] += item.tokens
        if indices[-1] - indices[0] + 1 != item.tokens:
            raise FocusError(f"input_ids: the tokens of {item.kind} {len(placed)} are interrupted by tokens of another kind")
        placed.append((indices[0], item))
    return sorted(placed, key=lambda p: p[0])


@dataclass(frozen=True)
class TowerRows:
    """Where the rows of a vision tower are in their pictures.

    `ids` int64 [rows]: of each row, its index in the grids of `tokens`.  These have an empty column, row and frame behind each, so that neighbours by
    arithmetic on indices are neighbours in the picture; rows of no cell (classes) have indices from which no arithmetic leads to another.
    `sides`: most frames, rows and columns of a picture.  `reach`: how many rows before a row its neighbour one frame, one row and one column back
    stands, at most.
    """
    ids: np.ndarray
    tokens: TokenLayout
    sides: tuple[int, int, int]
    reach: tuple[int, int, int]

    @classmethod
    def of(cls, cells: np.ndarray) -> TowerRows:
        """From (picture or video, frame, row, column) of each row: int [rows, 4], -1 for rows of no cell."""
        inside = cells[:, 0] >= 0
        number, frame, row, column = cells[inside].T
        frames = np.zeros(number.max() + 1, int)
        np.maximum.at(frames, number, frame + 1)
        first = np.cumsum(frames + MAX_BLOCK_SIDE - 1) - (frames + MAX_BLOCK_SIDE - 1)      # of each video, beyond the reach of any block
        height, width = int(row.max()) + 1, int(column.max()) + 1
        strides = (height + 1) * (width + 1), width + 1, 1
        ids = np.zeros(len(cells), np.int64)
        ids[inside] = np.stack((first[number] + frame, row, column), 1) @ np.array(strides)
        total, others = int(first[-1] + frames[-1]) * strides[0], int((~inside).sum())
        ids[~inside] = total + np.arange(others)
        grids = [Grid(first=0, frames=total // strides[0], height=height, width=width, frame_stride=strides[0], height_stride=strides[1])]
        if others:
            grids.append(Grid(first=total, frames=1, height=1, width=1, frame_stride=others, height_stride=others, width_stride=others))
        tokens = TokenLayout(V=total + others, S=total + others, runs=(Run(0, total + others),), grids=tuple(grids))
        place = np.full(total + others, -1)
        place[ids] = np.arange(len(ids))
        reach = []
        for stride in strides:
            near = place[np.maximum(ids[inside] - stride, 0)]
            back = (np.flatnonzero(inside) - near)[(near >= 0) & (ids[inside] >= stride)]
            reach.append(int(back.max(initial=0)))
        return cls(ids, tokens, (int(frames.max()), height, width), (reach[0], reach[1], reach[2]))


def linear_weights(source: int, target: int) -> np.ndarray:
    """Matrix [target, source] of one-dimensional linear interpolation with half-pixel centres (align_corners=False), float32."""
    at = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, source - 1)
    weights = np.zeros((target, source), np.float64)
    np.add.at(weights, (np.arange(target), low), 1 - (at - low))
    np.add.at(weights, (np.arange(target), high), at - low)
    return weights.astype(np.float32)


def average_weights(source: int, stride: int) -> np.ndarray:
    """Matrix [source // stride, source] that averages `stride` neighbours each; last ones that are fewer are left out.  float32."""
    return (np.arange(source)[None] // stride == np.arange(source // stride)[:, None]).astype(np.float32) / np.float32(stride)


def square_rows(grids: int, height: int, width: int, stride: int) -> np.ndarray:
    """Numbers of the rows of `grids` grids of height x width patches, those of each square of stride x stride one after another: int64
    [grids * squares * stride * stride].  A last row or column of patches that makes no whole square is left out."""
    down, across = height // stride, width // stride
    rows = np.arange(grids * height * width).reshape(grids, height, width)[:, :down * stride, :across * stride]
    return rows.reshape(-1, down, stride, across, stride).swapaxes(2, 3).reshape(-1)


def halved(size: int) -> int:
    """Side of a grid pooled by two, rounded up."""
    return math.ceil(size / 2)
