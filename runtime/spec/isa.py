"""The instruction set of the Focus accelerator, stated once.

In: nothing.  Out: `TABLE` (every instruction), the enumerations it refers to, and `encode` / `decode` of one 128-bit word.

Every reader of the ISA is generated from or driven by this table: the `fisa` dialect and the tile-level ops of the `focus`
dialect, the assembler and disassembler, the C++ enum and field accessors (`isa_header.py`), the simulator's sanitizer (which
operands are read and written) and `docs/isa.md`.  To add an instruction, add one entry here and its execution in
`runtime/sim/`.

The machine the table describes (design after VTA's decoupled access and execute):

* Instructions are fetched in order by the control unit, one per cycle.  Control instructions act at fetch; every other one is
  put in the in-order queue of its unit with its addresses and extents already resolved.
* A memory operand is the number of an *address generator* (AGU): space, element type, base, row pitch, one byte stride per
  loop level, and optionally a ring of `slots` (double buffering) which steps to the next slot each time a body of a loop at
  `ring_level` ends that has used it.  address = base + sum(stride[l] * counter[l]) + slot * slot_bytes; row r starts at r * pitch.
* An extent operand is the number of an *extent generator*: clamp(total - step * counter[level], 0, full).  So the last tile
  is shorter without any special code; an instruction whose extent is zero moves and computes nothing, but still waits and
  signals.
* Loops nest up to seven deep; level 0 is the outermost.
* A program is run for one *step*: a number from 0 on that the host puts into the step register before the run and that stays as it is.
  `agu.step` and `ext.step` let addresses and extents count it, so one program serves every length of a cache.
* An instruction waits on up to three counting semaphores before it starts (each wait takes one credit) and signals up to three
  when it has finished.  Semaphore 0 means "none".  A wait with depth d happens only when the counters of all loops at levels
  >= d are in their first iteration, a signal with depth d only when they are all in their last; with d >= the current nesting
  depth (so always with d = 7) it happens every time.  `init` fields use the same "first from depth d" rule.
* A program is a sequence of kernels, each of which ends with a drain that says so.  What a memory on chip holds is then given up:
  the next kernel may not rely on it.  Only the count memory outlives kernels.
"""
from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

from focus.runtime.spec.types import DType

ISA_VERSION = 2
WORD_BITS = 128
OPCODE_BITS = 6         #: the first bits of a word
MAX_LOOPS = 7           #: deepest loop nest; levels 0..6
AGU_BITS = 8            #: of an AGU number
NUM_AGUS = 255          #: AGU numbers 0..254
NO_AGU = 255            #: an absent optional memory operand
NUM_EXTENTS = 64
NUM_SEMAPHORES = 63     #: semaphore numbers 1..63
NO_SEM = 0
NUM_SCALARS = 16        #: float32 registers of the vector unit
ALWAYS = 7              #: semaphore depth (and `init`) that is always true
NEVER = 15              #: `init` value that is never true: always accumulate
UNMAPPED = 0xFFFF       #: similarity-map entry of an all-zero vector
MAX_BLOCK_SIDE = 4      #: longest side of the similarity concentrator's block


class Unit(IntEnum):
    """Units with their own in-order queue; `CTRL` executes at fetch."""
    CTRL = 0
    LOAD = 1
    STORE = 2
    ARRAY = 3
    SCATTER = 4
    SIC = 5
    SEC = 6
    SFU = 7


class Space(IntEnum):
    """Memories.  All but DRAM have the size the machine file states."""
    DRAM = 0
    INPUT = 1           #: streamed operand of the array
    WGT = 2             #: stationary operand of the array
    CONC = 3            #: concentrate_out: partial sums of unique vectors, before scatter
    OUTPUT = 4          #: fp32 accumulators; results in place
    TABLE = 5           #: similarity_table: unique vectors of one slice
    MAP = 6             #: similarity_map: token -> unique vector
    VECTOR = 7          #: second operands of the vector unit: bias, norm weights, residual and RoPE tiles
    STATS = 8           #: row statistics
    IDS = 9             #: token ids, positions, row selections
    IMPORTANCE = 10
    COUNTS = 11         #: unique-vector counts of (m-tile, slice); all other memories on chip are for one kernel


class Stream(IntEnum):
    """What a DRAM transfer carries; the report splits traffic by it."""
    ACTIVATION = 0
    WEIGHT = 1
    RESULT = 2
    KV = 3
    COMPACT = 4         #: unique vectors written or read by concentration
    MAP = 5             #: similarity maps
    PARAM = 6           #: bias, norm weights, RoPE tables, constants
    IDS = 7
    STATS = 8
    RESIDUAL = 9
    SCORE = 10          #: probabilities of attention, written and read back


