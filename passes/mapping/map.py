"""map: how each op is cut into tiles, what stays on chip and which form it takes.

In: functions in storage order, after fuse-concentration.  Out: the same, with `#focus.mapping` on every op that moves or computes something.
`tile` only reads it: change a number in the text and go on with `--tile`.

Which kernels an op has follows from its types, attributes and the token layout (`kernel_forms`).  For each, the legal mapping that the cost model
finds cheapest is taken.  Where an op has several forms (queries expanded, kept or spilled; SwiGLU at once or in halves; tokens as
the stationary operand), that of the lowest sum.
`overrides` is a TOML file: tables named by module path, whose keys fix fields of the mappings, or `form`; later tables win.  A table whose name
has `*` or `?` holds wherever what it says is legal; one that names a single op must be legal.
An op that already has a mapping keeps it, if it is legal.
"""
from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.mapping import MAPPING, KernelMapping, Mapping, from_dict, to_dict
from focus.dialects.support import OpError, path_of
from focus.passes.kernels.forms import Form
from focus.passes.manager import register_pass
from focus.passes.mapping.legal import check, rest_of
from focus.passes.mapping.parts import Choice, Context
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.passes.target import resolve_machine
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, read_toml
from focus.runtime.spec.geometry import PUBLISHED_SIDE

_HELP = {"machine": "name or file of the machine description", "overrides": "TOML file that fixes mappings by module path",
         "save": "TOML file to write with all mappings chosen, which `overrides` takes",
         "search": "simulate this many of the best mappings of each form, in parallel processes, and take the best; 0: trust the cost model"}


@register_pass("map", anchor="func.func", level="tensors", help=_HELP)
def map(function: ir.OpView, *, machine: str = "focus", overrides: str = "", save: str = "", search: int = 0) -> None:
    """Write `#focus.mapping` on every op: tile sizes, what stays, form, buffering."""
    ops = list(function.regions[0].blocks[0].operations) if len(function.regions[0].blocks) else []
    vectors = [op.vector for op in ops if isinstance(op, fd.GatherOp)]
    target = Target(resolve_machine(machine), vectors[0] if vectors else PUBLISHED_SIDE)
    Mapper(function, target, Overrides.read(overrides) if overrides else Overrides(), search).run(ops)
    if save:
        with atomic_write(save) as path:
            path.write_text(to_toml(mappings_of(function)), encoding="utf-8")


# ---- overrides ---------------------------------------------------------------------------------------------------------------
@dataclass
class Overrides:
    """What the user fixed: (pattern of module paths, form or None, whole mappings or None, fields), in the order of the file."""
    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    source: str = ""

    @classmethod
    def read(cls, path: str) -> Overrides:
        """The tables of a file.  Raises FocusError where one is none."""
        tables = read_toml(path)
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise FocusError(f"{path}: {name}: expected a table named by a module path or pattern")
            for key, value in table.items():
                if key == "kernels":
                    for kernel in value if isinstance(value, list) else [value]:
                        from_dict(kernel if isinstance(kernel, dict) else {}, f"{path}: [{name}] kernels")
                elif isinstance(value, (list, dict, float)):
                    raise FocusError(f"{path}: [{name}] {key}: expected a number, a truth value or a word")
        return cls(list(tables.items()), path)

    def of(self, path: str) -> tuple[dict[str, Any], bool]:
        """What is fixed for the op at a module path, and whether it must be legal there."""
        found: dict[str, Any] = {}
        for pattern, table in self.entries:
            if path == pattern or fnmatchcase(path, pattern):
                found |= table
        return found, path in dict(self.entries)


