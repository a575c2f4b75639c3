# Machine.timing says what the simulator takes: each function against single instructions of random sizes, on machines of several shapes and rates.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples, machine

from focus.runtime.spec import isa

BIG = {f"buffers__{name}": dict(bytes=1 << 26, macros=[]) for name in ("input", "wgt", "conc", "output", "map", "table", "ids", "importance", "stats")}
SIDES = st.sampled_from((8, 16, 32, 64, 128))
machines = st.builds(
    lambda rows, cols, rule, **rates: machine(array__rows=rows, array__cols=cols, array__rule=rule, **rates, **BIG),
    SIDES, SIDES, st.sampled_from(("shadow", "scalesim", "rtl")), sic__lanes=st.sampled_from((8, 32, 40)), sic__scatter_per_cycle=st.integers(1, 4),
    sic__cycles_per_candidate=st.integers(1, 3), sic__cycles_per_identity_row=st.integers(1, 3), sec__maxima_per_cycle=st.integers(1, 40),
    sec__topk_passes=st.integers(1, 9), sec__select_per_cycle=st.integers(1, 4), sfu__exp=st.integers(1, 300), sfu__add=st.integers(1, 300),
    sfu__latency=st.integers(0, 20), dram__latency_cycles=st.integers(0, 99), dram__bytes_per_second=st.sampled_from((1e9, 6.9e10, 3e11)))


def alone(m, mnemonic, spaces, sites=None, counts=(), before=(), **fields):
    """Busy cycles of the unit, and cycles from when the instruction can start to the end of the run; `spaces`: (field, memory, element type)."""
    p = Program(m, sites)
    operands = {name: p.agu(space, 0, 1024, dtype) for name, space, dtype in spaces}
    extents = {f.name: p.n(fields.pop(f.name)) for f in isa.TABLE[mnemonic].fields if f.kind == "ext"}
    for name, values in before:
        p.emit(name, **values)
    start = p.emit(mnemonic, **operands, **extents, **fields) + 1
    result = p.run(functional=False, counts=list(counts))
    unit = isa.TABLE[mnemonic].unit.name.lower()
    return result["units"][unit]["busy"], result["cycles"] - start


@examples(60)
@given(machines, st.data())
def units(m, data):
    t, g, n = m.timing, m.geometry, lambda low, high: data.draw(st.integers(low, high))
    rows, cols = n(1, 300), n(1, 200)
    got = alone(m, "mm", [("src", "input", "f2"), ("wgt", "wgt", "f2"), ("dst", "output", "f4")], rows=rows, k=n(1, g.rows), n=n(1, g.cols), init=7)
    assert got == (t.array(rows), t.array_latency(rows)) and t.array(rows) == m.cycles_per_pass(rows)

    identity = n(0, 50)
    got = alone(m, "scatter", [("src", "conc", "f4"), ("map", "map", "u2"), ("dst", "output", "f4")], rows=rows, identity=identity, cols=cols, init=7)
    assert got == (t.scatter(rows + identity, cols),) * 2

    block, vector = [n(1, 4) for _ in range(3)], n(1, g.vector)
    site = dict(layer=0, site="query", width=vector, slices=1, visual=rows, count_base=0, tiles=[[0, identity, rows]])
    config = ("sic.config", dict(threshold=0.9, block_f=block[0], block_h=block[1], block_w=block[2]))
    got = alone(m, "sic.gather", [("src", "input", "f2"), ("table", "table", "f2"), ("map", "map", "u2"), ("count", "counts", "u2")], [site],
                [np.zeros(1, "i4")], [config], rows=rows, identity=identity, cols=vector, site=0)
    assert got == (t.sic_gather(rows, identity, int(np.prod(block)), vector),) * 2

    assert alone(m, "sec.importance", [("src", "output", "f4"), ("dst", "importance", "f4")], rows=rows, cols=cols, init=7)[0] == t.sec_importance(rows, cols)
    keep = n(1, cols)
    assert alone(m, "sec.topk", [("src", "importance", "f4"), ("dst", "ids", "i4")], n=cols, k=keep)[0] == t.sec_topk(cols)
    assert alone(m, "sec.select", [("src", "ids", "i4"), ("sel", "ids", "i4"), ("dst", "ids", "i4")], n=cols, k=keep)[0] == t.sec_select(keep)

    burst = m.dram.burst_bytes
    nbytes = -(-cols * 4 // burst) * burst * rows              # rows begin on a burst
    busy, _ = alone(m, "load", [("src", "dram", "f4"), ("dst", "input", "f4")], rows=rows, cols=cols, stream=0)
    assert busy == t.dma(nbytes)
    busy, cycles = alone(m, "store", [("src", "output", "f4"), ("dst", "dram", "f4")], rows=rows, cols=cols, stream=0)
    assert busy == t.dma(nbytes) and cycles == int(np.ceil(busy)) + t.dram_latency


units()
print("units ok")
# CHECK: units ok

MEMORY = {"state": "stats", "qpos": "ids", "kpos": "ids"}
TYPE = {isa.DType.F16: "f2", isa.DType.F32: "f4", isa.DType.I32: "i4"}


@examples(60)
@given(machines, st.data())
def vectors(m, data):
    instr = data.draw(st.sampled_from([i for i in isa.TABLE.values() if i.work]))
    rows, cols = data.draw(st.integers(1, 60)), 2 * data.draw(st.integers(1, 60))
    extra = bool(instr.work.extra_for) and data.draw(st.booleans())
    names = [f for f in instr.mems if not f.optional or extra]
    fields = {f.name: 0 for f in instr.fields if f.kind == "scalar"} | {f.name: 15 for f in instr.fields if f.kind == "init"}
    for f in instr.fields:
        if f.kind == "enum":
            fields[f.name] = int(data.draw(st.sampled_from(list(isa.ENUMS[f.enum]))))
    op = isa.ENUMS[instr.field("op").enum](fields["op"]) if instr.work.by else None
    for f in instr.fields:
        if f.kind == "ext":
            fields[f.name] = {"rows": rows, "cols": cols}[f.name]
    spaces = [(f.name, MEMORY.get(f.name, "output"), TYPE[next(t for t in f.types if t in TYPE)]) for f in names]
    busy, _ = alone(m, instr.mnemonic, spaces, **fields)
    cols = cols if any(f.name == "cols" for f in instr.fields) else 0
    assert busy == m.timing.vector(instr.mnemonic, rows, cols, op.name.lower() if op is not None else "", extra), instr.mnemonic
    element, row = instr.lanes(op, extra)                      # and that is what the table states
    uses = [cols * rows * e + rows * r for e, r in zip(element, row)]
    lanes = [getattr(m.sfu, kind) for kind in isa.Lanes._fields]
    assert busy == m.sfu.latency + max(-(-u // n) for u, n in zip(uses, lanes)), instr.mnemonic


vectors()
print("vector ok")
# CHECK: vector ok

t = machine().timing
print(t.array(0), t.scatter(0, 5), t.sic_gather(0, 0, 8, 32), t.vector("v.rope", 0, 8), t.dma(0))
# CHECK: 0 0 0 0 0.0
print(complaint(lambda: t.vector("v.map", 1, 1, "sine")))
# CHECK: 'v.map' has no function 'sine'; copy, silu, gelu_tanh, gelu_erf, gelu_quick, relu, exp, scale, tanh expected
print(complaint(lambda: t.vector("mm", 1, 1)))
# CHECK: 'mm' is no instruction of the vector unit
