"""The `fisa` dialect: the instructions of the Focus accelerator, generated from the ISA table.

In: `isa.TABLE`.  Out: `ProgramOp`, `RoutineOp`, `CallOp`, `INSTRUCTION_OPS` (mnemonic -> op class) and `instruction`, `fields_of` to make and
read one.

`fisa.program` holds one straight list of `fisa.<ident>` ops (`fisa.v_map` for `v.map`) and of calls; what is computed several times over, with
operands at other addresses, is a `fisa.routine`, which the encoder puts in the place of each call.  Every field of an instruction is an i64
attribute of its raw value, as `isa.encode` takes it (float32 fields as their bits, enumerations as numbers); fields at their default (no
semaphore, absent operand) are left out. The op's location is the module path it computes for.

    instruction("load", {"src": 0, "dst": 1, "rows": 0, "cols": 1, "stream": 1, "wait0": 3}, loc="layers.0.mlp.down_proj", ip=ip)
"""
from types import new_class
from typing import TYPE_CHECKING, Any

from focus.dialects.support import I64, I64_BITS, Dialect, I64Array, OpBase, Region, Str, Symbol, get_attr, ir, symbol
from focus.runtime.spec import isa

ARGUMENT = "fisa.arg"       #: attribute of an address generator in a routine: the argument from whose address its base counts


class Fisa(Dialect, name="fisa"):
    """Instructions of the Focus accelerator, one op a 128-bit word."""


class FisaOp(OpBase, dialect=Fisa):
    """Base of the dialect's ops."""


class _Code(FisaOp):
    """A straight list of instructions."""
    if TYPE_CHECKING:
        OTHERS: tuple[str, ...]
    OTHERS = ()                 # what it may hold besides

    def check_region(self) -> None:
        super().check_region()
        depth = 0
        for number, inner in enumerate(self.block.operations):
            name = inner.operation.name
            if name not in _BY_OP_NAME and name not in self.OTHERS:
                self.fail(f"holds '{name}', expected only instructions{' and calls' if self.OTHERS else ''}")
            depth += (name == "fisa.loop") - (name == "fisa.endloop")
            if not 0 <= depth <= isa.MAX_LOOPS:
                self.fail(f"instruction {number} opens loop {depth}, expected at most {isa.MAX_LOOPS} deep" if depth > 0
                          else f"instruction {number} is an endloop without a loop")
            if depth and name == "fisa.call":
                self.fail(f"instruction {number} is a call inside a loop")
            if ARGUMENT in inner.operation.attributes:
                self._check_argument(number, inner.operation)
        if depth:
            self.fail(f"ends inside {depth} open loop{'s' if depth > 1 else ''}")

    def _check_argument(self, number: int, inner: ir.Operation) -> None:
        if inner.name != "fisa.agu" or not isinstance(self, RoutineOp):
            self.fail(f"instruction {number} ('{inner.name}') has '{ARGUMENT}', which only 'fisa.agu' in a routine may")
        attr = inner.attributes[ARGUMENT]
        if not I64.matches(attr) or not 0 <= attr.value < self.arguments:
            self.fail(f"instruction {number} has {ARGUMENT} = {attr}, expected one of the {self.arguments} arguments")


class ProgramOp(_Code, name="program", traits=[ir.NoTerminatorTrait]):
    """A whole program: instructions, and calls of routines, in the order they are fetched.

    Loops are balanced and at most seven deep; calls stand outside loops; the last instruction is halt.
    """
    body: Region
    OTHERS = ("fisa.call",)

    def check_region(self) -> None:
        super().check_region()
        inner = list(self.block.operations)
        if not inner or inner[-1].operation.name != "fisa.halt":
            self.fail("must end with 'fisa.halt'")


class RoutineOp(_Code, name="routine", traits=[ir.NoTerminatorTrait]):
    """Instructions that stand in the program wherever they are called, for operands at other addresses.

    `fisa.arg = i` on a `fisa.agu` makes its base count from the address that the call gives for argument i, of `arguments`.  The site of
    a `fisa.sic_gather` counts from the call's.  A routine sets up every generator, register and semaphore it uses, and leaves semaphores as
    it found them.
    """
    sym_name: Str
    arguments: I64
    body: Region

    def check(self) -> None:
        if self.arguments < 0:
            self.fail(f"attribute 'arguments' must not be negative, but is {self.arguments}")

    def check_region(self) -> None:
        super().check_region()
        if any(inner.operation.name == "fisa.halt" for inner in self.block.operations):
            self.fail("holds 'fisa.halt', which only a program may")


