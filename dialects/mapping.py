"""Mappings: how an op is cut into tiles, what stays on chip and which form its kernels take, as values that the IR shows.

In: nothing.  Out: one dataclass for each kind of kernel mapping, `Mapping`, which holds those of an op, and their attribute form:

    focus.mapping = #focus.mapping<"whole", [{kind = "gemm", m = 512 : i64, n = 96 : i64, ...}]>

The pass `map` writes the attribute, a person may edit it, `tile` reads it.  All sizes are elements: rows of a tile, columns of a tile.
"""
from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from torch_mlir import ir

from focus.dialects.support import to_attr
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.geometry import PUBLISHED_SIDE

MAPPING = "focus.mapping"       #: op attribute
MAX_SLOTS = 4                   #: most ring slots that a buffer is given


@dataclass(frozen=True)
class KernelMapping:
    """What every kernel's mapping has.  slots: most ring slots that schedule may give a buffer of the kernel (double buffering is 2)."""
    kind: ClassVar[str] = ""
    slots: int = MAX_SLOTS


@dataclass(frozen=True)
class GemmMapping(KernelMapping):
    """A GEMM: m-tiles of `m` rows, n-tiles of `n` columns, all k-slices of one after the other.

    stays: "input" keeps an m-tile's whole rows in the input buffer for all n-tiles; "none" streams k-slices again for each n-tile.
    form: "whole"; or SwiGLU in halves, whose "gate" goes through DRAM and multiplies the "product".  turn: "across" where tokens are the
    stationary operand and weights stream, so that m counts the weights' rows and n tokens; "back" for the kernel that transposes such a result.
    partials: buffers of partial sums of unique vectors that wait for the scatter unit (0: the input is dense); shared_slices: all k-slices
    of a concentrated input share one place.  residual_tiles: tiles of the residual in flight.  separate_result: a result that is to be
    concentrated leaves the accumulators first.  weight_subs: sub-tiles, one array wide, whose weights are loaded together; such pieces take turns in
    `weight_places` places.
    pairs_aside: of SwiGLU at once, sub-tiles that may leave the accumulators before their activation, which takes long: the gate goes to the vector
    unit's memory, the other product to the memory `up_in`.
    """
    kind: ClassVar[str] = "gemm"
    form: Literal["whole", "gate", "product"] = "whole"
    turn: Literal["none", "across", "back"] = "none"
    m: int = PUBLISHED_SIDE
    n: int = PUBLISHED_SIDE
    stays: Literal["none", "input"] = "none"
    partials: int = 0
    residual_tiles: int = 0
    separate_result: bool = False
    shared_slices: bool = False
    weight_subs: int = 3
    weight_places: int = 2
    pairs_aside: int = 0
    up_in: Literal["table", "conc", "vector"] = "table"


@dataclass(frozen=True)
class AttentionMapping(KernelMapping):
    """Attention on the chip: `strands` query tiles of `m` rows interleave, in steps of `step` key columns.

    kv_cols: head columns of a tile of keys; out_cols: output columns accumulated at once (fewer than a head has: scores are made again for the
    others).  stays: "queries" keeps a strand's queries in the input buffer.  split: scores and accumulators in tiles one array wide, so that
    the vector unit works on one while the array works on the next.  partials: buffers of partial sums of unique queries (0: dense queries);
    block_rows: rows that stop together: a causal block visits no keys after its last row (0: all rows visit all steps).
    """
    kind: ClassVar[str] = "attention"
    m: int = PUBLISHED_SIDE
    strands: int = 1
    step: int = PUBLISHED_SIDE
    kv_cols: int = PUBLISHED_SIDE
    out_cols: int = PUBLISHED_SIDE
    stays: Literal["none", "queries"] = "none"
    split: bool = False
    partials: int = 0
    block_rows: int = 0


@dataclass(frozen=True)
class SpillMapping(KernelMapping):
    """Attention through DRAM: probabilities are made in steps of `step` key columns, for `heads` heads at a time, and used in query tiles of
    `m` rows and `out_cols` output columns.  partials: buffers of partial sums of unique queries."""
    kind: ClassVar[str] = "spill"
    step: int = PUBLISHED_SIDE
    m: int = PUBLISHED_SIDE
    out_cols: int = PUBLISHED_SIDE
    heads: int = 1
    partials: int = 2


