"""The `.fxb` container: one program with everything a run needs.

In: a `Binary` to write, or the path of a file.  Out: the file, written whole or not at all; or a `Binary` with every part checked.

A safetensors file.  Tensors: `text` uint8 [n, 16], `source` uint32 [n], `param/<name>` as stored in DRAM.  Metadata: one string for
each key of `METADATA`, JSON except for plain words.  `docs/binary.md` describes it.  SHA-256 sums of all tensors and of the metadata
are part of the metadata, so any changed bit is found.  Parameters are mapped, not read: they are copied once, into the simulated DRAM.
"""
from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field as PydanticField, TypeAdapter, ValidationError, field_validator, model_validator
from safetensors import SafetensorError, safe_open

from focus.runtime.run.asm import WORD_BYTES, Decoded, decode_program
from focus.runtime.run.verify import check_program
from focus.runtime.spec import isa
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, path_of
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.schema import MOST_ADDRESS, Address, Many, Name, Number, Record, Size, Text, explain
from focus.runtime.spec.sites import SITES, SiteName
from focus.runtime.spec.tokens import TokenLayout

FORMAT = "fxb 1"
# Limits of a file, far beyond any real program (docs/binary.md lists them): they bound the time and memory of loading.  Runs have their own.
MOST_HEADER = 32 << 20                      #: bytes of the header, which is read as JSON
MOST_LAYERS = 1 << 16                       #: of a decoder
MOST_VECTORS = 1 << 29                      #: in the traces of all sites together; the largest published video has 104 million
STORED: dict[str, np.dtype[Any]] = {"f16": np.dtype("<f2"), "f32": np.dtype("<f4"), "i32": np.dtype("<i4")}      #: how values lie in DRAM
_SAFETENSORS: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"), "U8": np.dtype("u1"), "U32": np.dtype("<u4"), "BOOL": np.dtype("?"),
    "BF16": np.dtype("<u2")}                # bf16 as its bits: numpy has no such type
_SAFETENSORS_NAME = {np.dtype("<f2"): "F16", np.dtype("<f4"): "F32", np.dtype("<i4"): "I32", np.dtype("<u4"): "U32", np.dtype("u1"): "U8"}

Stored = Literal["f16", "f32", "i32"]
Shape = Annotated[Many[Size], PydanticField(max_length=16)]
Sha256 = Annotated[str, PydanticField(pattern="^[0-9a-f]{64}$")]


OVERFLOW = 65520.0                          #: the smallest value that rounds to infinity in fp16
VANISHES = 2.0 ** -25                       #: the largest value that rounds to zero in fp16


