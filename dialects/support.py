"""The one place for the quirks of the MLIR Python bindings: diagnostics, and the base class of our ops.

In: the torch-mlir wheel.  Out: what every other file of the compiler builds on:

* modules: `verify`, `to_text` (contexts and parsing: `focus.dialects.context`);
* diagnostics: `collect(ctx)`, `Diagnostic`, `OpError` (raise it in a pass: it becomes an error at that op's location);
* reading IR: `walk`, `path_of`, `symbol`, `get_attr`, `set_attr`, `to_attr`, `to_python`;
* defining ops: `OpBase` and the attribute kinds `Str`, `I64`, `F64`, `Bool`, `I64Array`, `Symbol`, `one_of(...)`, `default(value)`.

Building an op (every op class of `focus.dialects` offers the same `build`):

    with make_context(), ir.Location.unknown():
        ...
        y = LinearOp.build(x, weight, bias=b, activation="silu", results=[y_type], loc="layers.0.mlp.gate_proj", ip=ip).y

Required operands go by position (or by name), optional and variadic groups by name (a variadic last group also by position), attributes
by name as Python values (str, int, float, bool, list of int), discardable attributes as `attrs={"focus.layer": 3}`.  `results` is one
type or a list.  `loc` is an `ir.Location` or a module path.  Reading back: `op.x`, `op.bias` (a Value or None), `op.activation` (a Python
value), `op.activation = "none"`.

Rules the bindings impose (each one crashes or misbehaves otherwise):

* a module that defines ops must not use `from __future__ import annotations`;
* a verifier that returns None crashes, and it runs before the generated checks, so `OpBase` guards it: subclasses write `check`;
* keep no op or value handle across an upstream `PassManager.run`, hold the Module while using its ops, erase no op that has uses;
* one thread a process.
"""
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self

from torch_mlir import ir
from torch_mlir._mlir_libs import _mlir
from torch_mlir.dialects import ext
from torch_mlir.dialects.ext import Operand, Pure, Region, Result
from torch_mlir.dialects.irdl import Variadicity

from focus.runtime.spec.errors import FocusError, first_line, printable

__all__ = [
    "Any", "Bool", "DiagnosedError", "Diagnostic", "Dialect", "F64", "FocusError", "I64", "I64_BITS", "I64Array", "InvalidOp", "OpBase", "OpError",
    "Operand", "Pure", "Region", "Result", "Sequence", "Str", "Symbol", "collect", "default", "ext", "get_attr", "ir", "one_of",
    "path_of", "register_view", "set_attr", "symbol", "to_attr", "to_python", "to_text", "verify", "walk",
]

I64_BITS = 64       #: of an i64

# Without the prefix, every look-up of an op class of ours does a failing import first, 15 to 25 times the cost of the look-up.
_mlir.globals.append_dialect_search_prefix("focus.dialects")
# torch_c has no Python module; an empty one makes its look-ups succeed at once.
sys.modules.setdefault("torch_mlir.dialects.torch_c", types.ModuleType("torch_mlir.dialects.torch_c"))


if TYPE_CHECKING:
    class Dialect:
        """A dialect defined in Python (`ext.Dialect`)."""
        operations: list[Any]

        def __init_subclass__(cls, *, name: str) -> None: ...
        @classmethod
        def load(cls) -> None: ...

    class Parametric:
        """An attribute or type of such a dialect; annotated names are its parameters (`ext.Attribute`, `ext.Type`)."""
        params: Sequence[Any]
        type: Any
        _fields: Sequence[Any]
        _name: str
        _dialect_name: str

        def __init_subclass__(cls, *, name: str) -> None: ...
        @classmethod
        def get(cls, *parameters: Any) -> Self: ...
        def maybe_downcast(self) -> Any: ...
else:
    Dialect = ext.Dialect


# ---- attributes ----------------------------------------------------------------------------------------------------------
class Str(ir.StringAttr):
    """A string attribute; `choices`, where not empty, lists the legal values."""
    noun = "a string"
    choices: tuple[str, ...] = ()

    @staticmethod
    def wrap(value: str) -> ir.Attribute:
        return ir.StringAttr.get(value)

    @staticmethod
    def unwrap(attr: ir.Attribute) -> str:
        return attr.value

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.StringAttr)


