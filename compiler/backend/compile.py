"""The whole compilation: from a PyTorch model to an executable.

In: a model, the inputs of its forward, a machine and a concentration.  Out: `Executable` (or the module at an earlier level).
"""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import os
from os import PathLike
from pathlib import Path
from typing import Any

from torch_mlir import ir

from focus.passes import manager
from focus.passes.tensor.decoder_ir import attach_token_layout
from focus.passes.pipeline import pipeline
from focus.runtime.run import fxb
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line, warn
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import TokenLayout

from focus.compiler.backend.binary import Interface, ParamValues, build_binary

#: levels at which a compilation can stop, and the last pass of each
LEVELS = {"torch": None, "focus": "assign-layout", "tiled": "allocate", "fisa": "lower-to-fisa"}
SCOPES = ("whole", "backbone")      #: the whole model, or its decoder layers on the visual tokens


@dataclass
class Compilation:
    """A compilation under way: the module so far and where the seconds went."""
    module: ir.Module
    binary: fxb.Binary | None = None
    seconds: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class _Source:
    """What the passes start from: a module with its token layout attached, and what the binary needs besides.

    `params` is None for a model without values (on the meta device, or a backbone).  `first`: number of the first pass to run.
    """
    module: ir.Module
    tokens: TokenLayout
    interface: Interface
    depth: int
    params: Mapping[str, Callable] | None
    first: int = 0


@one_line
def compile_model(model, inputs: Mapping[str, Any], machine: Machine | str | PathLike = "focus",
                  concentration: Concentration | str | PathLike = "full", *, scope: str = "whole", stop: str = "binary",
                  dump_ir: str | PathLike | None = None, progress: Callable[[str], None] | None = None, check: bool = True,
                  mappings: str | PathLike = "", save_mappings: str | PathLike = "") -> Compilation:
    """Compile a model (or a `Backbone`, then `inputs` is empty) for inputs of these shapes and of this token layout.

    scope: "whole" | "backbone" (decoder layers on the visual tokens and one prompt token, parameters without values).  stop: "torch" |
    "focus" | "tiled" | "fisa" | "binary".  dump_ir: a folder for one IR file a pass.  progress: told each stage's name.  check: compare what is
    compiled with the model's own forward on these inputs (two forwards), where they have values; leaving it out is said in a warning.
    mappings: a TOML file that fixes mappings by module path; save_mappings: one to write with the mappings that were chosen.
    Raises FocusError for whatever cannot be compiled.
    """
    machine = machine if isinstance(machine, Machine) else Machine.load(machine)
    tell = progress or (lambda name: None)
    tell("import")
    start = time.perf_counter()
    source = _source(model, inputs, scope, stop, check)
    result = Compilation(source.module, seconds=[("import", time.perf_counter() - start)])
    config = resolve_concentration(concentration, machine, source.depth)
    steps = pipeline(machine, config, os.fspath(mappings), os.fspath(save_mappings))
    if stop in LEVELS:
        names = [s.name for s in steps]
        steps = steps[:names.index(LEVELS[stop]) + 1] if LEVELS[stop] else []
    result.seconds += manager.run(source.module, steps[source.first:], dump_dir=Path(dump_ir) if dump_ir else None, progress=progress)
    if stop == "binary":
        tell("encode")
        start = time.perf_counter()
        result.binary = build_binary(source.module, machine, config, source.params, source.tokens, source.interface).validate()
        result.seconds.append(("encode", time.perf_counter() - start))
    return result


def _source(model, inputs: Mapping[str, Any], scope: str, stop: str, check: bool) -> _Source:
    """The module to begin with, imported or written."""
    from focus.compiler.frontend.backbone import Backbone, backbone_module
    if scope not in SCOPES:
        raise FocusError(f"scope '{scope}' is none of {', '.join(SCOPES)}")
    if not isinstance(model, Backbone) and scope == "backbone":
        from focus.compiler.frontend.importer import backbone_of
        model = backbone_of(model, inputs)
    if isinstance(model, Backbone):
        if stop == "torch":
            raise FocusError(f"{model.name}: a backbone is written in the focus dialect; there is no torch level to stop at")
        return _Source(backbone_module(model), model.tokens, Interface(model.ports, {}, model.name, model.decoder.layers),
                       model.decoder.layers, None, first=1)
    from focus.compiler.frontend.importer import import_model                      # needs torch
    imported = import_model(model, inputs, check)
    if imported.params is not None and not check:
        warn("the program is not checked against the model's own forward")
    attach_token_layout(imported.module, imported.tokens)
    info = imported.model_info
    interface = Interface(tuple(imported.inputs), imported.static_inputs, info["class"], info["depth"], model.get_input_embeddings().num_embeddings)
    return _Source(imported.module, imported.tokens, interface, info["depth"], imported.params)


def resolve_concentration(spec: Concentration | str | PathLike, machine: Machine, depth: int) -> Concentration:
    """The concentration to compile, which the machine must have the units for.  Raises FocusError."""
    config = Concentration.resolve(spec, depth)
    for wanted, unit, name in ((config.sec, machine.sec, "semantic"), (config.sic, machine.sic, "similarity")):
        if wanted and not unit.present:
            raise FocusError(f"machine '{machine.name}' has no {name} concentrator; compile with concentration \"off\" or for another machine")
    return config


@one_line
def compile(model, inputs: Mapping[str, Any], machine: Machine | str | PathLike = "focus",
            concentration: Concentration | str | PathLike = "full", **options):
    """Compile `model` (a Hugging Face VLM) for `inputs` (those of its forward, batch 1) into an `Executable`.

    concentration: "off" | "sec" | "sic" | "full", a TOML file, or a `Concentration`.  Options: `scope`, `dump_ir`, `progress`, `check`, `mappings`,
    `save_mappings` (see `compile_model`).
    The program has the weights of now: the model may be changed afterwards.  (Weights of more than 2 GiB are not copied; when they have changed,
    running or saving the program is an error.)
    Raises FocusError for whatever cannot be compiled: an unknown model, an operator without a mapping, sizes that do not fit the buffers.
    """
    from focus.runtime.run.executable import Executable
    binary = compile_model(model, inputs, machine, concentration, **options).binary
    if isinstance(binary.params, ParamValues):
        binary.params.freeze()
    return Executable(binary)
