# Calls of routines in words: addresses and sites added, the path of each call, set-up left out that would change nothing, and sums that do not fit.
# RUN: %python %s | filecheck %s
from focus.dialects import fisa
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir
from focus.passes.encode import encode_program
from focus.runtime.run import asm
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError


def agu(id, base, **fields):
    return "agu", dict(id=id, space=0, dtype=0, base=base, pitch=64, slots=1, slot_bytes=0, ring_level=7) | fields


def program(calls, routines, own=()):
    """A program of calls (routine, addresses, site, path) and then instructions of its own, and routines of (mnemonic, fields[, argument])."""
    with make_context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            op = fisa.ProgramOp.build(loc="program")
            for name, (arguments, code) in routines.items():
                with ir.InsertionPoint(fisa.RoutineOp.build(sym_name=name, arguments=arguments).block):
                    for mnemonic, values, *argument in code:
                        fisa.instruction(mnemonic, values, argument=argument[0] if argument else None)
        with ir.InsertionPoint(op.block):
            for name, addresses, site, path in calls:
                fisa.CallOp.build(callee=name, addresses=addresses, attrs={"site": site}, loc=path)
            for mnemonic, values in own:
                fisa.instruction(mnemonic, values, loc="own")
            fisa.instruction("halt", {}, loc="program")
        parse_text(str(module))
        return encode_program(op)


def show(text, source, modules):
    for word, path in zip(asm.decode_program(text), source):
        v = word.values
        print(modules[path], word.instr.mnemonic, *(f"{k}={v[k]}" for k in ("id", "base", "credits", "stride", "full", "site") if k in v))


gather = "sic.gather", dict(src=0, table=1, count=2, rows=0, identity=0, cols=0, site=1)
code = [("sem", dict(id=4, credits=2)), (*agu(0, 8), 1), ("agu.stride", dict(id=0, level=0, stride=32)), agu(1, 512), agu(2, 0, slots=2),
        ("ext", dict(id=0, full=9, total=9, step=0, level=0)), gather]
show(*program([("r", [64, 1 << 39], 0, "a"), ("r", [128, 1 << 39], 7, "b"), ("r", [128, 256], 1022, "a")], {"r": (2, code)}))
# The second call sets up nothing but the ring; in the third the address is another, so the stride is set again as well.
# CHECK: a sem id=4 credits=2
# CHECK-NEXT: a agu id=0 base=549755813896
# CHECK-NEXT: a agu.stride id=0 stride=32
# CHECK-NEXT: a agu id=1 base=512
# CHECK-NEXT: a agu id=2 base=0
# CHECK-NEXT: a ext id=0 full=9
# CHECK-NEXT: a sic.gather site=1
# CHECK-NEXT: b agu id=2 base=0
# CHECK-NEXT: b sic.gather site=8
# CHECK-NEXT: a agu id=0 base=264
# CHECK-NEXT: a agu.stride id=0 stride=32
# CHECK-NEXT: a agu id=2 base=0
# CHECK-NEXT: a sic.gather site=1023
# CHECK-NEXT: program halt

# Set-up is not left out where another routine has changed it, a stride of its own or a loop may have, or the program has done something itself.
print("changed")
stray, loop = [agu(1, 512), ("agu.stride", dict(id=1, level=0, stride=32)), agu(0, 0), ("agu.stride", dict(id=1, level=1, stride=64))], \
    [("ext", dict(id=0, full=9, total=9, step=0, level=0)), ("loop", dict(trips=0)),
     ("ext", dict(id=0, full=9, total=9, step=0, level=0)), ("endloop", {})]
once = [agu(1, 512), ("agu.stride", dict(id=1, level=0, stride=32)), loop[0]]
show(*program([("stray", [], 0, "a"), ("once", [], 0, "b"), ("once", [], 0, "c"), ("loop", [], 0, "d"), ("once", [], 0, "e")],
              {"stray": (0, stray), "once": (0, once), "loop": (0, loop)}))
# CHECK: changed
# CHECK-COUNT-4: a agu
# CHECK-NEXT: b agu id=1
# CHECK-NEXT: b agu.stride
# CHECK-NEXT: b ext id=0
# CHECK-NEXT: d loop
# CHECK-NEXT: d ext id=0
# CHECK-NEXT: d endloop
# CHECK-NEXT: e ext id=0
# CHECK-NEXT: program halt

for addresses, site in (([0, (1 << 40) - 8], 0), ([0, 0], 1023)):
    try:
        program([("r", addresses, site, "a")], {"r": (2, code)})
    except FocusError as e:
        print("error:", e)
# CHECK-NEXT: error: a call makes field 'base' of 'agu' 1099511627776, which is more than 1099511627775
# CHECK-NEXT: error: a call makes field 'site' of 'sic.gather' 1024, which is more than 1023
print(isa.place_of("loop", "trips")[0], isa.place_of("agu", "base"))
# CHECK-NEXT: 6 (22, 40)
