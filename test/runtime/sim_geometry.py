# Machines of several shapes: passes, scatter, concentration and the vector unit compute what numpy computes, the inner loops of every instruction
# set give the same bits, and a run without data takes the same cycles.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples, machine, variants

from focus.runtime import _sim

SHAPES = ((8, 8), (16, 32), (64, 16), (32, 32), (64, 64), (128, 128), (8, 128), (128, 8))
BIG = {f"buffers__{name}": dict(bytes=1 << 20, macros=[]) for name in ("input", "wgt", "conc", "output", "table")}
shapes = st.sampled_from(SHAPES)


def of(shape):
    return machine(array__rows=shape[0], array__cols=shape[1], **BIG)


def finish(p, counts=()):
    """Runs without data, then with data and the sanitizer; cycles agree.  Counters of the latter."""
    sim = p.simulator()
    timed = sim.run(functional=False, counts=list(counts))
    full = sim.run(functional=True, sanitize=True)
    assert not full["findings"] and timed["cycles"] == full["cycles"]
    return full


def gemm(m, kind, x, w, start, variant):
    """x [M, K] times w [N, K] in passes of the machine's size, added to `start`; the result, and its counters."""
    _sim.select_kernels(variant)
    g, (rows, k), n = m.geometry, x.shape, len(w)
    p = Program(m)
    dst = p.put("output", 0, start)
    p.put("input", 0, x)
    p.put("wgt", 0, w if kind == "mm" else np.ascontiguousarray(w.T))
    pitch = {"mm": 2 * k, "mm.kn": 2 * n}[kind]
    count = p.n(rows)
    for i in range(0, k, g.rows):
        for j in range(0, n, g.cols):
            a = p.agu("input", 2 * i, 2 * k, "f2")
            b = p.agu("wgt", j * pitch + 2 * i if kind == "mm" else i * pitch + 2 * j, pitch, "f2")
            c = p.agu("output", 4 * j, 4 * n, "f4")
            p.do(kind, src=a, wgt=b, dst=c, rows=count, k=p.n(min(g.rows, k - i)), n=p.n(min(g.cols, n - j)), init=15)
    out = p.get(dst, start.shape, "f4")
    result = finish(p)
    assert result["macs"] == rows * k * n and result["passes"] == g.passes(k, n)
    assert result["array_busy"] == g.passes(k, n) * m.timing.array(rows)
    return p.result(out)


@examples(40)
@given(shapes, st.integers(1, 40), st.integers(1, 140), st.integers(1, 140), st.sampled_from(["mm", "mm.kn"]), st.integers(0, 2**32 - 1))
def gemms(shape, rows, k, n, kind, seed):
    m, rng = of(shape), np.random.default_rng(seed)
    if m.geometry.passes(k, n) > 36:                        # as many address generators as there are
        k, n = min(k, 6 * m.geometry.rows), min(n, 6 * m.geometry.cols)
    x, w, start = (rng.standard_normal(s) for s in ((rows, k), (n, k), (rows, n)))
    x, w, start = x.astype("f2"), w.astype("f2"), start.astype("f4")
    results = [gemm(m, kind, x, w, start, v) for v in variants()]
    np.testing.assert_allclose(results[0], start + x.astype("f8") @ w.astype("f8").T, rtol=0, atol=1e-4)
    for r in results[1:]:
        np.testing.assert_array_equal(r, results[0])


gemms()
print("gemms ok")
# CHECK: gemms ok