def store(array: np.ndarray, stored: Stored) -> tuple[np.ndarray, dict[str, int]]:
    """Values in their stored type, rounded to nearest even; how many of them are not finite, and how many became infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.ascontiguousarray(array, STORED[stored])
    if array.dtype.kind != "f" or not array.size or (float(array.min()) > -OVERFLOW and float(array.max()) < OVERFLOW):      # false for a NaN
        return out, {"nonfinite": 0, "overflows": 0}
    nonfinite = array.size - int(np.count_nonzero(np.isfinite(array)))
    return out, {"nonfinite": nonfinite, "overflows": array.size - nonfinite - int(np.count_nonzero(np.isfinite(out)))}


# ---- records of the metadata -----------------------------------------------------------------------------------------
class Placed(Record):
    """A tensor at an address of DRAM, row-major and without gaps."""
    name: Name
    stored: Stored
    shape: Shape
    address: Address

    @field_validator("shape")
    @classmethod
    def _countable(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape) > MOST_ADDRESS:
            raise ValueError(f"{list(shape)} has more than 2^48 elements")
        return shape

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * STORED[self.stored].itemsize

    @property
    def end(self) -> int:
        return self.address + self.nbytes


class Param(Placed):
    """A parameter or constant of the model."""


class Port(Placed):
    """An input or output.  `dtype` is the user's element type (numpy name); `below`, for ids, the number of rows they choose
    from (placeholders of visual tokens may lie outside)."""
    dtype: Literal["float16", "float32", "float64", "int32", "int64"]
    below: Size | None = None


class FixedInput(Record):
    """An input of the model that the program was specialised to: `values` (row-major) is all it may be; it may also be left out."""
    name: Name
    dtype: Literal["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
    shape: Annotated[Many[Number], PydanticField(max_length=16)]
    values: Many[Annotated[int, PydanticField(ge=-2 ** 63, lt=2 ** 63)] | float | bool]

    @model_validator(mode="after")
    def _check(self) -> FixedInput:
        if len(self.values) != math.prod(self.shape):
            raise ValueError(f"{len(self.values)} values for shape {list(self.shape)}")
        return self


class Region(Record):
    """A named part of DRAM."""
    name: Name
    address: Address
    bytes: Address


class LiveRange(Record):
    """A live range: bytes of DRAM or the count memory that hold a value from kernel `first` to kernel `last` of the program, numbered from 0 by
    the drains that end them; before and after, they may hold other values."""
    name: Name
    space: Literal["dram", "counts"]
    address: Address
    bytes: Annotated[Address, PydanticField(gt=0)]
    first: Number
    last: Number

    @property
    def end(self) -> int:
        return self.address + self.bytes

    @model_validator(mode="after")
    def _check(self) -> LiveRange:
        if self.last < self.first:
            raise ValueError(f"'{self.name}' is live from kernel {self.first} to kernel {self.last}")
        return self


class HeldValue(Placed):
    """A value [rows, features] that is in DRAM at the end of kernel `kernel`; `name` is the module path it is computed for.  `holds` says what it is
    in the PyTorch model: "output of <module path>" or "input of <module path>"."""
    holds: Annotated[Text, PydanticField(pattern="^(output|input) of .")]
    kernel: Number


class Cache(Placed):
    """Keys or values of a layer that outlive a program, [requests * (lead + held + room), width]: for each request `lead` rows that are copies of
    others, the `held` ones of the prefill, and `room` for those of new tokens.  `name`: "layers.N.keys" or "layers.N.values"."""
    requests: Size
    lead: Number
    held: Size
    room: Size

    @property
    def capacity(self) -> int:
        """Rows of a request."""
        return self.lead + self.held + self.room

    @property
    def row_bytes(self) -> int:
        return self.shape[-1] * STORED[self.stored].itemsize

    @model_validator(mode="after")
    def _check(self) -> Cache:
        if not re.fullmatch(r"layers\.[0-9]{1,9}\.(keys|values)", self.name):
            raise ValueError(f"the name '{self.name}'; layers.N.keys or layers.N.values expected")
        if len(self.shape) != 2 or self.shape[0] != self.requests * self.capacity:
            raise ValueError(f"shape {list(self.shape)}; {self.requests} requests of {self.capacity} rows expected")
        return self


class MemoryMap(Record):
    """DRAM as the program uses it, addresses 0 .. dram_bytes - 1; the live ranges of values in DRAM and the count memory that share places; what
    outlives the program; and which values of the model's modules are in DRAM at some time."""
    dram_bytes: Annotated[Address, PydanticField(gt=0)]
    regions: Many[Region] = ()
    caches: Many[Cache] = ()
    lives: Many[LiveRange] = ()
    values: Many[HeldValue] = ()


class Site(Record):
    """One concentrated value: `site` of layer `layer` of the decoder or the vision tower, `width` elements wide in `slices` vectors, `visual` rows.

    `tiles` holds (first visual row, identity rows, visual rows) of each m-tile in order; the count of (tile, slice) is a uint16 at
    `count_base + 2 * (tile * slices + slice)` of the count memory.
    """
    layer: Number
    site: SiteName
    width: Size
    slices: Size
    visual: Number
    tiles: Many[tuple[Number, Number, Number]]
    count_base: Number

    @property
    def name(self) -> str:
        """`layer/site`, as in trace keys."""
        return f"{self.layer}/{self.site}"

    @model_validator(mode="after")
    def _check(self) -> Site:
        total = 0
        for i, (row0, _, visual) in enumerate(self.tiles):
            if visual and row0 != total:
                raise ValueError(f"tiles.{i}: its first visual row is {row0}, but the tiles before it hold {total}")
            total += visual
        if total != self.visual:
            raise ValueError(f"tiles hold {total} visual rows, the site has {self.visual}")
        return self


class WeightsFile(Record):
    """A safetensors file beside the binary that holds some parameters: `tensors` maps parameter names to its tensor names.

    `name` is a path from the binary's folder that does not lead out of it.
    """
    name: Name
    sha256: Sha256
    tensors: dict[Name, Text]

    @field_validator("name")
    @classmethod
    def _inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"'{name}' leads out of the binary's folder; give the file's place with --weights (weights=)")
        return name