class MapOp(IntEnum):
    COPY = 0
    SILU = 1
    GELU_TANH = 2
    GELU_ERF = 3
    GELU_QUICK = 4
    RELU = 5
    EXP = 6
    SCALE = 7           #: multiply by a scalar register
    TANH = 8            #: of the product with a scalar register


class ZipOp(IntEnum):
    ADD = 0
    SUB = 1
    MUL = 2
    MAX = 3


class Broadcast(IntEnum):
    """How `b` of v.zip is extended: a full tile, one row for all rows, or one value per row."""
    FULL = 0
    ROW = 1
    COL = 2


class ReduceOp(IntEnum):
    SUM = 0
    MAX = 1
    MOMENTS = 2         #: two values per row: sum and sum of squares


class NormKind(IntEnum):
    RMS = 0
    LAYER = 1


class Most(IntEnum):
    """What bounds an extent: nothing but its 24 bits, or a size of the machine's `Geometry` of that name."""
    NONE = 0
    ROWS = 1            #: array rows
    COLS = 2            #: array columns
    VECTOR = 3          #: elements of a vector of the similarity concentrator


class Where(IntEnum):
    """Where a memory operand lies: in any memory on chip, in DRAM, or in the count memory."""
    CHIP = 0
    DRAM = 1
    COUNTS = 2


ENUMS: dict[str, type[IntEnum]] = {e.__name__: e for e in (Unit, Space, DType, Stream, MapOp, ZipOp, Broadcast, ReduceOp, NormKind)}


class Lanes(NamedTuple):
    """How often each kind of the vector unit's lanes is used."""
    exp: int = 0
    multiply: int = 0
    add: int = 0
    sqrt: int = 0
    reciprocal: int = 0


_UNUSED = Lanes()

#: Uses of lanes by a function, for an element; every value of these enumerations states them.  Comparisons use adders.
LANES: dict[str, dict[IntEnum, Lanes]] = {
    "MapOp": {
        MapOp.COPY: Lanes(add=1),                                               # one adder slot converts
        MapOp.SILU: Lanes(exp=1, multiply=1, add=1, reciprocal=1),              # x * 1 / (1 + e^-x)
        MapOp.GELU_TANH: Lanes(exp=1, multiply=5, add=2, reciprocal=1),         # x^3 and two constants, then as silu
        MapOp.GELU_ERF: Lanes(exp=1, multiply=14, add=12, reciprocal=1),        # erfc as exp of a polynomial of degree 9 in 1 / (1 + x / 2)
        MapOp.GELU_QUICK: Lanes(exp=1, multiply=2, add=1, reciprocal=1),        # x * logistic(1.702 x)
        MapOp.RELU: Lanes(add=1),
        MapOp.EXP: Lanes(exp=1),
        MapOp.SCALE: Lanes(multiply=1),
        MapOp.TANH: Lanes(exp=1, multiply=2, add=2, reciprocal=1),              # 1 - 2 / (1 + e^(2 x)), x scaled by a register
    },
    "ZipOp": {ZipOp.ADD: Lanes(add=1), ZipOp.SUB: Lanes(add=1), ZipOp.MUL: Lanes(multiply=1), ZipOp.MAX: Lanes(add=1)},
    "ReduceOp": {ReduceOp.SUM: Lanes(add=1), ReduceOp.MAX: Lanes(add=1), ReduceOp.MOMENTS: Lanes(multiply=1, add=2)},
}


@dataclass(frozen=True)
class Work:
    """What an instruction asks of the vector unit: lanes used for each element, for each row, and for each element where the optional
    operand `extra_for` is there; with `by`, the name of an enumeration field, also what `LANES` says of its value, for each element."""
    element: Lanes = _UNUSED
    row: Lanes = _UNUSED
    by: str = ""
    extra_for: str = ""
    extra: Lanes = _UNUSED


@dataclass(frozen=True)
class Derived:
    """A number of rows or columns that follows from several fields: the sum of the extents `parts`, or what `cases` has for the value of the
    enumeration field `by`.  `at_most`: data decides; there are no more than that."""
    parts: tuple[str, ...]
    by: str = ""
    cases: Mapping[IntEnum, int] = field(default_factory=dict)
    at_most: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Field:
    """One bit field.  `kind`: mem (AGU number) | ext (extent number) | uint | sint | f32 | enum (see `enum`) | init | scalar | loop | sem | side
    (1 to 2^bits; a word has 0 for the largest).

    For `mem`: `access` is "r", "w" or "rw"; `rows` and `cols` name the extent field or the entry of `DERIVED` (or give the number) of the
    elements touched ("" where the instruction's data decides); `types`: what its elements may be; `where`: in which memory it lies; `optional`
    operands may be NO_AGU.  For `ext`: `of` names the memory operand and dimension that fixes it, which is how the tile-level op of the same
    name gets its extents; `most` is what bounds it.  `default`: what it is when it is not written.
    """
    name: str
    bits: int
    kind: str
    doc: str
    access: str = ""
    rows: str | int = ""
    cols: str | int = ""
    optional: bool = False
    enum: str = ""
    of: tuple[str, int] | None = None
    default: int | None = None
    types: tuple[DType, ...] = ()
    where: Where = Where.CHIP
    most: Most = Most.NONE

    @functools.cached_property
    def low(self) -> int:
        """Smallest value that the field can hold."""
        return -(1 << self.bits - 1) if self.kind == "sint" else int(self.kind == "side")

    @functools.cached_property
    def high(self) -> int:
        """Largest value that the field can hold."""
        return {"sint": (1 << self.bits - 1) - 1, "side": 1 << self.bits}.get(self.kind, (1 << self.bits) - 1)


