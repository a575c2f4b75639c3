# DRAM: bandwidth bounds, latency is pipelined, bursts touched, loads and stores share the bus whatever their order in the program.
# RUN: %python %s | filecheck %s
from math import ceil

from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, machine

PER_CYCLE = 64 * 2**30 / 500e6


def run(transfers, **changes):
    """Timing of transfers (unit, bytes, sync...) of one row each."""
    p = Program(machine(queues__depth=4096, **changes))
    p.agu("dram", 0, 2, "f2"), p.agu("output", 0, 2, "f2")
    one, sizes = p.n(1), {}
    for _, size, _ in transfers:
        sizes[size] = p.n(size // 2)
    first = len(p.words) + 1
    for unit, size, sync in transfers:
        src, dst = (0, 1) if unit == "load" else (1, 0)
        p.emit(unit, src=src, dst=dst, rows=one, cols=sizes[size], stream="weight", **sync)
    return p.run(functional=False, counts=[], timeline=10000), first


@examples(30)
@given(st.lists(st.integers(1, 3000).map(lambda n: 64 * n), min_size=1, max_size=20), st.integers(0, 300))
def streams(sizes, latency):
    result, first = run([("load", n, {}) for n in sizes], dram__latency_cycles=latency)
    bus = sum(n / PER_CYCLE for n in sizes)
    assert abs(result["units"]["load"]["busy"] - bus) < 0.001
    if min(sizes) > 64 * 20:                                # never waits for fetch
        assert result["cycles"] == ceil(first + bus) + latency or abs(first + bus - round(first + bus)) < 0.001
    assert result["dram"]["weight"] == {"read": sum(sizes), "write": 0}


streams()
print("bandwidth ok")
# CHECK: bandwidth ok

# The same bytes through loads and stores at once take the time of the sum, in either program order.
for order in ("load store", "store load"):
    a, b = order.split()
    result, first = run([(a, 64000, {}) for _ in range(5)] + [(b, 64000, {}) for _ in range(5)], dram__latency_cycles=0)
    busy = 10 * 64000 / PER_CYCLE
    print(abs(result["cycles"] - busy - first) <= 2, round(result["units"][b]["stall"]["dram"] / busy, 2))
# CHECK: True 0.5
# CHECK: True 0.5


# A load that waits long for its semaphore is simulated before a store that follows it in the program, but the store's time comes first: it uses the
# free bus.
def late_load(p_first):
    p = Program(machine(dram__latency_cycles=0, queues__depth=64))
    p.agu("dram", 0, 2, "f2"), p.agu("output", 0, 2, "f2"), p.agu("input", 0, 64, "f2"), p.agu("wgt", 0, 64, "f2"), p.agu("conc", 0, 128, "f4")
    one, n, m, w = p.n(1), p.n(32000), p.n(1000), p.n(32)
    p.emit("mm", src=2, wgt=3, dst=4, rows=m, k=w, n=w, init=7, signal0=1)
    p.emit("load", src=0, dst=1, rows=one, cols=n, stream="weight", wait0=1)
    for _ in range(2):
        p.emit("store", src=1, dst=0, rows=one, cols=n, stream="result")
    return p.run(functional=False, counts=[], timeline=100)["timeline"][1:, 2:].tolist()


print(late_load(True))              # load from 1104 on, stores 12..477.67 and on to 943.32
# CHECK: {{\[\[}}1104, 1570], [12, 478], [477, 944]]


def bytes_moved(rows, cols, pitch, base, burst):
    """Bytes on the bus for one strided load, and the same by counting bursts row by row."""
    p = Program(machine(dram__burst_bytes=burst))
    p.agu("dram", base, pitch, "f2"), p.agu("output", 0, 2 * cols, "f2")
    p.emit("load", src=0, dst=1, rows=p.n(rows), cols=p.n(cols), stream="kv")
    counted = p.run(functional=False, counts=[])["dram"]["kv"]["read"]
    pieces = [(base, rows * cols * 2)] if pitch == 2 * cols else [(base + r * pitch, cols * 2) for r in range(rows)]
    return counted, sum((a + n - 1) // burst - a // burst + 1 for a, n in pieces) * burst


@examples(100)
@given(st.integers(1, 200), st.integers(1, 100), st.integers(0, 60), st.integers(0, 100), st.sampled_from([1, 2, 32, 64, 100, 128]))
def bursts(rows, cols, gap, base, burst):
    counted, expected = bytes_moved(rows, cols, 2 * (cols + gap), 2 * base, burst)
    assert counted == expected


bursts()
print("bursts ok", *bytes_moved(10, 32, 64, 0, 64), *bytes_moved(10, 32, 128, 32, 64))
# CHECK: bursts ok 640 640 1280 1280

# Rows by ids: as many bursts each as the first row touches.
p = Program(machine(dram__burst_bytes=64))
p.agu("dram", 0, 96, "f2"), p.agu("vector", 0, 96, "f2"), p.agu("ids", 0, 4, "i4")
p.emit("gather", src=0, dst=1, ids=2, rows=p.n(7), cols=p.n(48), stream="param")
print(p.run(functional=False, counts=[])["dram"]["param"])
# CHECK: {'read': 896, 'write': 0}