# ---- the binary ------------------------------------------------------------------------------------------------------
@dataclass(kw_only=True)
class Binary:
    """A program and everything a run needs, in memory.

    `text` uint8 [n, 16] and `source` uint32 [n] (index into `modules`, the module paths); `params` the arrays named in `param_table`
    (any mapping, which may make them when asked: they are taken one at a time, and floats are converted to the stored type); none of a
    program for `timing_only`, whose parameters have places but no values.  `layers`: of the decoder; `id_lists`: where a run leaves the
    original indices (int32) of the visual tokens left after each pruning.  `steps`: the step register holds a number below this.

    `entries`: further programs on the same DRAM, by name: "decode" and "extend".  Each is a binary of its own in memory, which shares parameters and
    caches; `own` says which parameters it alone has.
    """
    text: np.ndarray
    source: np.ndarray
    machine: Machine
    memory_map: MemoryMap
    modules: tuple[str, ...]
    params: Mapping[str, Values] = field(default_factory=dict)
    param_table: tuple[Param, ...] = ()
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    fixed_inputs: tuple[FixedInput, ...] = ()
    sites: tuple[Site, ...] = ()
    id_lists: tuple[Param, ...] = ()
    layers: int = 0
    tokens: TokenLayout | None = None
    concentration: Concentration = field(default_factory=lambda: Concentration(similarity=False))
    model: str = ""
    weights_file: WeightsFile | None = None
    timing_only: bool = False
    steps: int = 1
    entries: Mapping[str, Binary] = field(default_factory=dict)
    validated: bool = field(default=False, init=False)      # whether `validate` has passed

    @cached_property
    def program(self) -> list[Decoded]:
        """The decoded instructions.  Raises FocusError for a word that is none."""
        return decode_program(self.text, self.model or "program")

    def param(self, entry: Param) -> np.ndarray:
        """The values of a parameter as they lie in DRAM: stored type and shape of its entry.  Raises FocusError when they do not fit it."""
        values = self.params[entry.name]
        _check_param(values, entry)
        with np.errstate(over="ignore"):                # beyond fp16 is infinity, as in any store
            return np.asarray(values).astype(STORED[entry.stored], copy=False)

    def sites_json(self) -> str:
        """The site table as JSON, as metadata and the simulator take it."""
        return _dump(self.sites)

    def lives_json(self) -> str:
        """The live ranges of the memory map as JSON, as the simulator takes them."""
        return _dump(self.memory_map.lives)

    def validate(self, where: str = "binary") -> Binary:
        """Check every part against every other one; returns itself.  Raises FocusError `<where>: ...` for the first that is wrong."""
        try:
            _check_tensors(self)
            _check_memory(self)
            _check_lives(self)
            _check_sites(self)
            _check_id_lists(self)
        except FocusError as e:
            raise FocusError(f"{where}: {e}") from None
        self.__dict__["program"] = program = decode_program(self.text, where)
        check_program(program, self.machine, self.memory_map.dram_bytes, len(self.sites), where, self.steps)
        for name, entry in self.entries.items():
            entry.validate(f"{where}: entry '{name}'")
            self._check_entry(name, entry, where)
        self.validated = True
        return self

    def _check_entry(self, name: str, entry: Binary, where: str) -> None:
        """Whether an entry shares what it must: machine, caches, and the places of parameters of the same name."""
        if entry.entries or entry.machine != self.machine:
            raise FocusError(f"{where}: entry '{name}' has entries or a machine of its own")
        if entry.memory_map.caches != self.memory_map.caches:
            raise FocusError(f"{where}: entry '{name}' has other caches than the prefill")
        self._check_ports_of_entry(name, entry, where)
        mine = {p.name: p for p in self.param_table}
        for place in entry.param_table:
            if place.name in mine and mine[place.name] != place:
                raise FocusError(f"{where}: entry '{name}' has parameter '{place.name}' at another place")
        begin = self.memory_map.dram_bytes
        for used in (*entry.own(self), *entry.inputs, *entry.outputs):
            if used.address < begin:
                raise FocusError(f"{where}: entry '{name}' has '{used.name}' at 0x{used.address:x}, in the memory of the prefill (below 0x{begin:x})")
        for other, binary in self.entries.items():              # what an entry keeps, no other may write
            known = {p.name: p for p in binary.param_table}
            for place in entry.own(self):
                inside = any(place.address < r.address + r.bytes and r.address < place.end for r in binary.memory_map.regions)
                if known.get(place.name, place) != place or (place.name not in known and inside):
                    raise FocusError(f"{where}: parameter '{place.name}' of entry '{name}' lies in the memory of entry '{other}'")

    def _check_ports_of_entry(self, name: str, entry: Binary, where: str) -> None:
        """Whether an entry takes token ids [requests, n] and gives logits for each, as many as the prefill gives for its last token, and
        whether the caches have room for those of its last step."""
        logits = [port.shape for port in self.outputs]
        if len(logits) != 1 or len(logits[0]) != 2 or logits[0][0] != 1:
            raise FocusError(f"{where}: has entry '{name}', but outputs of shapes {logits}; logits [1, n] expected")
        takes, gives = [port.shape for port in entry.inputs], [port.shape for port in entry.outputs]
        right = len(takes) == 1 and len(takes[0]) == 2 and takes[0][0] == self.steps
        if not right or gives != [(takes[0][0] * takes[0][1], logits[0][1])]:
            raise FocusError(f"{where}: entry '{name}' takes {takes} and gives {gives}; ids [{self.steps}, n] and logits of each expected")
        for kept in self.memory_map.caches:
            if kept.requests != self.steps or kept.room < entry.steps - 1 + takes[0][1]:
                raise FocusError(f"{where}: cache '{kept.name}' has room for {kept.room} tokens of {kept.requests} requests; entry '{name}' adds "
                                 f"{takes[0][1]} to up to {entry.steps - 1} of {self.steps}")

    def own(self, main: Binary) -> list[Param]:
        """The parameters that this entry of `main` does not share with it."""
        shared = {p.name for p in main.param_table}
        return [p for p in self.param_table if p.name not in shared]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the programs and of where everything lies, for whoever keeps what a run has left."""
        total = hashlib.sha256(self.machine.fingerprint.encode())
        for name, binary in {"": self, **self.entries}.items():
            total.update(f"{name} {_dump(binary.memory_map)} {_dump(binary.param_table)}".encode())
            total.update(np.ascontiguousarray(binary.text).tobytes())
        return total.hexdigest()

    @property
    def dram_bytes(self) -> int:
        """DRAM that the program and its entries use."""
        return max(b.memory_map.dram_bytes for b in (self, *self.entries.values()))

    def save(self, path: str | os.PathLike) -> None:
        """Check and write the file.  Parameters that `weights_file` holds are left to it.  Raises FocusError; then nothing is written."""
        path = path_of(path, "save")
        self.validate(str(path))
        tensors: dict[str, np.ndarray | Param] = {"source": self.source, "text": self.text}
        elsewhere = self.weights_file.tensors if self.weights_file else {}
        tensors |= {f"param/{p.name}": p for p in self.param_table if p.name not in elsewhere and not self.timing_only}
        for name, entry in self.entries.items():
            tensors |= {f"{name}/source": entry.source, f"{name}/text": entry.text}
            tensors |= {f"param/{p.name}": p for p in entry.own(self) if not self.timing_only}
        _write(Path(path), self, tensors)


def load(path: str | os.PathLike, weights: str | os.PathLike | None = None) -> Binary:
    """The binary of an `.fxb` file, every part checked; parameters stay on disk until they are used.

    `weights` is where the weights file is if it does not lie beside the binary under the name it was given.
    Raises FocusError `<path>: ...` for whatever is wrong with the file, and for a weights file where the program refers to none.
    """
    path = path_of(path, "load")
    try:
        return _load(path, weights)
    except MemoryError:
        raise FocusError(f"{path}: not enough memory to load it") from None


def _load(path: Path, weights: str | os.PathLike | None) -> Binary:
    tensors, metadata = _open(path)
    try:
        values = _parse_metadata(metadata)
        _check_sums(tensors, metadata)
        table = values["param_table"]
        packed = {name.removeprefix("param/"): array for name, (array, _) in tensors.items() if name.startswith("param/")}
        programs = ["", *(f"{name}/" for name in values["entries"])]
        for name in (f"{prefix}{what}" for prefix in programs for what in ("text", "source")):
            if name not in tensors:
                raise FocusError(f"no tensor '{name}'")
        tables = [*table, *(p for entry in values["entries"].values() for p in entry["param_table"])]
        unknown = tensors.keys() - {f"{prefix}{what}" for prefix in programs for what in ("text", "source")} - {f"param/{p.name}" for p in tables}
        if unknown:
            raise FocusError(f"tensor '{min(unknown)}' is in no table")
        mine = {p.name for p in table}
        params: Mapping[str, Values] = {name: array for name, array in packed.items() if name in mine}
        if values["weights_file"] is not None:
            inside = {name: array for name, array in packed.items() if name in mine}
            params = _Referenced(inside, values["weights_file"], Path(weights or path.parent / values["weights_file"].name))
        elif weights is not None:
            raise FocusError(f"the program refers to no weights file; its parameters are in the binary, not in {weights}")
        binary = Binary(text=tensors["text"][0], source=tensors["source"][0], params=params, **values | {"entries": {}})
        alone = {name: array for name, array in packed.items() if name not in mine}
        binary.entries = {name: Binary(text=tensors[f"{name}/text"][0], source=tensors[f"{name}/source"][0], machine=binary.machine,
                                       params={} if binary.timing_only else Shared(entry["param_table"], params, alone), model=binary.model,
                                       timing_only=binary.timing_only, **entry) for name, entry in values["entries"].items()}
    except FocusError as e:
        raise FocusError(f"{path}: {e}") from None
    return binary.validate(str(path))


# ---- metadata --------------------------------------------------------------------------------------------------------
def _dump(value: Any) -> str:
    """Canonical JSON of records, tuples of records and plain values."""
    def plain(v: Any) -> Any:
        return v.model_dump(mode="json") if isinstance(v, Record) else [plain(x) for x in v] if isinstance(v, tuple) else v

    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"))


# key in the file -> (attribute of Binary, its type); the other keys of METADATA are treated one by one
_RECORDS: dict[str, tuple[str, Any]] = {
    "memory_map": ("memory_map", MemoryMap), "inputs": ("inputs", Many[Port]), "outputs": ("outputs", Many[Port]),
    "fixed_inputs": ("fixed_inputs", Many[FixedInput]), "params": ("param_table", Many[Param]),
    "modules": ("modules", Many[Text]), "sites": ("sites", Many[Site]), "tokens": ("tokens", TokenLayout | None),
    "concentration": ("concentration", Concentration), "id_lists": ("id_lists", Many[Param]),
    "layers": ("layers", Annotated[int, PydanticField(ge=0, le=MOST_LAYERS)]),
    "weights_file": ("weights_file", WeightsFile | None),
    "timing_only": ("timing_only", bool), "steps": ("steps", Size),
}
#: of these, what an entry has of its own
_OF_ENTRY = ("memory_map", "inputs", "outputs", "params", "modules", "layers", "steps")
METADATA = ("format", "isa_version", "machine", "machine_fingerprint", "model", "entries", *_RECORDS, "sha256")
ENTRIES = ("decode", "extend")              #: programs that there may be beside the prefill


def _metadata(binary: Binary, sums: dict[str, str]) -> dict[str, str]:
    """The metadata of a binary whose tensors have the given SHA-256 sums."""
    out = {"format": FORMAT, "isa_version": str(isa.ISA_VERSION), "machine": binary.machine.to_json(),
           "machine_fingerprint": binary.machine.fingerprint, "model": binary.model}
    out |= {key: _dump(getattr(binary, attribute)) for key, (attribute, _) in _RECORDS.items()}
    entries = {name: {key: json.loads(_dump(getattr(entry, _RECORDS[key][0]))) for key in _OF_ENTRY} for name, entry in binary.entries.items()}
    out["entries"] = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    out["sha256"] = _dump(sums | {"metadata": _metadata_sum(out)})
    return out


def _metadata_sum(metadata: Mapping[str, str]) -> str:
    """SHA-256 of all metadata but the sums themselves."""
    rest = {key: value for key, value in metadata.items() if key != "sha256"}
    return hashlib.sha256(_dump(rest).encode()).hexdigest()


def _parse_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Values for `Binary` from the metadata of a file.  Raises FocusError for the first entry that is wrong."""
    if metadata.get("format") != FORMAT:
        raise FocusError(f"format is {metadata.get('format')!r}; '{FORMAT}' expected")
    if metadata.get("isa_version") != str(isa.ISA_VERSION):
        raise FocusError(f"made for ISA version {metadata.get('isa_version')}; this is version {isa.ISA_VERSION}")
    for key in METADATA:
        if key not in metadata:
            raise FocusError(f"metadata: no entry '{key}'")
    if unknown := metadata.keys() - set(METADATA):
        raise FocusError(f"metadata: unknown entry '{min(unknown)}'")
    if _parse("sha256", metadata["sha256"]).get("metadata") != _metadata_sum(metadata):
        raise FocusError("the metadata has been changed: its SHA-256 differs")
    machine = Machine.from_json(metadata["machine"], "metadata 'machine'")
    if metadata["machine_fingerprint"] != machine.fingerprint:
        raise FocusError(f"machine fingerprint {metadata['machine_fingerprint'][:12]}... is not that of the machine inside, "
                         f"{machine.fingerprint[:12]}...")
    values = {attribute: _parse(key, metadata[key]) for key, (attribute, _) in _RECORDS.items()}
    entries = {name: {_RECORDS[key][0]: _validated(key, table[key]) for key in _OF_ENTRY} for name, table in _entries(metadata["entries"]).items()}
    return values | {"machine": machine, "model": _validated("model", metadata["model"]), "entries": entries}


