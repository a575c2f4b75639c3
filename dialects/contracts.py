"""What passes tell each other, as typed attributes of the `focus` dialect: semaphores, credits, and what stands on `@main`.

In: `base.Attribute`.  Out: `SyncAttr`, `CreditAttr` and the checks of instructions and kernels that carry them; `PortAttr`, `TowerAttr`,
`ConcentrationAttr` and
`check_main`, the check of the attributes of `@main`; `focus` exports them together with the ops.

`@main` carries, from the importer's module to the last level:

| attribute | what it is |
|---|---|
| `focus.model` | a string: the class of the model |
| `focus.layers` | i64: layers of its decoder |
| `focus.ports` | an array of `#focus.port`: the inputs of the program, in the order of the arguments of `@main` |
| `focus.fixed_inputs` | a dictionary of dense values: inputs that the program was specialised to |
| `focus.tokens` | `#focus.tokens`: where the visual tokens stand |
| `focus.visual_ids` | an i64 array: vocabulary ids that mark visual positions in the token ids |
| `focus.towers` | an array of `#focus.tower`: what runs of the vision tower there are, and where their rows are in their pictures |
| `focus.row_order` | "sequence", or "storage" once the decoder's rows are visual rows first |
| `focus.concentration` | `#focus.concentration`: what is, or is to be, concentrated |
| `focus.caches` | `#focus.caches`, where keys and values are kept for later steps: for how many requests, and room for how many new tokens |
| `focus.places` | of a program for steps, a dictionary of i64: where parameters and caches lie that it shares; `<end>`: where its own memory begins |
| `focus.tables` | a string, where parameters have values: the SHA-256 sum of the tables `const.*` that were computed for this request |

The module carries `focus.level`: the pass of the pipeline that ran last, or "input"; and, once a pass has worked for a machine, `focus.machine`: its
name and a sum of all it states.  Text written by hand may leave all of them out.
"""
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from focus.dialects.base import Attribute, TokensAttr, grids_problem, python_parameters
from focus.dialects.support import F64, I64, Any, Bool, I64Array, InvalidOp, Sequence, Str, get_attr, ir, to_attr, to_python
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.sites import ALL_SITES

if TYPE_CHECKING:
    from focus.runtime.spec.concentration import Concentration  # needs pydantic, without which dialects load

#: semaphores that a kernel may use; the one after them reports its end
MAX_SEMAPHORES = isa.NUM_SEMAPHORES - 1
MOST_CREDITS = (1 << isa.place_of("sem", "credits")[1]) - 1

MODEL, LAYERS, PORTS, FIXED = "focus.model", "focus.layers", "focus.ports", "focus.fixed_inputs"
TOKENS, VISUAL_IDS, ROW_ORDER, TOWERS = "focus.tokens", "focus.visual_ids", "focus.row_order", "focus.towers"
CONCENTRATION, TABLES, SITE_TABLE = "focus.concentration", "focus.tables", "focus.sites"
CACHES, PLACES = "focus.caches", "focus.places"
END = "<end>"                       #: in focus.places: where the memory of the other programs ends
LEVEL = "focus.level"               #: attribute of the module
MACHINE = "focus.machine"           #: attribute of the module
INPUT = "input"                     #: the level before the first pass
ROW_ORDERS = ("sequence", "storage")
PORT_ROLES = ("data", "token_ids")
PORT_DTYPES = ("float16", "float32", "float64", "int32", "int64")


# ---- between schedule and lower-to-fisa ----------------------------------------------------------------------------------------
@python_parameters
class SyncAttr(Attribute, name="sync"):
    """One semaphore of an instruction's `wait` or `signal`, which are arrays of these.

    `sem`: 1 to 62.  `depth`: the loop level from which on the wait acts in first iterations only, the signal in last ones; 7 is always.
    """
    sem: I64
    depth: I64

    @classmethod
    def make(cls, sem: int, depth: int) -> "SyncAttr":
        return cls.get(I64.wrap(sem), I64.wrap(depth))


@python_parameters
class CreditAttr(Attribute, name="credit"):
    """The count that a semaphore has when a kernel begins; `credits` of a kernel is an array of these, one a semaphore."""
    sem: I64
    count: I64

    @classmethod
    def make(cls, sem: int, count: int) -> "CreditAttr":
        return cls.get(I64.wrap(sem), I64.wrap(count))


