# Fetch is one instruction per cycle in program order and stops while the unit's queue is full; a drain holds everything after it.
# RUN: %python %s | filecheck %s
from Inputs.sim_builder import Program, machine


def timeline(depth, build):
    p = Program(machine(queues__depth=depth, array__rule="scalesim", array__scalesim_overhead=0))
    for space, dtype in (("input", "f2"), ("wgt", "f2"), ("output", "f4")):
        p.agu(space, 0, 128, dtype)
    p.n(100), p.n(32)
    build(p)
    return p.run(functional=False, counts=[], timeline=100)["timeline"][:, [0, 2, 3]].tolist()


def one(p, **sync):
    p.emit("mm", src=0, wgt=1, dst=2, rows=0, k=1, n=1, init=7, **sync)


# Six passes of 100 cycles, fetched from cycle 6 on, then an instruction of another unit that waits for nothing: with room in the queue it starts as
# soon as it is fetched; with a queue of two it is fetched when the fourth pass has left the queue.
def six(p):
    for _ in range(6):
        one(p)
    p.emit("sync", unit="sfu")


print(timeline(16, six)[-1], timeline(6, six)[-1])
# CHECK: [7, 12, 12] [7, 12, 12]
print(timeline(2, six)[-2:])
# CHECK: {{\[\[}}3, 506, 606], [7, 307, 307]]
print(timeline(1, six)[-1])
# CHECK: [7, 407, 407]


# A unit that waits for a semaphore keeps its queue, and with it the fetch.
def blocked(p):
    one(p, signal0=1)
    p.emit("sync", unit="sfu", wait0=1)
    p.emit("sync", unit="sfu")
    p.emit("sync", unit="sec")


print(timeline(16, blocked)[1:])
# CHECK: {{\[\[}}7, 106, 106], [7, 106, 106], [6, 9, 9]]
print(timeline(1, blocked)[1:])
# CHECK: {{\[\[}}7, 106, 106], [7, 106, 106], [6, 107, 107]]

# Control instructions take a fetch cycle each: two for a loop body of one instruction.
p = Program()
p.loop(50)
p.emit("sync", unit="sfu")
p.end()
result = p.run(timeline=100)
print(result["cycles"], result["instructions"], result["opcodes"], result["timeline"][-1, 2])
# CHECK: 103 103 {'halt': 1, 'loop': 1, 'endloop': 50, 'ext': 1, 'sync': 50} 101