def _entries(text: str) -> dict[str, dict[str, Any]]:
    """The metadata of each entry, by its name."""
    entries = _parse("entries", text)
    for name, table in entries.items():
        if name not in ENTRIES or set(table) != set(_OF_ENTRY):
            raise FocusError(f"metadata 'entries': '{name}' with {', '.join(sorted(table))}; {' or '.join(ENTRIES)} with {', '.join(_OF_ENTRY)} "
                             "expected")
    return entries


_KINDS: dict[str, Any] = {"sha256": dict[str, str], "model": Text, "entries": dict[str, dict[str, Any]]}
_KINDS |= {key: kind for key, (_, kind) in _RECORDS.items()}


@cache
def _adapter(key: str) -> TypeAdapter:
    return TypeAdapter(_KINDS[key])


def _parse(key: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise FocusError(f"metadata '{key}': no JSON: {e}") from None
    return _validated(key, value)


def _validated(key: str, value: Any) -> Any:
    try:
        return _adapter(key).validate_python(value)
    except ValidationError as e:
        raise FocusError(f"metadata '{key}': {explain(e)}") from None
    except FocusError as e:
        raise FocusError(f"metadata '{key}': {e}") from None


def _check_sums(tensors: dict[str, tuple[np.ndarray, str]], metadata: Mapping[str, str]) -> None:
    sums = _parse("sha256", metadata["sha256"])
    if sums.keys() != tensors.keys() | {"metadata"}:
        raise FocusError(f"tensor '{min(sums.keys() ^ (tensors.keys() | {'metadata'}))}' is missing or has no SHA-256")
    for name, (array, _) in tensors.items():
        if _sha256(array) != sums[name]:
            raise FocusError(f"tensor '{name}' has been changed: its SHA-256 differs")


# ---- consistency -----------------------------------------------------------------------------------------------------
def _check_tensors(binary: Binary) -> None:
    text, source = binary.text, binary.source
    if text.dtype != np.uint8 or text.ndim != 2 or text.shape[1] != WORD_BYTES or not len(text):
        raise FocusError(f"tensor 'text' is {text.dtype} {list(text.shape)}; uint8 [n, {WORD_BYTES}] expected")
    if source.dtype != np.uint32 or source.shape != (len(text),):
        raise FocusError(f"tensor 'source' is {source.dtype} {list(source.shape)}; uint32 [{len(text)}] expected")
    if int(source.max()) >= len(binary.modules):
        raise FocusError(f"tensor 'source' names module {int(source.max())} of {len(binary.modules)}")
    for entry in binary.param_table:
        if binary.timing_only:
            break
        if entry.name not in binary.params:
            raise FocusError(f"parameter '{entry.name}' has no values")
        if isinstance(binary.params, dict | _Referenced):       # other mappings may make values when asked: checked when they are taken
            _check_param(binary.params[entry.name], entry)
    if unknown := binary.params.keys() - {p.name for p in binary.param_table}:
        raise FocusError(f"parameter '{min(unknown)}' is in no table")


def _check_memory(binary: Binary) -> None:
    """Everything that has an address lies inside DRAM; parameters and inputs overlap nothing but an output that reuses an input."""
    dram = binary.memory_map.dram_bytes
    if dram > (capacity := binary.machine.dram.capacity_bytes):
        raise FocusError(f"the program needs {dram} bytes of DRAM; machine '{binary.machine.name}' has {capacity}")
    for region in binary.memory_map.regions:
        if region.address + region.bytes > dram:
            raise FocusError(f"region '{region.name}' reaches byte {region.address + region.bytes} of a DRAM of {dram}")
    groups: dict[str, Sequence[Placed]] = {"parameter": binary.param_table, "input": binary.inputs, "output": binary.outputs,
                                           "id list": binary.id_lists, "cache": binary.memory_map.caches}
    for kind, entries in groups.items():
        names = [e.name for e in entries]
        if len(set(names)) < len(names):
            raise FocusError(f"{kind} '{Counter(names).most_common(1)[0][0]}' is listed twice")
        for e in entries:
            if e.end > dram:
                raise FocusError(f"{kind} '{e.name}' reaches byte {e.end} of a DRAM of {dram}")
    for others in ("input", "output"):
        _check_disjoint([("parameter", e) for e in binary.param_table] + [("cache", e) for e in binary.memory_map.caches]
                        + [(others, e) for e in groups[others]])


def _check_disjoint(entries: list[tuple[str, Placed]]) -> None:
    ordered = sorted(entries, key=lambda item: item[1].address)
    for (kind, a), (other, b) in pairwise(ordered):
        if b.address < a.end:
            raise FocusError(f"{kind} '{a.name}' (0x{a.address:x}..0x{a.end:x}) overlaps {other} '{b.name}' at 0x{b.address:x}")


def _check_lives(binary: Binary) -> None:
    """Live ranges lie inside their memories; those in DRAM overlap no parameter, input or output; no two overlap in bytes and in time."""
    sizes = {"dram": binary.memory_map.dram_bytes, "counts": binary.machine.buffer_bytes("counts")}
    lasting: list[Placed] = sorted((*binary.param_table, *binary.memory_map.caches, *binary.inputs, *binary.outputs, *binary.id_lists),
                                   key=lambda e: e.address)
    starts = [e.address for e in lasting]
    furthest: list[Placed] = []                                                             # of those up to each
    for e in lasting:
        furthest.append(e if not furthest or e.end > furthest[-1].end else furthest[-1])
    placed: dict[str, list[tuple[int, int]]] = {space: [] for space in sizes}               # (address, number) in order; apart from each other
    ends: list[tuple[int, int]] = []                                                        # (last kernel, number) of those, a heap
    for value in binary.memory_map.values:
        if value.end > sizes["dram"]:
            raise FocusError(f"the value {value.holds} reaches byte {value.end} of a DRAM of {sizes['dram']}")
    lives = binary.memory_map.lives
    for number in sorted(range(len(lives)), key=lambda i: lives[i].first):
        live = lives[number]
        if live.end > sizes[live.space]:
            raise FocusError(f"'{live.name}' reaches byte {live.end} of {live.space}, which has {sizes[live.space]}")
        while ends and ends[0][0] < live.first:
            _, over = heappop(ends)
            others = placed[lives[over].space]
            del others[bisect_left(others, (lives[over].address, over))]
        others = placed[live.space]
        at = bisect_left(others, (live.address, number))
        before = bisect_left(starts, live.end) if live.space == "dram" else 0
        neighbours: list[Placed | LiveRange] = [*furthest[max(before - 1, 0):before], *(lives[i] for _, i in others[max(at - 1, 0):at + 1])]
        for x in neighbours:
            if x.address < live.end and live.address < x.end:
                raise FocusError(f"'{live.name}' (0x{live.address:x}..0x{live.end:x} of {live.space}) overlaps '{x.name}' at 0x{x.address:x}, "
                                 f"which is live in kernel {live.first} too")
        insort(others, (live.address, number))
        heappush(ends, (live.last, number))


def _check_sites(binary: Binary) -> None:
    seen, counts = set(), binary.machine.buffer_bytes("counts")
    vector = binary.concentration.vector
    for site in binary.sites:
        if site.slices != -(-site.width // vector):
            raise FocusError(f"site {site.name}: {site.slices} slices for a width of {site.width}; "
                             f"{-(-site.width // vector)} of {vector} elements expected")
        if site.name in seen:
            raise FocusError(f"site {site.name} is listed twice")
        seen.add(site.name)
        if site.count_base % 2 or site.count_base + 2 * len(site.tiles) * site.slices > counts:
            raise FocusError(f"site {site.name}: {len(site.tiles)} x {site.slices} counts at 0x{site.count_base:x} do not fit "
                             f"a count memory of {counts} bytes")
        if binary.tokens is None or (site.site in SITES and site.visual > binary.tokens.V):
            have = binary.tokens.V if binary.tokens else "none"
            raise FocusError(f"site {site.name} has {site.visual} visual rows; the token layout has {have}")
    if (vectors := sum(site.visual * site.slices for site in binary.sites)) > MOST_VECTORS:
        raise FocusError(f"the sites have {vectors} vectors; at most {MOST_VECTORS} are possible")


def _check_id_lists(binary: Binary) -> None:
    """There is a list for each layer that drops tokens, as long as what is left."""
    if binary.tokens is None or not binary.tokens.V:
        return
    kept = binary.concentration.retained(binary.layers, binary.tokens.V)
    wanted = [n for before, n in pairwise(kept) if n < before]
    if len(wanted) > len(binary.id_lists):
        raise FocusError(f"{len(binary.id_lists)} id lists for {len(wanted)} layers that drop tokens")
    for entry, length in zip(binary.id_lists, wanted):
        if entry.stored != "i32" or math.prod(entry.shape) != length:
            raise FocusError(f"id list '{entry.name}' is {entry.stored} {list(entry.shape)}; i32 with {length} elements expected")


# ---- the file --------------------------------------------------------------------------------------------------------
def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def _check_param(array: Values, entry: Param) -> None:
    """Whether `array` has the shape of `entry` and may be stored as it says: floats are rounded, anything else must have the type."""
    wanted = STORED[entry.stored]
    if tuple(array.shape) != entry.shape:
        raise FocusError(f"parameter '{entry.name}' has shape {list(array.shape)}; {list(entry.shape)} expected")
    if array.dtype != wanted and (array.dtype.kind, wanted.kind) != ("f", "f"):
        raise FocusError(f"parameter '{entry.name}' is {array.dtype}; {wanted} expected")


def _values(binary: Binary, entry: Param) -> np.ndarray:
    """The values of a parameter of the program, or of an entry that has it alone."""
    owner = next((b for b in (binary, *binary.entries.values()) if entry in b.param_table), binary)
    return owner.param(entry)


def _write(path: Path, binary: Binary, tensors: dict[str, np.ndarray | Param]) -> None:
    """Write a safetensors file tensor by tensor: each parameter is made and in memory once, while it is being written.

    The SHA-256 sums stand in the header, before the tensors; as they have a fixed length, the header is written again at the end.
    """
    type_of = lambda t: STORED[t.stored] if isinstance(t, Param) else t.dtype
    order = sorted(tensors, key=lambda name: (-type_of(tensors[name]).itemsize, name))     # widest first, so that all are aligned
    table, end = {}, 0
    for name in order:
        begin, end = end, end + math.prod(tensors[name].shape) * type_of(tensors[name]).itemsize
        table[name] = {"dtype": _SAFETENSORS_NAME[type_of(tensors[name])], "shape": list(tensors[name].shape), "data_offsets": [begin, end]}

    def header(sums: dict[str, str]) -> bytes:
        raw = json.dumps({"__metadata__": _metadata(binary, sums)} | table, separators=(",", ":")).encode()
        raw += b" " * (-len(raw) % 8)
        return len(raw).to_bytes(8, "little") + raw

    with atomic_write(path) as temporary, open(temporary, "wb") as out:
        sums = dict.fromkeys(order, "0" * 64)
        out.write(header(sums))
        for name in order:
            tensor = tensors[name]
            values = _values(binary, tensor) if isinstance(tensor, Param) else tensor
            data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
            sums[name] = hashlib.sha256(data).hexdigest()
            out.write(data)
        out.seek(0)
        out.write(header(sums))


def _open(path: Path) -> tuple[dict[str, tuple[np.ndarray, str]], dict[str, str]]:
    """Tensors (mapped read-only, with their safetensors type) and metadata of a safetensors file.  Raises FocusError."""
    try:
        if not (stat.S_ISREG(mode := os.stat(path).st_mode) or stat.S_ISDIR(mode)):     # reading a pipe or a device might never end
            raise FocusError(f"{path}: no regular file")
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MOST_HEADER:
                raise FocusError(f"{path}: no readable safetensors file: a header of {length} bytes; at most {MOST_HEADER} expected")
            raw = file.read(length)
        with safe_open(path, framework="numpy") as checked:
            metadata = checked.metadata() or {}         # opening it checks header, types, shapes and offsets
        header = json.loads(raw)
        data = np.memmap(path, np.uint8, "r")[8 + length:]
    except SafetensorError as e:
        raise FocusError(f"{path}: no readable safetensors file: {e}") from None
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except (ValueError, RecursionError) as e:           # a null byte in the path; JSON that only safetensors understands
        raise FocusError(f"{path}: cannot read: {e}") from None
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in _SAFETENSORS:
            raise FocusError(f"{path}: tensor '{name}' has type {entry['dtype']}; one of {', '.join(_SAFETENSORS)} expected")
        begin, end = entry["data_offsets"]
        tensors[name] = data[begin:end].view(_SAFETENSORS[entry["dtype"]]).reshape(entry["shape"]), entry["dtype"]
    return tensors, metadata


def open_tensors(path: str | os.PathLike) -> dict[str, Values]:
    """All tensors of any safetensors file, mapped read-only; bf16 ones become float32 when numpy takes their values.  Raises FocusError."""
    tensors, _ = _open(Path(path))
    return {name: _Bf16(array) if kind == "BF16" else array for name, (array, kind) in tensors.items()}


def open_mapped(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors, mapped read-only, and metadata of a safetensors file with types that numpy has.  Raises FocusError."""
    tensors, metadata = _open(Path(path))
    for name, (_, kind) in tensors.items():
        if kind == "BF16":
            raise FocusError(f"{path}: tensor '{name}' has type {kind}")
    return {name: array for name, (array, _) in tensors.items()}, metadata


class _Bf16:
    """A bf16 tensor given by its bits; becomes float32 when numpy takes its values."""
    dtype = np.dtype("<f4")

    def __init__(self, bits: np.ndarray):
        self.bits, self.shape = bits, bits.shape

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return (self.bits.astype(np.uint32) << 16).view(np.float32).astype(dtype or self.dtype, copy=False)


Values = np.ndarray | _Bf16         #: of a tensor


class Shared(Mapping[str, Values]):
    """The parameters of an entry: those it shares with the program, and its own."""

    def __init__(self, table: Sequence[Param], program: Mapping[str, Values], own: Mapping[str, Values]):
        self.names, self.program, self.alone = [p.name for p in table], program, own

    def __getitem__(self, name: str) -> Values:
        return self.alone[name] if name in self.alone else self.program[name]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self.names if name in self.alone or name in self.program])

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Referenced(Mapping[str, Values]):
    """Parameters of which some lie in a weights file that is mapped."""

    def __init__(self, packed: dict[str, np.ndarray], reference: WeightsFile, path: Path):
        """Raises FocusError when the file is not the one referred to or lacks a tensor."""
        self.packed, self.reference = packed, reference
        self.tensors = open_tensors(path)
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != reference.sha256:
                raise FocusError(f"weights file {path} is not the one the program was compiled with: its SHA-256 differs")
        for name, tensor in reference.tensors.items():
            if tensor not in self.tensors:
                raise FocusError(f"weights file {path} has no tensor '{tensor}' for parameter '{name}'")

    def __getitem__(self, name: str) -> Values:
        if name in self.packed:
            return self.packed[name]
        return self.tensors[self.reference.tensors[name]]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.packed, **self.reference.tensors})

    def __len__(self) -> int:
        return len(self.packed.keys() | self.reference.tensors.keys())
