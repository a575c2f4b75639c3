"""From lowered IR to a binary.

In: a module whose function holds placed DRAM buffers and a `fisa.program` and says what it is to its user (`Interface`), and the values of its
parameters.  Out: `fxb.Binary`.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import numpy as np
from torch_mlir import ir

from focus.compiler.backend.interface import Interface
from focus.dialects import focus as fd
from focus.dialects.contracts import END, PLACES, SITE_TABLE
from focus.dialects.support import OpError, get_attr, path_of, walk
from focus.passes.encode import encode_program
from focus.passes.tile.kernel_ir import buffer_bytes, is_routine
from focus.runtime.run import fxb
from focus.runtime.spec.errors import FocusError, warn
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import TokenLayout

SNAPSHOT = 2 ** 31           #: bytes of parameters, as they are stored, that a program may hold copies of
STORED = {"f16": "f16", "f32": "f32", "i32": "i32"}


@dataclass(frozen=True)
class _Param:
    """A parameter of the binary: the front end's name of it, or the constant it is ("" for none), its row order and its place."""
    source: str
    constant: str
    order: str
    place: fxb.Param


class ParamValues(Mapping):
    """Parameters by name in the binary, made when asked for: model parameters in their row order, and tables that follow from the tokens.

    Values that the stored type cannot hold are allowed; the first time such a parameter is made, a warning says so.  Values are those of the
    moment they are asked for, until `freeze` is called; afterwards they are those of that moment.
    """

    def __init__(self, sources: Mapping[str, Callable[[], np.ndarray]], tokens: TokenLayout | None,
                 entries: dict[str, _Param]):
        self._sources, self._tokens, self._entries = sources, tokens, entries
        self._looked_at: set[str] = set()
        self._kept: dict[str, np.ndarray] = {}
        self._digests: dict[str, bytes] = {}

    def freeze(self) -> None:
        """Keep the current values.  Up to `SNAPSHOT` bytes, as they are stored, they are copied.  Of more, a digest is kept, and a parameter
        whose source has changed is a FocusError when it is asked for."""
        if sum(entry.place.nbytes for entry in self._entries.values()) <= SNAPSHOT:
            self._kept = {name: fxb.store(self[name], entry.place.stored)[0] for name, entry in self._entries.items()}
            # A value that is stored in the type of its source may share the source's memory.
            self._kept = {name: value if value.base is None and value.flags.owndata else value.copy() for name, value in self._kept.items()}
            self._sources = {}                              # so that the model can be freed
        else:
            used = {entry.source for entry in self._entries.values() if entry.source in self._sources}
            self._digests = {source: _digest(self._sources[source]) for source in used}

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self._kept:
            return self._kept[name]
        entry = self._entries[name]
        if entry.constant:
            return self._constant(entry.constant, entry.place.shape)
        source, place = entry.source, entry.place
        if source not in self._sources:
            raise FocusError(f"parameter '{source}' has no value")
        if source in self._digests and _digest(self._sources[source]) != self._digests[source]:
            raise FocusError(f"parameter '{source}' has changed since the program was compiled; compile again, or save the program before "
                             "the model is changed")
        value = np.asarray(self._sources[source]()).reshape(place.shape)
        if source not in self._looked_at and (found := lost(value, place.stored)):
            warn(f"parameter '{source}': {found}")
        self._looked_at.add(source)
        return value[self._tokens.storage_order()] if entry.order == "storage" and self._tokens is not None else value

    def _constant(self, what: str, shape: tuple[int, ...]) -> np.ndarray:
        """What follows from the token layout (`constant` of a `focus.buffer`)."""
        if what in ("token_ids", "rows"):
            return np.arange(shape[-1], dtype=np.int32).reshape(shape)
        if what == "zeros":
            return np.zeros(shape, np.float32)
        if what == "identity":
            return np.eye(*shape, dtype=np.float16)
        if self._tokens is None:
            return np.arange(shape[-1], dtype=np.int32).reshape(shape)
        order = self._tokens.storage_order()
        lead = shape[-1] - len(order)           # copies of the leading text rows stand in front of the visual ones
        return np.concatenate([order[self._tokens.V:self._tokens.V + lead], order]).astype(np.int32).reshape(shape)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self):
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _digest(source: Callable[[], np.ndarray]) -> bytes:
    """Of the bytes of now of a parameter."""
    if hasattr(source, "digest"):
        return source.digest()
    return hashlib.blake2b(np.ascontiguousarray(source()).reshape(-1).view(np.uint8).data, digest_size=16).digest()


