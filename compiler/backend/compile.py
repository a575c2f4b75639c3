"""The whole compilation: from a PyTorch model to an executable.

In: a model, the inputs of its forward, a machine and a concentration; or an IR file of an earlier compilation and the parameters.
Out: `Executable` (or the module at an earlier level).
"""
from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch_mlir import ir

from focus.compiler.backend.binary import ParamValues, build_binary, main_of
from focus.compiler.backend.interface import TABLE, Interface, TowerRun, digest
from focus.compiler.backend.resume import IR_SUFFIXES, Dumped, write_tables
from focus.dialects.context import make_context, parse_text
from focus.dialects.contracts import CONCENTRATION, END, INPUT, LEVEL, PLACES, ConcentrationAttr, check_module
from focus.dialects.support import set_attr, to_attr, to_text
from focus.passes import manager
from focus.passes.pipeline import pass_names, pipeline, step_pipeline
from focus.passes.steps import Step
from focus.passes.watch import Dump, Watcher
from focus.runtime.run import fxb
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line, path_of, warn
from focus.runtime.spec.machine import Machine

if TYPE_CHECKING:
    from focus.compiler.frontend.wrapper import Prefill
    from focus.runtime.run.executable import Executable

#: levels at which a compilation can stop, and the last pass of each
STOPS = {"torch": None, "focus": "assign-layout", "tiled": "allocate", "fisa": "lower-to-fisa", "binary": "lower-to-fisa"}
MOST_SEARCHED = 1000                #: mappings of a form
MOST_NEW = 1 << 16                  #: tokens that may follow a request
MOST_CHECKED = 8                    #: tokens of a follow-up that are compared with the model's own forward
MOST_REQUESTS = 256                 #: side by side
SCOPES = ("whole", "backbone")      #: the whole model, or its decoder layers on the visual tokens


@dataclass
class Compilation:
    """A compilation: the module at its present level, the seconds of each pass, and the binary once it is made, with its parameter values."""
    module: ir.Module
    seconds: list[tuple[str, float]] = field(default_factory=list)
    made: fxb.Binary | None = None

    @property
    def binary(self) -> fxb.Binary:
        """The binary.  Raises FocusError for a compilation that stopped at a level before it."""
        if self.made is None:
            raise FocusError("the compilation stopped before there was a binary")
        return self.made


@dataclass
class _Source:
    """What the passes start from: a module that says what it is to its user, how many passes have run on it, and the values of its parameters
    (None for a program that can only be timed: of a model on the meta device, or a backbone)."""
    module: ir.Module
    params: Mapping[str, Callable] | None
    done: int = 0
    prefill: Prefill | None = None          #: what was exported, from which steps of decode go on


