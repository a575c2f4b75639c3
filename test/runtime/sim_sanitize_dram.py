# DRAM under the sanitizer: what the host wrote is there, what nobody wrote is not; a store and a later load need a semaphore between them, to the
# byte; a drain orders everything after it.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, complaint


def show(p):
    result = p.run(sanitize=True)
    for f in result["findings"]:
        print({k: v for k, v in f.items() if "module" not in k})
    print("total", result["findings_total"])


def through_dram(order, offset=0):
    """Stores 64 bytes at 4096 and loads 64 bytes from 4096 + offset."""
    p = Program()
    p.dram(np.zeros(8192, "u1").view("f2"))
    a = p.put("vector", 0, np.ones((1, 32), "f2"))
    b = p.agu("vector", 64, 64, "f2")
    there, back = p.agu("dram", 4096, 64, "f2"), p.agu("dram", 4096 + offset, 64, "f2")
    one, n = p.n(1), p.n(32)
    p.emit("store", src=a, dst=there, rows=one, cols=n, stream="result", **({"signal0": 1} if order else {}))
    if order == "drain":
        p.emit("drain", id=1, credits=1)
    p.emit("load", src=back, dst=b, rows=one, cols=n, stream="activation", **({"wait0": 1} if order == "wait" else {}))
    show(p)


through_dram("wait")
through_dram("drain")
through_dram(None, offset=64)
# CHECK: total 0
# CHECK-NEXT: total 0
# CHECK-NEXT: total 0
through_dram(None, offset=62)
# CHECK-NEXT: {'kind': 'unordered', 'instruction': {{[0-9]+}}, 'opcode': 'load', 'operand': 'src', 'access': 'read',
# CHECK-SAME: 'space': 'dram', 'begin': 4158, 'end': 4160, 'other_instruction': {{[0-9]+}}, 'other_opcode': 'store', 'other_access': 'write'}
# CHECK-NEXT: total 1

# A row by id that nobody wrote.
p = Program()
p.dram(np.ones((4, 32), "f2"))
src, dst = p.agu("dram", 0, 64, "f2"), p.agu("vector", 0, 64, "f2")
ids = p.put("ids", 0, np.array([0, 3, 200], "i4"))
p.do("gather", src=src, dst=dst, ids=ids, rows=p.n(3), cols=p.n(32), stream="param")
show(p)
# CHECK-NEXT: {'kind': 'uninitialised', 'instruction': {{[0-9]+}}, 'opcode': 'gather', 'operand': 'src', 'access': 'read',
# CHECK-SAME: 'space': 'dram', 'begin': 12800, 'end': 12864}
# CHECK-NEXT: total 1

# Order is transitive over units: load -> vector unit -> store, and the store's signal frees what the load may overwrite.
p = Program()
p.dram(np.ones((4, 32), "f2"))
p.agu("dram", 0, 64, "f2"), p.agu("vector", 0, 64, "f2"), p.agu("vector", 1024, 64, "f2"), p.agu("dram", 65536, 64, "f2")
one, n = p.n(1), p.n(32)
for last in ({}, {"wait0": 3}):
    p.emit("load", src=0, dst=1, rows=one, cols=n, stream="param", signal0=1, **last)
    p.emit("v.map", op="copy", src=1, dst=2, rows=one, cols=n, scalar=0, wait0=1, signal0=2)
    p.emit("store", src=2, dst=3, rows=one, cols=n, stream="result", wait0=2, signal0=3)
show(p)
# CHECK-NEXT: total 0

# Bounded: the first hundred distinct findings are kept, all are counted.
p = Program()
dst = p.agu("vector", 0, 64, "f2")
for _ in range(150):
    p.emit("v.map", op="copy", src=p.agu("input", 0, 64, "f2", number=100), dst=dst, rows=p.n(1), cols=p.n(32), scalar=0)
result = p.run(sanitize=True)
print(len(result["findings"]), result["findings_total"])
# CHECK-NEXT: 100 150
print(complaint(lambda: p.sim.run(functional=False, sanitize=True)))
# CHECK-NEXT: the sanitizer needs a functional run
