# Progress counts executed instructions against the exact total, a callback's exception and Ctrl-C end the run, and the simulator can run again.
# RUN: %python %s | filecheck %s
import os
import signal
import threading

from Inputs.sim_builder import Program


def long_program(trips):
    p = Program()
    _, inner = p.n(1), p.n(1000, full=2000, step=1, level=0)         # 1000, 999, ... trips
    p.loop(trips)
    p.emit("loop", trips=inner)
    p.emit("sync", unit="sfu")
    p.end()
    p.end()
    p.loop(0)
    p.emit("sync", unit="sfu")
    p.end()
    return p


p = long_program(900)
seen = []
counters = p.run(functional=False, counts=[], progress=lambda done, total: seen.append((done, total)))
print(all(total == counters["instructions"] and done <= total for done, total in seen), seen == sorted(seen))
# CHECK: True True

p = long_program(900)
p.loop(1000), p.loop(1000), p.loop(60)
p.emit("sync", unit="sfu")
p.end(), p.end(), p.end()
sim = p.simulator()


def stop(done, total):
    raise RuntimeError("enough")


try:
    sim.run(functional=False, counts=[], progress=stop)
except RuntimeError as e:
    print(e)
# CHECK: enough

signal.signal(signal.SIGINT, signal.default_int_handler)      # whoever runs the tests may ignore it
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    sim.run(functional=False, counts=[])
    print("ran to the end")
except KeyboardInterrupt:
    print("interrupted")
# CHECK: interrupted

quick = long_program(3)
a, b = quick.run(), quick.sim.run(functional=True)
print(a["cycles"] == b["cycles"], a["opcodes"] == b["opcodes"], a["instructions"])
# CHECK: True True {{[0-9]+}}
