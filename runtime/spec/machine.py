"""The machine description: every size, rate, energy and area the compiler and the simulator use.

In: a TOML file (one of `runtime/machines/` by name, or a path).  Out: `Machine`, validated and immutable.

A file may start from another with `base = "focus"` and then state only what differs; tables merge key by key, lists replace.
Every problem is one FocusError that names the file and the key.
"""
from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import read_toml
from focus.runtime.spec.geometry import PUBLISHED_SIDE, SIDES, Geometry, Side as SideLiteral
from focus.runtime.spec.schema import explain
from focus.runtime.spec.timing import Timing

MACHINES = Path(__file__).parents[1] / "machines"   #: the machine files that ship with the package
LAYOUTER = "layouter"                               #: the one memory no instruction addresses; inside the similarity concentrator
SCRATCHPAD = "scratchpad"                           #: the name of what several memories are parts of, in tables of energy and area
OWN = ("counts", LAYOUTER)                          #: memories that are no parts of a scratchpad: the one outlives kernels, the other has no address
BUFFERS = tuple(s.name.lower() for s in isa.Space if s != isa.Space.DRAM) + (LAYOUTER,)


def _integer(value: Any) -> Any:
    """The value, if it is no boolean, which would equal a number."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {value}")
    return value


# Upper limits are far beyond any machine, and such that cycles of a run stay countable and memories can be simulated.
MOST = 2 ** 32
PositiveInt = Annotated[int, Field(gt=0, le=MOST, strict=True)]
Count = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Rate = Annotated[float, Field(ge=1, le=1e15, allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Side = Annotated[SideLiteral, BeforeValidator(_integer)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Array(_Part):
    """The systolic array and its timing rule (cycles of one pass of M rows; the rules are explained in the machine files).

    Cycles that a file does not state follow from rows R and columns C (`Machine.timing` has the numbers, docs/machine.md the reasons).
    """
    rows: Side = PUBLISHED_SIDE
    cols: Side = PUBLISHED_SIDE
    rule: Literal["shadow", "scalesim", "rtl"]
    weight_load_cycles: Count | None = None     #: shadow: a pass occupies at least this long, the next weights load meanwhile; R
    fill_cycles: Count | None = None            #: shadow: last result this long after the last row has entered; 2 R + C - 2
    scalesim_overhead: Count | None = None      #: scalesim: a pass takes M + this; 2 R + C - 3
    rtl_overhead: Count | None = None           #: rtl: a pass takes M + this; 3 R + C - 2


class Dram(_Part):
    """Off-chip memory.  Latency in array cycles, capacity and burst in bytes, energy in picojoule per byte."""
    bytes_per_second: Rate
    latency_cycles: Count
    burst_bytes: PositiveInt
    pj_per_byte: Amount
    capacity_bytes: Annotated[int, Field(gt=0, le=2 ** 48, strict=True)]


class Macro(_Part):
    """`count` SRAM macros of `words` x `bits`; the kind must be in the energy table."""
    words: PositiveInt
    bits: PositiveInt
    count: PositiveInt

    @property
    def kind(self) -> str:
        return f"{self.words}x{self.bits}"


class Buffer(_Part):
    """One on-chip memory: its usable bytes and the macros it is built from."""
    bytes: Annotated[int, Field(gt=0, le=2 ** 30, strict=True)]
    macros: tuple[Macro, ...]


class Scratchpad(_Part):
    """One banked memory that a kernel parts among `memories`, in whole banks; `least`: banks that a memory which is used gets at least, so that it is
    as wide as its units need."""
    bank_bytes: PositiveInt
    macros: tuple[Macro, ...]
    memories: tuple[str, ...]
    least: dict[str, PositiveInt] = {}

    @property
    def bytes(self) -> int:
        """Of all whole banks."""
        return sum(m.words * m.bits // 8 * m.count for m in self.macros) // self.bank_bytes * self.bank_bytes

    def part(self, memory: str, nbytes: int) -> int:
        """Bytes of the banks that a memory gets which needs `nbytes`."""
        return max(-(-nbytes // self.bank_bytes), self.least.get(memory, 0)) * self.bank_bytes if nbytes else 0


class Queues(_Part):
    """Instructions each unit's queue holds."""
    depth: Annotated[int, Field(gt=0, le=4096, strict=True)]


class Sfu(_Part):
    """Lanes of each kind in the vector unit, results per cycle, and the pipeline's length in cycles."""
    exp: PositiveInt
    multiply: PositiveInt
    add: PositiveInt
    sqrt: PositiveInt
    reciprocal: PositiveInt
    latency: Count