@dataclass(frozen=True)
class Instruction:
    """One instruction: where it runs, its fields in encoding order after the header, and what it does.

    `work` is what it asks of the vector unit, for all of that unit; `moves`: operands `src` and `dst` have the same element type.
    """
    mnemonic: str
    opcode: int
    unit: Unit
    fields: tuple[Field, ...]
    doc: str
    semantics: str
    work: Work | None = None
    moves: bool = False

    @property
    def synced(self) -> bool:
        """Whether the word carries the six semaphore fields (all but control instructions do)."""
        return self.unit != Unit.CTRL or self.mnemonic == "sync"

    @functools.cached_property
    def all_fields(self) -> tuple[Field, ...]:
        return (SYNC_FIELDS if self.synced else ()) + self.fields

    @functools.cached_property
    def mems(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.kind == "mem")

    def field(self, name: str) -> Field:
        """Its own field of that name."""
        return next(f for f in self.fields if f.name == name)

    def lanes(self, op: IntEnum | None = None, extra: bool = False) -> tuple[Lanes, Lanes]:
        """Uses of the vector unit's lanes for an element and for a row; `op`: value of the field `work.by`; `extra`: whether the operand
        `work.extra_for` is there."""
        work = self.work or Work()
        parts = [work.element, *([LANES[type(op).__name__][op]] if op is not None else []), *([work.extra] if extra else [])]
        return Lanes(*map(sum, zip(*parts))), work.row

    @property
    def ident(self) -> str:
        """Mnemonic as an identifier: `v.map` -> `v_map`."""
        return self.mnemonic.replace(".", "_")


def _sync() -> tuple[Field, ...]:
    out = []
    for kind in ("wait", "signal"):
        for i in range(3):
            out.append(Field(f"{kind}{i}", 6, "sem", f"semaphore of {kind} {i}; 0 for none"))
            out.append(Field(f"{kind}{i}_depth", 3, "uint", f"loop depth from which {kind} {i} is conditional; 7 always"))
    return tuple(out)


SYNC_FIELDS = _sync()
_SYNC_DEFAULTS = {f.name: NO_SEM if f.kind == "sem" else ALWAYS for f in SYNC_FIELDS}


F16, F32, I32, U16 = ((t,) for t in DType)
FLOATS, ANY = (DType.F16, DType.F32), tuple(DType)


def mem(name: str, access: str, shape: tuple[str | int, str | int], types: tuple[DType, ...], doc: str) -> Field:
    """A memory operand on chip; `shape` names or gives its rows and columns."""
    return Field(name, AGU_BITS, "mem", doc, access=access, rows=shape[0], cols=shape[1], types=types)


def dram(f: Field) -> Field:
    """That operand in DRAM."""
    return replace(f, where=Where.DRAM)


def optional(f: Field) -> Field:
    """That operand, which may be absent."""
    return replace(f, optional=True)


def ext(name: str, of: tuple[str, int] | None, doc: str, most: Most = Most.NONE) -> Field:
    return Field(name, 6, "ext", doc, of=of, most=most)


def enum(name: str, cls: type[IntEnum], doc: str) -> Field:
    return Field(name, 4, "enum", doc, enum=cls.__name__)


_INIT = Field("init", 4, "init", "overwrite instead of accumulate: 0..7 when first from that loop depth (7 always), 15 never")
_SCALE = Field("scalar", 4, "scalar", "scalar register")
_ROWS_DST = ext("rows", ("dst", 0), "rows")
_COLS_DST = ext("cols", ("dst", 1), "columns")


# ---- the table, unit by unit ---------------------------------------------------------------------------------------------------
I, U = Instruction, Unit        # noqa: E741 (no number)

