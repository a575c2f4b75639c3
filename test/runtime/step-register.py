# The step register: addresses and extents that count it, on data and in time; the static checks look at the first and the last step.
# RUN: %python %s | filecheck %s
import numpy as np

from focus.runtime import _sim
from focus.runtime.run import asm, verify
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

MACHINE = Machine.load("focus")
# Copies row `step` of a table of 8 rows of 4 to row 0 of the output, and the first step + 1 rows after it.  The tile of 3 rows that begins at row 3
# is there as far as the step has come.
TEXT = """
ext id=e0 full=1 total=1 step=0 level=l0
ext id=e1 full=4 total=4 step=0 level=l0
ext id=e2 full=8 total=1 step=0 level=l0
ext.step id=e2 less=-1
ext id=e3 full=3 total=1 step=3 level=l0
ext.step id=e3 less=-1
ext id=e4 full=3 total=3 step=0 level=l0
agu id=a0 space=dram dtype=f16 base=0x0 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu.step id=a0 stride=8
agu id=a1 space=output dtype=f16 base=0x0 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu id=a2 space=dram dtype=f16 base=0x1000 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu id=a3 space=dram dtype=f16 base=0x0 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu id=a4 space=dram dtype=f16 base=0x1008 pitch=8 slots=1 slot_bytes=0 ring_level=never
load src=a0 dst=a1 rows=e0 cols=e1 stream=activation ; signal=s1
store src=a1 dst=a2 rows=e0 cols=e1 stream=result ; wait=s1 signal=s2
load src=a3 dst=a1 rows=e2 cols=e1 stream=activation ; wait=s2 signal=s1
store src=a1 dst=a4 rows=e2 cols=e1 stream=result ; wait=s1 signal=s2
sync unit=store ; wait=s2 signal=s3
drain id=s3 credits=1 end=1
agu id=a5 space=dram dtype=f16 base=0x0 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a5 level=l0 stride=24
agu id=a6 space=dram dtype=f16 base=0x2000 pitch=8 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a6 level=l0 stride=24
loop trips=e4
load src=a5 dst=a1 rows=e3 cols=e1 stream=activation ; signal=s1
store src=a1 dst=a6 rows=e3 cols=e1 stream=result ; wait=s1 signal=s2
sync unit=load ; wait=s2
endloop
halt
"""
program = asm.assemble(TEXT)
table = np.arange(1, 33, dtype=np.float16).reshape(8, 4)
simulator = _sim.Simulator(program.text, np.zeros(len(program.text), np.uint32), MACHINE.to_json())
simulator.write(0, table.reshape(-1).view(np.uint8))
right = []
for step in (0, 2, 3, 7):
    simulator.write(0x1000, np.zeros(0x2000, np.uint8))
    functional = simulator.run(True, True, step=step)
    read = lambda at, rows: simulator.read(at, 8 * rows).view(np.float16).reshape(rows, 4)
    first, rows, tiles = read(0x1000, 1), read(0x1008, 8), read(0x2000, 8)
    timing = simulator.run(False, step=step)
    right.append((first[0] == table[step]).all() and (rows[:step + 1] == table[:step + 1]).all() and not rows[step + 1:].any()
                 and (tiles[:step + 1] == table[:step + 1]).all() and not tiles[step + 1:].any()
                 and functional["cycles"] == timing["cycles"] and functional["findings_total"] == 0)
print("steps", right)
# CHECK: steps [{{(np\.)?}}True{{.*}}True{{.*}}True{{.*}}True
print("again", asm.assemble(asm.disassemble(program.text)).text.tobytes() == program.text.tobytes())
# CHECK: again True

decoded = asm.decode_program(program.text)
verify.check_program(decoded, MACHINE, 0x3000, 0, "p", steps=8)
for steps in (0x1000, 1 << 20):
    try:
        verify.check_program(decoded, MACHINE, 0x3000, 0, "p", steps)
        print("was taken")
    except FocusError as e:
        print(e)
# CHECK: p: instruction 13 (load): operand 'src' {{reaches|begins at}} byte {{[0-9]+}} of dram
# CHECK: p: instruction 13 (load): operand 'src' {{reaches|begins at}} byte {{[0-9]+}} of dram

for text in ("agu.step id=a3 stride=8\nhalt", "ext.step id=e3 less=1\nhalt"):
    words = asm.assemble(text).text
    for check in (lambda: verify.check_program(asm.decode_program(words), MACHINE, 4096, 0, "p"),
                  lambda: _sim.Simulator(words, np.zeros(len(words), np.uint32), MACHINE.to_json()).run(True)):
        try:
            check()
            print("was taken")
        except FocusError as e:
            print(e)
# CHECK: p: instruction 0 (agu.step): a3 is used before it is set
# CHECK: instruction 0 (agu.step): address generator 3 counts the step before it is set up
# CHECK: p: instruction 0 (ext.step): e3 is used before it is set
# CHECK: instruction 0 (ext.step): extent 3 counts the step before it is set up
try:
    simulator.run(True, step=-1)
except FocusError as e:
    print(e)
# CHECK: the step register holds numbers from 0 on
