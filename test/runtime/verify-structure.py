# Programs whose structure is wrong: loops, halt, levels, numbers, units, operands.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from small import PROGRAM, binary, error


def wrong(old, new, machine="focus"):
    assert old in PROGRAM
    print(error(binary(PROGRAM.replace(old, new, 1), machine).validate))


EXT = "ext id=e0 full=32 total=40 step=32 level=l0"
# CHECK: ACCEPTED
wrong("halt", "halt")
# CHECK-NEXT: binary: instruction 21 (endloop): no loop is open
wrong("halt", "endloop\nhalt")
# CHECK-NEXT: binary: instruction 15 (loop): the loop is never closed
wrong("endloop\nhalt", "halt".replace("halt", "sync unit=sfu"))
# CHECK-NEXT: binary: instruction 20 (halt): halt inside a loop
wrong("endloop\nhalt", "halt\nendloop")
# CHECK-NEXT: binary: the program does not end with halt
wrong("halt", "sync unit=sfu")
# CHECK-NEXT: binary: instruction 15 (halt): halt is not the last instruction
wrong("loop trips", "halt\nloop trips")
# CHECK-NEXT: binary: instruction 28 (loop): loops nest deeper than 7
wrong("halt", "loop trips=e1\n" * 8 + "endloop\n" * 8 + "halt")
# CHECK-NEXT: binary: instruction 0 (ext): loop levels are l0..l6
wrong(EXT, EXT.replace("l0", "never"))
# CHECK-NEXT: binary: instruction 4 (agu.stride): loop levels are l0..l6
wrong("level=l0 stride", "level=never stride")
# CHECK-NEXT: binary: instruction 3 (agu): address generators are a0..a254, not a255
wrong("agu id=a0", "agu id=a255")
# CHECK-NEXT: binary: instruction 3 (agu): slots is 0; 1 means no ring
wrong("slots=1", "slots=0")
# CHECK-NEXT: binary: instruction 13 (sem): semaphores are s1..s63, not s0
wrong("sem id=s3", "sem id=s0")
# CHECK-NEXT: binary: instruction 21 (drain): semaphores are s1..s63, not s0
wrong("halt", "drain id=s0 credits=1\nhalt")
# CHECK-NEXT: binary: instruction 21 (sync): unit is ctrl, which has no queue
wrong("halt", "sync unit=ctrl\nhalt")
# CHECK-NEXT: binary: instruction 21 (sync): the machine has no SEC
wrong("halt", "sync unit=sec\nhalt", "dense")
# CHECK-NEXT: binary: instruction 21 (sic.config): the machine has no SIC
CONFIG = "sic.config threshold=0.9 block_f=2 block_h=2 block_w=2\n"
wrong("halt", CONFIG + "halt", "dense")
# CHECK-NEXT: binary: instruction 21 (sic.gather): sic.config has not been executed
GATHER = "sic.gather src=a6 table=a6 count=a6 rows=e1 identity=e1 cols=e1 site=0\n"
wrong("halt", GATHER + "halt")
# CHECK-NEXT: binary: instruction 22 (sic.gather): site 0 is not in the site table, which has 0 entries
wrong("halt", CONFIG + GATHER + "halt")
# CHECK-NEXT: binary: instruction 21 (v.softmax): operands 'qpos' and 'kpos' come together or not at all
wrong("halt", "v.softmax src=a5 state=a5 qpos=a5 rows=e1 cols=e1 scalar=r0 init=always\nhalt")
# CHECK-NEXT: binary: instruction 14 (load): operand 'src' is in wgt; it must be in dram
wrong("load src=a1", "load src=a4")
# CHECK-NEXT: binary: instruction 18 (v.map): operand 'dst' is in dram; it must be on chip
wrong("dst=a6", "dst=a2")
# Only what counts vectors goes through the count memory: what is in it is the same with data and without.
# CHECK-NEXT: binary: instruction 14 (load): operand 'dst' is in counts, where only counts of vectors are written
wrong("agu id=a4 space=wgt", "agu id=a4 space=counts")
# CHECK-NEXT: binary: instruction 17 (mm): k reaches 33; the machine takes at most 32 (array rows)
wrong("ext id=e1 full=32 total=32", "ext id=e1 full=40 total=33")
