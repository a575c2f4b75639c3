# Hardware loops: strides over seven levels, rings, extents clipped at the edge, triangular loops, loops without trips, generators set inside loops.
# RUN: %python %s | filecheck %s
import itertools

import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples


def trace(p):
    """(pc, unit, start, finish) of the queued instructions."""
    return p.run(timeline=100000)["timeline"]


@examples(25)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=7), st.integers(0, 2**32 - 1))
def strides(trips, seed):
    rng = np.random.default_rng(seed)
    steps = [int(s) * 4 for s in rng.integers(0, 50, len(trips))]
    table = np.arange(4000, dtype="i4")
    p = Program()
    count = int(np.prod(trips))
    src = p.agu("dram", p.dram(table), 4, "i4", strides=dict(enumerate(steps)))
    dst = p.agu("ids", 0, 4, "i4", strides={level: 4 * int(np.prod(trips[level + 1:])) for level in range(len(trips))})
    one = p.n(1)
    for t in trips:
        p.loop(t)
    p.do("load", src=src, dst=dst, rows=one, cols=one, stream="ids")
    for _ in trips:
        p.end()
    out = p.get(p.agu("ids", 0, 4 * count, "i4"), (1, count), "i4")
    p.run()
    expected = [sum(c * s for c, s in zip(counters, steps)) // 4 for counters in itertools.product(*map(range, trips))]
    assert p.result(out)[0].tolist() == expected


strides()
print("strides ok")
# CHECK: strides ok


def addresses(build, count):
    """What `count` loads of one int32 each fetched: the addresses an AGU went through; they step through 15 places."""
    p = Program()
    base = p.dram(np.arange(4000, dtype="i4"))
    dst = p.agu("ids", 0, 4, "i4", slots=15, slot_bytes=4, ring_level=0)
    one = p.n(1)
    build(p, base, lambda src, dst=dst: p.do("load", src=src, dst=dst, rows=one, cols=one, stream="ids"))
    out = p.get(p.agu("ids", 0, 4 * count, "i4"), (1, count), "i4")
    p.run()
    return p.result(out)[0].tolist()


def ring(p, base, load):
    src = p.agu("dram", base, 4, "i4", slots=3, slot_bytes=40, ring_level=0, strides={0: 4})
    p.loop(7)
    load(src)
    p.end()


print(addresses(ring, 7))           # the ring steps at the end of each body and wraps
# CHECK: [0, 11, 22, 3, 14, 25, 6]


def ring_goes_on(p, base, load):
    src = p.agu("dram", base, 4, "i4", slots=3, slot_bytes=40, ring_level=0)
    for _ in range(2):              # a loop opened again finds the ring where it was
        p.loop(2)
        load(src)
        p.end()
    load(src)


print(addresses(ring_goes_on, 5))
# CHECK: [0, 10, 20, 0, 10]


def beside(p, base, load):
    used, other = (p.agu("dram", base, 4, "i4", slots=2, slot_bytes=40, ring_level=1) for _ in range(2))
    after = p.agu("ids", 12, 4, "i4", strides={0: 4})
    p.loop(3)
    p.loop(1)
    load(used)
    p.end()
    p.loop(3)                       # bodies at the same level that do not use a ring leave it alone
    p.end()
    load(other, after)             # used after the loop: steps when the next body there ends
    p.end()


print(addresses(beside, 6))
# CHECK: [0, 10, 0, 0, 10, 0]


def set_inside(p, base, load):
    p.loop(4)
    src = p.agu("dram", base, 4, "i4", strides={0: 4})      # strides count from the counter's present value
    load(src)
    p.end()


print(addresses(set_inside, 4))
# CHECK: [0, 1, 2, 3]


def row_counts(build):
    """Rows of each load, seen as bytes on the bus."""
    p = Program()
    src, dst = p.agu("dram", 0, 4, "i4"), p.agu("ids", 0, 4, "i4")
    build(p, lambda rows: p.emit("load", src=src, dst=dst, rows=rows, cols=p.n(1), stream="ids"))
    counters = p.run()
    return counters["sram"]["ids"]["write"] // 4, counters["units"]["load"]["instructions"]


def clipped(p, load):
    rows = p.n(100, full=32, step=32, level=0)              # 32, 32, 32, 4, 0: the last one moves nothing
    p.n(1)
    p.loop(5)
    load(rows)
    p.end()


def triangle(p, load):
    one, inner = p.n(1), p.n(1, full=9, step=-1, level=0)   # 1 + counter
    p.loop(4)
    p.emit("loop", trips=inner)
    load(one)
    p.end()
    p.end()


def no_trips(p, load):
    one = p.n(1)
    p.loop(0)
    p.loop(3)
    load(one)
    p.end()
    p.end()
    load(one)


print(row_counts(clipped), row_counts(triangle), row_counts(no_trips))
# CHECK: (100, 5) (10, 10) (1, 1)

p = Program()
p.emit("loop", trips=5)
p.end()
print(complaint(p.run))
# CHECK: instruction 0 (loop): extent 5 is used before it is set up
p = Program()
p.do("load", src=9, dst=3, rows=p.n(1), cols=p.n(1), stream="kv")
print(complaint(p.run))
# CHECK: (load): operand 'src': its address generator is not set up
p = Program()
p.emit("agu.stride", id=4, level=0, stride=4)
print(complaint(p.run))
# CHECK: (agu.stride): address generator 4 gets a stride before it is set up