def lost(value: np.ndarray, stored: fxb.Stored) -> str:
    """What a parameter loses in its stored type, in words: values that become infinite, NaN and infinite ones it has, or that all its values
    round to zero.  Empty where nothing is wrong."""
    if value.dtype.kind != "f" or not value.size:
        return ""
    low, high = float(value.min()), float(value.max())
    if stored == "f16" and 0 < max(-low, high) <= fxb.VANISHES:
        return f"all of its {value.size:,} values round to zero in fp16, the largest is {max(-low, high):.3g}"
    if low > -fxb.OVERFLOW and high < fxb.OVERFLOW:             # false for a NaN
        return ""
    _, counts = fxb.store(value, stored)
    largest = np.abs(value, where=np.isfinite(value), out=np.zeros_like(value)).max()
    said = (("overflows", f"are beyond fp16 and become infinite, the largest is {largest:.3g}"), ("nonfinite", "are NaN or infinite"))
    return "; ".join(f"{counts[key]:,} of {value.size:,} values {words}" for key, words in said if counts[key])


def main_of(module: ir.Module) -> ir.OpView:
    """The function that is the program: the first one that is no routine.  Raises FocusError."""
    for op in module.body.operations:
        if op.operation.name == "func.func" and not is_routine(op):
            return op
    raise FocusError("the module has no function @main")


def build_binary(module: ir.Module, machine: Machine, params: Mapping[str, Callable[[], np.ndarray]] | None, steps: int = 1) -> fxb.Binary:
    """Assemble the binary of a lowered module; `params` None makes one that can only be timed.  `steps`: the step register holds a number below it.

    Raises FocusError when the module is not lowered, does not say what it is to its user, or a parameter has no value.
    """
    func = main_of(module)
    programs = walk(func, "fisa.program")
    if len(programs) != 1:
        raise FocusError("the module has no function with one fisa.program; run lower-to-fisa")
    interface = Interface.of(func)
    text, source, modules = encode_program(programs[0])
    buffers = [op for op in func.regions[0].blocks[0].operations if op.operation.name == "focus.buffer"]
    entries, table = _params(buffers)
    return fxb.Binary(text=text, source=source, machine=machine, modules=modules, param_table=table,
                      params={} if params is None else ParamValues(params, interface.tokens, entries), timing_only=params is None,
                      memory_map=_memory_map(func, buffers), inputs=_inputs(buffers, interface), outputs=_outputs(buffers),
                      fixed_inputs=_fixed(interface), sites=_sites(func, buffers), id_lists=_id_lists(buffers), tokens=interface.tokens,
                      concentration=interface.concentration, model=interface.model, layers=interface.layers, steps=steps)


def _placed(op: ir.OpView, **extra) -> dict:
    shape = get_attr(op, "shape") or list(op.operation.result.type.shape)
    return {"stored": STORED[fd.dtype_of(op.operation.result.type.element_type)], "shape": tuple(shape), "address": get_attr(op, "address")} | extra


def _params(buffers: list) -> tuple[dict[str, _Param], tuple[fxb.Param, ...]]:
    """The parameters by name in the binary, and the table of places; one that several ops use is listed once."""
    entries: dict[str, _Param] = {}
    known: set[tuple] = set()
    for op in buffers:
        if op.kind != "param":
            continue
        order, constant = get_attr(op, "row_order", "as_is"), get_attr(op, "constant", "")
        key = op.name, constant, order, get_attr(op, "address")
        if key in known:
            continue
        known.add(key)
        plain = op.name if order == "as_is" else f"{op.name}@{order}"
        name = next(n for n in chain([plain], (f"{plain}#{i}" for i in count(2))) if n not in entries)
        entries[name] = _Param(op.name, constant, order, fxb.Param(**_placed(op, name=name)))
    return entries, tuple(entry.place for entry in entries.values())


def _inputs(buffers: list, interface: Interface) -> tuple[fxb.Port, ...]:
    ports = []
    for op in sorted((op for op in buffers if op.kind == "input"), key=lambda op: get_attr(op, "port")):
        name, dtype, _ = interface.inputs[get_attr(op, "port")]
        below = interface.vocabulary if get_attr(op, "role") == "token_ids" else None
        ports.append(fxb.Port(**_placed(op, name=name, dtype=dtype, below=below)))
    return tuple(ports)