# ---- the pass ----------------------------------------------------------------------------------------------------------------
class Mapper:
    """Maps the ops of one function."""

    def __init__(self, function: ir.OpView, target: Target, overrides: Overrides, width: int = 0):
        self.function, self.target, self.overrides = function, target, overrides
        self.search = Search(target, width)
        self.context = Context(function, target)
        self.counts: dict[str, int] = {}
        self.turned: dict[ir.Value, bool] = {}      #: concentrated operand of linear layers -> whether they take it dense

    def run(self, ops: list[ir.OpView]) -> None:
        parted = [(op, list(self.context.parts(op))) for op in ops]
        self.search.decide(Counter(form for _, parts in parted for choices in parts for choice in choices if choice.worth
                                   for form in choice.kernels), fixed=bool(self.overrides.entries))
        self.turned = self._turned(parted)
        for op, parts in parted:
            path = key_of(op, self.counts)
            if not parts:
                continue
            given, (fixed, strict) = fd.mapping_of(op), self.overrides.of(path)
            try:
                mapping = self._whole(fixed) if "kernels" in fixed else given
                if strict and fixed.get("form") == "turned" and self.turned.get(getattr(op, "x", None)) is False:
                    raise FocusError("form 'turned' takes dense rows, and its operand is concentrated: expected it of every op that uses that")
                if mapping is None:
                    mapping = self._choose(self._allowed(op, parts), fixed, strict)
                else:
                    check(self.target, parts, mapping)
            except OpError:
                raise
            except FocusError as e:
                raise OpError(op, f"{e} ({self.overrides.source})" if fixed else str(e)) from None
            op.operation.attributes[MAPPING] = fd.MappingAttr.make(mapping)
        self.search.remember()

    def _turned(self, parted: list[tuple[ir.OpView, list[list[Choice]]]]) -> dict[ir.Value, bool]:
        """Of each concentrated value that linear layers use, whether it is made dense again for tokens that are stationary in all of them: where
        the user says so of all, else where that takes less."""
        uses: dict[ir.Value, list[tuple[str, list[Choice]]]] = {}
        counts: dict[str, int] = {}
        for op, parts in parted:
            key = key_of(op, counts)
            if isinstance(op, fd.LinearOp) and isinstance(op.x.type, fd.ConcentratedType):
                uses.setdefault(op.x, []).append((key, [choice for choices in parts for choice in choices]))
        found = {}
        for x, users in uses.items():
            wanted = {form if any(c.form == form for c in choices) else None
                      for key, choices in users for form in (self.overrides.of(key)[0].get("form"),)}
            cheapest = lambda turned: sum(min((self._price(c, {}) for c in choices if (c.form == "turned") is turned), default=inf)
                                          for _, choices in users)
            if len(users) < len(list(x.uses)) or wanted != {None}:
                found[x] = len(users) == len(list(x.uses)) and wanted == {"turned"} and cheapest(True) < inf
            else:
                found[x] = all(c.worth for _, choices in users for c in choices) and cheapest(True) < cheapest(False)
        return found

    def _allowed(self, op: ir.OpView, parts: list[list[Choice]]) -> list[list[Choice]]:
        """The ways that the operand of a linear layer allows, where it is concentrated: its unique vectors, or dense rows."""
        if op.operation.name != fd.LinearOp.OPERATION_NAME or op.x not in self.turned:
            return parts
        return [[c for c in choices if (c.form == "turned") is self.turned[op.x]] for choices in parts]

    def _whole(self, fixed: dict[str, Any]) -> Mapping:
        return Mapping(fixed.get("form", "dense"), tuple(from_dict(k, self.overrides.source) for k in fixed["kernels"]))

    def _choose(self, parts: list[list[Choice]], fixed: dict[str, Any], strict: bool) -> Mapping:
        wanted, fields = fixed.get("form"), {k: v for k, v in fixed.items() if k != "form"}
        kernels: list[KernelMapping] = []
        name = ""
        known = list(dict.fromkeys(c.form for part in parts for c in part))
        if strict and wanted is not None and wanted not in known:
            raise FocusError(f"has no form '{wanted}'; it has {', '.join(known)}")
        for choices in parts:
            allowed = [c for c in choices if c.form == wanted] or [c for c in choices if c.worth] or choices
            if not strict and all(self._price(c, fields) == inf for c in allowed):
                allowed = choices
            best = min(allowed, key=lambda c: self._price(c, fields)) if len(allowed) > 1 else allowed[0]
            name = name if len(choices) == 1 and name else best.form
            for first in best.kernels:
                form: Form | None = first
                while form is not None:     # columns left over after whole n-tiles have a kernel of their own
                    mapping = self.search.choose(form, fields if (strict and form is first) or self.search.price(form, fields) < inf else {})
                    kernels.append(mapping)
                    form = rest_of(self.target, form, mapping)
        return Mapping(name, tuple(kernels))

    def _price(self, choice: Choice, fields: dict[str, Any]) -> float:
        """Cost of a choice, with the fields that are fixed where they can be; infinity where a kernel has no mapping."""
        if not choice.kernels:
            return inf
        priced = [(self.search.price(form, fields), form) for form in choice.kernels]
        return sum(price if price < inf else self.search.price(form) for price, form in priced)


def key_of(op: ir.OpView, counts: dict[str, int]) -> str:
    """The name of an op in a file of mappings: its module path; the second op of the same path is `path#1`, and so on."""
    path = path_of(op) or op.operation.name
    number = counts.get(path, 0)
    counts[path] = number + 1
    return f"{path}#{number}" if number else path


def mappings_of(function: ir.OpView) -> dict[str, Mapping]:
    """The mappings of a mapped function, by the name of each op in a file."""
    counts: dict[str, int] = {}
    found = {}
    for op in function.regions[0].blocks[0].operations:
        key, mapping = key_of(op, counts), fd.mapping_of(op)
        if mapping is not None:
            found[key] = mapping
    return found


def to_toml(mappings: dict[str, Mapping]) -> str:
    """The text of a file of mappings: a table for each op, all its kernels in it."""
    lines = []
    for key, mapping in mappings.items():
        kernels = ["    {" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in to_dict(kernel).items()) + "}," for kernel in mapping.kernels]
        lines += [f"[{json.dumps(key)}]", f"form = {json.dumps(mapping.form)}", "kernels = [", *kernels, "]", ""]
    return "\n".join(lines)
