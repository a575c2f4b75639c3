"""What hypothesis draws for the kernel tests: machines, awkward sizes, token layouts and repetitive data.

In: nothing.  Out: strategies, and `examples(n)`, the settings under which every run draws the same n examples.
"""
from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from functions import Function, Value
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from focus.runtime.spec.tokens import Grid, TokenLayout

HERE = Path(__file__).parent
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "focus-hypothesis")      # nothing is kept: every run draws the same
#: the default machine, and small ones under each array rule, where loops over tiles, clipped tails and single slots appear at small sizes
MACHINES = {"focus": "focus"} | {name: str(HERE / f"{name}.toml") for name in ("small", "scalesim", "rtl")}

machines = st.sampled_from(list(MACHINES.values()))
seeds = st.integers(0, 10 ** 6)
rows = st.sampled_from([1, 5, 31, 33, 64, 100, 130, 257])
widths = st.sampled_from([7, 20, 31, 32, 33, 40, 64, 80, 97, 100, 130, 200])
depths = st.sampled_from([3, 31, 32, 40, 64, 96, 100, 200, 330])
head_widths = st.sampled_from([16, 32, 40, 64, 72, 80, 128])
blocks = st.tuples(*[st.integers(1, 4)] * 3)
m_tiles = st.sampled_from([7, 16, 32, 50, 64])


def examples(number: int):
    return settings(max_examples=number, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@st.composite
def layouts(draw, largest: int = 5, prompt: int = 0) -> TokenLayout:
    """One to three grids, with or without newlines and stray tokens, in one to three runs among text; `prompt`: least text at the end."""
    grids, at = [], 0
    for _ in range(draw(st.integers(1, 3))):
        frames, height, width = (draw(st.integers(1, largest)) for _ in range(3))
        grids.append(Grid.dense(at, frames, height, width, row_gap=draw(st.integers(0, 1)), frame_gap=draw(st.integers(0, 1))))
        at += grids[-1].frame_stride * frames + draw(st.integers(0, 1))
    cuts = sorted(draw(st.sets(st.integers(1, at - 1), max_size=2))) if at > 1 else []
    runs, position = [], draw(st.integers(0, 6))
    for length in np.diff([0, *cuts, at]):
        runs.append((position, int(length)))
        position += int(length) + draw(st.integers(1, 5))
    end = sum(runs[-1])
    return TokenLayout(V=at, S=end + draw(st.sampled_from([n for n in (0, 1, 3, 9) if n >= prompt])), runs=runs, grids=grids)


def video(visual: int, before: int, after: int, side: int = 10) -> TokenLayout:
    """One run of visual tokens in frames of side x side; what is left of `visual` belongs to no cell."""
    grid = Grid.dense(0, visual // side ** 2, side, side)
    return TokenLayout(V=visual, S=before + visual + after, runs=[(before, visual)], grids=[grid])


def repetitive(f: Function, width: int, kind: int) -> Value:
    """Rows [S, width] with few distinct vectors and a little noise (0), one vector for all (1), nothing alike (2), or rows that are zero in
    the first slice and near copies elsewhere (3): similarities are far from a threshold of 0.9."""
    rng, count = f.rng, f.tokens.S
    if kind == 2:
        return f.input(rng.standard_normal((count, width)))
    distinct = rng.standard_normal((1 if kind == 1 else 4, width))
    x = distinct[rng.integers(0, len(distinct), count)]
    if kind != 1:
        x = x + 0.05 * rng.standard_normal(x.shape)
    if kind == 3:
        x[rng.random(count) < 0.5, :32] = 0
    return f.input(x)
