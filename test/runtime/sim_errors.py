# A program the engine cannot decode or run gives one clear error: opcodes, fields, nesting, bounds, element types, sizes, absent units.
# RUN: %python %s | filecheck %s
import numpy as np
from Inputs.sim_builder import Program, complaint

from focus.runtime import _sim
from focus.runtime.spec import isa
from focus.runtime.spec.machine import Machine

MACHINE = Machine.load("focus").to_json()


def load(*words, sites="[]"):
    text = np.frombuffer(b"".join(words), np.uint8).reshape(-1, 16)
    print(complaint(lambda: _sim.Simulator(text, np.zeros(len(text), np.uint32), MACHINE, sites)))


HALT, END = isa.encode("halt", {}), isa.encode("endloop", {})
LOOP = isa.encode("loop", {"trips": 0})
load(b"\xee" + bytes(15))
# CHECK: instruction 0: unknown opcode 0x2e
load(HALT[:15] + b"\x80")
# CHECK-NEXT: instruction 0 (halt): reserved bits are set
load(END, HALT)
# CHECK-NEXT: instruction 0 (endloop): no loop is open
load(LOOP, HALT)
# CHECK-NEXT: instruction 0 (loop): no matching endloop
load(LOOP)
# CHECK-NEXT: instruction 0 (loop): no matching endloop
load(LOOP, END)
# CHECK-NEXT: the program does not end with halt
load()
# CHECK-NEXT: the program does not end with halt
load(HALT, HALT)
# CHECK-NEXT: instruction 0 (halt): the program goes on after it
load(*[LOOP] * 8, *[END] * 8, HALT)
# CHECK-NEXT: instruction 7 (loop): loops nest at most 7 deep
load(isa.encode("sem", {"id": 0, "credits": 1}), HALT)
# CHECK-NEXT: instruction 0 (sem): field 'id' is 0, outside 1..63
load(isa.encode("sic.config", {"threshold": 0xBF800000, "block_f": 2, "block_h": 2, "block_w": 2}), HALT)
# CHECK-NEXT: instruction 0 (sic.config): field 'threshold' is -1: at least 0 expected
load(isa.encode("sync", {"unit": 0}), HALT)
# CHECK-NEXT: instruction 0 (sync): field 'unit' is ctrl, which has no queue
load(isa.encode("v.prob", dict(src=0, state=0, dst=0, qpos=0, rows=0, cols=0, scalar=0)), HALT)
# CHECK-NEXT: instruction 0 (v.prob): operands 'qpos' and 'kpos' come together or not at all
load(isa.encode("sic.gather", dict(src=0, table=0, count=0, rows=0, identity=0, cols=0, site=2)), HALT)
# CHECK-NEXT: instruction 0 (sic.gather): site 2 of 0
load(HALT, sites='[{"layer": 1, "site": "query", "width": 32, "slices": 1, "visual": 5, "count_base": 0, "tiles": [[3, 0, 3]]}]')
# CHECK-NEXT: site 'query' of layer 1: a tile's rows lie outside its 5 visual rows


def run(build, **options):
    p = Program(options.pop("machine", "focus"))
    build(p)
    print(complaint(lambda: p.run(**options)))


def copy(base=0, pitch=64, rows=2, cols=32, dtype="f2", space="vector"):
    return lambda p: p.emit("v.map", op="copy", src=p.agu(space, base, pitch, dtype), dst=p.agu("output", 0, 128, "f4"),
                            rows=p.n(rows), cols=p.n(cols), scalar=0)


# Bounds hold with and without data.
for functional in (True, False):
    run(copy(base=163840 - 127), functional=functional, counts=[])
    run(copy(base=163840 - 126), functional=functional, counts=[])
    run(copy(base=163840 - 128), functional=functional, counts=[])
# CHECK-NEXT: (v.map): operand 'src': address or row pitch is not a multiple of the element size
# CHECK-NEXT: (v.map): operand 'src': out of bounds: bytes 163714..163842 of vector, which has 163840
# CHECK-NEXT: no error
# CHECK-NEXT: not a multiple
# CHECK-NEXT: out of bounds
# CHECK-NEXT: no error
run(lambda p: p.emit("load", src=p.agu("dram", 2**39, 64, "f2"), dst=p.agu("vector", 0, 64, "f2"), rows=p.n(1), cols=p.n(1), stream="kv"))
# CHECK-NEXT: (load): operand 'src': out of bounds: bytes 549755813888..549755813890 of dram, which has 34359738368
run(lambda p: (p.loop(2), copy(base=0)(p), p.agu("vector", 0, 64, "f2", strides={0: -64}, number=0), copy()(p), p.end()))
# CHECK-NEXT: no error
run(lambda p: (p.agu("vector", 0, 64, "f2", strides={0: -64}), p.agu("output", 0, 64, "f2"), p.loop(2),
               p.emit("v.map", op="copy", src=0, dst=1, rows=p.n(1), cols=p.n(1), scalar=0), p.end()))
# CHECK-NEXT: (v.map): operand 'src': out of bounds: bytes -64..-62 of vector
run(copy(space="dram"))
# CHECK-NEXT: (v.map): operand 'src': must be on chip
run(lambda p: p.emit("mm", src=p.agu("input", 0, 64, "f4"), wgt=p.agu("wgt", 0, 64, "f2"), dst=p.agu("output", 0, 128, "f4"),
                     rows=p.n(1), k=p.n(1), n=p.n(1), init=7))
# CHECK-NEXT: (mm): operand 'src': element type f32 is not possible here
run(lambda p: p.emit("mm", src=p.agu("input", 0, 128, "f2"), wgt=p.agu("wgt", 0, 64, "f2"), dst=p.agu("output", 0, 128, "f4"),
                     rows=p.n(1), k=p.n(33), n=p.n(1), init=7))
# CHECK-NEXT: (mm): extent 'k' is 33; this machine takes at most 32
scatter = lambda p: p.emit("scatter", src=p.agu("conc", 0, 128, "f4"), dst=p.agu("output", 0, 128, "f4"), rows=p.n(0),
                           identity=p.n(1), cols=p.n(32), init=7)
run(scatter)
run(scatter, machine="dense")
# CHECK-NEXT: no error
# CHECK-NEXT: (scatter): this machine has no scatter unit
p = Program()
sim = p.simulator()
print(complaint(lambda: sim.write(2**35 - 1, np.zeros(2, "u1"))))
print(complaint(lambda: sim.read(-1, 2)))
# CHECK-NEXT: host writes DRAM bytes 34359738367..34359738369, but DRAM has 34359738368 bytes
# CHECK-NEXT: host reads DRAM bytes -1..1, but DRAM has 34359738368 bytes
