"""What can be seen of a pipeline while it runs: IR around passes, one file a pass, statistics, a reproducer.

In: the module before and after each pass, from `manager.run`.  Out: `Watcher`, what the runner tells; `Printing`, `Dump`, `Statistics` and
`Reproducer`, which do what MLIR's flags of these names ask.
"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from torch_mlir import ir
from torch_mlir.dialects import func

from focus.dialects.contracts import INPUT
from focus.dialects.fisa import RoutineOp
from focus.dialects.support import AsmForm, path_of, to_text, walk
from focus.passes.steps import MODULE, Step
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

#: what stands before and after the pipeline in a file that `--run-reproducer` takes; MLIR's own form
_RESOURCES = "{{-#\n  external_resources: {{\n    mlir_reproducer: {{\n      pipeline: {pipeline},\n      disable_threading: true,\n" \
             "      verify_each: {verify}\n    }}\n  }}\n#-}}\n"


class Watcher:
    """Told of a module around each pass.  It may keep what it reads, but no handle of an op: the next pass may erase it."""

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        """Before the first pass."""

    def before(self, module: ir.Module, step: Step) -> None:
        """Before a pass."""

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        """After a pass that took so many seconds."""

    def failed(self, module: ir.Module, step: Step) -> None:
        """After a pass that failed; the module may be invalid."""

    def end(self, module: ir.Module) -> None:
        """After the last pass, if none failed."""


# ---- IR to a stream --------------------------------------------------------------------------------------------------------
@dataclass
class Printing(Watcher):
    """Which IR to print around passes, as MLIR's `--mlir-print-ir-*` flags ask, and where.  `before` and `after` name passes; `only_changed` leaves
    out what a pass did not change; `path`: only ops of that module path and those below it, and the routines they call."""
    before_passes: Sequence[str] = ()
    after_passes: Sequence[str] = ()
    before_all: bool = False
    after_all: bool = False
    only_changed: bool = False
    after_failure: bool = False
    tree_dir: Path | None = None
    path: str = ""
    form: AsmForm = field(default_factory=AsmForm)
    stream: TextIO | None = None
    _text: str = ""
    _number: int = 0

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        names = [step.name for step in steps]
        for name in (*self.before_passes, *self.after_passes):
            if name not in names:
                raise FocusError(f"no IR can be printed around pass '{name}': the pipeline has {', '.join(names) or 'no passes'}")
        self._number = 0

    def before(self, module: ir.Module, step: Step) -> None:
        wanted = self.before_all or step.name in self.before_passes
        if wanted or self.only_changed:
            self._text = self._of(module)
        if wanted:
            self._show(self._text, "Before", step)

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        wanted = self.after_all or step.name in self.after_passes or (self.only_changed and not self.after_passes)
        if wanted or self.tree_dir:
            text = self._of(module)
            if wanted and not (self.only_changed and text == self._text):
                self._show(text, "After", step)
            if self.tree_dir:
                write(Path(self.tree_dir) / "builtin_module_no-symbol-name" / f"{self._number}_{step.name}.mlir", text)
        self._number += 1

    def failed(self, module: ir.Module, step: Step) -> None:
        if self.after_failure:
            self._show(self._of(module), "After", step, " Failed")

    def _of(self, module: ir.Module) -> str:
        return "\n".join(self.form.text(op) for op in at_path(module, self.path)) if self.path else self.form.text(module)

    def _show(self, text: str, when: str, step: Step, how: str = "") -> None:
        print(f"// -----// IR Dump {when} {step}{how} //----- //\n{text}", file=self.stream or sys.stderr)


def at_path(module: ir.Module, path: str) -> list[ir.OpView]:
    """The outermost ops of a module path or of one below it, in program order, each routine they call after the first call of it."""
    found: list[ir.OpView] = []
    routines = {ir.StringAttr(op.operation.attributes["sym_name"]).value: op for op in walk(module, (func.FuncOp, RoutineOp))}

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "fisa.routine" or "sym_visibility" in op.attributes:
            return ir.WalkResult.SKIP           # has the path of one of its calls; it is found by them
        where = path_of(op)
        if where != path and not where.startswith(path + "."):
            return ir.WalkResult.ADVANCE
        found.append(op.opview)
        if op.name in ("func.call", "fisa.call"):
            callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if callee in routines:
                found.append(routines.pop(callee))
        return ir.WalkResult.SKIP

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


# ---- IR to files -----------------------------------------------------------------------------------------------------------
@dataclass
class Dump(Watcher):
    """A folder for one IR file per pass: `00-input.mlir`, `01-<pass>.mlir`, ..., each of which parses and verifies alone.  `done` and `level`: passes
    that ran before, and the last of them, which number and name the file of what is begun with."""
    folder: Path
    done: int = 0
    level: str = INPUT

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        self._write(module, self.level)

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        self.done += 1
        self._write(module, step.name)

    def _write(self, module: ir.Module, name: str) -> None:
        write(Path(self.folder) / f"{self.done:02d}-{name}.mlir", to_text(module, locations=True))


def write(path: Path, text: str) -> None:
    """Write a file, and the folder it stands in where there is none.  Raises FocusError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FocusError(f"{path.parent}: cannot create: {e.strerror}") from None
    with atomic_write(path) as temporary:
        temporary.write_text(text)