def _typed(op: Any, name: str, kind: type[SyncAttr | CreditAttr]) -> list[Any]:
    """The elements of an array attribute, each of which must be of `kind` with i64 parameters; none where the op has no such attribute."""
    attributes = op.attributes
    if name not in attributes:
        return []
    attr, noun = attributes[name], f"#focus.{kind._name}"
    if not isinstance(attr, ir.ArrayAttr):
        raise InvalidOp(f"attribute '{name}' must be an array of {noun}, but is {attr}")
    elements = list(attr)
    for element in elements:
        if not isinstance(element, kind) or not all(I64.matches(p.maybe_downcast()) for p in element.params):
            raise InvalidOp(f"attribute '{name}' holds {element}, expected {noun} of two i64")
        if not 1 <= element.sem <= MAX_SEMAPHORES:
            raise InvalidOp(f"attribute '{name}' names semaphore {element.sem}, expected 1 to {MAX_SEMAPHORES}")
    return elements


def check_sync(op: Any) -> None:
    """Check `wait` and `signal` of an instruction.  Raises InvalidOp."""
    for name in ("wait", "signal"):
        for sync in _typed(op, name, SyncAttr):
            if not 0 <= sync.depth <= isa.ALWAYS:
                raise InvalidOp(f"attribute '{name}' gives semaphore {sync.sem} the depth {sync.depth}, expected 0 to {isa.ALWAYS}")


def pairs(op: Any, name: str) -> list[tuple[int, int]]:
    """(semaphore, depth) of each element of `wait` or `signal`, or (semaphore, count) of `credits`; none where the op has no such attribute."""
    attributes = op.attributes
    return [tuple(p.maybe_downcast().value for p in element.params) for element in attributes[name]] if name in attributes else []


def sync_array(entries: Sequence[tuple[int, int]]) -> ir.Attribute:
    """The value of `wait` or `signal` for (semaphore, depth) pairs."""
    return ir.ArrayAttr.get([SyncAttr.make(*entry) for entry in entries])


def credit_array(entries: Sequence[tuple[int, int]]) -> ir.Attribute:
    """The value of `credits` for (semaphore, count) pairs."""
    return ir.ArrayAttr.get([CreditAttr.make(*entry) for entry in entries])


def check_credits(kernel: Any) -> None:
    """Check `credits` of a kernel.  Raises InvalidOp."""
    seen: set[int] = set()
    for credit in _typed(kernel, "credits", CreditAttr):
        if credit.sem in seen:
            raise InvalidOp(f"attribute 'credits' names semaphore {credit.sem} twice")
        if not 0 <= credit.count <= MOST_CREDITS:
            raise InvalidOp(f"attribute 'credits' gives semaphore {credit.sem} a count of {credit.count}, expected 0 to {MOST_CREDITS}")
        seen.add(credit.sem)


def check_waits(kernel: Any) -> None:
    """Check that whatever a kernel waits for can come: an instruction signals it, or it has credits.  Raises InvalidOp."""
    waited: dict[int, str] = {}
    given = {sem for sem, count in pairs(kernel, "credits") if count}
    for op in _inside(kernel.regions[0].blocks[0]):
        for sem, _ in pairs(op, "wait"):
            waited.setdefault(sem, op.name)
        given.update(sem for sem, _ in pairs(op, "signal"))
    for sem, name in waited.items():
        if sem not in given:
            raise InvalidOp(f"has '{name}' wait for semaphore {sem}, which nothing in the kernel signals and which has no credits")


def _inside(block: ir.Block) -> Iterator[ir.Operation]:
    """Every op in a block and in the loops inside it."""
    for view in block.operations:
        op = view.operation
        yield op
        for region in op.regions:
            for inner in region.blocks:
                yield from _inside(inner)


# ---- on @main -----------------------------------------------------------------------------------------------------------------
@python_parameters
class PortAttr(Attribute, name="port"):
    """An input of the program, as the model's own forward takes it.

    `label`: its name.  `dtype`: the numpy name of its element type.  `role`: "data" or "token_ids".  `below`: for token ids the number of rows they
    choose from, 0 for any.
    """
    label: Str
    dtype: Str
    shape: I64Array
    role: Str
    below: I64

    @classmethod
    def make(cls, label: str, dtype: str, shape: Sequence[int], role: str = "data", below: int = 0) -> "PortAttr":
        return cls.get(Str.wrap(label), Str.wrap(dtype), I64Array.wrap(shape), Str.wrap(role), I64.wrap(below))

    @property
    def problem(self) -> str | None:
        """What is wrong with it, or None."""
        if not self.label:
            return "has a port without a name"
        if self.dtype not in PORT_DTYPES:
            return f"port '{self.label}' has element type '{self.dtype}', expected one of {', '.join(PORT_DTYPES)}"
        if min(self.shape, default=1) < 1:
            return f"port '{self.label}' has shape {self.shape}, expected positive sizes"
        if self.role not in PORT_ROLES:
            return f"port '{self.label}' has role '{self.role}', expected one of {', '.join(PORT_ROLES)}"
        if self.below < 0 or (self.role != "token_ids" and self.below):
            return f"port '{self.label}' has values below {self.below}; only token ids are limited, by a positive number"
        if self.role == "token_ids" and not self.dtype.startswith("int"):
            return f"port '{self.label}' holds token ids as {self.dtype}, expected integers"
        return None


