# A scratchpad: a kernel gives banks to memories and may use no others; banks belong to one memory, and to none when the kernel has ended.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, complaint

x = np.arange(64, dtype=np.float16).reshape(2, 32)
BANK = 8192


def copied(*parts, machine="focus-unified", end=False):
    """x after it was copied from the vector unit's memory to the accumulators', where banks were given out as `parts`: (memory, base, bytes)."""
    p = Program(machine)
    for space, base, size in parts:
        p.emit("part", space=space, base=base, bytes=size)
    src, dst = p.put("vector", 0, x), p.agu("output", 0, 64, x.dtype)
    if end:
        p.emit("drain", id=63, credits=0, end=1)
    p.do("v.map", op="copy", src=src, dst=dst, rows=p.n(2), cols=p.n(32), scalar=0)
    out = p.get(dst, x.shape, x.dtype)
    p.run()
    return p.result(out)


def wrong(*parts, **options):
    print(complaint(lambda: copied(*parts, **options)).partition("): ")[2])


both = ("vector", BANK, BANK), ("output", 5 * BANK, 2 * BANK)
print(np.array_equal(copied(*both), x), np.array_equal(copied(machine="focus"), x))
# CHECK: True True
wrong(("vector", BANK, BANK))
# CHECK-NEXT: operand 'dst': 2 rows of 64 bytes are more than output has, 0
wrong(*both, end=True)
# CHECK-NEXT: operand 'src': 2 rows of 64 bytes are more than vector has, 0
wrong(("vector", 0, 2 * BANK), ("output", BANK, BANK))
# CHECK-NEXT: banks of output are those of vector
wrong(("vector", 0, 100))
# CHECK-NEXT: 100 bytes from 0 on: whole banks of 8192 expected
wrong(("vector", 80 * BANK, 2 * BANK))
# CHECK-NEXT: bytes 655360..671744 of a scratchpad of 663552
wrong(("counts", 0, BANK))
# CHECK-NEXT: counts is no part of a scratchpad on this machine
wrong(("vector", 0, BANK), machine="focus")
# CHECK-NEXT: vector is no part of a scratchpad on this machine
