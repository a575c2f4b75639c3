"""What a program is to its user, as Python values and as attributes of `@main`.

In: what the front end knows of a model and its request.  Out: `Interface`, which `attach` writes to the IR before the first pass and `Interface.of`
reads back at any level; so the IR alone says how the binary is to be used.  The attributes are described in `dialects/contracts.py`.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch_mlir import ir

from focus.compiler.frontend.layout import TowerRows
from focus.dialects import contracts, focus as fd
from focus.dialects.support import I64, OpError, get_attr, set_attr, to_attr
from focus.passes.tensor.decoder_ir import token_layout
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import TokenLayout

TOKEN_IDS = "input_ids"         #: name of the input that holds token ids, in every model of transformers
TABLE = "const."                #: how the names of tables begin that are computed for a request


@dataclass(frozen=True)
class TowerRun:
    """A run of the vision tower: the fields of `#focus.tower`."""
    ids: str
    rows: int
    layers: int
    grids: tuple[int, ...]
    sides: tuple[int, ...]
    reach: tuple[int, ...]

    @classmethod
    def of(cls, name: str, tower: TowerRows, layers: int) -> TowerRun:
        """From what the front end knows of the rows; `name`: of the table of their indices."""
        return cls(name, len(tower.ids), layers, tuple(tower.tokens.flat_grids()), tower.sides, tower.reach)

    def attribute(self) -> ir.Attribute:
        return contracts.TowerAttr.make(self.ids, self.rows, self.layers, self.grids, self.sides, self.reach)


@dataclass(frozen=True)
class Interface:
    """How the user's model is called, and for what it was compiled.

    inputs: (name, numpy dtype, shape) of each argument of `@main`.  fixed: values of inputs fixed at compile time.  vocabulary: how many tokens the
    embedding knows (None where none is looked up).  tables: SHA-256 of the computed tables, "" for a program without values.  towers: the runs of the
    vision tower, in order.  caches: where keys and values are kept for steps of decode, for how many requests and with room for how many new tokens.
    """
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    fixed: Mapping[str, np.ndarray]
    model: str
    layers: int = 0
    vocabulary: int | None = None
    tokens: TokenLayout | None = None
    concentration: Concentration = field(default_factory=lambda: Concentration(similarity=False))
    tables: str = ""
    towers: tuple[TowerRun, ...] = ()
    caches: tuple[int, int] | None = None

    @property
    def tower(self) -> int:
        """Layers of the vision tower; 0 without one."""
        return min((run.layers for run in self.towers), default=0)

    def attach(self, function: ir.OpView) -> None:
        """Write it to a function, in sequence order.  Raises FocusError for a fixed input of a type that the IR cannot hold."""
        role = lambda name: ("token_ids", self.vocabulary or 0) if name == TOKEN_IDS else ("data", 0)
        ports = [fd.PortAttr.make(name, dtype, shape, *role(name)) for name, dtype, shape in self.inputs]
        values = {contracts.MODEL: self.model, contracts.LAYERS: self.layers, contracts.PORTS: ir.ArrayAttr.get(ports),
                  contracts.FIXED: ir.DictAttr.get({name: _dense(name, value) for name, value in self.fixed.items()}),
                  contracts.CONCENTRATION: fd.ConcentrationAttr.make(self.concentration), contracts.ROW_ORDER: "sequence",
                  contracts.TABLES: self.tables or None}
        if self.tokens is not None:
            t = self.tokens
            values |= {contracts.TOKENS: fd.TokensAttr.make(t.V, t.S, t.flat_runs(), t.flat_grids()), contracts.VISUAL_IDS: list(t.visual_ids)}
        if self.caches is not None:
            values[contracts.CACHES] = contracts.CachesAttr.make(*self.caches)
        if self.towers:
            values[contracts.TOWERS] = ir.ArrayAttr.get([tower.attribute() for tower in self.towers])
        for name, value in values.items():
            set_attr(function, name, value)

    @classmethod
    def of(cls, function: ir.OpView) -> Interface:
        """What a function says.  Raises OpError where something is missing."""
        for name in (contracts.MODEL, contracts.LAYERS, contracts.PORTS, contracts.FIXED, contracts.CONCENTRATION, contracts.ROW_ORDER):
            if name not in function.attributes:
                raise OpError(function, f"has no attribute '{name}', which the compiler writes before the first pass: no program can be made of it")
        ports = list(function.attributes[contracts.PORTS])
        below = [port.below for port in ports if port.role == "token_ids"]
        fixed = {entry.name: _array(entry.attr) for entry in function.attributes[contracts.FIXED]}
        caches = function.attributes[contracts.CACHES] if contracts.CACHES in function.attributes else None
        tokens = token_layout(function) if contracts.TOKENS in function.attributes else None
        return cls(tuple((p.label, p.dtype, tuple(p.shape)) for p in ports), fixed, get_attr(function, contracts.MODEL),
                   get_attr(function, contracts.LAYERS), (below or [0])[0] or None, tokens, function.attributes[contracts.CONCENTRATION].config(),
                   get_attr(function, contracts.TABLES, ""),
                   tuple(TowerRun(t.ids, t.rows, t.layers, tuple(t.grids), tuple(t.sides), tuple(t.reach)) for t in contracts.towers_of(function)),
                   (caches.requests, caches.room) if caches is not None else None)


def _dense(name: str, value: np.ndarray) -> ir.Attribute:
    """The values of a fixed input as a dense attribute."""
    elements = {"int64": I64.wrap, "int32": lambda v: ir.IntegerAttr.get(ir.IntegerType.get_signless(32), v),
                "bool": to_attr, "float32": lambda v: ir.FloatAttr.get(ir.F32Type.get(), v), "float64": to_attr}
    types = {numpy: text for text, numpy in contracts.FIXED_DTYPES.items()}
    if str(value.dtype) not in elements:
        raise FocusError(f"input '{name}' has elements of {value.dtype}, expected one of {', '.join(elements)}")
    element = elements[str(value.dtype)]
    type_ = ir.RankedTensorType.get(list(value.shape), ir.Type.parse(types[str(value.dtype)]))
    return ir.DenseElementsAttr.get([element(v) for v in value.ravel().tolist()], type_)


def _array(attr: ir.DenseElementsAttr) -> np.ndarray:
    """The values of a dense attribute."""
    dtype = contracts.FIXED_DTYPES[str(attr.type.element_type)]
    return np.array([attr[i] for i in range(len(attr))], dtype).reshape(list(attr.type.shape))


def digest(tables: Mapping[str, Callable[[], Any]]) -> str:
    """SHA-256 of names, shapes and values of tables."""
    total = hashlib.sha256()
    for name in sorted(tables):
        value = np.ascontiguousarray(tables[name]())
        total.update(f"{name} {value.dtype} {list(value.shape)} ".encode())
        total.update(value.tobytes())
    return total.hexdigest()