class I64(ir.IntegerAttr):
    """A 64-bit integer attribute."""
    noun = "an i64"

    @staticmethod
    def wrap(value: int) -> ir.Attribute:
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(I64_BITS), value)

    @staticmethod
    def unwrap(attr: ir.Attribute) -> int:
        return attr.value

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.IntegerAttr) and isinstance(attr.type, ir.IntegerType) and attr.type.width == I64_BITS


class F64(ir.FloatAttr):
    """A 64-bit float attribute."""
    noun = "an f64"

    @staticmethod
    def wrap(value: float) -> ir.Attribute:
        return ir.FloatAttr.get(ir.F64Type.get(), value)

    @staticmethod
    def unwrap(attr: ir.Attribute) -> float:
        return attr.value

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.FloatAttr) and isinstance(attr.type, ir.F64Type)


class Bool(ir.IntegerAttr):
    """A boolean attribute (`true`, `false`).  The bindings' BoolAttr cannot be a constraint, so this is an integer to IRDL."""
    noun = "a bool"

    @staticmethod
    def wrap(value: bool) -> ir.Attribute:
        return ir.BoolAttr.get(bool(value))

    @staticmethod
    def unwrap(attr: ir.Attribute) -> bool:
        return bool(attr.value)

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.BoolAttr)


class I64Array(ir.DenseI64ArrayAttr):
    """A list of 64-bit integers (`array<i64: 1, 2>`)."""
    attr_name = "builtin.dense_array"
    noun = "an i64 array"

    @staticmethod
    def wrap(value: Sequence[int]) -> ir.Attribute:
        return ir.DenseI64ArrayAttr.get(list(value))

    @staticmethod
    def unwrap(attr: ir.Attribute) -> list[int]:
        return list(attr)

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.DenseI64ArrayAttr)


class Symbol(ir.FlatSymbolRefAttr):
    """The name of an op of the module (`@linear_3`)."""
    noun = "a symbol reference"

    @staticmethod
    def wrap(value: str) -> ir.Attribute:
        return ir.FlatSymbolRefAttr.get(value)

    @staticmethod
    def unwrap(attr: ir.Attribute) -> str:
        return attr.value

    @staticmethod
    def matches(attr: ir.Attribute) -> bool:
        return isinstance(attr, ir.FlatSymbolRefAttr)


_KINDS = (Str, I64, F64, Bool, I64Array, Symbol)


def one_of(*choices: str) -> type[Str]:
    """The kind of a string attribute with these legal values."""
    return type("OneOf", (Str,), {"choices": choices, "noun": "one of " + ", ".join(f'"{c}"' for c in choices)})


@dataclass(frozen=True)
class _Default:
    """The value of an attribute that is not given; `written`: whether an op that has it says so."""
    value: Any
    written: bool

    def __call__(self) -> Any:
        return self.value


def default(value: Any, written: bool = True) -> Any:
    """Field specifier of an attribute that `build` sets to `value` when it is not given.  Unless `written`, an op without the attribute has that
    value, and `build` leaves the attribute out where it is that."""
    return ext.attribute(default_factory=_Default(value, written))


def to_attr(value: Any) -> ir.Attribute:
    """A Python value (bool, int, float, str, list of int, or already an attribute) as an attribute of our kinds."""
    if isinstance(value, ir.Attribute):
        return value
    if isinstance(value, bool):
        return Bool.wrap(value)
    if isinstance(value, int):
        return I64.wrap(value)
    if isinstance(value, float):
        return F64.wrap(value)
    if isinstance(value, str):
        return Str.wrap(value)
    if isinstance(value, (list, tuple)):
        return I64Array.wrap(value)
    raise TypeError(f"no attribute kind for {type(value).__name__} {value!r}")


#: attributes that hold one Python value; what is asked for most, so known without a look at classes
_PLAIN = {ir.IntegerAttr, ir.FloatAttr, ir.StringAttr}


def to_python(attr: ir.Attribute) -> Any:
    """The Python value of an attribute of our kinds; any other attribute is returned as it is."""
    if type(attr) in _PLAIN:
        return attr.value
    if isinstance(attr, ir.DenseI64ArrayAttr):
        return list(attr)
    if isinstance(attr, ir.BoolAttr):
        return bool(attr.value)
    if isinstance(attr, (ir.IntegerAttr, ir.FloatAttr, ir.StringAttr)):
        return attr.value
    if isinstance(attr, ir.DictAttr):
        return {entry.name: to_python(entry.attr) for entry in attr}
    return attr