_CONTROL = (         # act when they are fetched
    I("halt", 0x00, U.CTRL, (), "End of program.", "stop fetching"),
    I("loop", 0x01, U.CTRL, (ext("trips", None, "extent that gives the trip count"),),
      "Open a loop; zero trips skip to after the matching endloop.", "push counter 0"),
    I("endloop", 0x02, U.CTRL, (), "Close the innermost loop.",
      "step rings bound to this level; counter += 1; back to the body or pop"),
    I("agu", 0x03, U.CTRL, (
        Field("id", AGU_BITS, "uint", "AGU number"), enum("space", Space, "memory"), enum("dtype", DType, "element type"),
        Field("base", 40, "uint", "byte address"), Field("pitch", 28, "uint", "bytes from row to row"),
        Field("slots", 4, "uint", "ring slots; 1 for none"), Field("slot_bytes", 20, "uint", "bytes from slot to slot"),
        Field("ring_level", 3, "loop", "loop level whose end of body steps the ring if the body used it; 7 never")),
        "Set up an address generator; its strides become zero and its ring starts at slot 0.", "agu[id] = {...}"),
    I("agu.stride", 0x04, U.CTRL, (
        Field("id", AGU_BITS, "uint", "AGU number"), Field("level", 3, "loop", "loop level"),
        Field("stride", 41, "sint", "bytes added for each iteration of that loop")),
        "Give an address generator a stride for one loop level.", "agu[id].stride[level] = stride"),
    I("ext", 0x05, U.CTRL, (
        Field("id", 6, "uint", "extent number"), Field("full", 24, "uint", "largest value"),
        Field("total", 32, "sint", "what is there at counter 0"), Field("step", 32, "sint", "how much less for each iteration"),
        Field("level", 3, "loop", "loop level; ignored when step is 0")),
        "Set up an extent generator.", "ext[id] = clamp(total - step * counter[level], 0, full)"),
    I("agu.step", 0x0B, U.CTRL, (
        Field("id", AGU_BITS, "uint", "AGU number"), Field("stride", 41, "sint", "bytes added for each step")),
        "Have an address generator count the step register.", "agu[id].base += stride * step"),
    I("ext.step", 0x0C, U.CTRL, (
        Field("id", 6, "uint", "extent number"), Field("less", 32, "sint", "how much less for each step")),
        "Have an extent generator count the step register.", "ext[id].total -= less * step"),
    I("scalar", 0x06, U.CTRL, (Field("id", 4, "scalar", "register"), Field("value", 32, "f32", "float32 bits")),
      "Set a scalar register of the vector unit; read by later instructions when they are fetched.", "scalar[id] = value"),
    I("sem", 0x07, U.CTRL, (Field("id", 6, "sem", "semaphore"), Field("credits", 16, "uint", "new count")),
      "Set a semaphore's count.  Only legal while no unit waits on it.", "sem[id] = credits"),
    I("drain", 0x08, U.CTRL, (
        Field("id", 6, "sem", "semaphore"), Field("credits", 16, "uint", "credits to take"),
        Field("end", 1, "uint", "1 where a kernel ends: what memories on chip hold, but for the count memory, is given up", default=0)),
      "Fetch stops until that many credits have been signalled, and takes them.", "wait until sem[id] >= credits; sem[id] -= credits"),
    I("sic.config", 0x09, U.CTRL, (
        Field("threshold", 32, "f32", "similarity above which a vector joins its candidate"),
        Field("block_f", 2, "side", "block side over frames"), Field("block_h", 2, "side", "block side over rows"),
        Field("block_w", 2, "side", "block side over columns")),
        "Set the similarity concentrator's threshold and block; latched by later sic.gather when they are fetched.", "sic = {...}"),
    I("sic.grid", 0x0A, U.CTRL, (
        Field("index", 4, "uint", "grid number; a token belongs to the last grid whose `first` it reaches"),
        Field("first", 24, "uint", "first visual index of the grid"), Field("frame_stride", 24, "uint", "tokens from frame to frame"),
        Field("height_stride", 24, "uint", "tokens from row to row"), Field("width_stride", 24, "uint", "tokens from column to column")),
        "Set the strides of one token grid; index 0 forgets all grids set before.", "grid[index] = {...}"),
    I("part", 0x0D, U.CTRL, (
        enum("space", Space, "memory"), Field("base", 28, "uint", "first byte of the scratchpad"), Field("bytes", 28, "uint", "how many"))
      , "Give a memory whole banks of the scratchpad, until the kernel ends.  Of machines whose memories share one.", "part[space] = {base, bytes}"),
    I("sync", 0x0F, U.CTRL, (enum("unit", Unit, "the unit in whose queue this stands"),),
      "No operation of a unit, for its waits and signals.", "nothing"),
)

