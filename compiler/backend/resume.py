"""Going on from an IR dump: the module of a file, the level it is at, and the parameters that belong to it.

In: an IR file of any level that the compiler wrote (or one like it), and where parameter values are: a model, or a safetensors file by the names in
the IR.  Out: `Dumped`, what `compile` runs the remaining passes on; `write_tables`, which puts the tables of a request beside its dump.

Tables (`const.*`: rotary tables, resampling weights) are computed for a request and no weights of the model.  They are found in `tables.safetensors`
beside the IR file, else in the safetensors file that is given, else computed anew for the model's own request; a sum in the IR tells whether they are
the right ones.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from torch_mlir import ir

from focus.compiler.backend.binary import main_of
from focus.compiler.backend.interface import TABLE, Interface, digest
from focus.dialects.context import make_context, parse_file
from focus.dialects.contracts import INPUT, LEVEL, MACHINE, towers_of
from focus.dialects.support import get_attr, walk
from focus.passes.pipeline import pass_names
from focus.passes.target import machine_mark
from focus.passes.tensor.convert_torch_to_focus import PARAM, PARAM_NAME, value_tensor
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.machine import Machine

IR_SUFFIXES = (".mlir", ".mlirbc")
TABLES_FILE = "tables.safetensors"
Sources = Mapping[str, Callable[[], np.ndarray]]


@dataclass
class Dumped:
    """A module from a file, how many passes of the pipeline have run on it, and what it says to its user."""
    path: Path
    module: ir.Module
    done: int
    interface: Interface

    @classmethod
    def read(cls, path: str | PathLike) -> Dumped:
        """The module of a file.  Raises FocusError for a file that cannot be read or resumed from."""
        module = parse_file(path, make_context())
        with module.context, ir.Location.unknown():
            done = _passes_done(module, path)
            try:
                interface = Interface.of(main_of(module))
            except FocusError as e:
                raise FocusError(f"{path}: {e}") from None
        return cls(Path(path), module, done, interface)

    @property
    def level(self) -> str:
        return pass_names()[self.done - 1] if self.done else INPUT

    def check_machine(self, machine: Machine) -> None:
        """Raise FocusError where passes have cut the module for another machine.  (Passes on tensors only check limits of the machine.)"""
        made_for = get_attr(self.module.operation, MACHINE)
        cut = self.done > pass_names().index("assign-layout") + 1
        if cut and made_for is not None and made_for != machine_mark(machine):
            raise FocusError(f"{self.path}: is at level {self.level} for machine '{made_for.split()[0]}', not for '{machine.name}' as it is now; "
                             "give that machine, or go on from an earlier level")

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter the module uses, by name, but for constants that follow from the token layout."""
        found: dict[str, tuple[int, ...]] = {tower.ids: (tower.rows,) for tower in towers_of(main_of(self.module))}
        for op in walk(main_of(self.module)):
            name = op.operation.name
            if name == "focus.param":
                found.setdefault(op.name, tuple(op.result.type.shape))
            elif name == "focus.buffer" and op.kind == "param" and get_attr(op, "role") is None:
                found.setdefault(op.name, tuple(get_attr(op, "shape") or op.result.type.shape))
            elif name == "torch.operator" and get_attr(op, "name") == PARAM:
                typed = value_tensor(op.operation.results[0].type)
                found.setdefault(get_attr(op, PARAM_NAME), typed[0] if typed else ())
        return found

    def sources(self, weights: Any, inputs_file: str | PathLike | None = None, scope: str = "whole") -> Sources | None:
        """The values of all parameters; None for a model without values.  `weights`: a torch module, a MODEL of the tools, or a safetensors file.

        Raises FocusError for parameters that are missing or of another shape, and for tables of another request.
        """
        wanted = self.parameters()
        tables = [name for name in wanted if name.startswith(TABLE)]
        given = _Given.of(weights, inputs_file, scope)
        if given is None:
            return None
        beside = self.path.parent / TABLES_FILE
        if not self.interface.tables:
            raise FocusError(f"{self.path}: comes from a model without values, so there are no tables for its request; it can only be timed "
                             "(--no-weights, weights=False)")
        if beside.is_file():
            given.add_tables(_stored(beside))
        elif any(name not in given.values for name in tables):
            given.compute_tables(self)
        for name, shape in wanted.items():
            if name not in given.values:
                raise FocusError(f"{given.what}: has no parameter '{name}', which {self.path} uses")
            if not same_memory(given.shapes[name], shape):
                raise FocusError(f"{given.what}: parameter '{name}' has shape {list(given.shapes[name])}, but {self.path} has it as {list(shape)}")
        values = {name: given.values[name] for name in wanted}
        if digest({name: values[name] for name in tables}) != self.interface.tables:
            where = beside if beside.is_file() else given.what
            raise FocusError(f"{where}: its tables are not those of the request that {self.path} was compiled for")
        return values


