"""Compile tensor-level IR to instructions, run them, and compare with the numpy interpreter.

In: the text of a function and its values.  Out: `Outcome`: what the simulator stored, what the interpreter says, and the raw counters.
"""
import contextlib
import functools
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch_mlir import ir

from focus.compiler.backend.binary import build_binary
from focus.compiler.backend.interface import Interface
from focus.dialects import focus as fd
from focus.dialects.context import make_context, parse_text
from focus.passes import manager
from focus.passes.pipeline import pipeline
from focus.runtime import _sim
from focus.runtime.run.fxb import STORED
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.machine import Machine

sys.path.insert(0, str(Path(__file__).parents[2] / "passes"))
from interp import Interpreter


@dataclass
class Outcome:
    """What the simulator computed, what was expected, the counters of the run, of a timing-only run, and the traces of both."""
    got: np.ndarray
    want: np.ndarray
    functional: dict
    timing: dict
    trace: list
    want_trace: dict
    binary: object

    @property
    def error(self) -> float:
        """Relative L2 difference."""
        return float(np.linalg.norm(self.got - self.want) / max(np.linalg.norm(self.want), 1e-30))


#: tables of mappings that a test fixes, as in a file for the pass map
OVERRIDES: dict[str, dict] = {}


@contextlib.contextmanager
def fixed(**fields):
    """Fix fields of the mappings of all ops, or `form`, wherever that is legal."""
    OVERRIDES["*"] = fields
    try:
        yield
    finally:
        OVERRIDES.clear()


#: called with the function before the pass map, if a test gives ops mappings of its own
BEFORE_MAP: list[Callable[[ir.OpView], None]] = []


@functools.cache
def context() -> ir.Context:
    """That of all functions of a test: a new one takes longer than a small function's passes."""
    return make_context()


def lower(text: str, machine: Machine | str = "focus"):
    """The module before and after fuse-concentration .. lower-to-fisa, verified once with all that the passes on tiles have added, and as
    instructions.  (The tests of whole models verify after every pass.)"""
    before, after = parse_text(text, context=context()), parse_text(text, context=context())
    names = ("fuse-concentration", "map", "tile", "schedule", "allocate", "lower-to-fisa")
    with after.context, ir.Location.unknown():
        attach_interface(after.body.operations[0])
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        for name, table in OVERRIDES.items():
            file.write(f'["{name}"]\n' + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items()))
        file.flush()
        steps = [s for s in pipeline(machine, mappings=file.name if OVERRIDES else "") if s.name in names]
        if BEFORE_MAP:
            manager.run(after, steps[:1], verify_each=False)
            with after.context, ir.Location.unknown():
                for change in BEFORE_MAP:
                    change(after.body.operations[0])
        manager.run(after, steps[bool(BEFORE_MAP):-2], verify_each=False)
        manager.run(after, steps[-2:])
    return before, after


def attach_interface(function) -> None:
    """What the compiler writes to @main: here every input is data; vectors are as long as those of the gathers."""
    arguments = function.regions[0].blocks[0].arguments
    named = function.arg_attrs if "arg_attrs" in function.attributes else []
    names = [ir.StringAttr(attrs["focus.name"]).value if "focus.name" in attrs else f"arg{i}" for i, attrs in enumerate(named)]
    ports = tuple((name, "float32", tuple(argument.type.shape)) for name, argument in zip(names, arguments, strict=True))
    vectors = {op.vector for op in function.regions[0].blocks[0].operations if isinstance(op, fd.GatherOp)}
    concentration = Concentration(vector=vectors.pop()) if vectors else Concentration()
    Interface(ports, {}, "test", concentration=concentration).attach(function)


def execute(text: str, inputs: dict[str, np.ndarray], params: dict[str, np.ndarray], machine: Machine | str = "focus", sanitize: bool = True) -> Outcome:
    """Run a function both ways; inputs and parameters are rounded to fp16 first, so that both see the same numbers."""
    target = machine if isinstance(machine, Machine) else Machine.load(machine)
    before, after = lower(text, target)
    func = before.body.operations[0]
    rounded = lambda v: v.astype(np.float16).astype(np.float32) if v.dtype.kind == "f" else v.astype(np.int32)
    inputs, params = {k: rounded(v) for k, v in inputs.items()}, {k: rounded(v) for k, v in params.items()}
    interpreter = Interpreter(params, half=True)
    with np.errstate(all="ignore"):
        want = interpreter.run(func, inputs)[0]
    binary = build_binary(after, target, {k: (lambda v=v: v) for k, v in params.items()}).validate()
    sim = _sim.Simulator(binary.text, binary.source, binary.machine.to_json(), binary.sites_json(), lives_json=binary.lives_json())
    for p in binary.param_table:
        sim.write(p.address, binary.param(p).ravel().view(np.uint8))
    for p in binary.inputs:
        sim.write(p.address, inputs[p.name].astype(STORED[p.stored]).ravel().view(np.uint8))
    functional = sim.run(True, sanitize)
    out = binary.outputs[0]
    got = sim.read(out.address, out.nbytes).view(STORED[out.stored]).reshape(out.shape).astype(np.float32)
    trace = sim.trace()
    timing = _sim.Simulator(binary.text, binary.source, binary.machine.to_json(), binary.sites_json()).run(False, False, counts(binary, trace))
    return Outcome(got, want, functional, timing, trace, interpreter.trace, binary)


def counts(binary, trace: list) -> list[np.ndarray]:
    """Unique vectors of each (tile, slice) of each site, counted from a trace."""
    out = []
    for site, t in zip(binary.sites, trace):
        group, zero, table = np.asarray(t["group"]), np.asarray(t["zero"]), []
        own = (group == np.arange(len(group))[:, None]) & (zero == 0)
        for row0, _, visual in site.tiles:
            table.append(own[row0:row0 + visual].sum(0) if visual else np.zeros(site.slices, int))
        out.append(np.concatenate(table).astype(np.int32))
    return out


def check(outcome: Outcome, tolerance: float) -> None:
    """The differences that no program may show."""
    assert np.isfinite(outcome.got).all(), "not finite"
    assert outcome.error < tolerance, f"relative error {outcome.error:.2e}"
    found = outcome.functional["findings"]
    assert not found, found[:2]
    assert outcome.functional["cycles"] == outcome.timing["cycles"], (outcome.functional["cycles"], outcome.timing["cycles"])
