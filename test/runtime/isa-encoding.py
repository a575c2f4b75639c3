# Each field of each instruction lies where the table says: right after the one before it, opcode in the lowest bits, zeros above.
# RUN: %python %s %t | filecheck %s
import shutil
import subprocess
import sys
from pathlib import Path

from focus.runtime.spec import isa

for instr in isa.TABLE.values():
    base = {f.name: f.high if f.kind == "side" else 0 for f in instr.all_fields}      # the largest side is 0 in the word
    zero = int.from_bytes(isa.encode(instr.mnemonic, base), "little")
    assert zero == instr.opcode, instr
    at = isa.OPCODE_BITS
    for f in instr.all_fields:
        top = (1 << f.bits) - 1
        highest = {"enum": max(isa.ENUMS[f.enum]) if f.enum else 0, "init": isa.NEVER, "sint": -1, "mem": top - (not f.optional), "side": f.high - 1}
        value = highest.get(f.kind, top)
        word = isa.encode(instr.mnemonic, base | {f.name: value})
        assert int.from_bytes(word, "little") ^ zero == (value & top) << at, (instr.mnemonic, f.name)
        assert isa.decode(word)[1] == base | {f.name: value}, (instr.mnemonic, f.name)
        for wrong in (f.high + 1, f.low - 1):
            try:
                isa.encode(instr.mnemonic, base | {f.name: wrong})
                raise SystemExit(f"{instr.mnemonic}.{f.name} took {wrong}")
            except isa.EncodingError:
                pass
        at += f.bits
print(len(isa.TABLE), "instructions")
# CHECK: {{[1-9][0-9]+}} instructions

# Missing fields: semaphores none and always, optional operands absent, a default where there is one, anything else an error.
# CHECK-NEXT: {'wait0': 0, 'wait0_depth': 7, 'src': 1, 'dst': 2, 'count': 255, 'rows': 3, 'cols': 4, 'stream': 5}
load = dict(src=1, dst=2, rows=3, cols=4, stream=5)
shown = ("wait0", "wait0_depth", *load, "count")
print({k: v for k, v in isa.decode(isa.encode("load", load))[1].items() if k in shown})
# CHECK-NEXT: {'id': 63, 'credits': 2, 'end': 0}
print(isa.decode(isa.encode("drain", dict(id=63, credits=2)))[1])
# CHECK-NEXT: 'load' needs field 'rows'
try:
    isa.encode("load", dict(src=1, dst=2, cols=4, stream=5))
except isa.EncodingError as e:
    print(e)

# A function without lanes, an instruction of the vector unit without work, an operand without element types and one whose rows no extent gives do
# not get past the build, which makes the simulator's header of the table.
# CHECK-NEXT: MapOp.SINE states no lanes; no header
# CHECK-NEXT: v.rope: the vector unit's instructions, and no others, state lanes; no header
# CHECK-NEXT: load: operand 'src' states no element types; no header
# CHECK-NEXT: v.rope: rows or columns of operand 'cos' are 'row', which no extent gives; no header
# CHECK-NEXT: unchanged: header
room = Path(isa.__file__).parent
source = Path(isa.__file__).read_text()
changes = (
    ("class ZipOp(", "MapOp = IntEnum('MapOp', [*((m.name, int(m)) for m in MapOp), ('SINE', len(MapOp))])\nclass ZipOp("),
    (", Work(Lanes(multiply=2, add=1))),\n)", "),\n)"),
    ('dram(mem("src", "r", _TILE, ANY, "DRAM"))', 'dram(mem("src", "r", _TILE, (), "DRAM"))'),
    ('mem("cos", "r", _TILE,', 'mem("cos", "r", ("row", "cols"),'),
    ("", ""),
)
for number, (old, new) in enumerate(changes):
    spec = Path(sys.argv[1]) / str(number) / "runtime" / "spec"
    shutil.rmtree(spec, ignore_errors=True)
    spec.mkdir(parents=True)
    for name in ("isa_header", "types", "geometry"):
        shutil.copy(room / f"{name}.py", spec)
    assert not old or source.count(old) == 1, old
    (spec / "isa.py").write_text(source.replace(old, new) if old else source)
    done = subprocess.run([sys.executable, "-P", spec / "isa_header.py", spec / "isa.gen.h"], capture_output=True, text=True)
    said = done.stderr.strip().rpartition("TypeError: ")[2] or "unchanged"
    print(f"{said}{';' if done.returncode else ':'} {'' if (spec / 'isa.gen.h').exists() else 'no '}header")
