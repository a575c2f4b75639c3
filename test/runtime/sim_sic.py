# The similarity concentrator against a plain statement of the algorithm: block sides, several grids, pruned tokens, several tiles with identity rows,
# zero vectors.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples

MARGIN = 1e-4       # similarities this near the threshold or each other may fall either way


def reference(x, ids, tiles, block, grids, threshold):
    """group [n] and whether every decision was clear."""
    group, clear = np.arange(len(x)), True
    norm = np.sqrt((x.astype("f8")**2).sum(1))
    for row0, _, visual in tiles:
        row_of = {int(ids[r]): r for r in range(row0, row0 + visual)}
        for r in range(row0, row0 + visual):
            first, *strides = max((g for g in grids if g[0] <= ids[r]), key=lambda g: g[0])
            found = []
            for step in np.ndindex(*block):
                at = int(ids[r]) - int(np.dot(step, strides))
                if any(step) and at >= first and row_of.get(at, r) < r:
                    c = row_of[at]
                    found.append((x[r].astype("f8") @ x[c] / (norm[r] * norm[c]) if norm[r] * norm[c] else 0.0, c))
            if found:
                best = max(s for s, _ in found)
                choice = next(c for s, c in found if s == best)
                clear &= abs(best - threshold) > MARGIN and all(s == best or best - s > MARGIN for s, c in found if not (x[c] == x[choice]).all())
                if best > threshold:
                    group[r] = group[choice]
    return group, norm == 0, clear


def simulate(x, text, ids, tiles, block, grids, threshold):
    """Per tile the compact rows, the map and the count; and the trace."""
    site = dict(layer=0, site="o_proj", width=x.shape[1], slices=1, visual=len(x), count_base=0, tiles=[list(t) for t in tiles])
    p = Program(sites=[site])
    p.emit("sic.config", threshold=float(threshold), block_f=block[0], block_h=block[1], block_w=block[2])
    for i, (first, *strides) in enumerate(grids):
        p.emit("sic.grid", index=i, first=first, frame_stride=strides[0], height_stride=strides[1], width_stride=strides[2])
    cols, handles = x.shape[1], []
    for i, (row0, identity, visual) in enumerate(tiles):
        rows = np.concatenate([text[:identity], x[row0:row0 + visual]])
        src, table = p.put("input", 0, rows, pitch=80), p.put("table", 0, np.full((len(rows), cols), 7, "f2"), pitch=64)
        fields = dict(map=p.agu("map", 0, 2 * visual, "u2"), ids=p.put("ids", 0, ids[row0:row0 + visual])) if visual else {}
        count = p.agu("counts", 2 * i, 2, "u2")
        p.do("sic.gather", src=src, table=table, count=count, rows=p.n(visual), identity=p.n(identity), cols=p.n(cols), site=0, **fields)
        handles.append((p.get(table, rows.shape, "f2"), p.get(fields["map"], (1, visual), "u2") if visual else None, p.get(count, (1, 1), "u2")))
    p.run()
    return [[p.result(h) if h else np.zeros((1, 0), "u2") for h in tile] for tile in handles], p.sim.trace()[0]


