# Every instruction a unit executes has a tile-level op whose operands and attributes are the table's fields.
# RUN: %python %s | filecheck %s
from focus.dialects.context import make_context
from focus.dialects.support import ir
from focus.dialects.tile_ops import TILE_OPS
from focus.runtime.spec import isa

for mnemonic, entry in isa.TABLE.items():
    if entry.unit == isa.Unit.CTRL:
        assert mnemonic not in TILE_OPS, mnemonic
        continue
    cls = TILE_OPS[mnemonic]
    operands = [g.name for g in cls._operands.groups]
    mems = [f.name for f in entry.mems if not f.optional] + [f.name for f in entry.mems if f.optional]
    assert operands == mems, (mnemonic, operands, mems)
    extents = {f.name for f in entry.fields if f.kind == "ext" and f.of[0] != f.name}
    assert set(cls._kinds) == {f.name for f in entry.fields} - set(mems) - extents, mnemonic
print("instructions", len(TILE_OPS))
# CHECK: instructions {{[0-9]+}}

with make_context() as context, ir.Location.unknown():
    missing = [c.OPERATION_NAME for c in TILE_OPS.values() if not context.is_registered_operation(c.OPERATION_NAME)]
    print("missing", missing, TILE_OPS["gather"].OPERATION_NAME, TILE_OPS["mm.kn"].OPERATION_NAME)
# CHECK-NEXT: missing [] focus.load_rows focus.mm_kn