@python_parameters
class TowerAttr(Attribute, name="tower"):
    """One run of the vision tower: `rows` rows through `layers` layers.  Runs follow one another in the program.

    `ids` names the table that holds, for each row, its index in the grids; `grids` is seven numbers a grid, as in `#focus.tokens`, with cells between
    pictures that no row has.  `sides`: most frames, rows and columns of a picture.  `reach`: how many rows before a row its neighbour one frame, one
    row, one column back stands at most.
    """
    ids: Str
    rows: I64
    layers: I64
    grids: I64Array
    sides: I64Array
    reach: I64Array

    @classmethod
    def make(cls, ids: str, rows: int, layers: int, grids: Sequence[int], sides: Sequence[int], reach: Sequence[int]) -> "TowerAttr":
        return cls.get(Str.wrap(ids), I64.wrap(rows), I64.wrap(layers), *map(I64Array.wrap, (grids, sides, reach)))

    @property
    def problem(self) -> str | None:
        """What is wrong with it, or None."""
        if min(self.rows, self.layers) < 1:
            return f"#focus.tower has {self.rows} rows and {self.layers} layers, expected some"
        if len(self.sides) != 3 or len(self.reach) != 3 or min(self.sides) < 1 or min(self.reach) < 0:
            return f"#focus.tower has sides {self.sides} and reach {self.reach}, expected three positive and three other numbers"
        return grids_problem(self.grids)


@python_parameters
class CachesAttr(Attribute, name="caches"):
    """Keys and values outlive the program: those of `requests` requests, each with `room` rows for new tokens.  The step register says which request
    the program is run for."""
    requests: I64
    room: I64

    @classmethod
    def make(cls, requests: int, room: int) -> "CachesAttr":
        return cls.get(I64.wrap(requests), I64.wrap(room))

    @property
    def problem(self) -> str | None:
        """What is wrong with it, or None."""
        right = min(self.requests, self.room) >= 1
        return None if right else f"#focus.caches has {self.requests} requests and room {self.room}, expected positive numbers"


def towers_of(function: Any) -> list["TowerAttr"]:
    """The runs of the vision tower of a function, in order."""
    return list(function.attributes[TOWERS]) if TOWERS in function.attributes else []


@python_parameters
class ConcentrationAttr(Attribute, name="concentration"):
    """What is concentrated: the fields of a concentration file (docs/algorithm.md).

    `alphas`: an array of f64, one per layer.  `overrides`: an array of dictionaries, each with the keys that its table has in the file; `block` is
    an array of i64, `sites` an array of strings.  An `m_tile` of 0 is to be chosen by choose-m-tile; `hoist`, a bool, is "auto" until
    choose-hoisting decides it.
    """
    layers: I64Array
    alphas: Any
    threshold: F64
    block: I64Array
    vector: I64
    m_tile: I64
    similarity: Bool
    hoist: Any
    overrides: Any

    @classmethod
    def make(cls, config: "Concentration") -> "ConcentrationAttr":
        overrides = [o.model_dump(exclude_unset=True, exclude_none=True) for o in config.overrides]
        return cls.get(I64Array.wrap(config.layers), ir.ArrayAttr.get([F64.wrap(a) for a in config.alphas]), F64.wrap(config.threshold),
                       I64Array.wrap(config.block), I64.wrap(config.vector), I64.wrap(0 if config.m_tile == "auto" else config.m_tile),
                       Bool.wrap(config.similarity), to_attr(config.hoist),
                       ir.ArrayAttr.get([ir.DictAttr.get({k: _override_attr(k, v) for k, v in o.items()}) for o in overrides]))

    def config(self) -> "Concentration":
        """The configuration it states.  Raises FocusError for a value out of range."""
        from focus.runtime.spec.concentration import Concentration
        alphas, overrides = self.alphas, self.overrides
        if not isinstance(alphas, ir.ArrayAttr) or not all(F64.matches(a) for a in alphas):
            raise FocusError(f"alphas are {alphas}, expected an array of f64")
        if not isinstance(overrides, ir.ArrayAttr) or not all(isinstance(o, ir.DictAttr) for o in overrides):
            raise FocusError(f"overrides are {overrides}, expected an array of dictionaries")
        values: dict[str, Any] = {"layers": tuple(self.layers), "alphas": tuple(a.value for a in alphas), "threshold": self.threshold,
                                  "block": tuple(self.block), "vector": self.vector, "m_tile": self.m_tile or "auto", "similarity": self.similarity,
                                  "hoist": to_python(self.hoist),
                                  "overrides": tuple({entry.name: _override_value(entry.attr) for entry in o} for o in overrides)}
        return Concentration(**values)