def get_attr(op: Any, name: str, otherwise: Any = None) -> Any:
    """The Python value of attribute `name` of an op, or `otherwise` when the op has no such attribute."""
    attributes = op.attributes
    return to_python(attributes[name]) if name in attributes else otherwise


def set_attr(op: Any, name: str, value: Any) -> None:
    """Set attribute `name` of an op to a Python value; None removes it."""
    if value is not None:
        op.attributes[name] = to_attr(value)
    elif name in op.attributes:
        del op.attributes[name]


# ---- errors and diagnostics ------------------------------------------------------------------------------------------------
class InvalidOp(Exception):
    """Raised by `OpBase.fail` inside a verifier; becomes the diagnostic `'<op name>' op <message>`."""


def path_of(where: Any) -> str:
    """The module path (`layers.3.self_attn.q_proj`) in the location of an op, or of a location itself; "" when it has none."""
    loc = where if isinstance(where, ir.Location) else where.location
    if isinstance(loc, ir.NameLoc):
        return loc.name_str
    if isinstance(loc, ir.FusedLoc):
        return next(filter(None, map(path_of, loc.locations)), "")
    return path_of(loc.caller) if isinstance(loc, ir.CallSiteLoc) else ""


def _file_position(loc: ir.Location) -> tuple[str, int, int]:
    """File, line and column of a location; ("", 0, 0) when it has none."""
    if isinstance(loc, ir.FileLineColLoc):
        return loc.filename, loc.start_line, loc.start_col
    if isinstance(loc, ir.NameLoc):
        return _file_position(loc.child_loc)
    if isinstance(loc, ir.FusedLoc):
        return next((p for p in map(_file_position, loc.locations) if p[0]), ("", 0, 0))
    return _file_position(loc.caller) if isinstance(loc, ir.CallSiteLoc) else ("", 0, 0)


class OpError(FocusError):
    """A pass cannot handle an op.  The message reads `'<op name>' op <message>`, the module path after it where the op has one.

    The location is taken at once, so the error outlives the op.
    """

    def __init__(self, op: Any, message: str):
        operation = op.operation
        self.location = operation.location
        self.text = f"'{operation.name}' op {message}"
        path = path_of(self.location)
        super().__init__(f"{self.text} ({path})" if path else self.text)


@dataclass
class Diagnostic:
    """One message of MLIR or of a verifier.  `line` and `column` count from 1, 0 for unknown; `path` is the module path or ""."""
    severity: str               #: error | warning | remark | note
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    notes: list["Diagnostic"] = field(default_factory=list)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""
        return printable(f"{where}{self.severity}: {self.message}" + (f" ({self.path})" if self.path else ""), "\n")


def _diagnostic(d: Any, name: str) -> Diagnostic:
    file, line, column = _file_position(d.location)
    out = Diagnostic(d.severity.name.lower(), d.message, name if file in ("", "-") else file, line, column, path_of(d.location))
    out.notes = [_diagnostic(n, name) for n in d.notes]
    return out


class DiagnosedError(FocusError):
    """IR that does not parse or verify, or a pass that failed; `diagnostics` holds everything that was reported."""
    KEPT = "\n"         # a line for each error

    def __init__(self, found: Sequence[Diagnostic], otherwise: str):
        errors = [str(d).replace("error: ", "", 1) for d in found if d.severity == "error"]
        super().__init__("\n".join(errors) or otherwise)
        self.diagnostics = list(found)


@contextmanager
def collect(context: ir.Context, name: str = "") -> Iterator[list[Diagnostic]]:
    """Collect the diagnostics of the block instead of printing them; `name` stands for the file of text that had none."""
    found: list[Diagnostic] = []

    def handler(d: Any) -> bool:
        found.append(_diagnostic(d, name))
        return True

    before, context.emit_error_diagnostics = context.emit_error_diagnostics, True
    attached = context.attach_diagnostic_handler(handler)
    try:
        yield found
    finally:
        attached.detach()
        context.emit_error_diagnostics = before


# ---- modules -----------------------------------------------------------------------------------------------------------------
def verify(op: Any, what: str = "module") -> None:
    """Verify an op or module and all it holds.  Raises DiagnosedError with every diagnostic."""
    operation = op.operation
    with operation.context, ir.Location.unknown(), collect(operation.context) as found:
        try:
            ok = operation.verify()
        except ir.MLIRError:
            ok = False
    if not ok:
        raise DiagnosedError(found, f"{what} does not verify")


