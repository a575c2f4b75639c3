"""The `fisa` dialect: the instructions of the Focus accelerator, generated from the ISA table.

In: `isa.TABLE`.  Out: `ProgramOp`, `INSTRUCTION_OPS` (mnemonic -> op class) and `instruction`, `fields_of` to make and read one.

`fisa.program` holds one straight list of `fisa.<ident>` ops (`fisa.v_map` for `v.map`).  Every field of an instruction is an i64
attribute of its raw value, as `isa.encode` takes it (float32 fields as their bits, enumerations as numbers); fields at their default (no
semaphore, absent operand) are left out. The op's location is the module path it computes for.

    instruction("load", {"src": 0, "dst": 1, "rows": 0, "cols": 1, "stream": 1, "wait0": 3}, loc="layers.0.mlp.down_proj", ip=ip)
"""
from typing import Any

from focus.runtime import isa

from .support import I64, OpBase, Region, ext, ir


class Fisa(ext.Dialect, name="fisa"):
    """Instructions of the Focus accelerator, one op a 128-bit word."""


class FisaOp(OpBase, dialect=Fisa):
    """Base of the dialect's ops."""


class ProgramOp(FisaOp, name="program", traits=[ir.NoTerminatorTrait]):
    """A whole program: instructions in the order they are fetched.

    Loops are balanced and at most seven deep; the last instruction is halt.
    """
    body: Region

    @classmethod
    def build(cls, **kw: Any) -> "ProgramOp":
        """The op with an empty block, in which to insert: `ir.InsertionPoint(op.block)`."""
        op = super().build(**kw)
        op.regions[0].blocks.append()
        return op

    @property
    def block(self) -> ir.Block:
        return self.regions[0].blocks[0]

    def check_region(self) -> None:
        if len(self.regions[0].blocks) != 1:
            self.fail("expects a body of one block")
        depth, name = 0, ""
        for number, inner in enumerate(self.block.operations):
            name = inner.operation.name
            if not name.startswith("fisa.") or name == "fisa.program":
                self.fail(f"holds '{name}', expected only instructions")
            if name == "fisa.loop":
                depth += 1
            elif name == "fisa.endloop":
                depth -= 1
            if not 0 <= depth <= isa.MAX_LOOPS:
                self.fail(f"instruction {number} opens loop {depth}, expected at most {isa.MAX_LOOPS} deep" if depth > 0
                          else f"instruction {number} is an endloop without a loop")
        if depth:
            self.fail(f"ends inside {depth} open loop{'s' if depth > 1 else ''}")
        if name != "fisa.halt":
            self.fail("must end with 'fisa.halt'")


class InstructionOp(FisaOp):
    """Base of the instructions; `INSTRUCTION` is the table's entry (an `isa.Instruction`)."""
    INSTRUCTION = None      # without annotation: annotated names become fields of the op

    @property
    def values(self) -> dict[str, int]:
        """Raw values of the fields that are written, as `isa.encode` takes them."""
        names = self._FIELDS
        return {name: attr.value for name, attr in self.attributes.items() if name in names}

    def check(self) -> None:
        fields, missing = self._FIELDS, len(self._REQUIRED)
        for name, attr in self.attributes.items():
            f = fields.get(name)
            if f is None:
                if "." in name:         # a discardable attribute of another dialect
                    continue
                self.fail(f"has no field '{name}'")
            if not I64.matches(attr):
                self.fail(f"field '{name}' must be an i64, but is {attr}")
            value = attr.value
            if not f.low <= value <= f.high:
                self.fail(f"field '{name}' is {value}, outside {f.low}..{f.high}")
            if value in f.illegal or f.legal and value not in f.legal:
                self.fail(f"field '{name}' is {value}, {f.expected}")
            missing -= f.required
        if missing:
            self.fail(f"needs field '{next(n for n in self._REQUIRED if n not in self.attributes)}'")


class _Rule:
    """What a verifier checks of one field, worked out once from the table."""

    def __init__(self, f: isa.Field):
        bits = f.bits
        self.low, self.high = (-(1 << bits - 1), (1 << bits - 1) - 1) if f.kind == "sint" else (0, (1 << bits) - 1)
        self.required = isa.default_value(f) is None
        self.legal, self.illegal, self.expected = frozenset(), frozenset(), ""
        if f.kind == "enum":
            values = isa.ENUMS[f.enum]
            self.legal = frozenset(map(int, values))
            self.expected = f"which is no {f.enum} ({', '.join(f'{int(e)} {e.name.lower()}' for e in values)})"
        elif f.kind == "init":
            self.legal, self.expected = frozenset([*range(isa.ALWAYS + 1), isa.NEVER]), f"expected 0..{isa.ALWAYS} or {isa.NEVER}"
        elif f.kind == "sem" and self.required:
            self.illegal, self.expected = frozenset([isa.NO_SEM]), "the number for no semaphore"
        elif f.kind == "mem" and not f.optional:
            self.illegal, self.expected = frozenset([isa.NO_AGU]), "the absent operand, but the operand is required"


def _make(entry: isa.Instruction) -> type[InstructionOp]:
    """The op class of one instruction."""
    class_name = "".join(part.capitalize() for part in entry.ident.split("_")) + "Op"
    body = {"__doc__": f"{entry.doc}\n\n{entry.semantics}", "__module__": __name__, "__annotations__": {}}
    cls = type(FisaOp)(class_name, (InstructionOp,), body, name=entry.ident)
    cls.INSTRUCTION = entry
    cls._FIELDS = {f.name: _Rule(f) for f in entry.all_fields}
    cls._REQUIRED = [n for n, r in cls._FIELDS.items() if r.required]
    cls._DEFAULTS = {f.name: isa.default_value(f) for f in entry.all_fields}
    return cls


INSTRUCTION_OPS: dict[str, type[InstructionOp]] = {m: _make(i) for m, i in isa.TABLE.items()}
_BY_OP_NAME = {cls.OPERATION_NAME: cls for cls in INSTRUCTION_OPS.values()}


def instruction(mnemonic: str, values: dict[str, int], loc: ir.Location | str | None = None,
                ip: ir.InsertionPoint | None = None) -> ir.Operation:
    """Create one instruction from raw field values (as `isa.encode` takes them); fields at their default are not written."""
    cls = INSTRUCTION_OPS[mnemonic]
    defaults = cls._DEFAULTS
    attributes = {name: I64.wrap(v) for name, v in values.items() if v != defaults[name]}
    where = ir.Location.name(loc) if isinstance(loc, str) else loc
    return ir.Operation.create(cls.OPERATION_NAME, attributes=attributes, loc=where, ip=ip)


def fields_of(op: Any) -> tuple[isa.Instruction, dict[str, int]]:
    """The table's entry and the written raw field values of an instruction op."""
    operation = op.operation
    cls = _BY_OP_NAME[operation.name]
    names = cls._FIELDS
    return cls.INSTRUCTION, {name: attr.value for name, attr in operation.attributes.items() if name in names}
