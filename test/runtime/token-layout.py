# Token layouts: the storage order has every position once, tokens find their grids, and layouts that contradict themselves are refused.
# RUN: %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from hypothesis import configuration, given, settings, strategies as st
from small import error

from focus.runtime.spec.tokens import Grid, TokenLayout

configuration.set_hypothesis_home_dir(sys.argv[1])


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def orders(mask):
    mask = np.array(mask)
    V = int(mask.sum())
    layout = TokenLayout.from_mask(mask, [Grid.dense(0, 1, 1, V)] if V else [])
    order = layout.storage_order()
    assert (np.sort(order) == np.arange(layout.S)).all() and order.dtype == np.int32
    assert mask[order[:V]].all() and not mask[order[V:]].any()
    assert (np.diff(order[:V]) > 0).all() and (np.diff(order[V:]) > 0).all()
    assert (layout.visual_mask() == mask).all() and layout.V == V and len(mask) - V == layout.T
    assert layout.prompt_rows == len(mask) - (int(np.flatnonzero(mask)[-1]) + 1 if V else 0)
    assert TokenLayout.from_flat(V, layout.S, layout.flat_runs(), layout.flat_grids()) == layout
    assert TokenLayout.from_json(layout.to_json()) == layout


orders()

# Two images with a newline after each row, in runs that the grids do not follow.
two = TokenLayout(V=14, S=20, runs=((1, 5), (8, 9)), grids=(Grid.dense(0, 1, 2, 2, row_gap=1), Grid.dense(6, 2, 2, 2)))
# CHECK: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] prompt 3
print(two.grid_numbers().tolist(), "prompt", two.prompt_rows)

assert TokenLayout(V=10, S=20, runs=((2, 10),), grids=(Grid.dense(0, 1, 1, 5), Grid.dense(5, 1, 1, 5)))
GRID = (Grid.dense(0, 1, 1, 10),)
# CHECK-NEXT: TokenLayout: run of 5 visual tokens at 6 is empty or overlaps the run before it, which ends at 7
print(error(TokenLayout, V=10, S=20, runs=((2, 5), (6, 5)), grids=GRID))
# CHECK-NEXT: TokenLayout: runs reach position 11 of a sequence of 11
print(error(TokenLayout, V=10, S=11, runs=((2, 10),), grids=GRID))
# CHECK-NEXT: TokenLayout: runs hold 9 visual tokens, V is 10
print(error(TokenLayout, V=10, S=20, runs=((2, 9),), grids=GRID))
# CHECK-NEXT: TokenLayout: the first grid must begin at visual token 0
print(error(TokenLayout, V=10, S=20, runs=((2, 10),)))
# CHECK-NEXT: TokenLayout: grid at 0 reaches visual token 9, beyond its last, 4
print(error(TokenLayout, V=10, S=20, runs=((2, 10),), grids=(*GRID, Grid.dense(5, 1, 1, 5))))
# CHECK-NEXT: TokenLayout: grid at 0 reaches visual token 5, beyond its last, 4
print(error(TokenLayout, V=10, S=20, runs=((2, 10),), grids=(Grid.dense(0, 1, 1, 6), Grid.dense(5, 1, 1, 5))))
# CHECK-NEXT: Grid: height_stride 2 makes rows of width 3 overlap
print(error(Grid, first=0, frames=1, height=2, width=3, frame_stride=6, height_stride=2))
# CHECK-NEXT: Grid: frame_stride 5 makes frames of 2 x 3 overlap
print(error(Grid, first=0, frames=2, height=2, width=3, frame_stride=5, height_stride=3))
# CHECK-NEXT: token layout: 3 run numbers and 7 grid numbers; multiples of 2 and 7 expected
print(error(TokenLayout.from_flat, 1, 2, [0, 1, 2], [0] * 7))