class Sic(_Part):
    """Similarity concentrator and scatter unit."""
    present: Flag
    cycles_per_candidate: PositiveInt   #: a visual vector takes this times the block's members, for each `lanes` elements
    cycles_per_identity_row: PositiveInt
    scatter_per_cycle: PositiveInt      #: rows of partial sums, each as wide as the array, added per cycle
    banks: PositiveInt                  #: of the layouter
    vector: Side = SIDES[-1]            #: most elements of a vector
    lanes: PositiveInt = PUBLISHED_SIDE     #: elements of a vector that the cosine unit takes per step


class Sec(_Part):
    """Semantic concentrator."""
    present: Flag
    maxima_per_cycle: PositiveInt
    topk_passes: PositiveInt            #: sweeps over the importance vector, `maxima_per_cycle` values per cycle
    select_per_cycle: PositiveInt       #: list entries compacted per cycle


class MacroKind(_Part):
    """An SRAM macro: area in mm2, currents in uA per MHz and uA."""
    area_mm2: Amount
    read_ua_per_mhz: Amount
    write_ua_per_mhz: Amount
    leakage_ua: Amount


class Component(_Part):
    """`count` logic blocks of one kind; area in mm2 and power in mW each.

    Of a block that grows with a size of the machine, the figures are those for `per` (`of` that size): pes, cols and rows of the array, or lanes of
    the similarity concentrator.
    """
    unit: Literal["array", "sic", "scatter", "sec", "sfu"]
    count: Count
    area_mm2: Amount
    power_mw: Amount
    of: Literal["one", "pes", "rows", "cols", "lanes"] = "one"
    per: PositiveInt = 1


class Energy(_Part):
    """Which energy rule the report uses and what it needs."""
    rule: Literal["published", "activity"]
    idle_fraction: Annotated[float, Field(ge=0, le=1, strict=True)]  #: activity: share of a block's power that flows while it is idle
    supply_volts: Positive
    traffic_weight: Amount                              #: how many cycles one cycle of DRAM transfer counts as when the compiler chooses mappings
    macros: dict[str, MacroKind]
    components: dict[str, Component]