_COUNT = replace(optional(mem("count", "r", (1, 1), U16, "count memory entry that gives the row count instead of `rows`")), where=Where.COUNTS)
_IDENTITY = Field("identity", 6, "ext", "identity rows", of=("identity", 0))
_STREAM = enum("stream", Stream, "what the transfer carries")
_TILE = ("rows", "cols")
_DMA = (
    I("load", 0x10, U.LOAD, (dram(mem("src", "r", _TILE, ANY, "DRAM")), mem("dst", "w", _TILE, ANY, "on-chip"), _COUNT,
                             _ROWS_DST, _COLS_DST, _STREAM),
      "DMA from DRAM to a buffer.", "dst[r, c] = src[r, c]", moves=True),
    I("gather", 0x11, U.LOAD, (dram(mem("src", "r", ("", "cols"), ANY, "DRAM table of any number of rows")), mem("dst", "w", _TILE, ANY, "on-chip"),
                               mem("ids", "r", (1, "rows"), I32, "row numbers (int32)"), _ROWS_DST, _COLS_DST, _STREAM),
      "DMA of rows by an id list.", "dst[r, c] = src[ids[r], c]", moves=True),
    I("store", 0x12, U.STORE, (mem("src", "r", _TILE, ANY, "on-chip"), dram(mem("dst", "w", _TILE, ANY, "DRAM")), _COUNT,
                               ext("rows", ("src", 0), "rows"), ext("cols", ("src", 1), "columns"), _STREAM),
      "DMA from a buffer to DRAM.", "dst[r, c] = src[r, c]", moves=True),
    I("expand", 0x13, U.STORE, (
        mem("src", "r", ("unique_rows", "cols"), FLOATS, "compact rows: identity rows, then unique vectors"),
        mem("map", "r", (1, "rows"), U16, "uint16 unique-vector number of each row; 0xFFFF none"),
        dram(mem("dst", "w", _TILE, FLOATS, "DRAM")), ext("rows", ("dst", 0), "mapped rows"), _IDENTITY,
        ext("cols", ("dst", 1), "columns"), _STREAM),
        "DMA of every token's group vector to DRAM: a concentrated slice made dense again.",
        "dst[t] = src[identity + map[t]], 0 where map[t] is 0xFFFF", moves=True),
)

_ARRAY = (           # and the scatter unit after it
    *(I(name, code, U.ARRAY, (
        mem("src", "r", ("rows", "k"), F16, "streamed fp16 rows"), mem("wgt", "r", tile, F16, "stationary fp16 tile"),
        mem("dst", "rw", ("rows", "n"), F32, "fp32 partial sums"), _COUNT,
        ext("rows", ("src", 0), "rows streamed"), ext("k", ("src", 1), "reduction width", Most.ROWS),
        ext("n", ("dst", 1), "output columns", Most.COLS), _INIT),
        f"One pass of the systolic array: rows through one weight tile ({tile[0]} rows of {tile[1]}).",
        f"dst[r, j] = (init ? 0 : dst[r, j]) + sum_i src[r, i] * {expr}, fp16 products exact, fp32 sums in order of i")
      for name, code, tile, expr in (("mm", 0x18, ("n", "k"), "w[j, i]"), ("mm.kn", 0x19, ("k", "n"), "w[i, j]"))),
    I("scatter", 0x20, U.SCATTER, (
        mem("src", "r", ("unique_rows", "cols"), F32, "partial sums of [identity rows, unique vectors]"),
        optional(mem("map", "r", (1, "rows"), U16, "uint16 unique-vector number of each mapped row; 0xFFFF none")),
        mem("dst", "rw", ("all_rows", "cols"), F32, "fp32 accumulators of [identity rows, mapped rows]"),
        ext("rows", ("map", 1), "mapped rows"), _IDENTITY, ext("cols", ("dst", 1), "columns"), _INIT),
        "Scatter-accumulate partial sums of unique vectors to every token.",
        "dst[r] += src[r] for r < identity; dst[identity + t] += src[identity + map[t]]; init overwrites (unmapped rows with 0)"),
)

_SIMILARITY = (
    I("sic.gather", 0x28, U.SIC, (
        mem("src", "r", ("all_rows", "cols"), F16, "fp16 slice of an m-tile: [identity rows, visual rows]"),
        optional(mem("ids", "r", (1, "rows"), I32, "int32 index of each visual row in its grid, each once; a candidate comes before its row")),
        mem("table", "w", ("all_rows", "cols"), F16, "compact rows: identity rows, then unique vectors"),
        optional(mem("map", "w", (1, "rows"), U16, "uint16 unique-vector number of each visual row")),
        replace(mem("count", "w", (1, 1), U16, "uint16: identity rows + unique vectors"), where=Where.COUNTS),
        ext("rows", ("map", 1), "visual rows"), _IDENTITY,
        ext("cols", ("src", 1), "elements of the vector", Most.VECTOR), Field("site", 10, "uint", "index in the binary's site table")),
        "Concentrate one slice of one m-tile (algorithm: docs/algorithm.md, levels 2 and 3).",
        "match each vector with its block, group, write group means, map and count"),
)

