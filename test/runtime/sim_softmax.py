# The online softmax over column tiles against float64: causal positions, rows that see nothing at first, rescaled accumulators, finished rows,
# normalised probabilities.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, variants

from focus.runtime import _sim


def attention(q, k, v, scale, tile, qpos=None, kpos=None):
    """Output rows and probabilities, over key tiles of `tile`."""
    p = Program()
    rows, cols = q.shape
    p.emit("scalar", id=2, value=float(scale))
    src, state, acc = p.put("input", 0, q), p.agu("stats", 0, 16, "f4"), p.agu("output", 0, 128, "f4")
    scores, prob = p.agu("output", 16384, 128, "f4"), p.agu("input", 65536, 64, "f2")
    positions = {} if qpos is None else {"qpos": p.put("ids", 0, qpos)}
    tiles = []
    for c in range(0, len(k), tile):
        n = min(tile, len(k) - c)
        here = positions | ({} if qpos is None else {"kpos": p.put("ids", 4096 + 4 * c, kpos[c:c + n])})
        first, shape = 7 if c == 0 else 15, dict(rows=p.n(rows), cols=p.n(n))
        p.do("mm", src=src, wgt=p.put("wgt", 0, k[c:c + n]), dst=scores, rows=p.n(rows), k=p.n(cols), n=p.n(n), init=7)
        p.do("v.softmax", src=scores, state=state, dst=prob, scalar=2, init=first, **shape, **here)
        p.do("v.rescale", dst=acc, state=state, rows=p.n(rows), cols=p.n(cols), init=first)
        p.do("mm.kn", src=prob, wgt=p.put("wgt", 4096, v[c:c + n]), dst=acc, rows=p.n(rows), k=p.n(n), n=p.n(cols), init=first)
        tiles.append((c, n, here))
    out = p.agu("vector", 0, 64, "f2")
    p.do("v.finish", src=acc, state=state, dst=out, rows=p.n(rows), cols=p.n(cols))
    handles = [p.get(out, q.shape, "f2")]
    for c, n, here in tiles:
        p.do("mm", src=src, wgt=p.put("wgt", 0, k[c:c + n]), dst=scores, rows=p.n(rows), k=p.n(cols), n=p.n(n), init=7)
        p.do("v.prob", src=scores, state=state, dst=scores, scalar=2, rows=p.n(rows), cols=p.n(n), **here)
        handles.append(p.get(scores, (rows, n), "f4"))
    p.run()
    out, *parts = [p.result(h) for h in handles]
    return out, np.concatenate(parts, 1)


@examples(30)
@given(st.integers(1, 20), st.integers(1, 60), st.integers(1, 32), st.integers(4, 32), st.booleans(), st.integers(0, 2**32 - 1))
def any_shape(rows, keys, cols, tile, causal, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (2 * rng.standard_normal((n, cols)) for n in (rows, keys, keys))
    q, k, v, scale = q.astype("f2"), k.astype("f2"), v.astype("f2"), 1 / np.sqrt(cols)
    kpos = np.sort(rng.choice(100, keys, replace=False)).astype("i4") if causal else None
    qpos = rng.integers(kpos[0], 100, rows).astype("i4") if causal else None
    if causal:
        kpos = rng.permutation(kpos)
    results = []
    for name in variants():
        _sim.select_kernels(name)
        results.append(attention(q, k, v, scale, tile, qpos, kpos))
    s = q.astype("f8") @ k.astype("f8").T * scale
    if causal:
        s = np.where(kpos[None] > qpos[:, None], -np.inf, s)
    e = np.exp(s - s.max(1, keepdims=True))
    exact = e / e.sum(1, keepdims=True)
    np.testing.assert_allclose(results[0][1], exact, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(results[0][0], exact @ v.astype("f8"), rtol=0, atol=2e-2)
    for r in results[1:]:
        np.testing.assert_array_equal(r[0], results[0][0])
        np.testing.assert_array_equal(r[1], results[0][1])


any_shape()
print("attention ok")
# CHECK: attention ok


def step(scores, state=None, **positions):
    """State after one step."""
    p = Program()
    p.emit("scalar", id=0, value=1.0)
    s = p.put("stats", 0, np.zeros((len(scores), 4), "f4") if state is None else state)
    fields = {name: p.put("ids", 512 * i, np.array(v, "i4")) for i, (name, v) in enumerate(positions.items())}
    src = p.put("output", 0, np.array(scores, "f4"))
    dst = p.agu("vector", 0, 4 * len(scores[0]), "f4")
    p.do("v.softmax", src=src, state=s, dst=dst, rows=p.n(len(scores)), cols=p.n(len(scores[0])), scalar=0, init=7 if state is None else 15, **fields)
    handles = p.get(s, (len(scores), 4), "f4"), p.get(dst, (len(scores), len(scores[0])), "f4")
    p.run()
    return [p.result(h) for h in handles]


# Nothing visible: maximum -inf, factor 1, probabilities 0; a state that had something keeps it.
print(*step([[1, 2]], qpos=[0], kpos=[1, 2]))
# CHECK: {{\[\[}}-inf 0. 1. 0.]] {{\[\[}}0. 0.]]
print(*step([[1, 2]], np.array([[3, 5, 9, 9]], "f4"), qpos=[0], kpos=[1, 2]))
# CHECK: {{\[\[}}3. 5. 1. 0.]] {{\[\[}}0. 0.]]
# First visible column after nothing: the old sum counts for nothing.
print(*step([[1, 2]], np.array([[-np.inf, 0, 1, 0]], "f4"), qpos=[1], kpos=[1, 2]))
# CHECK: {{\[\[}}1. 1. 0. 0.]] {{\[\[}}1. 0.]]
# NaN scores make their row NaN and no other.
state, prob = step([[np.nan, 1], [1, 1]])
print(np.isnan(state[0, :3]).all(), np.isnan(prob[0]).all(), prob[1])
# CHECK: True True [1. 1.]


def overflows(scores, maximum):
    """Overflows counted, and probabilities in fp16, of one row of scores after a maximum."""
    p = Program()
    p.emit("scalar", id=0, value=1.0)
    row, state = np.full((1, scores), float(maximum), "f4"), np.array([[maximum, 1, 1, 0]], "f4")
    dst = p.agu("vector", 0, 64, "f2")
    p.do("v.prob", src=p.put("output", 0, row), state=p.put("stats", 0, state), dst=dst, rows=p.n(1), cols=p.n(scores), scalar=0)
    out = p.get(dst, row.shape, "f2")
    counted = p.run()["modules"]["overflows"].sum()
    return counted, p.result(out)


# Scores of -20 after a maximum of -20 are 1; what would stand after the last of them, e^20, is no overflow.
for name in variants():
    _sim.select_kernels(name)
    print([(int(n), bool((x == 1).all())) for n, x in (overflows(cols, -20) for cols in (1, 7, 19))])
# CHECK: [(0, True), (0, True), (0, True)]