def _override_attr(name: str, value: Any) -> ir.Attribute:
    return ir.ArrayAttr.get([Str.wrap(site) for site in value]) if name == "sites" else to_attr(value)


def _override_value(attr: ir.Attribute) -> Any:
    return [to_python(site) for site in attr] if isinstance(attr, ir.ArrayAttr) else to_python(attr)


def port_of(function: Any, number: int) -> dict[str, Any]:
    """The attributes of the buffer that holds argument `number` of a function: its port and, of token ids, its role; none without ports."""
    if PORTS not in function.attributes:
        return {}
    role = list(function.attributes[PORTS])[number].role
    return {"port": number} | ({"role": role} if role == "token_ids" else {})


def check_module(module: Any) -> bool:
    """Check what the module and its functions carry beside their ops; errors are reported at the functions."""
    operation = module.operation
    ok = _report(operation, _level_problem(operation))
    for op in operation.regions[0].blocks[0].operations:
        if op.operation.name == "func.func":
            ok &= _report(op.operation, main_problem(op.operation))
    return ok


def _report(op: ir.Operation, problem: str | None) -> bool:
    if problem:
        op.location.emit_error(f"'{op.name}' op {problem}")
    return problem is None


def _level_problem(module: ir.Operation) -> str | None:
    for name, noun in ((LEVEL, f'the name of a pass or "{INPUT}"'), (MACHINE, "the name and sum of a machine")):
        if name in module.attributes and not isinstance(module.attributes[name], ir.StringAttr):
            return f"attribute '{name}' must be {noun}, but is {module.attributes[name]}"
    return None


def main_problem(function: ir.Operation) -> str | None:
    """What is wrong with the attributes of `@main` (the table at the head of this file), or None."""
    attributes = {name: function.attributes[name] for name in function.attributes if name in _CHECKS}
    for name, attr in attributes.items():
        problem = _CHECKS[name](attr)
        if problem:
            return problem
    if PORTS in attributes:
        problem = _ports_problem(function, list(attributes[PORTS]))
        if problem:
            return problem
        names = {port.label for port in attributes[PORTS]}
        both = [a.name for a in attributes.get(FIXED, ()) if a.name in names]
        if both:
            return f"has '{both[0]}' both as a port and in '{FIXED}'"
    if CONCENTRATION in attributes and LAYERS in attributes:
        try:
            attributes[CONCENTRATION].config().check_depth(attributes[LAYERS].value, min((t.layers for t in attributes.get(TOWERS, ())), default=0))
        except FocusError as e:
            return f"attribute '{CONCENTRATION}': {e}"
    return None


def _ports_problem(function: ir.Operation, ports: list[PortAttr]) -> str | None:
    """Ports against the function's arguments or, once it has none, its input buffers."""
    labels = [port.label for port in ports]
    if len(set(labels)) < len(labels) or sum(port.role == "token_ids" for port in ports) > 1:
        return f"has ports {labels}; expected different names, and token ids in one of them at most"
    if not len(function.regions[0].blocks):
        return None
    block = function.regions[0].blocks[0]
    types = {number: _shape(argument.type) for number, argument in enumerate(block.arguments)}
    if not types:
        buffers = [op.operation for op in block.operations if op.operation.name == "focus.buffer"]
        inputs = [op for op in buffers if get_attr(op, "kind") == "input"]
        types = {get_attr(op, "port"): get_attr(op, "shape") for op in inputs}
    if set(types) != set(range(len(ports))):
        return f"has {len(ports)} ports ({', '.join(labels)}), but its inputs are of ports {sorted(map(str, types))}"
    for number, shape in types.items():
        if shape is not None and list(shape) != list(ports[number].shape):
            return f"has an input of shape {list(shape)} for port '{ports[number].label}' of shape {list(ports[number].shape)}"
    return None