@dataclass(frozen=True)
class Options:
    """Options of a compilation besides the model, its inputs, the machine and the concentration.  Raises FocusError for a wrong value."""
    scope: str = "whole"            #: or "backbone": decoder layers on the visual tokens and one prompt token, parameters without values
    stop: str = "binary"            #: the level to stop at: "torch" | "focus" | "tiled" | "fisa" | "binary"
    check: bool = True              #: compare what is compiled with the model's own forward (two forwards), where inputs and parameters have values
    verify_each: bool = False       #: verify the IR after each pass, not after the last alone; where the IR is dumped or watched it always is
    dump_ir: str | PathLike | None = None           #: a folder for one IR file per pass
    mappings: str | PathLike | None = None          #: a TOML file that fixes mappings by module path
    save_mappings: str | PathLike | None = None     #: a TOML file to write, with the mappings that were chosen
    search: int = 0                 #: mappings of a form that are simulated, to take the best (0: the cost model decides)
    max_new_tokens: int = 0         #: tokens that may follow the request, generated or asked; 0: none, and no caches
    requests: int = 1               #: requests of the same shape that go on side by side, each with caches of its own
    follow_up: int = 0              #: tokens of a follow-up that are taken at a time; 0: no program for follow-ups
    progress: Callable[[str], None] | None = None   #: told the name of each stage as it begins
    watchers: Sequence[Watcher] = ()                #: told of the module around each pass (`focus.passes.watch`)

    def __post_init__(self) -> None:
        for value, what, known in ((self.scope, "scope", SCOPES), (self.stop, "level", STOPS)):
            if not isinstance(value, str) or value not in known:
                raise FocusError(f"{what} '{value}' is none of {', '.join(known)}")
        for name in ("dump_ir", "mappings", "save_mappings"):
            if getattr(self, name) is not None:
                path_of(getattr(self, name), name)
        for name in ("check", "verify_each"):
            if not isinstance(getattr(self, name), bool):
                raise FocusError(f"{name}: True or False expected, got {type(getattr(self, name)).__name__}")
        if not isinstance(self.search, int) or not 0 <= self.search <= MOST_SEARCHED:
            raise FocusError(f"search is {self.search!r}, expected a number of 0 to {MOST_SEARCHED}")
        for name, low, high in (("max_new_tokens", 0, MOST_NEW), ("requests", 1, MOST_REQUESTS), ("follow_up", 0, MOST_NEW)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise FocusError(f"{name} is {value!r}, expected a number of {low} to {high}")
        if not self.max_new_tokens and (self.requests > 1 or self.follow_up):
            raise FocusError("requests and follow_up are about tokens that follow a request: give max_new_tokens too")
        if self.max_new_tokens and self.scope == "backbone":
            raise FocusError("scope 'backbone' makes no tokens: it has no head; max_new_tokens goes with scope 'whole'")
        if self.progress is not None and not callable(self.progress):
            raise FocusError(f"progress: a function expected, got {type(self.progress).__name__}")
        if not isinstance(self.watchers, (list, tuple)) or not all(isinstance(w, Watcher) for w in self.watchers):
            raise FocusError(f"watchers: a list of focus.passes.watch.Watcher expected, got {self.watchers!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """From keyword arguments.  Raises FocusError for an unknown name."""
        known = [f.name for f in fields(cls)]
        for name in options:
            if name not in known:
                raise FocusError(f"there is no option '{name}' of compiling (options: {', '.join(known)})")
        return cls(**options)

    @property
    def room(self) -> int:
        """Rows of a cache for new tokens: of the last follow-up, a whole piece has room."""
        return self.max_new_tokens + max(0, self.follow_up - 1)

    def run(self, module: ir.Module, passes: Sequence[Step], watchers: Sequence[Watcher]) -> list[tuple[str, float]]:
        """Run passes as `manager.run` does.  Verifying takes as long as the passes do, and what is encoded is checked instruction by instruction."""
        each = self.verify_each or bool(watchers)
        return manager.run(module, passes, verify_each=each, verify_last=True, watchers=watchers, progress=self.progress)

    def tell(self, stage: str) -> None:
        if self.progress:
            self.progress(stage)


@one_line
def compile_model(model, inputs: Mapping[str, Any], machine: Machine | str | PathLike = "focus",
                  concentration: Concentration | str | PathLike = "full", **options) -> Compilation:
    """Compile a model (or a `Backbone`, then `inputs` is empty) for inputs of these shapes and of this token layout; `options`: see `Options`.

    Raises FocusError for whatever cannot be compiled.
    """
    chosen = Options.of(options)
    machine = machine if isinstance(machine, Machine) else Machine.load(machine)
    chosen.tell("import")
    start = time.perf_counter()
    source = _source(model, inputs, chosen, lambda depth, tower: resolve_concentration(concentration, machine, depth, tower))
    result = _finish(source, machine, chosen, [("import", time.perf_counter() - start)])
    if chosen.max_new_tokens and chosen.stop == "binary":
        add_steps(result, source, machine, chosen)
    return result


@one_line
def resume(path: str | PathLike, weights: Any, machine: Machine | str | PathLike = "focus", *,
           concentration: Concentration | str | PathLike | None = None, inputs_file: str | PathLike | None = None, **options) -> Compilation:
    """Compile on from an IR file of `dump_ir`, of any level.

    weights: a torch module, a MODEL of the tools (`inputs_file` as there), or a safetensors file of parameters by the names in the IR; False for
    a program that can only be timed.  concentration: another one than the file says, before the pass that inserts it.  options: see `Options`.
    Raises FocusError for a file that cannot be gone on from, and for parameters that are missing or of another shape.
    """
    chosen = Options.of(options)
    machine = machine if isinstance(machine, Machine) else Machine.load(machine)
    chosen.tell("import")
    start = time.perf_counter()
    dumped = Dumped.read(path)
    dumped.check_machine(machine)
    if dumped.done > len(_until(chosen.stop)):
        raise FocusError(f"{path}: is at level {dumped.level} already, beyond '{chosen.stop}'")
    if (chosen.mappings or chosen.save_mappings) and dumped.done > pass_names().index("map"):
        raise FocusError(f"{path}: is at level {dumped.level}, which has its mappings; they are read and written before the pass 'map'")
    with dumped.module.context, ir.Location.unknown():
        config = dumped.interface.concentration
        if concentration is not None:
            if dumped.done > pass_names().index("insert-concentration"):
                raise FocusError(f"{path}: is at level {dumped.level}, where another concentration comes too late; go on from an earlier file")
            config = Concentration.resolve(concentration, dumped.interface.layers, dumped.interface.tower)
            main_of(dumped.module).attributes[CONCENTRATION] = ConcentrationAttr.make(config)
        resolve_concentration(config, machine, dumped.interface.layers, dumped.interface.tower)
        params = None if weights is False or chosen.stop != "binary" else dumped.sources(weights, inputs_file, chosen.scope)
    return _finish(_Source(dumped.module, params, dumped.done), machine, chosen, [("import", time.perf_counter() - start)])


@dataclass(frozen=True)
class ModelIR:
    """A model's module as it was imported, and its parameters: to be compiled for many machines and concentrations.  It holds no state of MLIR, so
    forked processes may go on from it, and it can be pickled."""
    text: str                                       #: with locations
    params: Mapping[str, Callable] | None           #: as `_Source` has them
    layers: int                                     #: of the decoder
    tower: int                                      #: layers of the vision tower; 0: there is none
    done: int                                       #: passes that have run on it

    @classmethod
    @one_line
    def of(cls, model, inputs: Mapping[str, Any], scope: str = "whole") -> ModelIR:
        """Import a model (or write a `Backbone`) and check it against its own forward.  scope: as in `Options`.  Raises FocusError for whatever
        cannot be imported."""
        source = _source(model, inputs, Options(scope), lambda depth, tower: Concentration(similarity=False))
        with source.module.context:
            interface = Interface.of(main_of(source.module))
        return cls(to_text(source.module), source.params, interface.layers, interface.tower, source.done)

    @one_line
    def compile(self, machine: Machine | str | PathLike = "focus", concentration: Concentration | str | PathLike = "full", **options) -> Compilation:
        """As `compile_model` of the model, without steps of decode.  Raises FocusError for whatever cannot be compiled."""
        chosen = Options.of(options)
        if chosen.max_new_tokens:
            raise FocusError("a model that was imported for its prefill alone has no steps of decode: compile the model itself")
        machine = machine if isinstance(machine, Machine) else Machine.load(machine)
        start = time.perf_counter()
        config = resolve_concentration(concentration, machine, self.layers, self.tower)
        module = parse_text(self.text, "imported model", make_context())
        with module.context, ir.Location.unknown():
            main_of(module).attributes[CONCENTRATION] = ConcentrationAttr.make(config)
        return _finish(_Source(module, self.params, self.done), machine, chosen, [("import", time.perf_counter() - start)])


def add_steps(result: Compilation, source: _Source, machine: Machine, options: Options) -> None:
    """Compile the programs for what follows a request, against the caches of its program, and enter them in the binary."""
    from focus.compiler.frontend.importer import import_step
    from focus.compiler.frontend.steps import Shape
    main, entries = result.binary, {}
    assert source.prefill is not None           # a model was imported
    shared = {place.name: place.address for place in (*main.param_table, *main.memory_map.caches)} | {END: main.memory_map.dram_bytes}
    for name, new in (("decode", 1), ("extend", options.follow_up)):
        if not new:
            continue
        options.tell(name)
        start = time.perf_counter()
        shape = Shape(options.requests, new)
        imported = import_step(source.prefill, {cache.name: cache for cache in main.memory_map.caches}, shape)
        interface = Interface(tuple(imported.inputs), {}, main.model, main.layers, main.inputs[-1].below)
        step = _begun(imported.module, interface, imported.params)
        with step.module.context, ir.Location.unknown():
            set_attr(main_of(step.module), PLACES, ir.DictAttr.get({key: to_attr(at) for key, at in shared.items()}))
        watchers = [*options.watchers, *([Dump(Path(options.dump_ir) / name, 0, INPUT)] if options.dump_ir else [])]
        passes = step_pipeline(machine, os.fspath(options.mappings or ""), options.search)
        options.run(step.module, passes, watchers)
        with step.module.context, ir.Location.unknown():
            made = build_binary(step.module, machine, step.params, options.room - new + 1)
        if step.params is not None:
            own = {p.name: fxb.store(np.asarray(made.params[p.name]), p.stored)[0] for p in made.own(main)}
            made.params = fxb.Shared(made.param_table, main.params, own)
        entries[name] = made
        shared |= {place.name: place.address for place in made.param_table} | {END: made.memory_map.dram_bytes}
        result.seconds.append((name, time.perf_counter() - start))
    main.entries = entries
    main.validate()


def _until(stop: str) -> tuple[str, ...]:
    """The passes up to a level to stop at."""
    last = STOPS[stop]
    return pass_names()[:pass_names().index(last) + 1] if last else ()


def _finish(source: _Source, machine: Machine, options: Options, seconds: list[tuple[str, float]]) -> Compilation:
    """Run the passes that are left, up to the level to stop at, and make the binary."""
    result = Compilation(source.module, seconds)
    with source.module.context, ir.Location.unknown():
        config = main_of(source.module).attributes[CONCENTRATION].config()
    whole = pipeline(machine, config, os.fspath(options.mappings or ""), os.fspath(options.save_mappings or ""), options.search)
    steps = whole[source.done:len(_until(options.stop))]
    watchers = list(options.watchers)
    if options.dump_ir:
        watchers.append(Dump(Path(options.dump_ir), source.done, pass_names()[source.done - 1] if source.done else INPUT))
        if source.params is not None:
            write_tables(Path(options.dump_ir), source.params)
    result.seconds += options.run(source.module, steps, watchers)
    if options.stop == "binary":
        options.tell("encode")
        start = time.perf_counter()
        with source.module.context, ir.Location.unknown():
            result.made = build_binary(source.module, machine, source.params, options.requests).validate()
        if isinstance(result.made.params, ParamValues):
            result.made.params.freeze()
        result.seconds.append(("encode", time.perf_counter() - start))
    return result


def _source(model, inputs: Mapping[str, Any], options: Options, concentration: Callable[[int, int], Concentration]) -> _Source:
    """The module to begin with, imported or written.  `concentration`: what is meant for a decoder and a vision tower of so many layers."""
    from focus.compiler.frontend.backbone import Backbone, backbone_module
    if not isinstance(model, Backbone) and options.scope == "backbone":
        from focus.compiler.frontend.importer import backbone_of
        model = backbone_of(model, inputs)
    if isinstance(model, Backbone):
        if options.stop == "torch":
            raise FocusError(f"{model.name}: a backbone is written in the focus dialect; there is no torch level to stop at")
        depth = model.decoder.layers
        interface = Interface(model.ports, {}, model.name, depth, None, model.tokens, concentration(depth, 0))
        return _begun(backbone_module(model), interface, None, done=pass_names().index("convert-torch-to-focus") + 1)
    from focus.compiler.frontend.importer import import_model  # needs torch
    steps = sorted({1, min(options.follow_up, MOST_CHECKED)} - {0}) if options.max_new_tokens else []
    imported = import_model(model, inputs, options.check, steps)
    if imported.params is not None and not options.check:
        warn("the program is not checked against the model's own forward")
    info, params = imported.model_info, imported.params
    tables = digest({name: read for name, read in params.items() if name.startswith(TABLE)}) if params is not None else ""
    if options.max_new_tokens:
        from focus.compiler.frontend.steps import check_room
        assert imported.tokens is not None
        check_room(model, imported.tokens.S, options.room)
    interface = Interface(tuple(imported.inputs), imported.static_inputs, info["class"], info["depth"], model.get_input_embeddings().num_embeddings,
                          imported.tokens, concentration(info["depth"], info["vision_depth"]), tables,
                          tuple(TowerRun.of(name, tower, info["vision_depth"]) for name, tower in imported.towers.items() if info["vision_depth"]),
                          (options.requests, options.room) if options.max_new_tokens else None)
    return replace(_begun(imported.module, interface, params), prefill=imported.prefill)


def _begun(module: ir.Module, interface: Interface, params: Mapping[str, Callable] | None, done: int = 0) -> _Source:
    """A module that says what it is to its user, and how many passes have run on it."""
    with module.context, ir.Location.unknown():
        interface.attach(main_of(module))
        set_attr(module.operation, LEVEL, pass_names()[done - 1] if done else INPUT)
        if not check_module(module):
            raise FocusError(f"{interface.model}: the importer's module does not verify")
    return _Source(module, params, done)


def resolve_concentration(spec: Concentration | str | PathLike, machine: Machine, depth: int, tower: int) -> Concentration:
    """The concentration to compile for a decoder and a vision tower (0: there is none) of so many layers, which the machine must have the units
    for.  Raises FocusError."""
    config = Concentration.resolve(spec, depth, tower)
    for wanted, unit, name in ((config.sec, machine.sec, "semantic"), (config.sic, machine.sic, "similarity")):
        if wanted and not unit.present:
            raise FocusError(f"machine '{machine.name}' has no {name} concentrator; compile with concentration \"off\" or for another machine")
    return config


@one_line
def compile(model, inputs: Mapping[str, Any] | None = None, machine: Machine | str | PathLike = "focus",
            concentration: Concentration | str | PathLike | None = None, **options) -> Executable:
    """Compile `model` (a Hugging Face VLM) for `inputs` (those of its forward, batch 1) into an `Executable`.

    `model` may also be an IR file of `dump_ir`, which takes no inputs: compiling goes on from there, with the option `weights` (see `resume`).

    concentration: "off" | "sec" | "sic" | "full" (default), a TOML file, or a `Concentration`.  options: the fields of `Options` but `stop`.
    The program has the weights of now: the model may be changed afterwards.  (Weights of more than 2 GiB are not copied; when they have changed,
    running or saving the program is an error.)
    Raises FocusError for whatever cannot be compiled: an unknown model, an operator without a mapping, sizes that do not fit the buffers.
    """
    from focus.runtime.run.executable import Executable
    if "stop" in options:
        raise FocusError("compile makes whole programs; compile_model stops at a level")
    if isinstance(model, (str, PathLike)):
        if not str(model).endswith(IR_SUFFIXES):
            raise FocusError(f"'{model}' is no model: a torch module expected, or an IR file ({', '.join(IR_SUFFIXES)})")
        if inputs is not None:
            raise FocusError(f"{model}: an IR file is compiled for inputs of its own and takes none")
        if options.get("weights") is None:
            raise FocusError(f"{model}: give its parameters (weights=a model, a MODEL of the tools, or a safetensors file), or weights=False for a "
                             "program that can only be timed")
        return Executable(resume(model, options.pop("weights"), machine, concentration=concentration, **options).binary)
    if "weights" in options:
        raise FocusError("weights go with an IR file; a model has its own")
    if inputs is None:
        raise FocusError("give the inputs of the model's forward that the program is for")
    return Executable(compile_model(model, inputs, machine, "full" if concentration is None else concentration, **options).binary)