def _passes_done(module: ir.Module, path: str | PathLike) -> int:
    """How many passes of the pipeline have run on a module.  Raises FocusError where it does not say, or looks otherwise."""
    names, level = pass_names(), get_attr(module.operation, LEVEL)
    if level is None:
        raise FocusError(f"{path}: does not say which pass ran last (attribute '{LEVEL}' of the module), as files of --dump-ir do")
    if level != INPUT and level not in names:
        raise FocusError(f"{path}: is at level '{level}', expected {INPUT} or a pass of the pipeline: {', '.join(names)}")
    done = names.index(level) + 1 if level != INPUT else 0
    function = main_of(module)
    if "!torch" in str(function.attributes["function_type"]):
        looks, low, high = "in the torch dialect", 0, names.index("convert-torch-to-focus")
    elif walk(function, "fisa.program"):
        looks, low, high = "in the fisa dialect", names.index("lower-to-fisa") + 1, len(names)
    elif any(op.operation.name == "focus.buffer" for op in function.regions[0].blocks[0].operations):
        looks, low, high = "tiled", names.index("tile") + 1, names.index("lower-to-fisa")
    else:
        looks, low, high = "on tensors", names.index("convert-torch-to-focus") + 1, names.index("tile")
    if not low <= done <= high:
        raise FocusError(f"{path}: says that it is at level '{level}', but @main is {looks}")
    return done


def same_memory(have: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two shapes can be of the same values in row-major order: equal, or one has neighbouring dimensions of the other as one."""
    have, wanted = (tuple(n for n in shape if n != 1) for shape in (have, wanted))
    fewer, more = sorted((have, wanted), key=len)
    at = 0
    for size in fewer:
        start = at
        while at < len(more) and prod(more[start:at + 1]) <= size:
            at += 1
        if prod(more[start:at]) != size:
            return False
    return at == len(more)


@dataclass
class _Given:
    """Values by name, as they were given: `what` names them in messages; `request` makes the model and its inputs for tables that are missing."""
    what: str
    values: dict[str, Callable[[], np.ndarray]]
    shapes: dict[str, tuple[int, ...]]
    request: tuple[Any, Mapping[str, Any]] | None = None

    @classmethod
    def of(cls, weights: Any, inputs_file: str | PathLike | None, scope: str) -> _Given | None:
        """From what the user gave; None for a model without values."""
        if isinstance(weights, (str, PathLike)) and str(weights).endswith(".safetensors"):
            found = _stored(Path(weights))
            return cls(str(weights), {n: read for n, (_, read) in found.items()}, {n: shape for n, (shape, _) in found.items()})
        from focus.compiler.frontend.backbone import Backbone
        if isinstance(weights, (str, PathLike)):
            from focus.compiler.frontend.loading import load_model
            what, (model, inputs) = str(weights), load_model(str(weights), inputs_file, scope)
        else:
            what, model, inputs = type(weights).__name__, weights, {}
        if isinstance(model, Backbone):
            return None
        from torch import nn
        if not isinstance(model, nn.Module):
            raise FocusError(f"weights is a {what}; expected a model, a safetensors file, or False for a program that can only be timed")
        from focus.compiler.frontend.importer import Parameter, has_values
        if not has_values(model):
            return None
        tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
        return cls(what, {n: Parameter(n, t) for n, t in tensors.items()}, {n: tuple(t.shape) for n, t in tensors.items()}, (model, inputs))

    def add_tables(self, found: Mapping[str, tuple[tuple[int, ...], Callable[[], np.ndarray]]]) -> None:
        for name, (shape, read) in found.items():
            self.values[name], self.shapes[name] = read, shape

    def compute_tables(self, dumped: Dumped) -> None:
        """Tables as the front end makes them for the model's request."""
        if self.request is None or not self.request[1]:
            raise FocusError(f"{dumped.path}: the tables of its request are missing: {TABLES_FILE}, which --dump-ir writes beside it")
        import torch

        from focus.compiler.frontend.importer import Parameter
        from focus.compiler.frontend.wrapper import prefill_of
        model, inputs = self.request
        prefill, _, _ = prefill_of(model, inputs)
        tables = {f"{TABLE}{name}": t for name, t in prefill.const.named_buffers()}
        tables |= {name: torch.from_numpy(tower.ids) for name, tower in prefill.towers.items()}
        self.add_tables({n: (tuple(t.shape), Parameter(n, t)) for n, t in tables.items()})


def _stored(path: Path) -> dict[str, tuple[tuple[int, ...], Callable[[], np.ndarray]]]:
    """Shape and value, read when asked for, of each tensor of a safetensors file.  Raises FocusError naming it."""
    from safetensors import SafetensorError, safe_open
    try:
        path.open("rb").close()             # says more of what cannot be opened
        file = safe_open(path, "pt")        # numpy has no bfloat16
        return {n: (tuple(file.get_slice(n).get_shape()), partial(_read, file, n)) for n in file.keys()}      # noqa: SIM118 (no dictionary)
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except SafetensorError as e:
        raise FocusError(f"{path}: no readable safetensors file: {e}") from None


def _read(file: Any, name: str) -> np.ndarray:
    from focus.compiler.frontend.importer import as_numpy
    return as_numpy(name, file.get_tensor(name))


def write_tables(folder: Path, params: Sources) -> None:
    """Write the tables among parameters to `tables.safetensors` in a folder, which is made where it is missing."""
    from safetensors.numpy import save_file
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FocusError(f"{folder}: cannot create: {e.strerror}") from None
    with atomic_write(folder / TABLES_FILE) as temporary:
        save_file({name: np.ascontiguousarray(read()) for name, read in params.items() if name.startswith(TABLE)}, temporary)