_SEMANTIC = (
    I("sec.importance", 0x30, U.SEC, (
        mem("src", "r", _TILE, F32, "probabilities, fp32"), mem("dst", "rw", (1, "cols"), F32, "importance, fp32"),
        ext("rows", ("src", 0), "prompt rows"), ext("cols", ("src", 1), "visual tokens"), _INIT),
        "Maximum over rows, into the importance of each column.", "dst[0, c] = max(init ? 0 : dst[0, c], max_r src[r, c])"),
    I("sec.topk", 0x31, U.SEC, (
        mem("src", "r", (1, "n"), F32, "importance, fp32"), mem("dst", "w", (1, "k"), I32, "int32 kept row numbers, ascending"),
        ext("n", ("src", 1), "candidates"), ext("k", ("dst", 1), "how many to keep")),
        "The k most important columns, ties to the lower number, in original order; a NaN counts as most important.",
        "dst = sorted(top k of src)"),
    I("sec.select", 0x32, U.SEC, (
        mem("src", "r", (1, "n"), I32, "int32 list"), mem("sel", "r", (1, "k"), I32, "int32 kept row numbers"),
        mem("dst", "w", (1, "k"), I32, "int32 list"), ext("n", ("src", 1), "length of the list"), ext("k", ("sel", 1), "kept")),
        "Compact an id list to the kept rows.", "dst[i] = src[sel[i]]"),
)

_VECTOR = (
    I("v.map", 0x34, U.SFU, (enum("op", MapOp, "function"), mem("src", "r", _TILE, ANY, "tile"), mem("dst", "w", _TILE, FLOATS, "tile"),
                             _ROWS_DST, _COLS_DST, _SCALE),
      "Elementwise function, computed in fp32; also converts element types.", "dst[r, c] = op(src[r, c])", Work(by="op")),
    I("v.zip", 0x35, U.SFU, (enum("op", ZipOp, "function"), enum("bcast", Broadcast, "how b is extended"), mem("a", "r", _TILE, FLOATS, "tile"),
                             mem("b", "r", ("b_rows", "b_cols"), FLOATS, "tile, one row, or one column"),
                             mem("dst", "w", _TILE, FLOATS, "tile"), _ROWS_DST, _COLS_DST),
      "Elementwise function of two operands.", "dst[r, c] = op(a[r, c], b[r, c] | b[0, c] | b[r, 0])", Work(by="op")),
    I("v.reduce", 0x36, U.SFU, (enum("op", ReduceOp, "function"), mem("src", "r", _TILE, FLOATS, "tile"),
                                mem("dst", "rw", ("rows", "values"), F32, "fp32; one value per row, two for moments"),
                                ext("rows", ("src", 0), "rows"), ext("cols", ("src", 1), "columns"), _INIT),
      "Row reduction, accumulated over calls; moments are the mean and the sum of squared deviations from it, of all columns since init.",
      "dst[r] = op(init ? identity : dst[r], src[r, :])", Work(by="op")),
    I("v.stats", 0x37, U.SFU, (enum("kind", NormKind, "rms or layer"), mem("src", "r", ("rows", 2), F32, "moments, fp32"),
                               mem("dst", "w", ("rows", 2), F32, "mean and reciprocal deviation, fp32"), ext("rows", ("src", 0), "rows"),
                               Field("inv", 4, "scalar", "register with 1 / width"), Field("eps", 4, "scalar", "register with epsilon")),
      "Row moments to mean and reciprocal standard deviation.",
      "dst = layer ? (s0, 1 / sqrt(s1 * inv + eps)) : (0, 1 / sqrt(s1 * inv + s0 * s0 + eps))",
      Work(row=Lanes(multiply=3, add=3, sqrt=1, reciprocal=1))),        # two scalings and a square; difference, clamp, epsilon; root; reciprocal
    I("v.normalize", 0x38, U.SFU, (mem("src", "r", _TILE, FLOATS, "tile"), mem("stats", "r", ("rows", 2), F32, "mean, reciprocal deviation"),
                                   mem("weight", "r", (1, "cols"), FLOATS, "one row"), optional(mem("bias", "r", (1, "cols"), FLOATS, "one row")),
                                   mem("dst", "w", _TILE, FLOATS, "tile"), _ROWS_DST, _COLS_DST),
      "Apply a norm.", "dst[r, c] = (src[r, c] - mean[r]) * rdev[r] * weight[c] + bias[c]",
      Work(Lanes(multiply=2, add=1), extra_for="bias", extra=Lanes(add=1))),
    I("v.rope", 0x39, U.SFU, (mem("src", "r", _TILE, FLOATS, "one head"), mem("cos", "r", _TILE, FLOATS, "table rows"),
                              mem("sin", "r", _TILE, FLOATS, "table rows"), mem("dst", "w", _TILE, FLOATS, "one head"), _ROWS_DST, _COLS_DST),
      "Rotary embedding of one head, rotate-half form.",
      "h = cols / 2; dst[c] = src[c] * cos[c] + (c < h ? -src[c + h] : src[c - h]) * sin[c]", Work(Lanes(multiply=2, add=1))),
)