@examples(60)
@given(st.data())
def any_site(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    frames, height, width = (data.draw(st.integers(1, 3)) for _ in range(3))
    newline = data.draw(st.integers(0, 1))
    block = [data.draw(st.integers(1, 2)) for _ in range(3)]
    strides = (height * (width + newline), width + newline, 1)
    size = frames * strides[0]
    grids = [(0, *strides), (size, *strides)] if data.draw(st.booleans()) else [(0, *strides)]
    total = size * len(grids)
    ids = rng.choice(total, rng.integers(1, total + 1), replace=False).astype("i4")
    ids = ids if data.draw(st.booleans()) else np.sort(ids)             # rows of a vision tower have an order of their own
    cols = data.draw(st.integers(1, 32))
    seeds = rng.standard_normal((3, cols)) * (rng.random((3, 1)) < 0.8)
    x = (seeds[rng.integers(0, 3, len(ids))] + 0.1 * rng.standard_normal((len(ids), cols)) * (rng.random((len(ids), 1)) < 0.4)).astype("f2")
    text = rng.standard_normal((3, cols)).astype("f2")
    half = len(ids) // 2
    tiles = [(0, 0, half), (half, 2, len(ids) - half), (len(ids), 3, 0)] if half and data.draw(st.booleans()) else [(0, 1, len(ids))]
    threshold = np.float32(rng.choice([0.3, 0.9, 0.99]))
    group, zero, clear = reference(x, ids, tiles, block, grids, threshold)
    if not clear:
        return
    results, trace = simulate(x, text, ids, tiles, block, grids, threshold)
    np.testing.assert_array_equal(trace["retained"], ids)
    np.testing.assert_array_equal(trace["group"][:, 0], group)
    np.testing.assert_array_equal(trace["zero"][:, 0], zero)
    for (row0, identity, visual), (table, numbers, count) in zip(tiles, results):
        leaders = [r for r in range(row0, row0 + visual) if group[r] == r and not zero[r]]
        assert count[0, 0] == identity + len(leaders)
        means = [x[group == r].astype("f4").mean(0, dtype="f4").astype("f2") for r in leaders]
        np.testing.assert_array_equal(table[:identity], text[:identity])
        np.testing.assert_allclose(table[identity:identity + len(leaders)].astype("f4"), np.reshape(means, (-1, cols)).astype("f4"),
                                   rtol=1e-3, atol=1e-6)
        assert (table[identity + len(leaders):] == 7).all()             # nothing is written after the last unique vector
        expected = [0xFFFF if zero[r] else leaders.index(group[r]) for r in range(row0, row0 + visual)]
        np.testing.assert_array_equal(numbers[0], expected)


any_site()
print("sites ok")
# CHECK: sites ok

# A chain: each token resembles only the one before it; all point to the first, whose vector is the mean of the originals.
angles = np.arange(4) * np.deg2rad(20)
x = np.stack([np.cos(angles), np.sin(angles)], 1).astype("f2")
(table, numbers, count), = simulate(x, x, np.arange(4, dtype="i4"), [(0, 0, 4)], (1, 1, 2), [(0, 4, 4, 1)], 0.9)[0]
print(numbers[0], count[0, 0], np.abs(table[0] - x.astype("f4").mean(0)).max() < 1e-3)
# CHECK: [0 0 0 0] 1 True

# Equal candidates: the first in the order df, dh, dw wins, which here is the token to the left, not the one above.
x = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], "f2")
print(simulate(x, x, np.arange(4, dtype="i4"), [(0, 0, 4)], (2, 2, 2), [(0, 9, 3, 1)], 0.9)[1]["group"][:, 0])
# CHECK: [0 1 2 2]

# Exactly at the threshold is not above it.
x = np.array([[1, 0], [1, 0]], "f2")
print(simulate(x, x, np.arange(2, dtype="i4"), [(0, 0, 2)], (1, 1, 2), [(0, 2, 2, 1)], 1.0)[1]["group"][:, 0])
# CHECK: [0 1]

# A candidate comes before its row.
print([simulate(x, x, np.array(ids, "i4"), [(0, 0, 2)], (1, 1, 2), [(0, 2, 2, 1)], 0.9)[1]["group"][:, 0].tolist() for ids in ([0, 1], [1, 0])])
# CHECK: {{\[\[0, 0\], \[0, 1\]\]}}
for ids in ([1, 1], [0, -1]):
    print(complaint(lambda: simulate(x, x, np.array(ids, "i4"), [(0, 0, 2)], (1, 1, 2), [(0, 2, 2, 1)], 0.9)))
# CHECK: (sic.gather): operand 'ids': an index stands for two rows
# CHECK: (sic.gather): operand 'ids': not a visual index
# CHECK: (sic.gather): no token grid is set
print(complaint(lambda: simulate(x, x, np.arange(2, dtype="i4"), [(0, 0, 2)], (1, 1, 2), [], 0.9)))
