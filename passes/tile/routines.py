"""Routines: tiled code that is emitted once, as a private function on memrefs, and called wherever the same is to be computed.

In: calls of the emitters in `kernels/`.  Out: a `func.func` for each distinct call, and a `func.call` for each call.

Two calls are the same when all that the emission depends on is: the emitter, the forms of its memrefs (shape, element type, memory, pitch, and
which of them are one and the same), every number and word among its arguments, and the attributes that kernels are to carry.  Where memrefs lie,
module paths and site numbers do not matter: they are the caller's.  So the passes that follow see identical layers once.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import count
from typing import Any

from torch_mlir import ir

from focus.dialects.support import set_attr
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.runtime.spec.machine import Machine


class ModulePath(str):
    """The module path of an op: it names kernels and appears in messages, but nothing that is emitted depends on it."""


@dataclass(frozen=True)
class Routine:
    """An emitted function: its symbol, and the DRAM buffers (rows, cols, dtype, name) that callers give besides their operands."""
    name: str
    scratch: list[tuple[int, int, str, str]]


@dataclass
class Routines:
    """The routines of a module whose tiled code is built by `b`."""
    b: TileBuilder
    module: ir.Block
    known: dict[str, Routine] = field(default_factory=dict)
    _taken: set[str] = field(init=False)

    def __post_init__(self):
        self._taken = {ir.StringAttr(op.attributes["sym_name"]).value for op in self.module.operations if "sym_name" in op.attributes}

    def call(self, emit: Callable, args: tuple, named: dict[str, Any], loc: ir.Location, site: int | None = None) -> None:
        """`emit(b, *args, **named, loc=loc)` as a call at the current insertion point.  `site`: what site 0 of the routine is here."""
        operands: dict[ir.Value, int] = {}

        def form(value: Any) -> Any:
            if isinstance(value, Mat):
                return replace(value, value=operands.setdefault(value.value, len(operands)))
            return None if isinstance(value, (ModulePath, Machine)) else value

        key = repr((emit.__name__, self.b.kernel_attrs, substitute((args, named), form)))
        if key not in self.known:
            self.known[key] = self._emit(emit, args, named, operands, loc)
        routine = self.known[key]
        scratch = [self.b.buffer("dram", *buffer, "temp").value for buffer in routine.scratch]
        op = ir.Operation.create("func.call", operands=[*operands, *scratch], loc=loc,
                                 attributes={"callee": ir.FlatSymbolRefAttr.get(routine.name)})
        set_attr(op, "focus.site", site)

    def _emit(self, emit: Callable, args: tuple, named: dict[str, Any], operands: dict[ir.Value, int], loc: ir.Location) -> Routine:
        name = self._name(emit.__name__.removeprefix("emit_"))
        with self.b.function(name, [v.type for v in operands], self.module, loc) as formal:
            args, named = substitute((args, named), lambda v: replace(v, value=formal[operands[v.value]]) if isinstance(v, Mat) else v)
            emit(self.b, *args, **named, loc=loc)
            return Routine(name, self.b.scratch)

    def _name(self, kind: str) -> str:
        name = next(name for name in (f"{kind}_{i}" for i in count()) if name not in self._taken)
        self._taken.add(name)
        return name


def substitute(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """A value in which `leaf` has replaced each Mat and whatever else is no list, tuple, dict or dataclass, at any depth."""
    if isinstance(value, (list, tuple)):
        return type(value)(substitute(v, leaf) for v in value)
    if isinstance(value, dict):
        return {k: substitute(v, leaf) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, (Mat, type)):
        return replace(value, **{f.name: substitute(getattr(value, f.name), leaf) for f in fields(value) if f.init})
    return leaf(value)
