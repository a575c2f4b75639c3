"""From lowered IR to a binary.

In: a module whose function holds placed DRAM buffers and a `fisa.program`, the values of its parameters, and what the front end knows of the
model.  Out: `fxb.Binary`.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.support import get_attr, walk
from focus.passes.tile.kernel_ir import buffer_bytes
from focus.runtime.run import fxb
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, warn
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import TokenLayout

from focus.compiler.backend.encode import encode_program

ID_LIST = "retained."        #: outputs of this name are for the trace
SNAPSHOT = 2 ** 31           #: bytes of parameters, as they are stored, that a program may hold copies of
STORED = {"f16": "f16", "f32": "f32", "i32": "i32"}


@dataclass(frozen=True)
class Interface:
    """What the user's model expects: inputs (name, numpy dtype, shape), inputs fixed at compile time, its name, its decoder layers, and how
    many tokens its embedding knows (None where none is looked up)."""
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    fixed: Mapping[str, np.ndarray]
    model: str
    layers: int = 0
    vocabulary: int | None = None


class ParamValues(Mapping):
    """Parameters by name in the binary, made when asked for: model parameters in their row order, and tables that follow from the tokens.

    Values that the stored type cannot hold are allowed; the first time such a parameter is made, a warning says so.  Values are those of the
    moment they are asked for, until `freeze` is called; afterwards they are those of that moment.
    """

    def __init__(self, sources: Mapping[str, Callable[[], np.ndarray]], tokens: TokenLayout | None,
                 entries: dict[str, tuple[str, str, fxb.Param]]):
        self._sources, self._tokens, self._entries = sources, tokens, entries
        self._looked_at: set[str] = set()
        self._kept: dict[str, np.ndarray] = {}
        self._digests: dict[str, bytes] = {}

    def freeze(self, limit: int = SNAPSHOT) -> None:
        """Hold on to the values of now.  Up to `limit` bytes, as they are stored, they are copied.  Of more, a digest is kept, and a parameter whose
        source has changed is a FocusError when it is asked for."""
        if sum(entry.nbytes for _, _, entry in self._entries.values()) <= limit:
            self._kept = {name: fxb.store(self[name], entry.stored)[0] for name, (_, _, entry) in self._entries.items()}
            # A value that is stored as its source has it may be the source's own memory.
            self._kept = {name: value if value.base is None and value.flags.owndata else value.copy() for name, value in self._kept.items()}
            self._sources = {}                              # so that the model can go
        else:
            used = {source for source, _, _ in self._entries.values() if source in self._sources}
            self._digests = {source: _digest(self._sources[source]) for source in used}

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self._kept:
            return self._kept[name]
        source, order, entry = self._entries[name]
        value = self._derived(source, entry.shape)
        if value is None:
            if source not in self._sources:
                raise FocusError(f"parameter '{source}' has no value")
            if source in self._digests and _digest(self._sources[source]) != self._digests[source]:
                raise FocusError(f"parameter '{source}' has changed since the program was compiled; compile again, or save the program before "
                                 "the model is changed")
            value = np.asarray(self._sources[source]()).reshape(entry.shape)
            if source not in self._looked_at and (found := lost(value, entry.stored)):
                warn(f"parameter '{source}': {found}")
            self._looked_at.add(source)
        return value[self._tokens.storage_order()] if order == "storage" else value

    def _derived(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """Tables that the passes ask for."""
        if name == "const.token_ids":
            return np.arange(shape[-1], dtype=np.int32).reshape(shape)
        if name == "const.positions":
            order = self._tokens.storage_order() if self._tokens is not None else np.arange(shape[-1])
            lead = shape[-1] - len(order)           # the first text rows stand ahead of the visual ones once more
            text = order[self._tokens.V:self._tokens.V + lead] if lead else order[:0]
            return np.concatenate([text, order]).astype(np.int32).reshape(shape)
        if name.startswith("const.zeros."):
            return np.zeros(shape, np.float32)
        return None

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
    return hashlib.blake2b(np.ascontiguousarray(source()).reshape(-1).view(np.uint8), digest_size=16).digest()


def lost(value: np.ndarray, stored: str) -> str:
    """What a parameter loses in its stored type, in words: values that become infinite, NaN and infinities it has, or all of it, where
    everything rounds to zero.  Empty where nothing is wrong."""
    if value.dtype.kind != "f" or not value.size:
        return ""
    low, high = float(value.min()), float(value.max())
    if stored == "f16" and 0 < max(-low, high) <= fxb.VANISHES:
        return f"all of its {value.size:,} values round to zero in fp16, the largest is {max(-low, high):.3g}"
    if -fxb.OVERFLOW < low and high < fxb.OVERFLOW:             # false for a NaN
        return ""
    _, counts = fxb.store(value, stored)
    largest = np.abs(value, where=np.isfinite(value), out=np.zeros_like(value)).max()
    said = (("overflows", f"are beyond fp16 and become infinite, the largest is {largest:.3g}"), ("nonfinite", "are NaN or infinite"))
    return "; ".join(f"{counts[key]:,} of {value.size:,} values {words}" for key, words in said if counts[key])


def build_binary(module: ir.Module, machine: Machine, concentration: Concentration, params: Mapping[str, Callable[[], np.ndarray]] | None,
                 tokens: TokenLayout | None, interface: Interface) -> fxb.Binary:
    """Assemble the binary of a lowered module; `params` None makes one that can only be timed.

    Raises FocusError when the module is not lowered or a parameter has no value.
    """
    func = next((op for op in module.body.operations if op.operation.name == "func.func"), None)
    programs = walk(func, "fisa.program") if func is not None else []
    if len(programs) != 1:
        raise FocusError("the module has no function with one fisa.program; run lower-to-fisa")
    text, source, modules = encode_program(programs[0])
    buffers = [op for op in func.regions[0].blocks[0].operations if op.operation.name == "focus.buffer"]
    entries, table = _params(buffers)
    return fxb.Binary(text=text, source=source, machine=machine, modules=modules, param_table=table,
                      params={} if params is None else ParamValues(params, tokens, entries), timing_only=params is None,
                      memory_map=_memory_map(func, buffers), inputs=_inputs(buffers, interface), outputs=_outputs(buffers),
                      fixed_inputs=_fixed(interface), sites=_sites(func, buffers), id_lists=_id_lists(buffers), tokens=tokens,
                      concentration=concentration, model=interface.model, layers=interface.layers)


def _placed(op: ir.OpView, **extra) -> dict:
    shape = get_attr(op, "shape") or list(op.operation.result.type.shape)
    return {"stored": STORED[fd.dtype_of(op.operation.result.type.element_type)], "shape": tuple(shape), "address": get_attr(op, "address")} | extra


def _params(buffers: list) -> tuple[dict[str, tuple[str, str, fxb.Param]], tuple[fxb.Param, ...]]:
    """(source name, row order, place) by name in the binary, and the table of places; a parameter that several ops use stands once."""
    entries, table = {}, []
    for op in buffers:
        if op.kind != "param":
            continue
        order = get_attr(op, "row_order", "as_is")
        name = op.name if order == "as_is" else f"{op.name}@{order}"
        if name not in entries:
            table.append(fxb.Param(**_placed(op, name=name)))
            entries[name] = op.name, order, table[-1]
    return entries, tuple(table)


def _inputs(buffers: list, interface: Interface) -> tuple[fxb.Port, ...]:
    dtypes, below = {name: dtype for name, dtype, _ in interface.inputs}, {"input_ids": interface.vocabulary}
    return tuple(fxb.Port(**_placed(op, name=op.name, dtype=dtypes.get(op.name, "float32"), below=below.get(op.name)))
                 for op in buffers if op.kind == "input")


def _outputs(buffers: list) -> tuple[fxb.Port, ...]:
    return tuple(fxb.Port(**_placed(op, name=op.name, dtype="float32")) for op in buffers if op.kind == "output" and not op.name.startswith(ID_LIST))


def _id_lists(buffers: list) -> tuple[fxb.Param, ...]:
    """The original indices of the tokens left after each pruning, in order."""
    return tuple(fxb.Param(**_placed(op, name=op.name)) for op in buffers if op.kind == "output" and op.name.startswith(ID_LIST))


def _fixed(interface: Interface) -> tuple[fxb.FixedInput, ...]:
    return tuple(fxb.FixedInput(name=n, dtype=str(v.dtype), shape=v.shape, values=tuple(v.ravel().tolist())) for n, v in interface.fixed.items())


def _memory_map(func, buffers: list) -> fxb.MemoryMap:
    """Regions of DRAM by what they hold, and the lives of what takes turns."""
    regions, top = [], get_attr(func, "focus.dram_bytes")
    for kind, name in (("param", "parameters"), ("input", "inputs"), ("output", "outputs"), ("temp", "intermediates")):
        ops = [op for op in buffers if op.kind == kind]
        if ops:
            start = min(get_attr(op, "address") for op in ops)
            end = max(get_attr(op, "address") + fxb.Param(**_placed(op, name="x")).nbytes for op in ops) if kind != "temp" else top
            regions.append(fxb.Region(name=name, address=start, bytes=max(0, end - start)))
    return fxb.MemoryMap(dram_bytes=max(1, top), regions=tuple(regions), lives=tuple(_life(op) for op in buffers if get_attr(op, "lives")))


def _life(op: ir.OpView) -> fxb.Life:
    first, last = get_attr(op, "lives")
    result = op.operation.result
    return fxb.Life(name=op.name, space=fd.space_of(result), address=get_attr(op, "address"), bytes=buffer_bytes(result.type), first=first, last=last)


def _sites(func, buffers: list) -> tuple[fxb.Site, ...]:
    bases = {op.name: get_attr(op, "address") for op in buffers if op.kind == "tile"}
    sites = []
    for i, s in enumerate(func.attributes["focus.sites"]):
        s = {a.name: a.attr for a in ir.DictAttr(s)} if not isinstance(s, dict) else s
        value = lambda k: ir.IntegerAttr(s[k]).value
        flat = list(ir.DenseI64ArrayAttr(s["tiles"]))
        sites.append(fxb.Site(layer=value("layer"), site=ir.StringAttr(s["site"]).value, width=value("width"), slices=value("slices"),
                              visual=value("visual"), tiles=tuple(zip(*[iter(flat)] * 3)), count_base=bases[f"counts.{i}"]))
    return tuple(sites)
