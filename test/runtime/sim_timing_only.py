# A run without data gives exactly the counters of the functional run, given the unique-vector counts of its trace; other counts give other cycles.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, complaint

rng = np.random.default_rng(7)
ROWS, COLS, IDENTITY = 64, 70, 3
SLICES = 3
tokens = rng.standard_normal((8, COLS)) * (rng.random((8, 1)) < 0.8)
x = (tokens[np.sort(rng.integers(0, 8, ROWS))] + 0.01 * rng.standard_normal((ROWS, COLS))).astype("f2")
x[5] = 0
weight = rng.standard_normal((COLS, 32)).astype("f2")
tiles = [[0, 0, 40], [40, IDENTITY, 24]]
site = dict(layer=3, site="down_proj", width=COLS, slices=SLICES, visual=ROWS, count_base=8, tiles=tiles)


def program():
    """Concentrate each slice of two tiles, multiply the unique vectors, scatter; DMA by count as well."""
    p = Program(sites=[site])
    p.emit("sic.config", threshold=0.9, block_f=1, block_h=1, block_w=2)
    p.emit("sic.grid", index=0, first=0, frame_stride=ROWS, height_stride=ROWS, width_stride=1)
    p.put("ids", 0, np.arange(ROWS, dtype="i4"))
    table, numbers, conc = p.agu("table", 0, 64, "f2"), p.agu("map", 0, 2, "u2"), p.agu("conc", 0, 128, "f4")
    counts = {}
    for tile, (row0, identity, visual) in enumerate(tiles):
        acc = p.agu("output", tile * 65536, 128, "f4")
        here = p.agu("ids", 4 * row0, 4, "i4", number=120)
        rows = np.concatenate([x[:identity], x[row0:row0 + visual]])
        for s in range(SLICES):
            width = min(32, COLS - 32 * s)
            src, wgt = p.put("input", 0, rows[:, 32 * s:32 * s + width]), p.put("wgt", 0, weight[32 * s:32 * s + width])
            count = counts[tile, s] = p.agu("counts", 8 + 2 * (tile * SLICES + s), 2, "u2")
            p.do("sic.gather", src=src, ids=here, table=table, map=numbers, count=count, rows=p.n(visual), identity=p.n(identity),
                 cols=p.n(width), site=0)
            p.do("mm.kn", src=table, wgt=wgt, dst=conc, count=count, rows=p.n(identity + visual), k=p.n(width), n=p.n(32), init=7)
            p.do("scatter", src=conc, map=numbers, dst=acc, rows=p.n(visual), identity=p.n(identity), cols=p.n(32), init=7 if s == 0 else 15)
            p.module += 1
        p.do("store", src=conc, dst=p.agu("dram", p.dram(np.zeros((100, 32), "f4")), 128, "f4"), count=count,
             rows=p.n(identity + visual), cols=p.n(32), stream="compact")
        p.result_of = getattr(p, "result_of", []) + [p.get(acc, (identity + visual, 32), "f4")]
    p.do("sec.importance", src=acc, dst=p.agu("importance", 0, 4, "f4"), rows=p.n(7), cols=p.n(32), init=7)
    p.do("sec.topk", src=p.agu("importance", 0, 4, "f4"), dst=here, n=p.n(32), k=p.n(9))
    return p


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return np.array_equal(a, b)


p = program()
functional = p.run()
trace, = p.sim.trace()
group, zero = trace["group"], trace["zero"]
counts = np.array([[((group[r:r + v, s] == np.arange(r, r + v)) & (zero[r:r + v, s] == 0)).sum() for s in range(SLICES)] for r, _, v in tiles], "i4")
print(counts.sum() < 0.5 * ROWS * SLICES, trace["layer"], trace["site"])
# CHECK: True 3 down_proj

# The concentrated product is that of the rows with each vector replaced by its group's mean.
means = np.zeros((ROWS, COLS), "f4")
for s in range(SLICES):
    part = x[:, 32 * s:32 * s + 32].astype("f4")
    for g in np.unique(group[:, s]):
        means[group[:, s] == g, 32 * s:32 * s + 32] = part[group[:, s] == g].mean(0).astype("f2")
for (row0, identity, visual), handle in zip(tiles, p.result_of):
    exact = np.concatenate([x[:identity].astype("f4"), means[row0:row0 + visual]]) @ weight.astype("f4")
    np.testing.assert_allclose(p.result(handle), exact, atol=0.05)

q = program()
timing = q.run(functional=False, counts=[counts])
functional["modules"].pop("nonfinite"), timing["modules"].pop("nonfinite")
functional["modules"].pop("overflows"), timing["modules"].pop("overflows")
print(same(functional, timing), sum(timing["modules"]["cycles"]) <= timing["cycles"])
# CHECK: True True
print(q.sim.run(functional=False, counts=[counts + 1])["cycles"] > timing["cycles"])
# CHECK: True
print(same({k: v for k, v in p.sim.run(functional=True).items() if k != "modules"}, {k: v for k, v in functional.items() if k != "modules"}))
# CHECK: True

# Counts that cannot be are refused.
# CHECK: counts of 1 sites expected, got 0
print(complaint(lambda: q.sim.run(functional=False)))
# CHECK: counts of layer 3, site 'down_proj': 6 values expected, got 5
print(complaint(lambda: q.sim.run(functional=False, counts=[counts.ravel()[:5].copy()])))
# CHECK: counts of layer 3, site 'down_proj': value 0 is 41, outside 0..40
print(complaint(lambda: q.sim.run(functional=False, counts=[np.full((2, 3), 41, "i4")])))