# ---- statistics ------------------------------------------------------------------------------------------------------------
@dataclass
class Statistics(Watcher):
    """How many ops each pass found, left, added and took away, by name."""
    found: list[tuple[Step, Counter[str], Counter[str]]] = field(default_factory=list)
    _before: Counter[str] = field(default_factory=Counter)

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        self._before = count_ops(module)

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        now = count_ops(module)
        self.found.append((step, self._before, now))
        self._before = now

    def report(self) -> str:
        """A table in the form of MLIR's `--mlir-pass-statistics`."""
        rule = "===-------------------------------------------------------------------------==="
        lines = [rule, "                         ... Pass statistics report ...", rule, f"'{MODULE}' Pipeline"]
        for step, before, after in self.found:
            lines += [f"{'  ' * depth}'{anchor}' Pipeline" for depth, anchor in enumerate(step.path[1:], 1)]
            indent = "  " * len(step.path)
            lines += [f"{indent}{step.name}", f"{indent}  (S) {before.total():6} ops-before", f"{indent}  (S) {after.total():6} ops-after"]
            for what, change in (("added", after - before), ("removed", before - after)):
                lines += [f"{indent}  (S) {n:6} {name}-{what}" for name, n in sorted(change.items())]
        return "\n".join(lines)


def count_ops(module: ir.Module) -> Counter[str]:
    """How many ops there are of each name."""
    found: Counter[str] = Counter()

    def visit(op: ir.Operation) -> ir.WalkResult:
        found[op.name] += 1
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


# ---- reproducers -----------------------------------------------------------------------------------------------------------
@dataclass
class Reproducer(Watcher):
    """A file with the IR and the passes to run on it, as `--run-reproducer` takes it.  It is there while the passes run, so that it outlives a
    crash of the process, and is removed when all have passed.  `local`: the IR before the pass that fails and that pass alone."""
    file: Path
    local: bool = False
    verify_each: bool = True

    def begin(self, module: ir.Module, steps: Sequence[Step]) -> None:
        if not self.local:
            self._write(module, steps)

    def before(self, module: ir.Module, step: Step) -> None:
        if self.local:
            self._write(module, [step])

    def end(self, module: ir.Module) -> None:
        Path(self.file).unlink(missing_ok=True)

    def _write(self, module: ir.Module, steps: Sequence[Step]) -> None:
        with module.context:
            pipeline = ir.StringAttr.get(pipeline_text(steps))
        resources = _RESOURCES.format(pipeline=pipeline, verify=str(self.verify_each).lower())
        write(Path(self.file), f"{to_text(module, locations=True)}\n{resources}")


def pipeline_text(steps: Sequence[Step]) -> str:
    """A pipeline as text: `builtin.module(tile{machine=focus},func.func(cse))`.  Option values that have no text are left out."""
    def nested(steps: Sequence[Step], depth: int) -> str:
        parts = []
        for inner, group in groupby(steps, key=lambda s: s.path[depth] if len(s.path) > depth else ""):
            members = list(group)
            parts += [f"{inner}({nested(members, depth + 1)})"] if inner else [_element(s) for s in members]
        return ",".join(parts)
    return f"{MODULE}({nested(steps, 1)})"


def _element(step: Step) -> str:
    if step.upstream:
        return step.upstream
    options = [f"{name.replace('_', '-')}={_option(value)}" for name, value in step.options.items() if _option(value) is not None]
    return step.name + (f"{{{' '.join(options)}}}" if options else "")


def _option(value: Any) -> str | None:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else None
