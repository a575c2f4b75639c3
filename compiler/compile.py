"""The whole compilation: from a PyTorch model to an executable.

In: a model, the inputs of its forward, a machine and a concentration.  Out: `Executable` (or the module at an earlier level).
"""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from torch_mlir import ir

from focus.passes import manager
from focus.passes.annotate_tokens import attach_token_layout
from focus.passes.pipeline import pipeline
from focus.runtime import fxb
from focus.runtime.concentration import Concentration
from focus.runtime.machine import Machine

from .binary import Interface, build_binary

#: levels at which a compilation can stop, and the last pass of each
LEVELS = {"torch": None, "focus": "assign-layout", "tiled": "allocate", "fisa": "lower-to-fisa"}


@dataclass
class Compilation:
    """A compilation under way: the module so far and where the seconds went."""
    module: ir.Module
    binary: fxb.Binary | None = None
    seconds: list[tuple[str, float]] = field(default_factory=list)


def compile_model(model, inputs: Mapping[str, Any], machine: Machine | str | PathLike = "focus",
                  concentration: Concentration | str | PathLike = "full", *, stop: str = "binary", dump_ir: str | PathLike | None = None,
                  progress: Callable[[str], None] | None = None) -> Compilation:
    """Compile a model for inputs of these shapes (and of this token layout).

    stop: "torch" | "focus" | "tiled" | "fisa" | "binary".  dump_ir: a folder for one IR file a pass.  progress: told each stage's name.
    Raises FocusError for whatever cannot be compiled.
    """
    from .importer import import_model                      # needs torch
    machine = machine if isinstance(machine, Machine) else Machine.load(machine)
    tell = progress or (lambda name: None)
    tell("import")
    start = time.perf_counter()
    imported = import_model(model, inputs)
    attach_token_layout(imported.module, imported.tokens)
    result = Compilation(imported.module, seconds=[("import", time.perf_counter() - start)])
    config = resolve_concentration(concentration, machine, imported.model_info["depth"])
    steps = pipeline(machine, config)
    if stop in LEVELS:
        names = [s.name for s in steps]
        steps = steps[:names.index(LEVELS[stop]) + 1] if LEVELS[stop] else []
    result.seconds += manager.run(imported.module, steps, dump_dir=Path(dump_ir) if dump_ir else None, progress=progress)
    if stop == "binary":
        tell("encode")
        start = time.perf_counter()
        interface = Interface(tuple(imported.inputs), imported.static_inputs, imported.model_info["class"])
        result.binary = build_binary(imported.module, machine, config, imported.params, imported.tokens, interface).validate()
        result.seconds.append(("encode", time.perf_counter() - start))
    return result


def resolve_concentration(spec: Concentration | str | PathLike, machine: Machine, depth: int) -> Concentration:
    """The concentration to compile, which the machine must have the units for.  Raises FocusError."""
    from focus.runtime.errors import FocusError
    config = Concentration.resolve(spec, depth)
    for wanted, unit, name in ((config.sec, machine.sec, "semantic"), (config.sic, machine.sic, "similarity")):
        if wanted and not unit.present:
            raise FocusError(f"machine '{machine.name}' has no {name} concentrator; compile with concentration \"off\" or for another machine")
    return config


def compile(model, inputs: Mapping[str, Any], machine: Machine | str | PathLike = "focus",
            concentration: Concentration | str | PathLike = "full", **options):
    """Compile `model` (a Hugging Face VLM) for `inputs` (those of its forward, batch 1) into an `Executable`.

    concentration: "off" | "sec" | "sic" | "full", a TOML file, or a `Concentration`.  Options: `dump_ir`, `progress` (see `compile_model`).
    Raises FocusError for whatever cannot be compiled: an unknown model, an operator without a mapping, sizes that do not fit the buffers.
    """
    from focus.runtime.executable import Executable
    return Executable(compile_model(model, inputs, machine, concentration, **options).binary)
