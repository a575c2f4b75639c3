# Row statistics and norms against float64, RMS and layer norm, with and without bias; constant rows and rotary embedding.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


def norm(x, weight, bias, kind, eps):
    """Moments over column tiles of 32, statistics, and the normalised rows as fp16."""
    p = Program()
    rows, cols = x.shape
    moments, stats, out = p.agu("stats", 0, 8, "f4"), p.agu("stats", 4096, 8, "f4"), p.agu("output", 0, 256, "f2")
    src = p.put("vector", 0, x, pitch=256)
    for c in range(0, cols, 32):
        part = p.agu("vector", 2 * c, 256, "f2")
        p.do("v.reduce", op="moments", src=part, dst=moments, rows=p.n(rows), cols=p.n(min(32, cols - c)), init=7 if c == 0 else 15)
    p.emit("scalar", id=0, value=1.0 / cols)
    p.emit("scalar", id=1, value=float(eps))
    p.do("v.stats", kind=kind, src=moments, dst=stats, rows=p.n(rows), inv=0, eps=1)
    fields = {} if bias is None else {"bias": p.put("vector", 140000, bias)}
    p.do("v.normalize", src=src, stats=stats, weight=p.put("vector", 130000, weight), dst=out, rows=p.n(rows), cols=p.n(cols), **fields)
    handle = p.get(out, x.shape, "f2")
    p.run()
    return p.result(handle)


@examples(30)
@given(st.integers(1, 20), st.integers(2, 100), st.sampled_from(["rms", "layer"]), st.booleans(), st.integers(0, 2**32 - 1))
def any_shape(rows, cols, kind, biased, seed):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((rows, cols)) + 0.5).astype("f2")
    weight, bias = rng.standard_normal(cols).astype("f2"), rng.standard_normal(cols).astype("f2") if biased else None
    exact = x.astype("f8")
    mean = exact.mean(1, keepdims=True) if kind == "layer" else 0
    exact = (exact - mean) / np.sqrt((exact**2).mean(1, keepdims=True) - mean**2 + 1e-5) * weight + (bias if biased else 0)
    np.testing.assert_allclose(norm(x, weight, bias, kind, 1e-5), exact, rtol=2e-3, atol=2e-3)


any_shape()
print("norms ok")
# CHECK: norms ok



def far_means():
    """Rows whose mean is up to 1000 times their spread, which fp16 still tells apart, in its columns' order or sorted: the deviation that is
    divided by is right to a few roundings of float32, whatever the mean; against float64 on the rows as fp16 keeps them."""
    worst = 0.0
    rng = np.random.default_rng(1)
    for ratio in (0, 1, 10, 100, 1000):
        for cols in (32, 96, 100):
            spread = rng.standard_normal((8, cols))
            for order in (spread, np.sort(spread, 1), np.where(np.arange(cols) == 0, 50 * spread, spread)):
                x = (ratio * np.sign(rng.standard_normal((8, 1))) + order).astype("f2")
                exact = x.astype("f8")
                for kind in ("layer", "rms"):
                    mean = exact.mean(1, keepdims=True) if kind == "layer" else 0
                    wanted = (exact - mean) / np.sqrt(((exact - mean) ** 2).mean(1, keepdims=True) + 1e-6)
                    found = norm(x, np.ones(cols, "f2"), None, kind, 1e-6)
                    worst = max(worst, np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    return worst


print("far means", far_means() < 5e-4)         # rounding of the result to fp16 alone: 2e-4
# CHECK: far means True
# An infinity makes the others zero, as in PyTorch, wherever it stands; a NaN leaves nothing.
for at in (0, 40):
    row = np.where(np.arange(64) == at, np.inf, 1.0).astype("f2")[None]
    print(np.nan_to_num(norm(row, np.ones(64, "f2"), None, "rms", 1e-6), nan=7)[0, [0, 1, 40, 41]])
# CHECK: [7. 0. 0. 0.]
# CHECK: [0. 0. 7. 0.]
print(np.isnan(norm(np.where(np.arange(64) == 40, np.nan, 1.0).astype("f2")[None], np.ones(64, "f2"), None, "rms", 1e-6)).all())
# CHECK: True
p = Program()
p.do("v.reduce", op="moments", src=p.agu("vector", 0, 64, "f2"), dst=p.agu("stats", 0, 8, "f4"), rows=p.n(1), cols=p.n(8), init=15)
print(complaint(p.run))
# CHECK: (v.reduce): moments of further columns, but no call has begun the row

# A constant row has no variance: rounding cannot make it negative.
print(norm(np.full((1, 64), 3.1, "f2"), np.ones(64, "f2"), None, "layer", 1e-6)[0, :3])
# CHECK: [0. 0. 0.]


@examples(20)
@given(st.integers(1, 20), st.integers(1, 40), st.sampled_from(["f2", "f4"]), st.integers(0, 2**32 - 1))
def rope(rows, half, dtype, seed):
    rng = np.random.default_rng(seed)
    x, cos, sin = (rng.standard_normal((rows, 2 * half)).astype(t) for t in (dtype, "f2", "f2"))
    p = Program()
    src = p.put("vector", 0, x)
    p.do("v.rope", src=src, cos=p.put("vector", 50000, cos), sin=p.put("vector", 100000, sin), dst=src, rows=p.n(rows), cols=p.n(2 * half))
    out = p.get(src, x.shape, dtype)
    p.run()
    rotated = np.concatenate([-x[:, half:], x[:, :half]], 1)
    exact = x.astype("f8") * cos + rotated.astype("f8") * sin
    np.testing.assert_allclose(p.result(out), exact, rtol=2e-3 if dtype == "f2" else 1e-5, atol=2e-3 if dtype == "f2" else 1e-5)


rope()
print("rope ok")
# CHECK: rope ok
p = Program()
tile = p.agu("vector", 0, 10, "f2")
p.do("v.rope", src=tile, cos=tile, sin=tile, dst=tile, rows=p.n(1), cols=p.n(5))
print(complaint(p.run))
# CHECK: (v.rope): a head of 5 elements has no halves