@examples(30)
@given(shapes, st.integers(0, 60), st.integers(0, 9), st.integers(1, 300), st.booleans(), st.integers(0, 2**32 - 1))
def scatters(shape, mapped, identity, cols, init, seed):
    m, rng = of(shape), np.random.default_rng(seed)
    mapped += mapped + identity == 0
    unique = max(1, mapped // 2)
    sums = rng.standard_normal((identity + unique, cols)).astype("f4")
    numbers = rng.integers(-1, unique, (1, mapped)).astype("u2")            # -1 is 0xFFFF
    start = rng.standard_normal((identity + mapped, cols)).astype("f4")
    wanted = np.zeros_like(start) if init else start.copy()
    wanted[:identity] += sums[:identity]
    there = numbers[0] != 0xFFFF
    wanted[identity:][there] += sums[identity + numbers[0][there].astype(int)]
    for v in variants():
        _sim.select_kernels(v)
        p = Program(m)
        src, dst = p.put("conc", 0, sums), p.put("output", 0, start)
        fields = dict(map=p.put("map", 0, numbers)) if mapped else {}
        p.do("scatter", src=src, dst=dst, rows=p.n(mapped), identity=p.n(identity), cols=p.n(cols), init=7 if init else 15, **fields)
        out = p.get(dst, start.shape, "f4")
        result = finish(p)
        np.testing.assert_array_equal(p.result(out), wanted)
        assert result["units"]["scatter"]["busy"] == m.timing.scatter(identity + mapped, cols)
        assert result["activity"]["scatter_rows"] == (identity + mapped) * m.geometry.n_tiles(cols)


scatters()
print("scatters ok")
# CHECK: scatters ok


def groups(x, block, grid, threshold):
    """Representative of each row of a whole grid, or None where a decision is too close to call."""
    group, norm = np.arange(len(x)), np.sqrt((x.astype("f8") ** 2).sum(1))
    for r in range(len(x)):
        found = []
        for step in np.ndindex(*block):
            c = r - int(np.dot(step, grid))
            if any(step) and c >= 0:
                found.append((x[r].astype("f8") @ x[c] / (norm[r] * norm[c]), c))
        if not found:
            continue
        best, choice = max(found, key=lambda f: f[0])
        if abs(best - threshold) < 1e-4 or any(best - s < 1e-4 and not (x[c] == x[choice]).all() for s, c in found if c != choice):
            return None
        if best > threshold:
            group[r] = group[next(c for s, c in found if (x[c] == x[choice]).all())]
    return group


@examples(60)
@given(st.sampled_from((8, 16, 24, 32, 64, 100, 128)), st.tuples(*[st.integers(1, 4)] * 3), st.tuples(*[st.integers(1, 5)] * 3),
       st.integers(0, 2**32 - 1))
def concentrates(vector, block, sides, seed):
    rng, grid = np.random.default_rng(seed), (sides[1] * sides[2], sides[2], 1)
    n = sides[0] * grid[0]
    seeds = rng.standard_normal((4, vector))
    x = (seeds[rng.integers(0, 4, n)] + 0.1 * rng.standard_normal((n, vector)) * (rng.random((n, 1)) < 0.3)).astype("f2")
    group = groups(x, block, grid, 0.9)
    if group is None:
        return
    leaders = [r for r in range(n) if group[r] == r]
    site = dict(layer=0, site="query", width=vector, slices=1, visual=n, count_base=0, tiles=[[0, 0, n]])
    tables = []
    for v in variants():
        _sim.select_kernels(v)
        p = Program(machine(**BIG), [site])
        p.emit("sic.config", threshold=0.9, block_f=block[0], block_h=block[1], block_w=block[2])
        p.emit("sic.grid", index=0, first=0, frame_stride=grid[0], height_stride=grid[1], width_stride=grid[2])
        src, table = p.put("input", 0, x), p.agu("table", 0, 2 * vector, "f2")
        numbers, count = p.agu("map", 0, 2 * n, "u2"), p.agu("counts", 0, 2, "u2")
        p.do("sic.gather", src=src, table=table, map=numbers, count=count, rows=p.n(n), identity=p.n(0), cols=p.n(vector), site=0)
        out, to = p.get(table, (len(leaders), vector), "f2"), p.get(numbers, (1, n), "u2")
        result = finish(p, [np.array([len(leaders)], "i4")])
        np.testing.assert_array_equal(p.sim.trace()[0]["group"][:, 0], group)
        np.testing.assert_array_equal(p.result(to)[0], [leaders.index(group[r]) for r in range(n)])
        means = [x[group == r].astype("f8").mean(0) for r in leaders]
        np.testing.assert_allclose(p.result(out).astype("f8"), means, rtol=2e-3, atol=1e-4)
        assert result["units"]["sic"]["busy"] == n * int(np.prod(block)) * -(-vector // 32)
        tables.append(p.result(out))
    for t in tables[1:]:
        np.testing.assert_array_equal(t, tables[0])


concentrates()
print("concentrations ok")
# CHECK: concentrations ok


@examples(20)
@given(shapes, st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**32 - 1))
def vectors(shape, rows, cols, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((rows, cols)).astype("f4") for _ in range(2))
    p = Program(of(shape))
    one, two, to, sums = p.put("output", 0, a), p.put("input", 0, b), p.agu("conc", 0, 4 * cols, "f4"), p.agu("stats", 0, 4, "f4")
    p.do("v.zip", op="mul", bcast="full", a=one, b=two, dst=to, rows=p.n(rows), cols=p.n(cols))
    p.do("v.reduce", op="max", src=to, dst=sums, rows=p.n(rows), cols=p.n(cols), init=7)
    product, largest = p.get(to, a.shape, "f4"), p.get(sums, (rows, 1), "f4")
    finish(p)
    np.testing.assert_array_equal(p.result(product), a * b)
    np.testing.assert_array_equal(p.result(largest)[:, 0], (a * b).max(1))


vectors()
print("vectors ok")
# CHECK: vectors ok

# What an array of that shape, or a vector unit, cannot take.
# CHECK: (mm): extent 'k' is 9; this machine takes at most 8
# CHECK-NEXT: (mm): extent 'n' is 9; this machine takes at most 8
# CHECK-NEXT: (sic.gather): extent 'cols' is 17; this machine takes at most 16
for k, n in ((9, 8), (8, 9)):
    p = Program(of((8, 8)))
    p.emit("mm", src=p.agu("input", 0, 64, "f2"), wgt=p.agu("wgt", 0, 64, "f2"), dst=p.agu("output", 0, 64, "f4"), rows=p.n(4), k=p.n(k), n=p.n(n), init=7)
    print(complaint(lambda: p.run(functional=False, counts=[])))
p = Program(machine(sic__vector=16), [dict(layer=0, site="query", width=17, slices=1, visual=4, count_base=0, tiles=[[0, 0, 4]])])
p.emit("sic.config", threshold=0.9, block_f=1, block_h=1, block_w=1)
p.emit("sic.gather", src=p.agu("input", 0, 64, "f2"), table=p.agu("table", 0, 64, "f2"), map=p.agu("map", 0, 8, "u2"), count=p.agu("counts", 0, 2, "u2"),
       rows=p.n(4), identity=p.n(0), cols=p.n(17), site=0)
print(complaint(lambda: p.run(functional=False, counts=[np.zeros(1, "i4")])))