class Machine(_Part):
    """A whole accelerator."""
    name: Annotated[str, Field(min_length=1)]
    isa_version: Literal[isa.ISA_VERSION]       # type: ignore[valid-type]      # the table states the number
    frequency_hz: Rate
    array: Array
    dram: Dram
    buffers: dict[str, Buffer]
    scratchpad: Scratchpad | None = None        #: what `memories` of the buffers are parts of; those have no macros of their own
    queues: Queues
    sfu: Sfu
    sic: Sic
    sec: Sec
    energy: Energy

    @model_validator(mode="after")
    def _consistent(self) -> Machine:
        missing = [b for b in BUFFERS if b not in self.buffers]
        unknown = [b for b in self.buffers if b not in BUFFERS]
        if missing or unknown:
            raise ValueError(f"buffers.{(missing or unknown)[0]}: {'missing' if missing else 'unknown buffer'}")
        for name, buffer in self.buffers.items():
            for macro in buffer.macros:
                if macro.kind not in self.energy.macros:
                    raise ValueError(f"buffers.{name}.macros: no energy.macros entry for '{macro.kind}'")
        if self.scratchpad is not None:
            self._check_scratchpad(self.scratchpad)
        return self

    def _check_scratchpad(self, pad: Scratchpad) -> None:
        for macro in pad.macros:
            if macro.kind not in self.energy.macros:
                raise ValueError(f"scratchpad.macros: no energy.macros entry for '{macro.kind}'")
        if pad.bytes < pad.bank_bytes:
            raise ValueError("scratchpad.macros: less than one bank")
        for name in pad.memories:
            if name not in BUFFERS or name in OWN:
                raise ValueError(f"scratchpad.memories: '{name}' cannot be a part; {', '.join(b for b in BUFFERS if b not in OWN)} can")
            if self.buffers[name].macros:
                raise ValueError(f"buffers.{name}.macros: expected none, since the scratchpad holds it")
            if self.buffers[name].bytes > pad.bytes:
                raise ValueError(f"buffers.{name}.bytes: more than the scratchpad has, {pad.bytes}")
        for name in pad.least:
            if name not in pad.memories:
                raise ValueError(f"scratchpad.least: '{name}' is none of scratchpad.memories")

    @classmethod
    def load(cls, name_or_path: str | os.PathLike) -> Machine:
        """The machine of that name in `runtime/machines/`, or of a TOML file.

        Raises FocusError for a file that is missing or no TOML, and for a missing, unknown or impossible value.
        """
        path = _find(name_or_path)
        return cls.from_dict(_read(path, ()), str(path))

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "machine") -> Machine:
        """A machine from nested dictionaries, for example those a binary carries; `source` is named in errors."""
        try:
            return cls.model_validate(values)
        except ValidationError as e:
            raise FocusError(f"{source}: {explain(e)}") from None

    @classmethod
    def from_json(cls, text: str, source: str = "machine") -> Machine:
        """The inverse of `to_json`."""
        try:
            return cls.from_dict(json.loads(text), source)
        except (ValueError, RecursionError) as e:       # no JSON, a number of thousands of digits, nested too deep
            raise FocusError(f"{source}: machine description is no JSON: {e}") from None

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def bytes_per_cycle(self) -> float:
        """DRAM bytes per cycle, loads and stores together."""
        return self.dram.bytes_per_second / self.frequency_hz

    def blocks(self, component: str) -> float:
        """How many times the figures of a logic component count: its blocks, each scaled to the size of this machine that it grows with."""
        c, g = self.energy.components[component], self.geometry
        return c.count * {"one": 1, "pes": g.pes, "rows": g.rows, "cols": g.cols, "lanes": self.sic.lanes}[c.of] / c.per

    def buffer_bytes(self, space_name: str) -> int:
        """Usable bytes of a memory by its lower-case name; of `dram`, its capacity."""
        if space_name == "dram":
            return self.dram.capacity_bytes
        if space_name not in self.buffers:
            raise FocusError(f"machine '{self.name}' has no memory '{space_name}'; it has {', '.join(self.buffers)} and dram")
        return self.buffers[space_name].bytes

    def __getstate__(self) -> dict[Any, Any]:
        """Copies and pickles make their own timing rules."""
        state = super().__getstate__()
        return state | {"__dict__": {key: value for key, value in state["__dict__"].items() if key != "timing"}}

    @cached_property
    def sram(self) -> dict[str, Buffer]:
        """What is built of macros, by name: buffers, and the scratchpad for those that are parts of it."""
        pad = self.scratchpad
        if pad is None:
            return self.buffers
        alone = {name: buffer for name, buffer in self.buffers.items() if name not in pad.memories}
        return alone | {SCRATCHPAD: Buffer(bytes=pad.bytes, macros=pad.macros)}

    @cached_property
    def geometry(self) -> Geometry:
        """The sizes that tiles are cut to."""
        return Geometry(self.array.rows, self.array.cols, self.sic.vector)

    @cached_property
    def timing(self) -> Timing:
        """The cycles that instructions take."""
        return Timing(self.to_json())

    def cycles_per_pass(self, rows: int) -> int:
        """Cycles for which one pass of `rows` rows occupies the array; 0 for none."""
        return self.timing.array(rows)


def names() -> list[str]:
    """Names of the machines that ship with the package."""
    return sorted(p.stem for p in MACHINES.glob("*.toml"))


def _find(name_or_path: str | os.PathLike) -> Path:
    """The file of a shipped machine's name or of a path."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise FocusError(f"machine: a name or the path of a TOML file expected, got {type(name_or_path).__name__}")
    text = str(name_or_path)
    if text in names():
        return MACHINES / f"{text}.toml"
    path = Path(text)
    if path.is_file():
        return path
    if path.suffix == ".toml" or "/" in text:
        raise FocusError(f"{text}: no such machine file")
    raise FocusError(f"unknown machine '{text}': expected one of {', '.join(names())}, or a TOML file")


def _read(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of one file over those of its base; `chain` holds the files that led here, to refuse a circle."""
    if path.resolve() in chain:
        raise FocusError(f"{path}: base: machine files refer to each other in a circle")
    values = read_toml(path)
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise FocusError(f"{path}: base: expected the name or path of a machine file")
    beside = path.parent / base
    try:
        base_path = beside if beside.suffix == ".toml" and beside.is_file() else _find(base)
    except FocusError as e:
        raise FocusError(f"{path}: base: {e}") from None
    return _merge(_read(base_path, (*chain, path.resolve())), values)


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested dictionaries with the values of `over` where it has any."""
    out = dict(under)
    for key, value in over.items():
        out[key] = _merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out
