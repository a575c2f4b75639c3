# Semaphores: conditional waits and signals by loop depth, credits first come first served, drain, sem, and `init` by depth.
# RUN: %python %s | filecheck %s
import numpy as np
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, complaint, examples, machine


@examples(60)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 7), st.integers(0, 7))
def depths(trips, wait_depth, signal_depth):
    """Signals a loop nest leaves and credits it takes, against a direct statement of the rule."""
    nest = list(np.ndindex(*trips))
    first = sum(all(c == 0 for c in counters[wait_depth:]) for counters in nest)
    last = sum(all(c == t - 1 for c, t in zip(counters[signal_depth:], trips[signal_depth:])) for counters in nest)
    for spare, waits in ((0, first), (1, first)):
        p = Program()
        if waits - 1 + spare < 0:
            continue
        p.emit("sem", id=1, credits=waits - 1 + spare)
        for t in trips:
            p.loop(t)
        p.emit("sync", unit="sfu", wait0=1, wait0_depth=wait_depth, signal0=2, signal0_depth=signal_depth)
        for _ in trips:
            p.end()
        p.emit("drain", id=2, credits=last)
        if spare:
            p.run()
        else:
            assert "deadlock" in complaint(p.run)
    p.words.pop(), p.modules.pop()
    p.emit("drain", id=2, credits=1)
    assert "leave only 0" in complaint(p.run)


depths()
print("depths ok")
# CHECK: depths ok


# `init` uses the rule of waits: accumulate over the inner loop, start anew for each outer iteration.
def sums(init):
    p = Program()
    src, wgt = p.put("input", 0, np.ones((1, 1), "f2")), p.put("wgt", 0, np.ones((1, 1), "f2"))
    dst = p.put("output", 0, np.full((1, 1), 100, "f4"))
    one = p.n(1)
    p.loop(2)
    p.loop(3)
    p.do("mm", src=src, wgt=wgt, dst=dst, rows=one, k=one, n=one, init=init)
    p.end()
    p.end()
    out = p.get(dst, (1, 1), "f4")
    p.run()
    return p.result(out)[0, 0]


print(*[sums(init) for init in (0, 1, 2, 7, 15)])
# CHECK: 6.0 3.0 1.0 1.0 106.0


def timeline(build, **changes):
    p = Program(machine(**changes))
    build(p)
    return p.run(timeline=1000)["timeline"].tolist()


def pass_of(p, rows, **sync):
    p.emit("mm", src=0, wgt=1, dst=2, rows=p.n(rows), k=p.n(32), n=p.n(32), init=7, **sync)


def setup(p):
    for space, dtype in (("input", "f2"), ("wgt", "f2"), ("output", "f4")):
        p.agu(space, 0, 128, dtype)
    for n in (50, 100, 32):
        p.n(n)


# The SFU waits for the array's results: 100 rows take 100 + 94 cycles.
def chain(p):
    setup(p)                                            # 6 instructions
    pass_of(p, 100, signal0=5)                          # fetched in cycle 7
    p.emit("sync", unit="sfu", wait0=5)


print(timeline(chain))
# CHECK: {{\[\[}}3, 6, 7, 201], [7, 7, 201, 201]]


# Two credits of one semaphore: the first wait takes the first signal.
def order(p):
    setup(p)
    pass_of(p, 100, signal0=5)
    pass_of(p, 50, signal0=5)
    p.emit("sync", unit="sfu", wait0=5)
    p.emit("sync", unit="sec", wait0=5)


print(timeline(order)[2:])
# CHECK: {{\[\[}}7, 8, 201, 201], [6, 9, 251, 251]]


# Three waits: the latest decides.  A drain holds fetch.
def three(p):
    setup(p)
    p.emit("sem", id=9, credits=1)
    pass_of(p, 100, signal0=5, signal1=6)
    pass_of(p, 50, signal0=7)
    p.emit("sync", unit="sfu", wait0=5, wait1=7, wait2=9)
    p.emit("drain", id=6, credits=1)
    p.emit("sync", unit="sec")


print(timeline(three)[2:])
# CHECK: {{\[\[}}7, 9, 252, 252], [6, 11, 203, 203]]


# A unit finishes in order, so a sync after a pass signals when the pass has ended.
def after(p):
    setup(p)
    pass_of(p, 100)
    p.emit("sync", unit="array", signal0=5)
    p.emit("sync", unit="sfu", wait0=5)


print(timeline(after)[1:])
# CHECK: {{\[\[}}3, 7, 107, 201], [7, 8, 201, 201]]


def too_many(p):
    p.emit("sem", id=1, credits=65535)
    p.emit("sync", unit="sfu", signal0=1)


p = Program()
too_many(p)
print(complaint(p.run))
# CHECK: (sync): semaphore 1 has 65535 credits already