#: Rows and columns of operands that no extent field gives, by the name the operands give them.
DERIVED: dict[str, Derived] = {
    "all_rows": Derived(("identity", "rows"), doc="identity rows and mapped rows"),
    "unique_rows": Derived(("identity", "rows"), at_most=True, doc="identity rows and unique vectors"),
    "b_rows": Derived(("rows",), "bcast", {Broadcast.ROW: 1}, doc="by bcast"),
    "b_cols": Derived(("cols",), "bcast", {Broadcast.COL: 1}, doc="by bcast"),
    "values": Derived((), "op", {ReduceOp.SUM: 1, ReduceOp.MAX: 1, ReduceOp.MOMENTS: 2}, doc="values of a row"),
}


def _state(access: str) -> Field:
    return mem("state", access, ("rows", 4), F32, "softmax row state, fp32: maximum, sum, last rescale factor, unused")


def _scores(state: str, dst: Field) -> tuple[Field, ...]:
    """Fields of an instruction on scores; `state`: how it accesses the row state."""
    return (mem("src", "r", _TILE, F32, "scores, fp32"), _state(state), dst,
            optional(mem("qpos", "r", (1, "rows"), I32, "int32 position of each row")),
            optional(mem("kpos", "r", (1, "cols"), I32, "int32 position of each column")),
            ext("rows", ("src", 0), "rows"), ext("cols", ("src", 1), "columns"), _SCALE)


_PROBABILITIES = mem("dst", "w", _TILE, FLOATS, "fp16 or fp32")
_SOFTMAX = (         # on the vector unit, too
    I("v.softmax", 0x3A, U.SFU, _scores("rw", optional(_PROBABILITIES)) + (_INIT,),
      "One step of the online softmax over column tiles.  Columns whose position comes after the row's are masked.",
      "s = src * scale, -inf where kpos > qpos; m' = max(m, max s); f = exp(m - m'); p = exp(s - m'); "
      "l = l * f + sum p; state = (m', l, f, 0); dst = p; a row with nothing visible yet has m' = -inf, f = 1 and p = 0",
      # scale; maximum, difference, sum and (masked) comparison; and for a row: factor, its product, three sums and maxima
      Work(Lanes(exp=1, multiply=1, add=3), Lanes(exp=1, multiply=1, add=3), extra_for="qpos", extra=Lanes(add=1))),
    I("v.prob", 0x3B, U.SFU, _scores("r", _PROBABILITIES),
      "Normalised probabilities from scores and finished row state.", "dst = exp(src * scale - m) / l, 0 where masked",
      Work(Lanes(exp=1, multiply=2, add=1), Lanes(reciprocal=1), extra_for="qpos", extra=Lanes(add=1))),
    I("v.rescale", 0x3C, U.SFU, (mem("dst", "rw", _TILE, F32, "accumulators, fp32"), _state("r"), _ROWS_DST, _COLS_DST, _INIT),
      "Rescale accumulators after the row maximum grew; does nothing where `init` holds.  Of the state it reads the factors alone.",
      "dst[r, c] *= f[r]", Work(Lanes(multiply=1))),
    I("v.finish", 0x3D, U.SFU, (mem("src", "r", _TILE, F32, "accumulators, fp32"), _state("r"), mem("dst", "w", _TILE, FLOATS, "tile"),
                                _ROWS_DST, _COLS_DST),
      "Divide by the row sum.", "dst[r, c] = src[r, c] / l[r]", Work(Lanes(multiply=1), Lanes(reciprocal=1))),
)

TABLE: dict[str, Instruction] = {i.mnemonic: i for i in (*_CONTROL, *_DMA, *_ARRAY, *_SIMILARITY, *_SEMANTIC, *_VECTOR, *_SOFTMAX)}
BY_OPCODE: dict[int, Instruction] = {i.opcode: i for i in TABLE.values()}


class EncodingError(ValueError):
    """A field value or a word that no instruction has."""


def encode(mnemonic: str, values: dict[str, int]) -> bytes:
    """One instruction as 16 little-endian bytes.

    `values` maps field names to raw integers (float32 fields as their bits; signed fields may be negative).  Missing semaphore
    fields mean none/always, missing optional memory operands mean absent, a field with a default has that; any other missing field is an error.
    Raises EncodingError for an unknown mnemonic or field and for a value out of range.
    """
    instr = TABLE.get(mnemonic)
    if instr is None:
        raise EncodingError(f"unknown instruction '{mnemonic}'")
    layout = _layout(mnemonic)
    extra = values.keys() - {name for name, *_ in layout}
    if extra:
        raise EncodingError(f"'{mnemonic}' has no field '{min(extra)}'")
    word, at = instr.opcode, OPCODE_BITS
    for name, bits, default, lo, hi in layout:
        v = values.get(name, default)
        if v is None:
            raise EncodingError(f"'{mnemonic}' needs field '{name}'")
        if not lo <= v <= hi:
            raise EncodingError(f"'{mnemonic}' field '{name}' is {v}, outside {lo}..{hi}")
        word |= (v & (1 << bits) - 1) << at
        at += bits
    return word.to_bytes(16, "little")


