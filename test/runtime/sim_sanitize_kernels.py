# What a kernel leaves on chip is not there for the next; counts and DRAM keep it, but for the lives that the memory map states. Giving bytes up hides
# no access that is unordered.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program


def show(p):
    result = p.run(sanitize=True)
    for f in result["findings"]:
        other = f" {f['other_access']} by {f['other_opcode']} {f['other_instruction']}" if "other_opcode" in f else ""
        print(f"{f['kind']} {f['opcode']} {f['instruction']} {f['operand']} {f['access']} {f['space']} {f['begin']}..{f['end']}{other}")
    print("total", result["findings_total"])


def two_kernels(space, end, load_again=0):
    """The first kernel fills 4 rows of 64 bytes on chip; the second loads some anew and copies all four."""
    p = Program()
    p.dram(np.ones((4, 32), "f2"))
    src, tile, copy = p.agu("dram", 0, 64, "f2"), p.agu(space, 0, 64, "f2"), p.agu("vector", 4096, 64, "f2")
    rows, cols = p.n(4), p.n(32)
    p.emit("load", src=src, dst=tile, rows=rows, cols=cols, stream="activation", signal0=1)
    p.emit("drain", id=1, credits=1, end=end)
    if load_again:
        p.emit("load", src=src, dst=tile, rows=p.n(load_again), cols=cols, stream="activation", signal0=2)
        p.emit("sync", unit="sfu", wait0=2)
    p.emit("v.map", op="copy", src=tile, dst=copy, rows=rows, cols=cols, scalar=0)
    show(p)


# A drain that ends no kernel gives nothing up.
# CHECK: total 0
two_kernels("input", end=0)
# CHECK-NEXT: stale v.map {{[0-9]+}} src read input 0..256 write by load [[FIRST:[0-9]+]]
# CHECK-NEXT: total 1
two_kernels("input", end=1)
# A load that is one row too short; and the right one.
# CHECK-NEXT: stale v.map {{[0-9]+}} src read output 192..256 write by load [[FIRST]]
# CHECK-NEXT: total 1
two_kernels("output", end=1, load_again=3)
# CHECK-NEXT: total 0
two_kernels("output", end=1, load_again=4)


def unordered(end):
    """The kernel ends without waiting for the unit that loads; the next one overwrites and reads what it has loaded."""
    p = Program()
    p.dram(np.ones((4, 32), "f2"))
    src, tile, other, copy = p.agu("dram", 0, 64, "f2"), p.agu("input", 0, 64, "f2"), p.agu("input", 64, 64, "f2"), p.agu("vector", 4096, 64, "f2")
    two, one, cols = p.n(2), p.n(1), p.n(32)
    p.emit("load", src=src, dst=tile, rows=two, cols=cols, stream="activation")
    p.emit("sync", unit="store", signal0=1)
    p.emit("drain", id=1, credits=1, end=end)
    p.emit("v.map", op="copy", src=tile, dst=copy, rows=one, cols=cols, scalar=0)
    p.emit("v.map", op="relu", src=copy, dst=other, rows=one, cols=cols, scalar=0)
    p.emit("load", src=src, dst=tile, rows=one, cols=cols, stream="activation")
    show(p)


# Reads and writes that are not ordered after a write or read of the kernel before.
# CHECK-NEXT: unordered v.map [[READ:[0-9]+]] src read input 0..64 write by load [[LOAD:[0-9]+]]
# CHECK-NEXT: unordered v.map [[WRITE:[0-9]+]] dst write input 64..128 write by load [[LOAD]]
# CHECK-NEXT: unordered load [[NEXT:[0-9]+]] dst write input 0..64 read by v.map [[READ]]
# CHECK-NEXT: total 3
unordered(0)
# CHECK-NEXT: stale v.map [[READ]] src read input 0..64 write by load [[LOAD]]
# CHECK-NEXT: unordered v.map [[READ]] src read input 0..64 write by load [[LOAD]]
# CHECK-NEXT: unordered v.map [[WRITE]] dst write input 64..128 write by load [[LOAD]]
# CHECK-NEXT: unordered load [[NEXT]] dst write input 0..64 read by v.map [[READ]]
# CHECK-NEXT: total 4
unordered(1)