def _outputs(buffers: list) -> tuple[fxb.Port, ...]:
    return tuple(fxb.Port(**_placed(op, name=op.name, dtype="float32")) for op in buffers if op.kind == "output" and get_attr(op, "role") is None)


def _id_lists(buffers: list) -> tuple[fxb.Param, ...]:
    """The original indices of the tokens left after each pruning, in order."""
    return tuple(fxb.Param(**_placed(op, name=op.name)) for op in buffers if get_attr(op, "role") == "retained")


def _fixed(interface: Interface) -> tuple[fxb.FixedInput, ...]:
    entries: list[dict[str, Any]] = [{"name": n, "dtype": str(v.dtype), "shape": v.shape, "values": tuple(v.ravel().tolist())}
                                     for n, v in interface.fixed.items()]
    return tuple(fxb.FixedInput(**entry) for entry in entries)


def _memory_map(func, buffers: list) -> fxb.MemoryMap:
    """Regions of DRAM by what they hold, and the live ranges of values that share places."""
    regions, top = [], get_attr(func, "focus.dram_bytes")
    shared = get_attr(func, PLACES, {}).get(END, 0)                 # what lies below is in the regions of another program
    for kind, name in (("param", "parameters"), ("cache", "caches"), ("input", "inputs"), ("output", "outputs"), ("temp", "intermediates")):
        ops = [op for op in buffers if op.kind == kind and get_attr(op, "address") >= shared]
        if ops:
            start = min(get_attr(op, "address") for op in ops)
            end = max(get_attr(op, "address") + fxb.Param(**_placed(op, name="x")).nbytes for op in ops) if kind != "temp" else top
            regions.append(fxb.Region(name=name, address=start, bytes=max(0, end - start)))
    return fxb.MemoryMap(dram_bytes=max(1, top), regions=tuple(regions), caches=_caches(buffers),
                         lives=tuple(_live_range(op) for op in buffers if get_attr(op, "lives")),
                         values=tuple(_value(op) for op in buffers if get_attr(op, "lives") and get_attr(op, "holds")))


def _caches(buffers: list) -> tuple[fxb.Cache, ...]:
    """Keys and values that outlive the program, in the order of their places."""
    numbers = ("requests", "lead", "held", "room")
    found = [fxb.Cache(**_placed(op, name=op.name), **{key: get_attr(op, key) for key in numbers}) for op in buffers if op.kind == "cache"]
    return tuple(sorted(found, key=lambda cache: cache.address))


def _value(op: ir.OpView) -> fxb.HeldValue:
    """What an intermediate buffer holds of the model's modules, without the rows before it."""
    type_, lead = op.operation.result.type, get_attr(op, "lead", 0)
    rows, cols = type_.shape
    place: dict[str, Any] = _placed(op, name=path_of(op), shape=(rows - lead, cols))
    place["address"] += lead * (buffer_bytes(type_) // rows)
    return fxb.HeldValue(**place, holds=get_attr(op, "holds"), kernel=get_attr(op, "lives")[1])


def _live_range(op: ir.OpView) -> fxb.LiveRange:
    first, last = get_attr(op, "lives")
    result = op.operation.result
    values: dict[str, Any] = {"name": op.name, "space": fd.space_of(result), "address": get_attr(op, "address"), "bytes": buffer_bytes(result.type)}
    return fxb.LiveRange(first=first, last=last, **values)


def _sites(func, buffers: list) -> tuple[fxb.Site, ...]:
    bases = {get_attr(op, "site"): get_attr(op, "address") for op in buffers if get_attr(op, "role") == "counts"}
    table = list(func.attributes[SITE_TABLE]) if SITE_TABLE in func.attributes else []
    if set(bases) != set(range(len(table))):
        raise OpError(func, f"has {len(table)} sites, but buffers for the counts of sites {sorted(bases)}")
    sites = []
    for i, s in enumerate(table):
        value = lambda k: ir.IntegerAttr(s[k]).value
        flat = list(ir.DenseI64ArrayAttr(s["tiles"]))
        sites.append(fxb.Site(layer=value("layer"), site=ir.StringAttr(s["site"]).value, width=value("width"), slices=value("slices"),
                              visual=value("visual"), tiles=tuple(zip(*[iter(flat)] * 3)), count_base=bases[i]))
    return tuple(sites)
