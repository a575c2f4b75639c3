# One pass of the array against float64, for any shape: both weight layouts, overwriting and accumulating; the inner loops of every instruction set
# give the same bits.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, variants

from focus.runtime import _sim


def run(kind, x, w, start, variant):
    _sim.select_kernels(variant)
    p = Program()
    m, k, n = len(x), x.shape[1], start.shape[1]
    src, wgt, dst = p.put("input", 0, x), p.put("wgt", 0, w), p.put("output", 0, start, pitch=32 * 4)
    p.do(kind, src=src, wgt=wgt, dst=dst, rows=p.n(m), k=p.n(k), n=p.n(n), init=15)
    summed = p.get(dst, start.shape, "f4")
    p.do(kind, src=src, wgt=wgt, dst=dst, rows=p.n(m), k=p.n(k), n=p.n(n), init=7)
    fresh = p.get(dst, start.shape, "f4")
    counters = p.run()
    assert counters["macs"] == 2 * m * k * n and counters["passes"] == 2
    return p.result(summed), p.result(fresh)


@examples(40)
@given(st.integers(1, 50), st.integers(1, 32), st.integers(1, 32), st.sampled_from(["mm", "mm.kn"]), st.integers(0, 2**32 - 1))
def any_shape(m, k, n, kind, seed):
    rng = np.random.default_rng(seed)
    x, w, start = (rng.standard_normal(s) for s in ((m, k), (n, k), (m, n)))
    x, w, start = x.astype("f2"), w.astype("f2"), start.astype("f4")
    exact = x.astype("f8") @ w.astype("f8").T
    results = [run(kind, x, w if kind == "mm" else np.ascontiguousarray(w.T), start, v) for v in variants()]
    for summed, fresh in results:
        np.testing.assert_allclose(fresh, exact, rtol=0, atol=2e-5)
        np.testing.assert_array_equal(summed, start + fresh)           # the pass sums from zero, then adds
        np.testing.assert_array_equal(fresh, results[0][1])


any_shape()
print("shapes ok")
# CHECK: shapes ok

# Sums run in order of i in fp32, and subnormal fp16 inputs count.
x = np.array([[2048.0, 2.0**-24, -2048.0]], "f2")
w = np.array([[2048.0, 2.0**-24, 2048.0]], "f2")
order = np.float32(np.float32(2048.0**2) + np.float32(2.0**-48)) - np.float32(2048.0**2)
small = np.array([[2.0**-24]], "f2")
for v in variants():
    assert run("mm", x, w, np.zeros((1, 1), "f4"), v)[1] == order
    assert run("mm", small, small, np.zeros((1, 1), "f4"), v)[1] == 2.0**-48
print("order ok")
# CHECK: order ok

# Infinity and NaN go through.
x = np.array([[np.inf, 1.0], [np.nan, 1.0], [np.inf, -np.inf]], "f2")
print(run("mm", x, np.ones((1, 2), "f2"), np.zeros((3, 1), "f4"), "baseline")[1].ravel())
# CHECK: [inf nan nan]