@dataclass(frozen=True)
class AsmForm:
    """How IR is printed: with locations, in the generic form, with elements attributes and resource strings of more than so many elements and
    characters elided; `pretty`: locations for people, which do not parse; `local`: nothing is hoisted out of an op; `verified`: the IR is known to be
    valid, which saves verifying it once more."""
    locations: bool = False
    generic: bool = False
    most_elements: int | None = None
    most_resource: int | None = None
    pretty: bool = False
    local: bool = False
    regions: bool = True
    verified: bool = False

    def text(self, op: Any) -> str:
        """The text of an op or module.  Values are named after module paths."""
        operation = op.operation
        with operation.context, ir.Location.unknown():      # printing verifies, and verifiers of ours make types
            return operation.get_asm(
                enable_debug_info=self.locations or self.pretty, pretty_debug_info=self.pretty, print_generic_op_form=self.generic,
                use_name_loc_as_prefix=True, large_elements_limit=self.most_elements, large_resource_limit=self.most_resource,
                use_local_scope=self.local, skip_regions=not self.regions, assume_verified=self.verified)


def to_text(op: Any, locations: bool = True, generic: bool = False) -> str:
    """Print an op or module.  Values are named after module paths; with `locations`, these paths survive parsing the text again."""
    return AsmForm(locations, generic).text(op)


def walk(root: Any, kind: str | type | tuple[type, ...] | None = None) -> list[ir.OpView]:
    """Every op inside `root` (itself included) in program order, as a list, so that the caller may change the IR while using it.

    `kind` selects by op name ("focus.linear"), by name prefix ("focus."), or by op class.
    """
    found: list[ir.OpView] = []
    if isinstance(kind, str):
        keep = (lambda o: o.name.startswith(kind)) if kind.endswith(".") else (lambda o: o.name == kind)
    else:
        keep = (lambda o: True) if kind is None else (lambda o: isinstance(o.opview, kind))

    def visit(op: ir.Operation) -> ir.WalkResult:
        if keep(op):
            found.append(op.opview)
        return ir.WalkResult.ADVANCE

    root.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def symbol(user: Any, name: str) -> ir.OpView | None:
    """The op called `name` in the module around `user`, or None."""
    module = user.operation
    while module.name != "builtin.module":
        if module.parent is None:
            return None
        module = module.parent.operation
    table = ir.SymbolTable(module)
    return table[name] if name in table else None


def register_view(view: type[ir.OpView], dialect: type) -> None:
    """Make `view`, a subclass of an upstream op class, the class by which Python sees that op."""
    _mlir.register_operation(dialect, replace=True)(view)


# ---- ops -------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Group:
    """A declared operand or result of an op: exactly one value, at most one, or any number."""
    name: str
    variadicity: Variadicity

    @property
    def single(self) -> bool:
        return self.variadicity == Variadicity.single

    @property
    def variadic(self) -> bool:
        return self.variadicity == Variadicity.variadic


