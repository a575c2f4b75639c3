"""Static checks of a program before it runs: structure, numbers set before use, and addresses inside their memories.

In: decoded instructions and the sizes of the memories.  Out: nothing, or a FocusError naming the first instruction that is wrong.

Programs have loops but no branches, so walking the text once, with the range of every open loop's counter at hand, sees every state in
which an instruction can be fetched, except one: an address generator, extent or scalar that a loop body sets *after* using it has another
value in the second iteration; such bodies are walked twice.

An address is reported only with a witness: counters that the loops really reach, at which the operand leaves its memory.  Where trip
counts depend on each other or rows on data, no witness may be found; the simulator then finds the access when it happens.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, NoReturn

from focus.runtime.run.asm import Decoded
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.isa import Field, Instruction, Most, Space, Unit, Where
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.types import BYTES, ELEMENTS, DType

_STEPS = 32                     #: most instructions visited per instruction of the program; compiled programs need one to three
_UNSET_MAYBE = object()         # set only inside a loop that may run zero times
_UNKNOWN = object()             # set, but to one of several values
_SIZES = {Most.ROWS: "array rows", Most.COLS: "array columns", Most.VECTOR: "elements of a vector"}
_PLACES = {Where.CHIP: "on chip", Where.DRAM: "in dram", Where.COUNTS: "in counts"}


class Extent(NamedTuple):
    """clamp(total - step * counter[level], 0, full)"""
    full: int
    total: int
    step: int
    level: int

    def at(self, counter: int) -> int:
        return max(0, min(self.full, self.total - self.step * counter))


class Agu(NamedTuple):
    """An address generator as the program set it up."""
    space: Space
    dtype: DType
    base: int
    pitch: int
    ring_bytes: int             # from the first to the last slot
    strides: tuple[int, ...] = (0,) * isa.MAX_LOOPS


class Access(NamedTuple):
    """What an operand touches: rows of elements from where an address generator points."""
    agu: Agu
    rows: Dimension
    cols: Dimension

    @property
    def element(self) -> int:
        """Bytes of an element."""
        return BYTES[self.agu.dtype]

    @property
    def end(self) -> int:
        """The byte after the last one touched in the last slot of a ring, without what extents and strides add."""
        return self.agu.base + self.agu.ring_bytes + (self.rows.fixed - 1) * self.agu.pitch + self.cols.fixed * self.element


Key = tuple[str, int]            #: ("a" | "e" | "r" | "sic", number)
Limits = list[tuple[int, int]]  #: smallest and largest counter of each open loop


@dataclass
class OpenLoop:
    """An open loop: where its body begins, its trip-count extent (None if unknown), and what its body sets and uses."""
    body: int
    trips: Extent | None
    most: int                                           # largest trip count
    limits: Limits                                      # counters of the outer loops for which `trips` is what it is
    may_skip: bool
    entry: dict[Key, object]                            # state when the loop was entered
    writes: frozenset[Key]                              # all that the body sets
    first_pass: bool = True
    defined: set[Key] = field(default_factory=set)      # set so far, in either pass
    defined_now: set[Key] = field(default_factory=set)  # set so far in this pass
    exposed: set[Key] = field(default_factory=set)      # used before the body set it


def check_program(program: list[Decoded], machine: Machine, dram_bytes: int, num_sites: int, where: str, steps: int = 1) -> None:
    """Check a whole program for a machine whose DRAM holds `dram_bytes`, and for its first and its last of `steps` steps.  Raises FocusError for
    the first instruction that is wrong."""
    for step in {0, steps - 1}:
        _Checker(program, machine, dram_bytes, num_sites, where, step).run()


class _Checker:
    def __init__(self, program: list[Decoded], machine: Machine, dram_bytes: int, num_sites: int, where: str, step: int):
        self.step = step
        self.program, self.num_sites, self.where = program, num_sites, where
        self.sizes = {s: dram_bytes if s == Space.DRAM else machine.buffer_bytes(s.name.lower()) for s in Space}
        self.units = {Unit.SIC: machine.sic.present, Unit.SCATTER: machine.sic.present, Unit.SEC: machine.sec.present}
        self.pad = machine.scratchpad
        g = machine.geometry
        self.most = {Most.ROWS: g.rows, Most.COLS: g.cols, Most.VECTOR: g.vector}
        self.ends = self.match_loops()
        self.state: dict[Key, object] = {}
        self.loops: list[OpenLoop] = []
        self.writes = cache(self.find_writes)
        self.pc = 0
        self.handlers = {"loop": self.loop, "endloop": self.endloop, "agu": self.agu, "agu.stride": self.stride, "ext": self.ext,
                         "agu.step": self.agu_step, "ext.step": self.ext_step, "scalar": self.scalar, "sem": self.semaphore,
                         "drain": self.semaphore, "sic.config": self.sic_config, "sic.grid": self.sic_grid, "part": self.part,
                         "halt": lambda v: None}

    def fail(self, message: str) -> NoReturn:
        raise FocusError(f"{self.where}: instruction {self.pc} ({self.program[self.pc].instr.mnemonic}): {message}")

    # ---- control flow ------------------------------------------------------------------------------------------------
    def match_loops(self) -> dict[int, int]:
        """The number of each loop's endloop.  Also checks nesting and that the program ends with its only halt."""
        ends, stack = {}, []
        for pc, (instr, _) in enumerate(self.program):
            self.pc = pc
            if instr.mnemonic == "loop":
                stack.append(self.pc)
                if len(stack) > isa.MAX_LOOPS:
                    self.fail(f"loops nest deeper than {isa.MAX_LOOPS}")
            elif instr.mnemonic == "endloop":
                if not stack:
                    self.fail("no loop is open")
                ends[stack.pop()] = self.pc
            elif instr.mnemonic == "halt" and (stack or self.pc + 1 < len(self.program)):
                self.fail("halt inside a loop" if stack else "halt is not the last instruction")
        if stack:
            self.pc = stack[-1]
            self.fail("the loop is never closed")
        if not self.program or self.program[-1].instr.mnemonic != "halt":
            raise FocusError(f"{self.where}: the program does not end with halt")
        return ends

    def run(self) -> None:
        self.pc, left = 0, _STEPS * len(self.program) + 10_000
        while self.pc < len(self.program):
            if (left := left - 1) < 0:
                self.fail("too many loops in each other set values after they use them: the program cannot be checked in reasonable time")
            instr, values = self.program[self.pc]
            if (handler := self.handlers.get(instr.mnemonic)) is not None:
                handler(values)
            else:
                self.execute(instr, values)
            self.pc += 1

    def loop(self, values: dict[str, int]) -> None:
        extent, limits = self.get("e", values["trips"]), self.limits([("e", values["trips"])])
        low, high = (0, 1 << 24) if extent is _UNKNOWN else self.range_of(extent, limits)
        if high == 0:
            self.pc = self.ends[self.pc]                # the body is never fetched
            return
        trips = None if extent is _UNKNOWN else extent
        self.loops.append(OpenLoop(self.pc, trips, high, limits, low == 0, dict(self.state), self.writes(self.pc)))

    def endloop(self, values: dict[str, int]) -> None:
        done = self.loops[-1]
        if done.first_pass and done.most > 1 and done.defined & done.exposed:
            done.first_pass, done.defined_now, self.pc = False, set(), done.body    # later iterations may read other values
            return
        self.loops.pop()
        if self.loops:
            outer = self.loops[-1]
            outer.exposed |= done.exposed - outer.defined_now
            outer.defined |= done.defined
            outer.defined_now |= done.defined
        if done.may_skip:
            for key in done.defined:
                before = done.entry.get(key, _UNSET_MAYBE)
                if before != self.state.get(key):
                    self.state[key] = _UNSET_MAYBE if before is _UNSET_MAYBE else _UNKNOWN

    def find_writes(self, start: int) -> frozenset[Key]:
        """All that the body of the loop at `start` sets."""
        kinds = {"agu": "a", "agu.stride": "a", "agu.step": "a", "ext": "e", "ext.step": "e"}
        body = self.program[start + 1:self.ends[start]]
        return frozenset((kinds[d.instr.mnemonic], d.values["id"]) for d in body if d.instr.mnemonic in kinds)

    def limits(self, keys: list[Key]) -> Limits:
        """Ranges of the open loops' counters for which all of `keys` have the values they have here.

        A value that the body sets only after this point is the one from before the loop in the first iteration, and the one of the body in
        all others.
        """
        out = (self.loops[-1].limits + [(0, self.loops[-1].most - 1)]) if self.loops else []
        fresh: set[Key] = set()                         # set since the iteration began, from the innermost loop outwards
        for level in range(len(self.loops) - 1, -1, -1):
            loop = self.loops[level]
            if any(key in loop.writes and key not in loop.defined_now and key not in fresh for key in keys):
                out[level] = (0, 0) if loop.first_pass else (min(1, loop.most - 1), loop.most - 1)
            fresh |= loop.defined
        return out

    # ---- state -------------------------------------------------------------------------------------------------------
    def set(self, kind: str, number: int, value: object) -> None:
        self.state[kind, number] = value
        if self.loops:
            self.loops[-1].defined.add((kind, number))
            self.loops[-1].defined_now.add((kind, number))

    def get(self, kind: str, number: int) -> Any:
        """The value of an address generator "a", extent "e" or scalar "r"; an error if it is not surely set."""
        key = kind, number
        value = self.state.get(key)
        if value is None:
            self.fail(f"{kind}{number} is used before it is set")
        if value is _UNSET_MAYBE:
            self.fail(f"{kind}{number} is set only in a loop that may run zero times")
        if self.loops and key not in self.loops[-1].defined_now:
            self.loops[-1].exposed.add(key)
        return value

    def agu(self, v: dict[str, int]) -> None:
        if v["id"] >= isa.NUM_AGUS:
            self.fail(f"address generators are a0..a{isa.NUM_AGUS - 1}, not a{v['id']}")
        if v["slots"] < 1:
            self.fail("slots is 0; 1 means no ring")
        ring_bytes = (v["slots"] - 1) * v["slot_bytes"]
        size = self.sizes[Space(v["space"])]
        if v["base"] + ring_bytes > size:
            self.fail(f"base 0x{v['base']:x} with {v['slots']} slots of {v['slot_bytes']} bytes lies beyond "
                      f"{Space(v['space']).name.lower()}, which has {size} bytes")
        self.set("a", v["id"], Agu(Space(v["space"]), DType(v["dtype"]), v["base"], v["pitch"], ring_bytes))

    def stride(self, v: dict[str, int]) -> None:
        self.check_level(v["level"])
        agu = self.get("a", v["id"])
        if agu is not _UNKNOWN:
            strides = list(agu.strides)
            strides[v["level"]] = v["stride"]
            self.set("a", v["id"], agu._replace(strides=tuple(strides)))

    def agu_step(self, v: dict[str, int]) -> None:
        agu = self.get("a", v["id"])
        if agu is not _UNKNOWN:
            self.set("a", v["id"], agu._replace(base=agu.base + v["stride"] * self.step))

    def ext_step(self, v: dict[str, int]) -> None:
        extent = self.get("e", v["id"])
        if extent is not _UNKNOWN:
            self.set("e", v["id"], extent._replace(total=extent.total - v["less"] * self.step))

    def ext(self, v: dict[str, int]) -> None:
        if v["step"]:
            self.check_level(v["level"])
        self.set("e", v["id"], Extent(v["full"], v["total"], v["step"], v["level"]))

    def check_level(self, level: int) -> None:
        if level >= isa.MAX_LOOPS:
            self.fail(f"loop levels are l0..l{isa.MAX_LOOPS - 1}")

    def scalar(self, v: dict[str, int]) -> None:
        self.set("r", v["id"], v["value"])

    def semaphore(self, v: dict[str, int]) -> None:
        if v["id"] == isa.NO_SEM:
            self.fail(f"semaphores are s1..s{isa.NUM_SEMAPHORES}, not s0")

    def part(self, v: dict[str, int]) -> None:
        space = Space(v["space"]).name.lower()
        if self.pad is None or space not in self.pad.memories:
            self.fail(f"{space} is no part of a scratchpad on this machine")
        if not v["bytes"] or v["base"] % self.pad.bank_bytes or v["bytes"] % self.pad.bank_bytes or v["base"] + v["bytes"] > self.pad.bytes:
            self.fail(f"{v['bytes']} bytes from {v['base']} on, expected whole banks of {self.pad.bank_bytes} of {self.pad.bytes}")

    def sic_config(self, v: dict[str, int]) -> None:
        self.check_unit(Unit.SIC)
        self.set("sic", 0, tuple(v.values()))

    def sic_grid(self, v: dict[str, int]) -> None:
        self.check_unit(Unit.SIC)

    def check_unit(self, unit: Unit) -> None:
        if not self.units.get(unit, True):
            self.fail(f"the machine has no {unit.name}")

    # ---- instructions of the units -----------------------------------------------------------------------------------
    def execute(self, instr: Instruction, values: dict[str, int]) -> None:
        unit = Unit(values["unit"]) if instr.mnemonic == "sync" else instr.unit
        if unit == Unit.CTRL:
            self.fail("unit is ctrl, which has no queue")
        self.check_unit(unit)
        extents = {}
        for f in instr.fields:
            if f.kind == "ext":
                extents[f.name] = self.get("e", values[f.name])
            elif f.kind == "scalar":
                self.get("r", values[f.name])
        for f in instr.fields:
            if f.most != Most.NONE:
                self.check_bound(f, values, extents[f.name])
        if instr.mnemonic == "sic.gather":
            if ("sic", 0) not in self.state:
                self.fail("sic.config has not been executed")
            if values["site"] >= self.num_sites:
                self.fail(f"site {values['site']} is not in the site table, which has {self.num_sites} entries")
        if "qpos" in values and (values["qpos"] == isa.NO_AGU) != (values["kpos"] == isa.NO_AGU):
            self.fail("operands 'qpos' and 'kpos' come together or not at all")
        for f in instr.mems:
            if values[f.name] != isa.NO_AGU:
                agu = self.get("a", values[f.name])
                if agu is not _UNKNOWN:
                    self.check_operand(instr, values, extents, f, agu)

    def check_bound(self, f: Field, values: dict[str, int], e: Extent) -> None:
        """An extent is within the machine's size that bounds it."""
        most = self.most[f.most]
        if not isinstance(e, Extent) or e.full <= most:
            return
        limits = self.limits([("e", values[f.name])])
        counters = [low for low, _ in limits]
        if self.is_open(e):
            counters[e.level] = max(_corners([e], limits[e.level]), key=e.at)
        if (high := Dimension(0, (e,)).at(counters)) > most and self.reached(counters):
            self.fail(f"{f.name} reaches {high}; the machine takes at most {most} ({_SIZES[f.most]})")

    def check_operand(self, instr: Instruction, values: dict[str, int], extents: dict[str, Extent], f: Field, agu: Agu) -> None:
        if (f.where == Where.DRAM) != (agu.space == Space.DRAM) or (f.where == Where.COUNTS and agu.space != Space.COUNTS):
            self.fail(f"operand '{f.name}' is in {Space(agu.space).name.lower()}; it must be {_PLACES[f.where]}")
        if f.where == Where.CHIP and agu.space == Space.COUNTS and "w" in f.access:     # data there would change times
            self.fail(f"operand '{f.name}' is in counts, where only counts of vectors are written")
        if agu.dtype not in f.types:
            self.fail(f"operand '{f.name}' has elements of {ELEMENTS[agu.dtype].name}; {' or '.join(ELEMENTS[t].name for t in f.types)} expected")
        rows, cols = (_dimension(values, extents, spec) for spec in (f.rows, f.cols))
        if rows is None or cols is None:
            return
        access = Access(agu, rows, cols)
        lowest, highest = agu.base, access.end           # a cheap bound first: most operands are inside whatever the counters are
        for loop, stride in zip(self.loops, agu.strides):
            lowest += min(0, stride) * (loop.most - 1)
            highest += max(0, stride) * (loop.most - 1)
        highest += sum(e.full for e in rows.extents) * agu.pitch + sum(e.full for e in cols.extents) * access.element
        if lowest < 0 or highest > self.sizes[agu.space]:
            keys = [("a", values[f.name])] + [("e", values[x.name]) for x in instr.fields if x.kind == "ext"]
            self.find_witness(f.name, access, self.limits(keys))

    def find_witness(self, name: str, access: Access, limits: Limits) -> None:
        """Fail if reachable counters take the operand out of its memory.

        First and last byte are sums of one term for each loop level, so each level's extreme is found alone; then the counters found
        are checked to be reached together.
        """
        agu, rows, cols = access
        element, size = access.element, self.sizes[agu.space]
        first, last, low_at, high_at = agu.base, access.end, [], []
        for d, unit in ((rows, agu.pitch), (cols, element)):
            constant = [e.at(0) for e in d.extents if not self.is_open(e)]
            last += sum(constant) * unit
            if d.alone and constant == [0]:
                return                                  # nothing is touched
        for level in range(len(self.loops)):
            row_terms = [e for e in rows.extents if self.is_open(e) and e.level == level]
            col_terms = [e for e in cols.extents if self.is_open(e) and e.level == level]
            must = [e for d in (rows, cols) if d.alone for e in d.extents if self.is_open(e) and e.level == level]
            counters = [c for c in _corners(row_terms + col_terms, limits[level]) if all(e.at(c) for e in must)]
            if not counters:
                return                                  # the extent is always zero: nothing is touched
            term = lambda c: (agu.strides[level] * c + sum(e.at(c) for e in row_terms) * agu.pitch
                              + sum(e.at(c) for e in col_terms) * element)
            low_at.append(min(counters, key=lambda c: agu.strides[level] * c))
            high_at.append(max(counters, key=term))
            first += agu.strides[level] * low_at[-1]
            last += term(high_at[-1])
        memory = Space(agu.space).name.lower()
        if first < 0 and self.reached(low_at):
            self.fail(f"operand '{name}' begins at byte {first} of {memory} (loop counters {low_at})")
        if last > size and self.reached(high_at) and rows.at(high_at) and cols.at(high_at):
            self.fail(f"operand '{name}' reaches byte {last} of {memory}, which has {size} (loop counters {high_at})")

    def is_open(self, e: Extent) -> bool:
        """Whether the extent depends on an open loop's counter; counters of levels that are not open are 0."""
        return e.step != 0 and e.level < len(self.loops)

    def range_of(self, e: Extent, limits: Limits) -> tuple[int, int]:
        """Smallest and largest value of an extent over counters of the open loops."""
        ends = [e.at(counter) for counter in (limits[e.level] if self.is_open(e) else (0,))]
        return min(ends), max(ends)

    def reached(self, counters: list[int]) -> bool:
        """Whether the open loops have these counters at the same time."""
        for loop, counter in zip(self.loops, counters):
            if loop.trips is None:
                return False
            outer = counters[loop.trips.level] if self.is_open(loop.trips) else 0
            if counter >= loop.trips.at(outer):
                return False
        return True


