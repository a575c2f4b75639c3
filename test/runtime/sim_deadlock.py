# A wait that nothing before it signals cannot end: the error names the instruction, the semaphore and the module.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, complaint

from focus.runtime import _sim

p = Program()
p.emit("sync", unit="sfu", signal0=3)
p.emit("sync", unit="array", wait0=3)
p.emit("sync", unit="array", wait0=3)
print(complaint(p.run))
# CHECK: instruction 2 (sync): deadlock: waits for semaphore 3, which no instruction before it signals

# The signal comes after the wait in program order.
p = Program()
p.emit("sync", unit="array", wait1=8)
p.emit("sync", unit="sfu", signal0=8)
p.emit("halt")
text = np.frombuffer(b"".join(p.words), np.uint8).reshape(-1, 16)
sim = _sim.Simulator(text, np.array([1, 0, 0], np.uint32), p.machine.to_json(), modules=["lm_head", "layers.3.mlp.down_proj"])
print(complaint(lambda: sim.run(functional=False)))
# CHECK: instruction 0 (sync) of layers.3.mlp.down_proj: deadlock: waits for semaphore 8

p = Program()
p.emit("sync", unit="sfu", signal0=3)
p.emit("drain", id=3, credits=2)
print(complaint(p.run))
# CHECK: instruction 1 (drain): deadlock: waits for 2 credits of semaphore 3, but instructions before it leave only 1