def _shape(type_: ir.Type) -> list[int] | None:
    """The shape of a tensor; None where it has none (the type of the torch dialect is opaque to the bindings)."""
    if isinstance(type_, ir.RankedTensorType):
        return list(type_.shape)
    found = re.fullmatch(r"!torch\.vtensor<\[([\d,]*)\],\s*\w+>", str(type_))
    return [int(n) for n in found[1].split(",") if n] if found else None


def _a(kind: Any, name: str) -> Any:
    return lambda attr: None if kind.matches(attr) else f"attribute '{name}' must be {kind.noun}, but is {attr}"


def _layers(attr: ir.Attribute) -> str | None:
    return None if I64.matches(attr) and attr.value >= 0 else f"attribute '{LAYERS}' must be an i64 that is not negative, but is {attr}"


def _ports(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ir.ArrayAttr) or not all(isinstance(port, PortAttr) for port in attr):
        return f"attribute '{PORTS}' must be an array of #focus.port, but is {attr}"
    return next((port.problem for port in attr if port.problem), None)


def _fixed(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ir.DictAttr):
        return f"attribute '{FIXED}' must be a dictionary of dense values, but is {attr}"
    for entry in attr:
        if not isinstance(entry.attr, ir.DenseElementsAttr) or str(entry.attr.type.element_type) not in FIXED_DTYPES:
            return f"attribute '{FIXED}' has {entry.attr} for '{entry.name}', expected dense values of {', '.join(FIXED_DTYPES)}"
    return None


def _tokens(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, TokensAttr):
        return f"attribute '{TOKENS}' must be #focus.tokens, but is {attr}"
    return attr.problem


def _towers(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ir.ArrayAttr) or not all(isinstance(tower, TowerAttr) for tower in attr):
        return f"attribute '{TOWERS}' must be an array of #focus.tower, but is {attr}"
    return next((f"attribute '{TOWERS}': {tower.problem}" for tower in attr if tower.problem), None)


def _caches(attr: ir.Attribute) -> str | None:
    return attr.problem if isinstance(attr, CachesAttr) else f"attribute '{CACHES}' must be #focus.caches, but is {attr}"


def _places(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ir.DictAttr) or not all(I64.matches(entry.attr) and entry.attr.value >= 0 for entry in attr):
        return f"attribute '{PLACES}' must be a dictionary of addresses, but is {attr}"
    return None


def _row_order(attr: ir.Attribute) -> str | None:
    right = isinstance(attr, ir.StringAttr) and attr.value in ROW_ORDERS
    return None if right else f"attribute '{ROW_ORDER}' must be one of {', '.join(ROW_ORDERS)}, but is {attr}"


def _concentration(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ConcentrationAttr):
        return f"attribute '{CONCENTRATION}' must be #focus.concentration, but is {attr}"
    try:
        attr.config()
    except FocusError as e:
        return f"attribute '{CONCENTRATION}': {e}"
    return None


_SITE_FIELDS: Mapping[str, Any] = {"layer": I64, "site": Str, "width": I64, "slices": I64, "visual": I64, "tiles": I64Array}


def _sites(attr: ir.Attribute) -> str | None:
    if not isinstance(attr, ir.ArrayAttr) or not all(isinstance(site, ir.DictAttr) for site in attr):
        return f"attribute '{SITE_TABLE}' must be an array of dictionaries, but is {attr}"
    for number, site in enumerate(attr):
        for name, kind in _SITE_FIELDS.items():
            if name not in site or not kind.matches(site[name]):
                return f"attribute '{SITE_TABLE}': site {number} has {name} = {site[name] if name in site else 'nothing'}, expected {kind.noun}"
        if to_python(site["site"]) not in ALL_SITES or len(to_python(site["tiles"])) % 3:
            return f"attribute '{SITE_TABLE}': site {number} is {site}, expected a site of {', '.join(ALL_SITES)} and three numbers an m-tile"
    return None


#: element types of fixed inputs in the IR -> their numpy names
FIXED_DTYPES = {"i64": "int64", "i32": "int32", "f32": "float32", "f64": "float64", "i1": "bool"}
_CHECKS = {MODEL: _a(Str, MODEL), LAYERS: _layers, PORTS: _ports, FIXED: _fixed, TOKENS: _tokens, VISUAL_IDS: _a(I64Array, VISUAL_IDS),
           ROW_ORDER: _row_order, CONCENTRATION: _concentration, TABLES: _a(Str, TABLES), SITE_TABLE: _sites,
           TOWERS: _towers, CACHES: _caches, PLACES: _places}
