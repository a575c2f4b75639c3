# The sanitizer is silent on a pipeline with the right semaphores, and finds every single missing wait, an overlap, and reads of bytes nobody wrote.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program

rng = np.random.default_rng(0)
TILES, M = 5, 40


def pipeline(drop=None, shift=0, skip_load=False, overlap=0):
    """y = gelu(x W) in five tiles, each through load, array, vector unit and store, double buffered.  `drop` leaves out the wait of that name."""
    p = Program()
    x, w = p.dram(rng.standard_normal((TILES * M, 32)).astype("f2")), p.dram(rng.standard_normal((32, 32)).astype("f2"))
    y = p.dram(np.zeros((TILES * M, 32), "f2"))
    src = p.agu("dram", x, 64, "f2", strides={0: 64 * M})
    tile = p.agu("input", 0, 64, "f2", slots=2, slot_bytes=64 * M - overlap, ring_level=0)
    weight, acc = p.agu("wgt", 0, 64, "f2"), p.agu("output", 0, 128, "f4", slots=2, slot_bytes=128 * M, ring_level=0)
    out = p.agu("output", 0, 128, "f2", slots=2, slot_bytes=128 * M, ring_level=0)          # in place of the sums
    dst = p.agu("dram", y + shift, 64, "f2", strides={0: 64 * M})
    rows, cols = p.n(M), p.n(32)

    def waits(**names):
        return {f"wait{i}": s for i, (name, s) in enumerate(names.items()) if name != drop}

    if not skip_load:
        p.do("load", src=p.agu("dram", w, 64, "f2"), dst=weight, rows=cols, cols=cols, stream="weight")
    p.emit("sem", id=2, credits=2)                      # free input slots
    p.emit("sem", id=4, credits=2)                      # free output slots
    p.loop(TILES)
    p.emit("load", src=src, dst=tile, rows=rows, cols=cols, stream="activation", signal0=1, **waits(slot=2))
    p.emit("mm.kn", src=tile, wgt=weight, dst=acc, rows=rows, k=cols, n=cols, init=7, signal0=2, signal1=3, **waits(loaded=1, free=4))
    p.emit("v.map", op="gelu_tanh", src=acc, dst=out, rows=rows, cols=cols, scalar=0, signal0=5, **waits(summed=3))
    p.emit("store", src=out, dst=dst, rows=rows, cols=cols, stream="result", signal0=4, **waits(computed=5))
    p.end()
    result = p.run(sanitize=True)
    for f in result["findings"]:
        other = f"with {f['other_access']} of {f['other_opcode']} {f['other_instruction']}" if f["kind"] == "unordered" else ""
        print(f["kind"], f["opcode"], f["instruction"], f["operand"], f["access"], f["space"], f"{f['begin']}..{f['end']}", other)
    print("total", result["findings_total"])


pipeline()
# CHECK: total 0

# The array reads a tile that may not be there yet; with nothing taken from semaphore 1 it is also never after the load.
pipeline(drop="loaded")
# CHECK-NEXT: unordered mm.kn [[MM:[0-9]+]] src read input 0..5120 with write of load [[LOAD:[0-9]+]]
# CHECK: total 1
pipeline(drop="slot")
# CHECK-NEXT: unordered load [[LOAD]] dst write input 0..5120 with read of mm.kn [[MM]]
# CHECK: total 1
pipeline(drop="summed")
# CHECK-NEXT: unordered v.map [[MAP:[0-9]+]] src read output 0..10240 with write of mm.kn [[MM]]
# CHECK-NEXT: unordered v.map [[MAP]] dst write output {{[0-9]+}}..{{[0-9]+}} with write of mm.kn [[MM]]
# CHECK: total
pipeline(drop="free")
# CHECK-NEXT: unordered mm.kn [[MM]] dst write output {{.*}} with write of v.map [[MAP]]
# CHECK: unordered mm.kn [[MM]] dst write output {{.*}} with read of store
# CHECK: total
pipeline(drop="computed")
# CHECK: unordered store {{[0-9]+}} src read output {{.*}} with write of v.map [[MAP]]
# CHECK: total

# Slots that overlap by a row: the next load writes what the array still reads.
pipeline(overlap=64)
# CHECK: unordered load [[LOAD]] dst write input 2496..2560 with read of mm.kn [[MM]]
# CHECK: total

# Weights nobody loaded.
pipeline(skip_load=True)
# CHECK: uninitialised mm.kn {{[0-9]+}} wgt read wgt 0..2048
# CHECK: total 1

# Two loads and a vector operation that signal one semaphore: a credit says that one of them is done, not which.  The store waits for `waits` of the
# three credits; it reads what the first load brings.
def exchanged(waits):
    p = Program()
    x, y = p.dram(np.zeros((2, 32), "f2")), p.dram(np.zeros((2, 32), "f2"))
    one, cols = p.n(1), p.n(32)
    tile, other = p.agu("input", 0, 64, "f2"), p.agu("vector", 0, 64, "f2")
    scratch = p.put("output", 0, np.zeros((1, 32), "f2"))
    src = p.agu("dram", x, 64, "f2")
    p.emit("load", src=src, dst=tile, rows=one, cols=cols, stream="activation", signal0=1)
    p.emit("load", src=src, dst=other, rows=one, cols=cols, stream="activation", signal0=1)
    p.emit("v.map", op="copy", src=scratch, dst=scratch, rows=one, cols=cols, scalar=0, signal0=1)
    for _ in range(waits - 1):
        p.emit("sync", unit="store", wait0=1)
    p.emit("store", src=tile, dst=p.agu("dram", y, 64, "f2"), rows=one, cols=cols, stream="result", wait0=1)
    for f in (result := p.run(sanitize=True))["findings"]:
        print(f["kind"], f["opcode"], f["access"], f["space"], f["other_access"], f["other_opcode"])
    print("exchanged", waits, result["findings_total"])


exchanged(1)
# CHECK: unordered store read input write load
# CHECK-NEXT: exchanged 1 1
exchanged(2)
# CHECK-NEXT: exchanged 2 0
exchanged(3)
# CHECK-NEXT: exchanged 3 0
