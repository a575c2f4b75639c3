# Cycles of scatter, the two concentrators and the vector unit against their closed forms.
# RUN: %python %s | filecheck %s
from math import ceil

import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, machine


def busy(unit, build, sites=None, counts=(), **changes):
    p = Program(machine(**changes), sites)
    build(p)
    return p.run(functional=False, counts=list(counts))["units"][unit]["busy"]


def scatter(p, rows, identity, cols):
    p.agu("conc", 0, 384, "f4"), p.agu("map", 0, 2, "u2"), p.agu("output", 0, 384, "f4")
    p.emit("scatter", src=0, map=1, dst=2, rows=p.n(rows), identity=p.n(identity), cols=p.n(cols), init=7)


@examples(30)
@given(st.integers(0, 900), st.integers(0, 100), st.integers(1, 96), st.integers(1, 4))
def scatters(rows, identity, cols, lanes):
    cycles = ceil((rows + identity) / lanes) * ceil(cols / 32)
    assert busy("scatter", lambda p: scatter(p, rows, identity, cols), sic__scatter_per_cycle=lanes) == cycles


scatters()
print("scatter ok")
# CHECK: scatter ok


def gather(p, visual, identity, block):
    p.agu("input", 0, 64, "f2"), p.agu("table", 0, 64, "f2"), p.agu("map", 0, 2, "u2"), p.agu("counts", 0, 2, "u2")
    p.emit("sic.config", threshold=0.9, block_f=block[0], block_h=block[1], block_w=block[2])
    p.emit("sic.gather", src=0, table=1, map=2, count=3, rows=p.n(visual), identity=p.n(identity), cols=p.n(32), site=0)


@examples(30)
@given(st.integers(0, 900), st.integers(0, 100), st.tuples(*[st.integers(1, 2)] * 3), st.integers(1, 3))
def gathers(visual, identity, block, slow):
    site = dict(layer=0, site="query", width=32, slices=1, visual=visual, count_base=0, tiles=[[0, identity, visual]])
    cycles = busy("sic", lambda p: gather(p, visual, identity, block), [site], [np.zeros(1, "i4")], sic__cycles_per_candidate=slow)
    assert cycles == visual * block[0] * block[1] * block[2] * slow + identity


gathers()
print("sic ok")
# CHECK: sic ok


def concentrate(p, rows, cols, keep):
    p.agu("output", 0, 4 * cols, "f4"), p.agu("importance", 0, 4, "f4"), p.agu("ids", 0, 4, "i4")
    p.emit("sec.importance", src=0, dst=1, rows=p.n(rows), cols=p.n(cols), init=7)
    p.emit("sec.topk", src=1, dst=2, n=p.n(cols), k=p.n(keep))
    p.emit("sec.select", src=2, sel=2, dst=2, n=p.n(cols), k=p.n(keep))


print(busy("sec", lambda p: concentrate(p, 13, 100, 40)) == ceil(13 * 100 / 32) + 9 * ceil(100 / 32) + 40)
# CHECK: True

LANES = dict(exp=192, multiply=192, add=192, sqrt=6, reciprocal=6)
LATENCY = 8


def lanes(elements=0, rows=0, per_row=(), **per_element):
    """Cycles of the busiest lane class, plus the pipeline."""
    uses = {kind: per_element.get(kind, 0) * elements + dict(per_row).get(kind, 0) * rows for kind in LANES}
    return max(ceil(uses[kind] / LANES[kind]) for kind in LANES) + LATENCY


def vector(mnemonic, rows=50, cols=70, **fields):
    def build(p):
        for i in range(4):
            p.agu("output", 0, 384, "f4")
        p.agu("ids", 0, 4, "i4")
        shape = {"rows": p.n(rows), **({} if mnemonic == "v.stats" else {"cols": p.n(cols)})}
        p.emit(mnemonic, **shape, **fields)
    return busy("sfu", build)


E, R = 50 * 70, 50
for op, uses in {"copy": dict(add=1), "silu": dict(exp=1, reciprocal=1), "gelu_tanh": dict(reciprocal=1), "gelu_erf": dict(reciprocal=1, multiply=14),
                 "gelu_quick": dict(reciprocal=1), "relu": dict(add=1), "exp": dict(exp=1), "scale": dict(multiply=1),
                 "tanh": dict(reciprocal=1)}.items():
    assert vector("v.map", op=op, src=0, dst=1, scalar=0) == lanes(E, **uses), op
for op in ("add", "sub", "mul", "max"):
    assert vector("v.zip", op=op, bcast="full", a=0, b=1, dst=2) == lanes(E, add=1), op
for op, adds in (("sum", 1), ("max", 1), ("moments", 2)):
    assert vector("v.reduce", op=op, src=0, dst=1, init=7) == lanes(E, add=adds), op
assert vector("v.stats", kind="rms", src=0, dst=1, inv=0, eps=1) == lanes(0, R, {"sqrt": 1})
assert vector("v.normalize", src=0, stats=1, weight=2, dst=3) == lanes(E, multiply=2)
assert vector("v.normalize", src=0, stats=1, weight=2, bias=2, dst=3) == lanes(E, multiply=2)
assert vector("v.rope", src=0, cos=1, sin=2, dst=3) == lanes(E, multiply=2)
assert vector("v.softmax", src=0, state=1, dst=2, scalar=0, init=7) == lanes(E, R, {"add": 3}, add=3)
assert vector("v.softmax", src=0, state=1, dst=2, qpos=4, kpos=4, scalar=0, init=7) == lanes(E, R, {"add": 3}, add=4)
assert vector("v.prob", src=0, state=1, dst=2, scalar=0) == lanes(E, R, {"reciprocal": 1}, multiply=2)
assert vector("v.rescale", dst=0, state=1, init=15) == lanes(E, multiply=1)
assert vector("v.rescale", dst=0, state=1, init=7) == 0
assert vector("v.finish", src=0, state=1, dst=2) == lanes(E, R, {"reciprocal": 1}, multiply=1)
assert vector("v.zip", rows=0, op="add", bcast="full", a=0, b=1, dst=2) == 0
print("vector ok")
# CHECK: vector ok