def accumulate(init):
    """Two kernels in which the array sums two passes at one place; the second begins with `init`."""
    p = Program()
    p.dram(np.ones((32, 32), "f2"))
    src, x, w = p.agu("dram", 0, 64, "f2"), p.agu("input", 0, 64, "f2"), p.agu("wgt", 0, 64, "f2")
    acc, n = p.agu("output", 0, 128, "f4"), p.n(32)
    for first in (7, init):
        for dst in (x, w):
            p.do("load", src=src, dst=dst, rows=n, cols=n, stream="weight")
        p.do("mm", src=x, wgt=w, dst=acc, rows=n, k=n, n=n, init=first)
        p.do("mm", src=x, wgt=w, dst=acc, rows=n, k=n, n=n, init=15)
        p.emit("sync", unit="array", signal0=1)
        p.emit("drain", id=1, credits=1, end=1)
    show(p)


# CHECK-NEXT: total 0
accumulate(7)
# CHECK-NEXT: stale mm [[MM:[0-9]+]] dst read output 0..4096 write by mm {{[0-9]+}}
# CHECK-NEXT: total 1
accumulate(15)


def lasting(space, agu_space, lives, kernels=3):
    """A place is written in the first kernel and read in the last."""
    p = Program()
    p.lives = lives
    p.dram(np.ones((1, 32), "u2"))
    src, place, chip = p.agu("dram", 0, 64, "u2"), p.agu(agu_space, 4096, 64, "u2"), p.agu("vector", 0, 64, "u2")
    one, n = p.n(1), p.n(32)
    if space == "dram":
        p.do("load", src=src, dst=chip, rows=one, cols=n, stream="map")
        p.do("store", src=chip, dst=place, rows=one, cols=n, stream="map")
    else:
        p.do("load", src=src, dst=place, rows=one, cols=n, stream="map")
    for _ in range(kernels - 1):
        p.emit("sync", unit="load", signal0=1)
        p.emit("drain", id=1, credits=1, end=1)
    if space == "dram":
        p.emit("load", src=place, dst=chip, rows=one, cols=n, stream="map")
    else:
        p.emit("store", src=place, dst=p.agu("dram", 8192, 64, "u2"), rows=one, cols=n, stream="map")
    show(p)


def life(space, last, address=4096, n=64):
    return {"name": "t", "space": space, "address": address, "bytes": n, "first": 0, "last": last}


# CHECK-NEXT: total 0
# CHECK-NEXT: total 0
lasting("counts", "counts", [])
lasting("dram", "dram", [])
# CHECK-NEXT: total 0
# CHECK-NEXT: total 0
lasting("counts", "counts", [life("counts", 2)])
lasting("dram", "dram", [life("dram", 2)])
# CHECK-NEXT: stale store {{[0-9]+}} src read counts 4096..4160 write by load {{[0-9]+}}
# CHECK-NEXT: total 1
# CHECK-NEXT: stale load {{[0-9]+}} src read dram 4096..4160 write by store {{[0-9]+}}
# CHECK-NEXT: total 1
lasting("counts", "counts", [life("counts", 1)])
lasting("dram", "dram", [life("dram", 1)])
# To the byte, whatever the order in which lives are stated, and not before the life is over.
# CHECK-NEXT: stale load {{[0-9]+}} src read dram 4098..4102 write by store {{[0-9]+}}
# CHECK-NEXT: total 1
lasting("dram", "dram", [life("dram", 9), life("dram", 1, 4098, 4), life("counts", 0), life("dram", 0, 4000, 96)])
