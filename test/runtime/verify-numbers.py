# Address generators, extents and scalars must be set before they are used, on every path through the loops.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from small import binary, error

EXTS = "ext id=e0 full=4 total=4 step=0 level=never\next id=e1 full=4 total=0 step=0 level=never\n"
AGU = "agu id=a{} space={} dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never\n"
BOTH = AGU.format(0, "dram") + AGU.format(1, "input")
LOAD = "load src=a0 dst=a1 rows=e0 cols=e0 stream=weight\n"


def check(program):
    print(error(binary(program + "halt\n").validate))


# CHECK: binary: instruction 3 (load): a1 is used before it is set
check(EXTS + AGU.format(0, "dram") + LOAD)
# CHECK-NEXT: binary: instruction 0 (loop): e5 is used before it is set
check("loop trips=e5\nendloop\n")
# CHECK-NEXT: binary: instruction 0 (agu.stride): a3 is used before it is set
check("agu.stride id=a3 level=l0 stride=1\n")
# CHECK-NEXT: binary: instruction 4 (v.map): r3 is used before it is set
check(EXTS + BOTH + "v.map op=scale src=a1 dst=a1 rows=e0 cols=e0 scalar=r3\n")
# Set further down in the body of a loop is too late for the first iteration.
# CHECK-NEXT: binary: instruction 4 (load): a1 is used before it is set
check(EXTS + AGU.format(0, "dram") + "loop trips=e0\n" + LOAD + AGU.format(1, "input") + "endloop\n")
# A loop that never runs sets nothing, and what it would do does not matter.
# CHECK-NEXT: binary: instruction 6 (load): a1 is used before it is set
check(EXTS + AGU.format(0, "dram") + "loop trips=e1\n" + AGU.format(1, "input") + "endloop\n" + LOAD)
# CHECK-NEXT: ACCEPTED
check(EXTS + "loop trips=e1\n" + LOAD + "endloop\n")
# A loop that runs in some iterations of another may have set it or not.
SOME = "ext id=e2 full=4 total=3 step=1 level=l0\nloop trips=e0\nloop trips=e2\n"
# CHECK-NEXT: binary: instruction 8 (load): a1 is set only in a loop that may run zero times
check(EXTS + AGU.format(0, "dram") + SOME + AGU.format(1, "input") + "endloop\n" + LOAD + "endloop\n")
# CHECK-NEXT: ACCEPTED
check(EXTS + BOTH + SOME + AGU.format(1, "input") + "endloop\n" + LOAD + "endloop\n")
