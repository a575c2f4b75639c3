# Text that is not understood is reported with line and column; words that are none, with their number.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import error

from focus.runtime.run import asm
from focus.runtime.spec import isa

GATHER = "load src=a1 dst=a2 rows=e0 cols=e1 stream="


def line(text):
    print(error(asm.assemble, "halt\n" + text, "p.s"))


# CHECK: p.s:2:3: unknown instruction 'mul'
line("  mul a=1")
# CHECK-NEXT: p.s:2:1: unknown instruction '=3'
line("=3")
# CHECK-NEXT: p.s:2:6: 'loop' has no field 'trip'; it has trips
line("loop trip=e1")
# CHECK-NEXT: p.s:2:6: 'halt' has no field 'wait'; it has no fields
line("halt wait=s1")
# CHECK-NEXT: p.s:2:1: 'loop' needs field 'trips'
line("loop")
# CHECK-NEXT: p.s:2:15: 'trips' is given twice
line("loop trips=e1 trips=e1")
# CHECK-NEXT: p.s:2:6: expected field=value, found 'e1'
line("loop e1")
# CHECK-NEXT: p.s:2:12: 'trips' is '3'; e<number> expected
line("loop trips=3")
# CHECK-NEXT: p.s:2:12: trips is 64, outside 0..63
line("loop trips=e64")
# CHECK-NEXT: p.s:2:10: an address generator is 'a255'; a0..a254 expected
line("load src=a255")
# CHECK-NEXT: p.s:2:43: 'weights' is no Stream; one of activation, weight, result, kv
line(GATHER + "weights")
# CHECK-NEXT: p.s:2:57: semaphores are s1..s63, not s64
line(GATHER + "weight ; wait=s64")
# CHECK-NEXT: p.s:2:57: 's1@8' is no semaphore; s<number>, s<number>@<depth> or - expected
line(GATHER + "weight ; wait=s1@8")
# CHECK-NEXT: p.s:2:57: wait takes at most three semaphores, not 4
line(GATHER + "weight ; wait=s1,s1,s1,s1")
# CHECK-NEXT: p.s:2:12: init is 'first'; always, never or first.<depth> expected
line("mm src=init=first init=first".replace("src=init=first ", "   "))
# CHECK-NEXT: p.s:2:24: a loop level is 'l7'; l0..l6 expected
line("agu.stride id=a1 level=l7 stride=0")
# CHECK-NEXT: p.s:2:34: stride is 1099511627776, outside -1099511627776..1099511627775
line("agu.stride id=a1 level=l6 stride=1099511627776")
# CHECK-NEXT: p.s:2:20: 'one' is no number
line("scalar id=r1 value=one")
# CHECK-NEXT: p.s:2:1: expected .module "path"
line(".module x")

# CHECK-NEXT: program: instruction 1: unknown opcode 0x3f
words = np.zeros((3, 16), np.uint8)
words[1, 0] = words[2, 0] = 0xFF
print(error(asm.decode_program, words))
# CHECK-NEXT: program: instruction 0: 'halt' has reserved bits set
words[0, 15] = 0x80
print(error(asm.decode_program, words))
# CHECK-NEXT: program: instruction 0: 'sync' field 'unit' is 8, which is no Unit
words[0] = np.frombuffer((0x0F | 8 << isa.place_of("sync", "unit")[0]).to_bytes(16, "little"), np.uint8)
print(error(asm.decode_program, words))
# CHECK-NEXT: program: instruction 0: 'mm' field 'init' is 9: 0..7 or 15 expected
words[0] = np.frombuffer(isa.encode("mm", dict(src=1, wgt=1, dst=1, rows=1, k=1, n=1, init=9)), np.uint8)
print(error(asm.decode_program, words))
