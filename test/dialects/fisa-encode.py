# Every instruction: raw field values -> op -> text -> op -> raw field values, encoded to the same 16 bytes.
# RUN: %python %s | filecheck %s
import random

from focus.dialects import fisa
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir, path_of, to_text
from focus.runtime.spec import isa

random.seed(7)


def any_value(f):
    if f.kind == "enum":
        return random.choice(list(map(int, isa.ENUMS[f.enum])))
    if f.kind == "init":
        return random.choice([*range(8), 15])
    return random.randint(1 if f.kind == "sem" else f.low, f.high - 1 if f.kind == "mem" else f.high)


cases = [(m, {f.name: any_value(f) for f in i.all_fields}) for m, i in isa.TABLE.items() for _ in range(20)]
cases = [c for c in cases if c[0] not in ("loop", "endloop", "halt")]
with make_context(), ir.Location.unknown():
    module = ir.Module.create()
    with ir.InsertionPoint(module.body):
        program = fisa.ProgramOp.build()
    with ir.InsertionPoint(program.block):
        for number, (mnemonic, values) in enumerate(cases):
            fisa.instruction(mnemonic, values, loc=f"layers.{number}")
        fisa.instruction("halt", {})
    again = parse_text(to_text(module))
    ops = list(again.body.operations[0].block.operations)
    assert len(ops) == len(cases) + 1
    for number, (op, (mnemonic, values)) in enumerate(zip(ops, cases)):
        entry, read = fisa.fields_of(op)
        assert entry is isa.TABLE[mnemonic]
        assert isa.encode(mnemonic, read) == isa.encode(mnemonic, values) and path_of(op) == f"layers.{number}", (mnemonic, values, read)
        defaults = {f.name: isa.default_value(f) for f in entry.all_fields}
        assert all(v != defaults[n] for n, v in read.items()), "a field at its default was written"
print("encoded", len(cases) > 500)
# CHECK: encoded True