@dataclass(frozen=True)
class RowsMapping(KernelMapping):
    """A sweep over rows, or their movement: tiles of `m` rows and `n` columns.  Of a gather: vectors of `n`, and text rows join the last
    visual ones where a tile then has at most `m` rows."""
    kind: ClassVar[str] = "rows"
    m: int = 1
    n: int = 1


KINDS: dict[str, type[KernelMapping]] = {c.kind: c for c in (GemmMapping, AttentionMapping, SpillMapping, RowsMapping)}


@dataclass(frozen=True)
class Mapping:
    """The mapping of an op: its form ("dense", "expand", "stay", "spill", ...) and its kernels', in the order in which they are emitted."""
    form: str
    kernels: tuple[KernelMapping, ...] = ()

    def of(self, kind: type) -> tuple:
        """The kernels' mappings of one kind, in order."""
        return tuple(k for k in self.kernels if isinstance(k, kind))

    def attribute(self) -> tuple[ir.Attribute, ir.Attribute]:
        """The two parameters of `#focus.mapping`."""
        return ir.StringAttr.get(self.form), ir.ArrayAttr.get([_encode(k) for k in self.kernels])


def to_dict(kernel: KernelMapping) -> dict[str, Any]:
    """Field values by name, the kind first; fields that hold their default are left out, but for sizes."""
    values = {k: v for k, v in asdict(kernel).items() if k in _SIZES or v != _default(type(kernel), k)}
    return {"kind": kernel.kind, **values}


_SIZES = ("m", "n", "step", "kv_cols", "out_cols")


def _default(cls: type, name: str) -> Any:
    return next(f.default for f in fields(cls) if f.name == name)


@functools.cache
def _hints(kind: str) -> dict[str, Any]:
    """The types of the fields of a kind of mapping."""
    return get_type_hints(KINDS[kind])


def from_dict(values: dict[str, Any], what: str = "mapping") -> KernelMapping:
    """The kernel mapping of field values.  Raises FocusError for an unknown kind or field and for a value of the wrong type."""
    kind = values.get("kind")
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise FocusError(f"{what}: kind is {kind!r}, expected one of {', '.join(KINDS)}")
    hints = _hints(cls.kind)
    for name, value in values.items():
        if name != "kind":
            check_field(cls, hints, name, value, what)
    return cls(**{k: v for k, v in values.items() if k != "kind"})


def check_field(cls: type[KernelMapping], hints: dict[str, Any], name: str, value: Any, what: str) -> None:
    """Raise FocusError where a kernel mapping has no such field or not such a value."""
    known = [f.name for f in fields(cls)]
    if name not in known:
        raise FocusError(f"{what}: a {cls.kind} mapping has no '{name}'; it has {', '.join(known)}")
    choices = get_args(hints[name])
    if choices and value not in choices:
        raise FocusError(f"{what}: {name} is {value!r}, expected one of {', '.join(choices)}")
    if hints[name] is bool and not isinstance(value, bool):
        raise FocusError(f"{what}: {name} is {value!r}, expected true or false")
    if hints[name] is int and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2 ** 31):
        raise FocusError(f"{what}: {name} is {value!r}, expected a number of 0 or more")
    if hints[name] is int and value == 0 and name in (*_SIZES, "slots", "strands", "heads", "weight_subs", "weight_places"):
        raise FocusError(f"{what}: {name} is 0, expected 1 or more")


def _encode(kernel: KernelMapping) -> ir.Attribute:
    return ir.DictAttr.get({k: to_attr(v) for k, v in to_dict(kernel).items()})


def decode(form: ir.Attribute, kernels: ir.Attribute) -> Mapping:
    """The mapping of the two parameters.  Raises FocusError for what is none."""
    if not isinstance(form, ir.StringAttr) or not isinstance(kernels, ir.ArrayAttr):
        raise FocusError("mapping: expected a form and a list of kernels, "
                         "as in #focus.mapping<\"dense\", [{kind = \"rows\", m = 8 : i64, n = 8 : i64}]>")
    found = []
    for entry in kernels:
        if not isinstance(entry, ir.DictAttr):
            raise FocusError(f"mapping: {entry} is no kernel, expected a dictionary")
        found.append(from_dict({a.name: _python(a.attr) for a in entry}))
    return Mapping(form.value, tuple(found))


def _python(attribute: ir.Attribute) -> Any:
    if isinstance(attribute, (ir.BoolAttr, ir.StringAttr, ir.IntegerAttr)):
        return attribute.value
    raise FocusError(f"mapping: {attribute} is no number, truth value or string")
