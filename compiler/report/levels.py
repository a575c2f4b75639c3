"""The IR after each pass, as the report shows it: lines of text, the module path of each, where functions and layers begin, and what was predicted.

In: a compilation under way (`Recorder` watches its passes), or a folder that `--dump-ir` wrote.  Out: `Level` for each pass.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch_mlir import ir

from focus.dialects.context import make_context, parse_file
from focus.dialects.contracts import INPUT, LEVEL, MACHINE
from focus.dialects.focus import mapping_of
from focus.dialects.support import AsmForm, get_attr, path_of, walk
from focus.passes.mapping.legal import assigned
from focus.passes.mapping.model import predict
from focus.passes.mapping.parts import Context
from focus.passes.mapping.space import Target
from focus.passes.steps import Step
from focus.passes.target import resolve_machine
from focus.passes.watch import Watcher, count_ops
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.geometry import PUBLISHED_SIDE
from focus.runtime.spec.machine import Machine

_LOCATION = re.compile(r' loc\((?:"((?:[^"\\]|\\.)*)"|[^()"]*)((?:\([^()]*(?:\([^()]*\))?[^()]*\))?)(?::\d+:\d+)?\)')
_LAYER = re.compile(r"^(.*?\.?(?:layers|blocks|layer)\.(\d+))(?:\.|$)")
_NUMBERED = re.compile(r"(?<=[\w.])_\d+\b|\b\d+ : i64|\d+")
SHORTEST = 3            #: lines of a layer that are worth folding


@dataclass(frozen=True)
class Fold:
    """Lines first .. last (from 0) that belong together: a function, or what a layer has in one.  `like`: the fold before it that is the same
    but for names and numbers, or -1."""
    first: int
    last: int
    name: str
    like: int = -1


@dataclass
class Level:
    """The IR after a pass.  `paths` are the module paths that occur, `path` of each line one of them (its number)."""
    name: str
    text: str
    path: list[int]
    paths: list[str]
    ops: dict[str, int]
    seconds: float | None = None
    folds: list[Fold] = field(default_factory=list)

    @classmethod
    def of(cls, module: ir.Module, name: str, seconds: float | None = None) -> Level:
        """Of a module now."""
        lines, numbers, paths = [], [], {"": 0}
        for line in AsmForm(locations=True, local=True, verified=True).text(module).splitlines():
            found = [m[1] for m in _LOCATION.finditer(line) if m[1]]
            path = found[-1] if found and not line.lstrip().startswith(("func.func", "module")) else ""
            lines.append(_LOCATION.sub("", line))
            numbers.append(paths.setdefault(path, len(paths)))
        level = cls(name, "\n".join(lines), numbers, list(paths), dict(count_ops(module)), seconds)
        level.folds = list(_folds(lines, [level.paths[n] for n in numbers]))
        return level


def _folds(lines: list[str], paths: list[str]) -> list[Fold]:
    """Functions that others call, and the layers in the others."""
    out: list[Fold] = []
    known: dict[str, int] = {}
    at = 0

    def add(first: int, last: int, name: str) -> None:
        content = "\n".join(_NUMBERED.sub("#", line) for line in lines[first:last + 1])
        like = known.setdefault(content, len(out))
        out.append(Fold(first, last, name, like if like < len(out) else -1))

    while at < len(lines):
        routine = re.match(r"\s*(?:func\.func private|\"?fisa\.routine\"?).*", lines[at])
        layer = _LAYER.match(paths[at])
        end = at
        if routine:
            indent = len(lines[at]) - len(lines[at].lstrip())
            while end + 1 < len(lines) and not re.match(rf"\s{{{indent}}}\}}", lines[end]):
                end += 1
            name = re.search(r"@(\w+)", lines[at])
            add(at, end, f"@{name[1]}" if name else "routine")
        elif layer:
            while end + 1 < len(lines) and (paths[end + 1] == layer[1] or paths[end + 1].startswith(layer[1] + ".")):
                end += 1
            if end - at >= SHORTEST:
                add(at, end, layer[1])
        at = end + 1
    return out


# ---- from a compilation ----------------------------------------------------------------------------------------------------
@dataclass
class Predicted:
    """What the cost model says of a module's kernels: cycles and bytes to and from DRAM."""
    cycles: float = 0.0
    dram_bytes: float = 0.0


@dataclass
class Recorder(Watcher):
    """Keeps the IR before the first and after each pass, and what the cost model says of the mappings."""
    levels: list[Level] = field(default_factory=list)
    predicted: dict[str, Predicted] = field(default_factory=dict)

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        self.levels.append(Level.of(module, get_attr(module.operation, LEVEL, INPUT)))

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        self.levels.append(Level.of(module, step.name, seconds))
        if step.name == "map":
            self.predicted = predictions(module, resolve_machine(step.options.get("machine", "focus")))


def predictions(module: ir.Module, machine: Machine) -> dict[str, Predicted]:
    """What the cost model says of each module's mappings, by path."""
    out: dict[str, Predicted] = {}
    with module.context, ir.Location.unknown():
        vectors = [op.vector for op in walk(module, "focus.gather")]
        target = Target(machine, vectors[0] if vectors else PUBLISHED_SIDE)
        for function in module.body.operations:
            if function.operation.name != "func.func":
                continue
            context = Context(function, target)
            for op in function.regions[0].blocks[0].operations:
                mapping = mapping_of(op)
                if mapping is None or op.operation.name == "func.return":      # whose results are written in place, or copied by few cycles
                    continue
                entry = out.setdefault(path_of(op), Predicted())
                for form, kernel in assigned(target, list(context.parts(op)), mapping):
                    cost = predict(target, form, kernel)
                    entry.cycles += cost.cycles
                    entry.dram_bytes += cost.dram_bytes
    return out


# ---- from files --------------------------------------------------------------------------------------------------------------
def read_dump(folder: Path) -> Recorder:
    """The levels of a folder that `--dump-ir` wrote.  Raises FocusError for a folder without any, and for files that are no IR."""
    files = sorted(folder.glob("[0-9][0-9]-*.mlir"))
    if not files:
        raise FocusError(f"{folder}: has no files of --dump-ir (00-input.mlir, ...)")
    out = Recorder()
    for file in files:
        with make_context(), ir.Location.unknown():
            module = parse_file(file)
            out.levels.append(Level.of(module, file.stem.split("-", 1)[1]))
            if get_attr(module.operation, LEVEL) == "map":
                name = str(get_attr(module.operation, MACHINE, "")).split(" ")[0]
                try:
                    out.predicted = predictions(module, Machine.load(name))
                except FocusError:          # the machine's file is not known here: nothing is predicted
                    out.predicted = {}
    return out