@functools.cache
def _layout(mnemonic: str) -> tuple[tuple[str, int, int | None, int, int], ...]:
    """Name, bits, default, smallest and largest value of an instruction's fields, in order."""
    return tuple((f.name, f.bits, default_value(f), f.low, f.high) for f in TABLE[mnemonic].all_fields)


def place_of(mnemonic: str, name: str) -> tuple[int, int]:
    """First bit and number of bits of a field in an instruction's word."""
    at = OPCODE_BITS
    for known, bits, *_ in _layout(mnemonic):
        if known == name:
            return at, bits
        at += bits
    raise EncodingError(f"'{mnemonic}' has no field '{name}'")


def decode(raw: bytes) -> tuple[Instruction, dict[str, int]]:
    """The instruction and raw field values of 16 bytes.

    Raises EncodingError for an unknown opcode, a reserved bit that is set, or an enumeration value that does not exist.
    """
    if len(raw) != 16:
        raise EncodingError(f"an instruction has 16 bytes, not {len(raw)}")
    word = int.from_bytes(raw, "little")
    opcode = word & (1 << OPCODE_BITS) - 1
    instr = BY_OPCODE.get(opcode)
    if instr is None:
        raise EncodingError(f"unknown opcode 0x{opcode:02x}")
    at, values = OPCODE_BITS, {}
    for f in instr.all_fields:
        v = word >> at & (1 << f.bits) - 1
        if f.kind == "sint" and v >> f.bits - 1:
            v -= 1 << f.bits
        if f.kind == "side" and v == 0:
            v = f.high
        if f.kind == "enum" and v not in {int(e) for e in ENUMS[f.enum]}:
            raise EncodingError(f"'{instr.mnemonic}' field '{f.name}' is {v}, which is no {f.enum}")
        if f.kind == "init" and ALWAYS < v != NEVER:
            raise EncodingError(f"'{instr.mnemonic}' field '{f.name}' is {v}: 0..7 or 15 expected")
        if f.kind == "mem" and v == NO_AGU and not f.optional:
            raise EncodingError(f"'{instr.mnemonic}' needs operand '{f.name}'")
        values[f.name] = v
        at += f.bits
    if word >> at:
        raise EncodingError(f"'{instr.mnemonic}' has reserved bits set")
    return instr, values


def default_value(f: Field) -> int | None:
    """The value a field has when it is not written: none for semaphores, absent for optional operands, its own default; else None."""
    if f.name in _SYNC_DEFAULTS:
        return _SYNC_DEFAULTS[f.name]
    if f.kind == "mem" and f.optional:
        return NO_AGU
    return f.default


def _check() -> None:
    """Raise TypeError, so that neither the build nor an import goes on, for an entry that leaves out what its readers need."""
    if len(BY_OPCODE) != len(TABLE):
        raise TypeError("two instructions share an opcode")
    for name, lanes in LANES.items():
        missing = set(ENUMS[name]) - set(lanes)
        if missing:
            raise TypeError(f"{name}.{min(missing).name} states no lanes")
    for i in TABLE.values():
        bits = OPCODE_BITS + sum(f.bits for f in i.all_fields)
        if bits > WORD_BITS:
            raise TypeError(f"{i.mnemonic} takes {bits} bits")
        if (i.work is not None) != (i.unit == Unit.SFU):
            raise TypeError(f"{i.mnemonic}: the vector unit's instructions, and no others, state lanes")
        if i.work and i.work.by and i.field(i.work.by).enum not in LANES:
            raise TypeError(f"{i.mnemonic}: no lanes are stated for {i.field(i.work.by).enum}")
        for f in i.mems:
            if not f.types:
                raise TypeError(f"{i.mnemonic}: operand '{f.name}' states no element types")
            for side in (f.rows, f.cols):
                named = () if side == "" or isinstance(side, int) else DERIVED[side].parts if side in DERIVED else (side,)
                if not set(named) <= {e.name for e in i.fields if e.kind == "ext"}:
                    raise TypeError(f"{i.mnemonic}: rows or columns of operand '{f.name}' are '{side}', which no extent gives")
        names = [f.name for f in i.fields]
        if (i.moves and i.field("src").types != i.field("dst").types) or len(set(names)) != len(names) or set(names) & set(_SYNC_DEFAULTS):
            raise TypeError(f"{i.mnemonic}: operands that are moved have the same element types, and fields different names")


_check()