# ---- extents of operands ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Dimension:
    """A number of rows or columns: a fixed part plus extents."""
    fixed: int = 0
    extents: tuple[Extent, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether one extent decides whether there is anything at all."""
        return self.fixed == 0 and len(self.extents) == 1

    def at(self, counters: list[int]) -> int:
        return self.fixed + sum(e.at(counters[e.level] if e.step and e.level < len(counters) else 0) for e in self.extents)


_ONE = Dimension(1)


def _dimension(values: dict[str, int], extents: dict[str, Any], spec: str | int) -> Dimension | None:
    """The number of rows or columns an operand surely touches, from the table's word for it.  None when it is not known statically.

    Rows that a count or an id list decides are not known, except that the first one is where the operand begins.
    """
    if isinstance(spec, int):
        return Dimension(spec)
    if spec == "" or (spec == "rows" and values.get("count", isa.NO_AGU) != isa.NO_AGU):
        return _ONE
    derived = isa.DERIVED.get(spec)
    if derived is not None and derived.at_most:
        return _ONE
    case = next((n for value, n in derived.cases.items() if value == values[derived.by]), None) if derived is not None else None
    if case is not None:
        return Dimension(case)
    parts = tuple(extents[name] for name in (derived.parts if derived is not None else (spec,)))
    return None if _UNKNOWN in parts else Dimension(0, parts)


def _corners(extents: list[Extent], limits: tuple[int, int]) -> list[int]:
    """Counters between which all of `extents` are linear: where a sum that contains them has its extremes."""
    corners = set(limits)
    for e in extents:
        for level in (e.full, 1, 0):                    # where the extent leaves its maximum, and its last values above zero
            at = (e.total - level) // e.step
            corners |= {at - 1, at, at + 1}
    return sorted(c for c in corners if limits[0] <= c <= limits[1])