class CallOp(FisaOp, name="call"):
    """The instructions of a routine, computing for the module path at this op's location.

    `addresses`: where each argument lies.  `site` (optional): what site 0 of the routine is here.  Set-up that would change
    nothing is left out of the binary.
    """
    callee: Symbol
    addresses: I64Array

    def check(self) -> None:
        routine = symbol(self, self.callee)
        if not isinstance(routine, RoutineOp):
            self.fail(f"calls '@{self.callee}', which is no fisa.routine of this module")
        wanted, addresses, site = get_attr(routine, "arguments"), self.addresses, self.attributes["site"] if "site" in self.attributes else None
        if len(addresses) != wanted:
            self.fail(f"gives {len(addresses)} addresses, expected {wanted} (arguments of '@{self.callee}')")
        if min(addresses, default=0) < 0:
            self.fail(f"has addresses {addresses}, expected none to be negative")
        if site is not None and (not I64.matches(site) or site.value < 0):
            self.fail(f"attribute 'site' must be an i64 that is not negative, but is {site}")


class InstructionOp(FisaOp):
    """Base of the instructions; `INSTRUCTION` is the table's entry."""
    if TYPE_CHECKING:           # annotations that Python executes are fields of the op
        INSTRUCTION: isa.Instruction
        _FIELDS: dict[str, "_Rule"]
        _REQUIRED: list[str]
        _DEFAULTS: dict[str, int | None]

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
            if value in f.illegal or (f.legal and value not in f.legal):
                self.fail(f"field '{name}' is {value}, {f.expected}")
            missing -= f.required
        if missing:
            self.fail(f"needs field '{next(n for n in self._REQUIRED if n not in self.attributes)}'")


class _Rule:
    """What a verifier checks of one field, worked out once from the table."""

    def __init__(self, f: isa.Field):
        self.low, self.high = f.low, f.high
        self.required = isa.default_value(f) is None
        self.legal: frozenset[int] = frozenset()
        self.illegal: frozenset[int] = frozenset()
        self.expected = ""
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
    cls: type[InstructionOp] = new_class(class_name, (InstructionOp,), {"name": entry.ident}, lambda space: space.update(body))
    cls.INSTRUCTION = entry
    cls._FIELDS = {f.name: _Rule(f) for f in entry.all_fields}
    cls._REQUIRED = [n for n, r in cls._FIELDS.items() if r.required]
    cls._DEFAULTS = {f.name: isa.default_value(f) for f in entry.all_fields}
    return cls


INSTRUCTION_OPS: dict[str, type[InstructionOp]] = {m: _make(i) for m, i in isa.TABLE.items()}
_BY_OP_NAME = {cls.OPERATION_NAME: cls for cls in INSTRUCTION_OPS.values()}


def instruction(mnemonic: str, values: dict[str, int], loc: ir.Location | str | None = None,
                ip: ir.InsertionPoint | None = None, argument: int | None = None) -> ir.Operation:
    """Create one instruction from raw field values (as `isa.encode` takes them); fields at their default are not written.

    `argument`: that from whose address the base of an address generator counts.
    """
    cls = INSTRUCTION_OPS[mnemonic]
    defaults = cls._DEFAULTS
    integer = ir.IntegerType.get_signless(I64_BITS)         # once for all fields: a program has tens of thousands of instructions
    attributes: dict[str, ir.Attribute] = {name: ir.IntegerAttr.get(integer, v) for name, v in values.items() if v != defaults[name]}
    if argument is not None:
        attributes[ARGUMENT] = I64.wrap(argument)
    where = ir.Location.name(loc) if isinstance(loc, str) else loc
    return ir.Operation.create(cls.OPERATION_NAME, attributes=attributes, loc=where, ip=ip)


def fields_of(op: Any) -> tuple[isa.Instruction, dict[str, int]]:
    """The table's entry and the written raw field values of an instruction op."""
    operation = op.operation
    cls = _BY_OP_NAME[operation.name]
    names = cls._FIELDS
    return cls.INSTRUCTION, {name: attr.value for name, attr in operation.attributes.items() if name in names}
