# DMA: strided rows, rows counted by the count memory, rows by an id list; each element type.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


@examples(30)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["f2", "f4", "i4", "u2"]), st.integers(0, 3), st.integers(0, 2**32 - 1))
def strided(rows, cols, dtype, gap, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 1000, (rows, cols + gap)).astype(dtype)
    p = Program()
    size = np.dtype(dtype).itemsize
    src = p.agu("dram", p.dram(table), (cols + gap) * size, dtype)
    dst = p.agu("vector", 128, (cols + 2 * gap) * size, dtype)
    p.do("load", src=src, dst=dst, rows=p.n(rows), cols=p.n(cols), stream="param")
    out = p.get(dst, (rows, cols), dtype)
    counters = p.run()
    np.testing.assert_array_equal(p.result(out), table[:, :cols])
    assert counters["sram"]["vector"] == {"read": rows * cols * size, "write": rows * cols * size}


strided()
print("strided ok")
# CHECK: strided ok


@examples(20)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**32 - 1))
def by_ids(count, cols, seed):
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((50, cols)).astype("f2")
    ids = rng.integers(0, 50, count).astype("i4")
    p = Program()
    src, dst = p.agu("dram", p.dram(table), cols * 2, "f2"), p.agu("vector", 0, cols * 2, "f2")
    p.do("gather", src=src, dst=dst, ids=p.put("ids", 0, ids), rows=p.n(count), cols=p.n(cols), stream="param")
    out = p.get(dst, (count, cols), "f2")
    p.run()
    np.testing.assert_array_equal(p.result(out), table[ids])


by_ids()
print("gather ok")
# CHECK: gather ok

# The count memory says how many rows; a zero moves nothing.
table = np.arange(40, dtype="f4").reshape(10, 4)
for count in (0, 3, 10):
    p = Program()
    entry = p.put("counts", 6, np.array([[count]], "u2"))
    src, dst = p.agu("dram", p.dram(table), 16, "f4"), p.put("vector", 0, np.full((10, 4), -1, "f4"))
    p.do("load", src=src, dst=dst, count=entry, rows=p.n(10), cols=p.n(4), stream="activation")
    out = p.get(dst, (10, 4), "f4")
    p.run()
    assert (p.result(out)[:count] == table[:count]).all() and (p.result(out)[count:] == -1).all()
print("count ok")
# CHECK: count ok


def error(build):
    p = Program()
    build(p)
    print(complaint(p.run))


def too_many(p):
    entry = p.put("counts", 0, np.array([[9]], "u2"))
    p.do("load", src=p.agu("dram", 0, 8, "f4"), dst=p.agu("vector", 0, 8, "f4"), count=entry, rows=p.n(8), cols=p.n(2), stream="kv")


# CHECK: instruction {{[0-9]+}} (load): operand 'count' says 9 rows, more than the extent's 8
error(too_many)
# CHECK-NEXT: (load): operands 'src' and 'dst' have different element types
error(lambda p: p.do("load", src=p.agu("dram", 0, 8, "f4"), dst=p.agu("vector", 0, 8, "f2"), rows=p.n(8), cols=p.n(2), stream="kv"))
# CHECK-NEXT: (load): operand 'src': must be in dram
error(lambda p: p.do("load", src=p.agu("input", 0, 8, "f4"), dst=p.agu("vector", 0, 8, "f4"), rows=p.n(8), cols=p.n(2), stream="kv"))
# CHECK-NEXT: (store): operand 'src': must be on chip
error(lambda p: p.do("store", src=p.agu("dram", 0, 8, "f4"), dst=p.agu("dram", 0, 8, "f4"), rows=p.n(8), cols=p.n(2), stream="kv"))
# CHECK-NEXT: (gather): operand 'ids': row -1 is outside dram
error(lambda p: p.do("gather", src=p.agu("dram", 0, 8, "f4"), dst=p.agu("vector", 0, 8, "f4"), ids=p.put("ids", 0, np.array([3, -1], "i4")),
                     rows=p.n(2), cols=p.n(2), stream="kv"))
