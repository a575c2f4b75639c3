# Scatter-accumulate against numpy: identity rows, mapped rows, rows without a vector; overwriting puts zeros where nothing is mapped.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


@examples(40)
@given(st.integers(0, 9), st.integers(0, 40), st.integers(1, 20), st.integers(1, 32), st.booleans(), st.integers(0, 2**32 - 1))
def any_shape(identity, rows, unique, cols, init, seed):
    if identity + rows == 0:
        return
    rng = np.random.default_rng(seed)
    src, dst = (rng.standard_normal((n, cols)).astype("f4") for n in (identity + unique, identity + rows))
    numbers = rng.integers(0, unique, rows).astype("u2")
    numbers[rng.random(rows) < 0.3] = 0xFFFF
    p = Program()
    a, c = p.put("conc", 0, src, pitch=128), p.put("output", 64, dst, pitch=384)
    fields = {"map": p.put("map", 0, numbers)} if rows else {}
    p.do("scatter", src=a, dst=c, rows=p.n(rows), identity=p.n(identity), cols=p.n(cols), init=7 if init else 15, **fields)
    out = p.get(c, dst.shape, "f4")
    p.run()
    values = np.concatenate([src, np.zeros((1, cols), "f4")])[
        np.concatenate([np.arange(identity), np.where(numbers == 0xFFFF, -1, identity + numbers.astype(int))])]
    np.testing.assert_array_equal(p.result(out), values if init else dst + values)


any_shape()
print("shapes ok")
# CHECK: shapes ok

p = Program()
a, c = p.agu("conc", 0, 128, "f4"), p.agu("output", 0, 128, "f4")
p.do("scatter", src=a, dst=c, rows=p.n(3), identity=p.n(0), cols=p.n(32), init=7)
print(complaint(p.run))
# CHECK: instruction {{[0-9]+}} (scatter): operand 'map' is missing for the mapped rows

# A map that names a vector beyond the memory is caught.
p = Program()
a, c = p.agu("conc", 196608 - 128 * 4, 128, "f4"), p.agu("output", 0, 128, "f4")
p.do("scatter", src=a, dst=c, map=p.put("map", 0, np.array([0, 9], "u2")), rows=p.n(2), identity=p.n(0), cols=p.n(32), init=7)
print(complaint(p.run))
# CHECK: instruction {{[0-9]+}} (scatter): operand 'src': out of bounds: bytes 196096..197376 of conc, which has 196608
