# Each cycle a unit does not work is given to what it waits for; busy, stall and idle cycles add up to the whole.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, machine

SITE = dict(layer=0, site="query", width=32, slices=1, visual=64, count_base=0, tiles=[[0, 0, 64]])


def stalls(signaller):
    """Stall cycles of a v.map that waits for an instruction of another unit."""
    p = Program(machine(dram__latency_cycles=0), [SITE])
    spaces = [("dram", "f2"), ("input", "f2"), ("wgt", "f2"), ("conc", "f4"), ("output", "f4"), ("map", "u2"), ("table", "f2"), ("counts", "u2"),
              ("importance", "f4"), ("vector", "f2")]
    a = {space: p.agu(space, 0, 128, dtype) for space, dtype in spaces}
    n64, n32, n0 = p.n(64), p.n(32), p.n(0)
    p.emit("sic.config", threshold=0.9, block_f=2, block_h=2, block_w=2)
    emit = {
        "load": lambda: p.emit("load", src=a["dram"], dst=a["vector"], rows=n64, cols=n32, stream="param", signal0=1),
        "store": lambda: p.emit("store", src=a["vector"], dst=a["dram"], rows=n64, cols=n32, stream="result", signal0=1),
        "array": lambda: p.emit("mm", src=a["input"], wgt=a["wgt"], dst=a["conc"], rows=n64, k=n32, n=n32, init=7, signal0=1),
        "scatter": lambda: p.emit("scatter", src=a["conc"], map=a["map"], dst=a["output"], rows=n64, identity=n0, cols=n32, init=7, signal0=1),
        "sic": lambda: p.emit("sic.gather", src=a["input"], table=a["table"], map=a["map"], count=a["counts"], rows=n64, identity=n0, cols=n32,
                              site=0, signal0=1),
        "sec": lambda: p.emit("sec.importance", src=a["output"], dst=a["importance"], rows=n64, cols=n32, init=7, signal0=1),
        "sfu": lambda: p.emit("v.map", op="copy", src=a["vector"], dst=a["vector"], rows=n64, cols=n32, scalar=0, signal0=1),
    }
    start = len(p.words) + 1
    emit[signaller]()
    if signaller == "sfu":
        p.emit("mm", src=a["input"], wgt=a["wgt"], dst=a["conc"], rows=n64, k=n32, n=n32, init=7, wait0=1)
    else:
        p.emit("v.map", op="copy", src=a["vector"], dst=a["vector"], rows=n64, cols=n32, scalar=0, wait0=1)
    result = p.run(functional=False, counts=[np.zeros(1, "i4")], timeline=10)
    for name, unit in result["units"].items():
        assert abs(unit["busy"] + sum(unit["stall"].values()) + unit["idle"] - result["cycles"]) < 1e-3, name
    waiter = result["units"]["array" if signaller == "sfu" else "sfu"]
    (cause, cycles), = [(k, v) for k, v in waiter["stall"].items() if v]
    return cause, cycles == result["timeline"][0, 3], result["timeline"][0, 2] == start


for unit in ("load", "store", "array", "scatter", "sic", "sec", "sfu"):
    print(unit, *stalls(unit))
# CHECK: load dram True True
# CHECK-NEXT: store dram True True
# CHECK-NEXT: array semaphore True True
# CHECK-NEXT: scatter scatter True True
# CHECK-NEXT: sic sic True True
# CHECK-NEXT: sec semaphore True True
# CHECK-NEXT: sfu sfu True True

# Fetch that comes late is a queue stall; a bus taken by the other direction is a DRAM stall.
p = Program(machine(dram__latency_cycles=0))
p.agu("dram", 0, 2, "f2"), p.agu("output", 0, 2, "f2")
one, n = p.n(1), p.n(32000)
p.emit("load", src=0, dst=1, rows=one, cols=n, stream="weight")
p.emit("store", src=1, dst=0, rows=one, cols=n, stream="result")
units = p.run(functional=False, counts=[])["units"]
print(units["load"]["stall"]["queue"], units["store"]["stall"]["queue"], round(units["store"]["stall"]["dram"]), units["load"]["stall"]["dram"])
# CHECK: 5.0 6.0 465 0.0
