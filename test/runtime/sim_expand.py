# Expanding a concentrated slice against numpy: every mapped row gets its unique vector, rows without one get zeros; traffic is that of the
# dense rows.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


@examples(40)
@given(st.integers(0, 9), st.integers(1, 60), st.integers(1, 20), st.integers(1, 32), st.integers(0, 2**32 - 1))
def any_shape(identity, rows, unique, cols, seed):
    rng = np.random.default_rng(seed)
    compact = rng.standard_normal((identity + unique, cols)).astype("f2")
    numbers = rng.integers(0, unique, rows).astype("u2")
    numbers[rng.random(rows) < 0.3] = 0xFFFF
    p = Program()
    src, map_ = p.put("table", 0, compact, pitch=64), p.put("map", 0, numbers)
    out = p.dram(np.full((rows, cols), 7, "f2"))
    dst = p.agu("dram", out, 2 * cols, "f2")
    p.do("expand", src=src, map=map_, dst=dst, rows=p.n(rows), identity=p.n(identity), cols=p.n(cols), stream="result")
    raw = p.run()
    values = np.concatenate([compact, np.zeros((1, cols), "f2")])[np.where(numbers == 0xFFFF, -1, identity + numbers.astype(int))]
    np.testing.assert_array_equal(p.result((out, (rows, cols), np.dtype("f2"))), values)
    first, last = out // 64, (out + rows * cols * 2 - 1) // 64
    assert raw["dram"]["result"]["write"] == 64 * (last - first + 1), raw["dram"]["result"]


any_shape()
print("shapes ok")
# CHECK: shapes ok

p = Program("dense")
p.do("expand", src=p.agu("table", 0, 64, "f2"), map=p.agu("map", 0, 64, "u2"), dst=p.agu("dram", 0, 64, "f2"), rows=p.n(3), identity=p.n(0),
     cols=p.n(32), stream="result")
print(complaint(p.run))
# CHECK: instruction {{[0-9]+}} (expand): this machine has no similarity maps
