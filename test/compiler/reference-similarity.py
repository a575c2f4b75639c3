# Similarity concentration, against a statement of the algorithm one vector at a time: grids, tiles, pruned tokens, zeros, ties, odd widths.
# RUN: %python %s | filecheck %s
from itertools import product

import numpy as np
import torch

from focus.compiler.truth.similarity import concentrate
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid, TokenLayout


def one_by_one(x, ids, tokens, settings):
    """Group, zero flags and result of levels 2 and 3 as docs/algorithm.md says them."""
    n, slices = len(x), -(-x.shape[1] // 32)
    x = np.pad(x, ((0, 0), (0, slices * 32 - x.shape[1]))).reshape(n, slices, 32)
    group, zero, out = np.zeros((n, slices), int), np.zeros((n, slices), np.uint8), np.zeros_like(x)
    for t, j in product(range(n), range(slices)):
        grid = [g for g in tokens.grids if g.first <= ids[t]][-1]
        best, pointer = -np.inf, t
        for df, dh, dw in product(*map(range, settings.block)):
            if df == dh == dw == 0:
                continue
            at = ids[t] - df * grid.frame_stride - dh * grid.height_stride - dw * grid.width_stride
            row = list(ids).index(at) if at >= grid.first and at in ids else -1
            if row < 0 or row // settings.rows_of_tile != t // settings.rows_of_tile:
                continue
            norm = np.linalg.norm(x[t, j]) * np.linalg.norm(x[row, j])
            similarity = min(x[t, j] @ x[row, j] / norm, 1.0) if norm else 0.0
            if similarity > best:
                best, pointer = similarity, row
        group[t, j] = group[pointer, j] if best > settings.threshold else t
        zero[t, j] = not x[t, j].any()
    for t, j in product(range(n), range(slices)):
        out[t, j] = x[group[:, j] == group[t, j], j].mean(0)
    return group, zero, out.reshape(n, -1)


def check(name, tokens, keep, width, **settings):
    """Rows of noise around a few directions, so that many are similar; some vectors repeat exactly, some are zero."""
    rng = np.random.default_rng(width)
    ids = np.sort(rng.permutation(tokens.V)[:keep])
    x = rng.standard_normal((5, width))[rng.integers(0, 2, keep)] + 0.25 * rng.standard_normal((keep, width))
    x[rng.random(keep) < 0.3] = x[0]
    x[rng.random(keep) < 0.1, :32] = 0
    x = x.astype(np.float32)
    settings = Concentration(**settings)
    done = concentrate(torch.from_numpy(x), ids, tokens, settings)
    group, zero, rows = one_by_one(x.astype(np.float64), ids, tokens, settings)
    same = np.array_equal(done.group, group) and np.array_equal(done.zero, zero) and np.allclose(done.rows, rows[:, :width], atol=1e-6)
    print(name, same, f"{np.mean(group == np.arange(keep)[:, None]):.2f} unique", done.group.dtype, done.zero.dtype)


video = TokenLayout.from_mask(np.ones(97, bool), [Grid.dense(0, 4, 4, 6)])
# CHECK: all tokens True 0.{{[1-6]}}
# CHECK-SAME: int32 uint8
check("all tokens", video, 97, 64)
# CHECK-NEXT: pruned, narrow last slice True 0.
check("pruned, narrow last slice", video, 40, 80)
# CHECK-NEXT: small tiles True 0.
check("small tiles", video, 90, 64, m_tile=16)
# CHECK-NEXT: block of one frame True 0.
check("block of one frame", video, 97, 64, block=(1, 2, 2))
# CHECK-NEXT: block of one True 1.00 unique
check("block of one", video, 97, 64, block=(1, 1, 1))
# CHECK-NEXT: threshold one True 1.00 unique
check("threshold one", video, 97, 64, threshold=1.0)
grids = [Grid.dense(0, 1, 5, 5), Grid.dense(25, 1, 4, 6, row_gap=1), Grid.dense(53, 3, 2, 4)]
several = TokenLayout.from_mask(np.ones(78, bool), grids)
# CHECK-NEXT: several grids, newlines True 0.
check("several grids, newlines", several, 78, 96)

# Tokens alike in every grid: no group reaches over a grid's beginning.
done = concentrate(torch.ones(78, 32), np.arange(78), several, Concentration())
# CHECK-NEXT: representatives [0, 25, 53]
print("representatives", sorted(set(done.group[:, 0].tolist())))
# Among equally similar candidates the one with the smallest frame, then row, then column offset is taken; all lead to the first token here.
# CHECK-NEXT: sizes [25, 28, 25]
print("sizes", np.bincount(done.group[:, 0])[[0, 25, 53]].tolist())