class _Groups:
    """The operand (or result) groups of an op class and how they split an op's flat list of values."""

    def __init__(self, fields: Sequence[Any], segments: str):
        self.groups = tuple(Group(f.name, f.variadicity) for f in fields)
        self.open = [i for i, g in enumerate(self.groups) if not g.single]
        self.segments = segments
        #: with one open group its size follows from the total; only more of them need the segment sizes attribute
        self.needs_segments = len(self.open) > 1

    def sizes(self, op: Any, total: int) -> list[int]:
        """How many values each group has."""
        if self.needs_segments:
            return list(op.attributes[self.segments])
        return [1 if g.single else total - len(self.groups) + 1 for g in self.groups]

    def accessor(self, index: int, values: Callable[[Any], Any]) -> property:
        group = self.groups[index]
        if all(i >= index for i in self.open) and group.single:
            return property(lambda self_: values(self_)[index])

        def get(self_: Any) -> Any:
            every = values(self_)
            sizes = self.sizes(self_, len(every))
            start = sum(sizes[:index])
            mine = [every[i] for i in range(start, start + sizes[index])]
            return mine if group.variadic else mine[0] if mine else None
        return property(get)

    def problem(self, op: Any, total: int, noun: str) -> str | None:
        """What is wrong with the number of values of an op, or None."""
        fewest = len(self.groups) - len(self.open)
        most = None if any(self.groups[i].variadic for i in self.open) else len(self.groups)
        if total < fewest or (most is not None and total > most):
            wanted = str(fewest) if most == fewest else f"{fewest} to {most}" if most is not None else f"at least {fewest}"
            names = f" ({', '.join(g.name for g in self.groups)})" if self.groups else ""
            return f"expects {wanted} {noun}{'' if wanted == '1' else 's'}{names}, but has {total}"
        if self.segments not in op.attributes:
            return f"requires attribute '{self.segments}' to tell its optional {noun}s apart" if self.needs_segments else None
        attr = op.attributes[self.segments]
        if not isinstance(attr, ir.DenseI32ArrayAttr) or len(attr) != len(self.groups):
            names = ", ".join(g.name for g in self.groups)
            return f"attribute '{self.segments}' must be an i32 array of {len(self.groups)} sizes ({names})"
        sizes = list(attr)
        if sum(sizes) != total:
            return f"attribute '{self.segments}' sums to {sum(sizes)}, but there are {total} {noun}s"
        for group, size in zip(self.groups, sizes):
            if size < 0 or (not group.variadic and size > 1) or (group.single and size != 1):
                return f"attribute '{self.segments}' gives {noun} '{group.name}' {size} values"
        return None


