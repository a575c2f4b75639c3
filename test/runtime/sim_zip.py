# Elementwise functions of two operands and row reductions against numpy, for any shape, broadcast and element type; NaN wins a maximum.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, variants

from focus.runtime import _sim

FUNCTIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum}
TYPES = st.sampled_from(["f2", "f4"])


@examples(60)
@given(st.integers(1, 20), st.integers(1, 50), st.sampled_from(list(FUNCTIONS)), st.sampled_from(["full", "row", "col"]), TYPES, TYPES, TYPES,
       st.integers(0, 2**32 - 1))
def zips(rows, cols, op, bcast, ta, tb, td, seed):
    rng = np.random.default_rng(seed)
    shape = {"full": (rows, cols), "row": (1, cols), "col": (rows, 1)}[bcast]
    a, b = rng.standard_normal((rows, cols)).astype(ta), rng.standard_normal(shape).astype(tb)
    a[rng.random(a.shape) < 0.05] = np.nan
    p = Program()
    x, y = p.put("output", 0, a, pitch=256), p.put("vector", 0, b)
    dst = p.agu("output", 0, 256, td) if td == ta else p.agu("input", 0, 256, td)      # in place where the types agree
    p.do("v.zip", op=op, bcast=bcast, a=x, b=y, dst=dst, rows=p.n(rows), cols=p.n(cols))
    out = p.get(dst, (rows, cols), td)
    p.run()
    np.testing.assert_array_equal(p.result(out), FUNCTIONS[op](a.astype("f4"), b.astype("f4")).astype(td))


zips()
print("zip ok")
# CHECK: zip ok


@examples(40)
@given(st.integers(1, 12), st.integers(1, 70), st.sampled_from(["sum", "max", "moments"]), TYPES, st.integers(0, 2**32 - 1))
def reductions(rows, cols, op, dtype, seed):
    rng = np.random.default_rng(seed)
    first, second = (rng.standard_normal((rows, cols)).astype(dtype) for _ in range(2))
    values = 2 if op == "moments" else 1
    results = []
    for v in variants():
        _sim.select_kernels(v)
        p = Program()
        dst = p.agu("stats", 16, 16, "f4")
        for tile, init in ((first, 7), (second, 15)):
            p.do("v.reduce", op=op, src=p.put("vector", 0, tile), dst=dst, rows=p.n(rows), cols=p.n(cols), init=init)
        out = p.get(dst, (rows, values), "f4")
        p.run()
        results.append(p.result(out))
    assert all(r.tobytes() == results[0].tobytes() for r in results)
    both = np.concatenate([first, second], 1).astype("f8")
    exact = {"sum": lambda: both.sum(1, keepdims=True), "max": lambda: both.max(1, keepdims=True),
             "moments": lambda: np.stack([both.mean(1), both.var(1) * both.shape[1]], 1)}[op]()
    np.testing.assert_allclose(results[0], exact, rtol=1e-5, atol=1e-5)


reductions()
print("reduce ok")
# CHECK: reduce ok

p = Program()
dst = p.agu("stats", 0, 4, "f4")
p.do("v.reduce", op="max", src=p.put("vector", 0, np.array([[1, np.nan, 2], [-3, -5, -np.inf]], "f4")), dst=dst, rows=p.n(2), cols=p.n(3), init=7)
out = p.get(dst, (2, 1), "f4")
p.run()
print(p.result(out).ravel())
# CHECK: [nan -3.]
