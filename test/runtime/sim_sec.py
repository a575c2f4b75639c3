# The semantic concentrator: importance as a running maximum, top-k with ties and NaN, compaction of id lists.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


@examples(20)
@given(st.integers(1, 20), st.integers(1, 50), st.integers(0, 2**32 - 1))
def importance(rows, cols, seed):
    rng = np.random.default_rng(seed)
    first, second = (rng.random((rows, cols)).astype("f4") for _ in range(2))
    p = Program()
    dst = p.agu("importance", 64, 4 * cols, "f4")
    for tile, init in ((first, 7), (second, 15)):
        p.do("sec.importance", src=p.put("output", 0, tile, pitch=384), dst=dst, rows=p.n(rows), cols=p.n(cols), init=init)
    out = p.get(dst, (1, cols), "f4")
    p.run()
    np.testing.assert_array_equal(p.result(out)[0], np.maximum(first, second).max(0))


importance()
print("importance ok")
# CHECK: importance ok


def topk(values, k):
    p = Program()
    dst = p.agu("ids", 0, 4 * k, "i4")
    p.do("sec.topk", src=p.put("importance", 0, np.array(values, "f4")), dst=dst, n=p.n(len(values)), k=p.n(k))
    out = p.get(dst, (1, k), "i4")
    p.run()
    return p.result(out)[0].tolist()


@examples(30)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=60), st.data())
def any_topk(values, data):
    k = data.draw(st.integers(1, len(values)))
    assert topk(values, k) == sorted(sorted(range(len(values)), key=lambda i: (-values[i], i))[:k])


any_topk()
print("topk ok", topk([0.1, np.nan, 0.9, np.inf, 0.9], 3))
# CHECK: topk ok [1, 2, 3]
# CHECK-NEXT: instruction {{[0-9]+}} (sec.topk): keeps 3 of 2 candidates
print(complaint(lambda: topk([1, 2], 3)))


def select(values, sel):
    p = Program()
    dst = p.agu("ids", 4096, 4 * len(sel), "i4")
    p.do("sec.select", src=p.put("ids", 0, np.array(values, "i4")), sel=p.put("ids", 2048, np.array(sel, "i4")), dst=dst,
         n=p.n(len(values)), k=p.n(len(sel)))
    out = p.get(dst, (1, len(sel)), "i4")
    p.run()
    return p.result(out)[0].tolist()


print(select([3, 5, 8, 9], [0, 2, 3]))
# CHECK-NEXT: [3, 8, 9]
# CHECK-NEXT: (sec.select): operand 'sel': row 4 of a list of 4
print(complaint(lambda: select([3, 5, 8, 9], [0, 4])))

# A machine without the unit refuses.
p = Program("dense")
p.do("sec.topk", src=p.agu("importance", 0, 4, "f4"), dst=p.agu("ids", 0, 4, "i4"), n=p.n(1), k=p.n(1))
print(complaint(p.run))
# CHECK-NEXT: (sec.topk): this machine has no semantic concentrator