class OpBase(ext.Operation):
    """Base of every op class of ours: `build`, typed attribute properties, and a verifier that cannot crash.

    A dialect's base op is `class MyOp(OpBase, dialect=MyDialect)`.  An op class declares fields (results, operands, attributes; then
    optional and variadic groups) and may define `check(self)`, which calls `self.fail(message)` when the op is wrong.  It runs after
    counts of operands and results and kinds of attributes were checked.
    """
    if TYPE_CHECKING:           # annotations that Python executes are fields of the op
        OPERATION_NAME: str
        _operands: _Groups
        _results: _Groups
        _kinds: dict[str, Any]
        _defaults: dict[str, Any]
        _unwritten: set[str]
        _region_count: int

    def __init_subclass__(cls, *, name: str | None = None, **kw: Any) -> None:
        super().__init_subclass__(name=name, **kw)
        if name is None:
            return
        operands, attrs, results, regions = ext.partition_fields(cls._fields)
        cls._operands = _Groups(operands, "operandSegmentSizes")
        cls._results = _Groups(results, "resultSegmentSizes")
        cls._kinds = {a.name: a.constraint for a in attrs}
        cls._defaults = {a.name: a.default_factory() for a in attrs if a.default_factory}
        cls._unwritten = {a.name for a in attrs if a.default_factory and not a.default_factory.written}
        cls._fields = [f for f in cls._fields if f.name not in cls._unwritten]      # MLIR requires what it is told of
        cls._region_count = len(regions)
        if regions:                 # MLIR's second hook; without regions it would only cost time
            cls.verify_region_invariants = lambda self: self._guard(self.check_region)
        for i, g in enumerate(cls._operands.groups):
            setattr(cls, g.name, cls._operands.accessor(i, lambda op: op.operands))
        for i, g in enumerate(cls._results.groups):
            setattr(cls, g.name, cls._results.accessor(i, lambda op: op.results))
        for key, kind in cls._kinds.items():
            setattr(cls, key, _attribute_property(key, kind, {name: cls._defaults[name] for name in cls._unwritten}))

    # -- building --
    @classmethod
    def build(cls, *operands: Any, results: Any = (), attrs: dict[str, Any] | None = None, loc: ir.Location | str | None = None,
              ip: ir.InsertionPoint | None = None, **named: Any) -> Any:
        """Create the op, a region with an empty block; see the head of `focus.dialects.support`.  Raises TypeError for a missing or unknown operand
        or attribute."""
        attributes = {k: to_attr(v) for k, v in attrs.items()} if attrs else {}
        values = cls._operand_values(operands, named, attributes)
        for key, kind in cls._kinds.items():
            if key in named:
                value = named.pop(key)
            elif key in cls._defaults:
                value = cls._defaults[key]
            else:
                raise TypeError(f"{cls.OPERATION_NAME} needs attribute '{key}'")
            if not (key in cls._unwritten and value == cls._defaults[key]):
                attributes[key] = value if isinstance(value, ir.Attribute) else kind.wrap(value)
        if named:
            raise TypeError(f"{cls.OPERATION_NAME} has no operand or attribute '{next(iter(named))}'")
        types_ = [results] if isinstance(results, ir.Type) else list(results)
        if cls._results.needs_segments:
            raise TypeError(f"{cls.OPERATION_NAME} has several optional result groups")
        where = ir.Location.name(loc) if isinstance(loc, str) else loc
        op = ir.Operation.create(cls.OPERATION_NAME, results=types_, operands=values, attributes=attributes, regions=cls._region_count,
                                 loc=where, ip=ip)
        for region in op.regions:
            region.blocks.append()
        return op.opview

    @property
    def block(self) -> ir.Block:
        """The block of an op with a region, in which to insert: `ir.InsertionPoint(op.block)`."""
        return self.regions[0].blocks[0]

    @classmethod
    def _operand_values(cls, given: tuple, named: dict[str, Any], attributes: dict[str, ir.Attribute]) -> list[ir.Value]:
        """The flat operand list; adds the segment sizes to `attributes` where the op needs them."""
        groups, at = cls._operands.groups, 0
        values: list[ir.Value] = []
        sizes: list[int] = []
        for g in groups:
            mine: Sequence[Any]
            if g.single:
                if at < len(given):
                    mine, at = (given[at],), at + 1
                elif g.name in named:
                    mine = (named.pop(g.name),)
                else:
                    raise TypeError(f"{cls.OPERATION_NAME} needs operand '{g.name}'")
            elif g.variadic:
                mine = named.pop(g.name) if g.name in named else given[at:]
                at = len(given) if mine is not None and g is groups[-1] else at
            else:
                value = named.pop(g.name, None)
                mine = () if value is None else (value,)
            values.extend(v if isinstance(v, ir.Value) else v.operation.result for v in mine)
            sizes.append(len(mine))
        if at < len(given):
            raise TypeError(f"{cls.OPERATION_NAME} takes {at} operands by position, not {len(given)}; give optional ones by name")
        if cls._operands.needs_segments:
            attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(sizes)
        return values

    # -- verifying --
    def fail(self, message: str) -> NoReturn:
        """Report `'<op name>' op <message>` at this op and stop verifying it."""
        raise InvalidOp(message)

    def check(self) -> None:
        """What the op requires beyond its declaration; overridden by op classes."""

    def check_region(self) -> None:
        """What the op requires of its region, after all ops inside were verified; extended by op classes."""
        if len(self.regions[0].blocks) != 1 or len(self.block.arguments):
            self.fail("expects a body of one block without arguments")

    def verify_invariants(self) -> bool:
        """MLIR's hook.  Structural problems first, so that `check` may use every declared field."""
        return self._guard(self._check_structure) and self._guard(self.check)

    def _guard(self, check: Callable[[], None]) -> bool:
        try:
            check()
            return True
        except InvalidOp as e:
            message = str(e)
        except Exception as e:      # an exception that leaves a verifier ends the process
            message = f"verifier raised {type(e).__name__}: {first_line(e)}"
        self.operation.location.emit_error(f"'{self.operation.name}' op {message}")
        return False

    def _check_structure(self) -> None:
        operation = self.operation
        problem = (self._operands.problem(operation, len(operation.operands), "operand")
                   or self._results.problem(operation, len(operation.results), "result"))
        if problem:
            self.fail(problem)
        attributes = operation.attributes
        for key, kind in self._kinds.items():
            if key not in attributes:
                if key in self._unwritten:
                    continue
                self.fail(f"requires attribute '{key}' ({kind.noun})")
            attr = attributes[key]
            if not kind.matches(attr) or (issubclass(kind, Str) and kind.choices and attr.value not in kind.choices):
                self.fail(f"attribute '{key}' must be {kind.noun}, but is {attr}")


def _attribute_property(key: str, kind: Any, unwritten: dict[str, Any]) -> property:
    """Read an attribute as a Python value; assigning a Python value sets it.  `unwritten`: values of attributes that need not be there."""
    def get(op: Any) -> Any:
        if key in unwritten and key not in op.attributes:
            return unwritten[key]
        return kind.unwrap(op.attributes[key])

    def put(op: Any, value: Any) -> None:
        op.attributes[key] = value if isinstance(value, ir.Attribute) else kind.wrap(value)
    return property(get, put)
