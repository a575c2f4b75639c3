"""Pass registry, textual pipelines of our passes and upstream ones, and the runner.

In: a module and a pipeline.  Out: the module changed in place, and the seconds each pass took; a watcher (`watch.py`) sees the IR around each
pass.

Writing a pass, in a file of its own in `passes/`:

    @register_pass("insert-concentration", anchor="func.func", help={"threshold": "cosine similarity above which vectors merge"})
    def insert_concentration(func, *, threshold: float = 0.9, layers: Sequence[int] = (), machine: str = "focus"):
        '''One line that `focus-opt --list-passes` shows.'''

It is called once for every anchor op (an OpView; "builtin.module" by default; several anchors nest as in upstream).  Keyword-only
parameters are the pass's options: their annotation (str, int, float, bool, Sequence of these, or Any for values that have no text) and
default are the option's.  `level` (of `LEVELS`) says what IR it takes, so that other IR is refused.  The pass changes the IR in place; to reject
it, it raises `OpError(op, "what is wrong, what was expected")` or another FocusError, or emits diagnostics and returns False.  The pass's
name with _ for - is its file's name: `find_pass` relies on it.

Pipelines: `builtin.module(tile{machine=dense}, func.func(canonicalize, cse))`; the outer `builtin.module(...)` may be left out, and a pass
of ours anchored on an op below the current one finds it by itself.  From Python: `run(module, [Step("tile", {"machine": m}), "cse"])`.
"""
import importlib
import inspect
import re
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from focus.dialects.contracts import LEVEL, MACHINE, check_module
from focus.dialects.support import DiagnosedError, Diagnostic, OpError, collect, set_attr
from focus.passes.pipeline import pass_names
from focus.passes.steps import MODULE, Step
from focus.passes.watch import Watcher
from focus.runtime.spec.errors import FocusError


class PipelineError(FocusError):
    """A pipeline text that cannot be read, or names a pass or option that does not exist."""


class PassFailed(DiagnosedError):
    """A pass or the verification after it failed; `pass_name` says which."""

    def __init__(self, pass_name: str, diagnostics: Sequence[Diagnostic]):
        super().__init__(diagnostics, f"pass '{pass_name}' failed")
        self.pass_name = pass_name

    def __reduce__(self) -> tuple:
        """What makes it again in another process."""
        return PassFailed, (self.pass_name, self.diagnostics)


# ---- registry ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Option:
    """A typed option of a pass: `kind` is the annotation, `default` the value without it."""
    name: str
    kind: Any
    default: Any
    help: str = ""

    def parse(self, text: str) -> Any:
        """The value of an option's text; raises ValueError."""
        if get_origin(self.kind) is Sequence:
            item = get_args(self.kind)[0]
            return [_parse_scalar(item, part) for part in text.split(",") if part.strip()]
        return _parse_scalar(self.kind, text)

    @property
    def type_name(self) -> str:
        if get_origin(self.kind) is Sequence:
            return f"list of {get_args(self.kind)[0].__name__}"
        return "object" if self.kind is Any else self.kind.__name__


def _parse_scalar(kind: type, text: str) -> Any:
    text = text.strip().strip("'\"")
    if kind is bool:
        values = {"true": True, "1": True, "": True, "false": False, "0": False}
        if text.lower() not in values:
            raise ValueError(text)
        return values[text.lower()]
    if kind not in (int, float, str):
        raise ValueError("an option that only Python code can set")
    return kind(text)


@dataclass(frozen=True)
class Pass:
    """A registered pass."""
    name: str
    function: Callable
    anchor: str
    options: dict[str, Option]
    doc: str
    level: str = ""                 #: of LEVELS: what it runs on, or "" for any IR


#: levels of IR (docs/levels.md), with what error messages call them
LEVELS = {"torch": "ops of the torch dialect", "tensors": "ops of the focus dialect on tensors", "kernels": "kernels, which the pass tile makes",
          "fisa": "instructions, which the pass lower-to-fisa makes"}
_KERNEL_OPS = ("focus.kernel", "focus.buffer", "focus.window")


def level_of(op: ir.Operation) -> str:
    """The level an op belongs to; "" for ops that occur at several."""
    dialect = op.name.partition(".")[0]
    return "kernels" if op.name in _KERNEL_OPS else {"torch": "torch", "focus": "tensors", "fisa": "fisa"}.get(dialect, "")


REGISTRY: dict[str, Pass] = {}
ROOMS = ("tensor", "mapping", "tile")                 #: folders whose files register passes
_FILE_STEM = re.compile(r"[a-z][a-z0-9_]*")


def register_pass(name: str, *, anchor: str = MODULE, level: str = "", help: dict[str, str] | None = None) -> Callable[[Callable], Callable]:
    """Decorator that makes a function the pass `name` on ops called `anchor`, at a level of IR; `help` explains options."""
    def register(function: Callable) -> Callable:
        options = {}
        for p in list(inspect.signature(function, eval_str=True).parameters.values())[1:]:
            if p.kind is not p.KEYWORD_ONLY or p.default is p.empty or p.annotation is p.empty:
                raise TypeError(f"pass '{name}': option '{p.name}' must be keyword-only, with an annotation and a default")
            options[p.name] = Option(p.name, p.annotation, p.default, (help or {}).get(p.name, ""))
        REGISTRY[name] = Pass(name, function, anchor, options, inspect.getdoc(function) or "", level)
        return function
    return register


def find_pass(name: str) -> Pass | None:
    """The registered pass `name`, or None when it is not one of ours.

    Imports only the file the pass is named after, so a tool starts without importing every pass.
    """
    stem = name.replace("-", "_")
    if name not in REGISTRY and _FILE_STEM.fullmatch(stem):
        for room in ROOMS:
            if (Path(__file__).parent / room / f"{stem}.py").exists():
                importlib.import_module(f"{__package__}.{room}.{stem}")
    return REGISTRY.get(name)


def load_passes() -> dict[str, Pass]:
    """Import every file of the rooms, so that each has registered its pass; the registry."""
    for room in ROOMS:
        for file in sorted((Path(__file__).parent / room).glob("*.py")):
            if file.stem != "__init__":
                importlib.import_module(f"{__package__}.{room}.{file.stem}")
    return REGISTRY


# ---- pipelines --------------------------------------------------------------------------------------------------------------
@dataclass
class _Element:
    name: str
    options: str | None
    nested: "list[_Element] | None"


_NAME = re.compile(r"\s*([A-Za-z_][\w.\-]*)\s*")


def _elements(text: str, at: int) -> tuple[list[_Element], int]:
    """Elements of a pipeline from position `at` on, and where they end."""
    out: list[_Element] = []
    while True:
        match = _NAME.match(text, at)
        if not match:
            raise PipelineError(f"pipeline: expected a pass name at column {at + 1} of '{text}'")
        element, at = _Element(match[1], None, None), match.end()
        if at < len(text) and text[at] == "{":
            end = _closing_brace(text, at)
            element.options, at = text[at + 1:end], end + 1
        if at < len(text) and text[at] == "(":
            element.nested, at = ([], at + 1) if text[at + 1:at + 2] == ")" else _elements(text, at + 1)
            if text[at:at + 1] != ")":
                raise PipelineError(f"pipeline: expected ')' at column {at + 1} of '{text}'")
            at += 1
        out.append(element)
        at += len(text[at:]) - len(text[at:].lstrip())
        if text[at:at + 1] != ",":
            return out, at
        at += 1


def _closing_brace(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return i
    raise PipelineError(f"pipeline: '{{' at column {at + 1} of '{text}' is not closed")


def parse_pipeline(text: str, defaults: dict[str, Any] | None = None) -> list[Step]:
    """The steps of a pipeline's text.  `defaults` gives values for options of these names to every pass of ours that has them.

    Raises PipelineError (with the column) for text that is no pipeline, an unknown pass, an unknown option, or a bad option value.
    """
    if not text.strip():
        return []
    elements, end = _elements(text, 0)
    if text[end:].strip():
        raise PipelineError(f"pipeline: unexpected '{text[end:].strip()}' at column {end + 1} of '{text}'")
    if len(elements) == 1 and elements[0].name == MODULE and elements[0].nested is not None:
        elements = elements[0].nested
    return list(_steps(elements, (MODULE,), defaults or {}))


def _steps(elements: Iterable[_Element], path: tuple[str, ...], defaults: dict[str, Any]) -> Iterable[Step]:
    for e in elements:
        if e.nested is not None:
            yield from _steps(e.nested, path + (e.name,), defaults)
        elif info := find_pass(e.name):
            if info.anchor == MODULE and path[-1] != MODULE:
                raise PipelineError(f"pipeline: pass '{e.name}' runs on {MODULE}, not on {path[-1]}")
            options = {k: v for k, v in defaults.items() if k in info.options} | parse_options(info, e.options or "")
            yield Step(e.name, options, path if info.anchor in path[-1:] else path + (info.anchor,))
        else:
            step = Step(e.name, {}, path, e.name + (f"{{{e.options}}}" if e.options is not None else ""))
            _upstream(step)
            yield step


def parse_options(info: Pass, text: str) -> dict[str, Any]:
    """Option values of "name=value name=value"; names may be written with - or _."""
    values = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        option = info.options.get(key.replace("-", "_"))
        if option is None:
            known = ", ".join(info.options) or "none"
            raise PipelineError(f"pipeline: pass '{info.name}' has no option '{key}' (options: {known})")
        try:
            values[option.name] = option.parse(value if equals else "true" if option.kind is bool else "")
        except ValueError:
            raise PipelineError(f"pipeline: option '{key}' of pass '{info.name}' is '{value}', expected {option.type_name}") from None
    return values


def _upstream(step: Step) -> PassManager:
    """The pass manager of an upstream step.  Raises PipelineError when there is no such pass."""
    inner = step.upstream
    for anchor in reversed(step.path):
        inner = f"{anchor}({inner})"
    context = ir.Context.current or ir.Context()
    with context, collect(context) as found:
        try:
            return PassManager.parse(inner)
        except ValueError as e:
            reason = _first_reason("\n".join(d.message for d in found) or str(e))
            raise PipelineError(f"pipeline: pass '{step.upstream}' on {step.path[-1]}: {reason}") from None


def _first_reason(text: str) -> str:
    """MLIR's reason out of the several lines it prints around a pipeline error."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not set(line.strip()) <= {"^"}]
    named = [line for line in lines if any(words in line.lower() for words in ("does not", "may be", "no such", "can't", "unable"))]
    return re.sub(r"^.*?error: ", "", (named or lines or ["cannot be parsed"])[0])


# ---- running ----------------------------------------------------------------------------------------------------------------
def run(module: ir.Module, pipeline: Sequence[Step | str] | str, *, verify_each: bool = True, verify_last: bool = False,
        watchers: Sequence[Watcher] = (), progress: Callable[[str], None] | None = None) -> list[tuple[str, float]]:
    """Run a pipeline on a module in place; the (pass, seconds) of each step.

    The IR is verified after each pass, or after the last (`verify_last`), or not at all.  `watchers` are told of the module around each pass,
    `progress` each pass's name before it runs.  In a module with the attribute `focus.level`, each pass of the compiler's pipeline
    (`pipeline.py`) leaves its name there.  Raises PassFailed with every diagnostic when a pass fails or leaves IR that does not verify.
    """
    context = module.context
    with context, ir.Location.unknown(context):
        steps = as_steps(pipeline)
        seconds = []
        for watcher in watchers:
            watcher.begin(module, steps)
        for step in steps:
            if progress:
                progress(step.name)
            for watcher in watchers:
                watcher.before(module, step)
            start = time.perf_counter()
            try:
                run_step(module, step, verify_each or (verify_last and step is steps[-1]))
            except PassFailed:
                for watcher in watchers:
                    watcher.failed(module, step)
                raise
            seconds.append((step.name, time.perf_counter() - start))
            for watcher in watchers:
                watcher.after(module, step, seconds[-1][1])
        for watcher in watchers:
            watcher.end(module)
    return seconds


def as_steps(pipeline: Sequence[Step | str] | str) -> list[Step]:
    """The steps of a pipeline, each with the ops it runs on.  Raises PipelineError."""
    if isinstance(pipeline, str):
        return parse_pipeline(pipeline)
    steps: list[Step] = []
    for entry in pipeline:
        if isinstance(entry, str):
            steps += parse_pipeline(entry)
            continue
        if entry.upstream:
            steps.append(entry)
            continue
        info = find_pass(entry.name)
        if info is None:
            raise PipelineError(f"pipeline: there is no pass '{entry.name}'")
        unknown = set(entry.options) - set(info.options)
        if unknown:
            raise PipelineError(f"pipeline: pass '{entry.name}' has no option '{min(unknown)}'")
        steps.append(Step(entry.name, entry.options, entry.path if entry.path[-1] == info.anchor else entry.path + (info.anchor,)))
    return steps


def run_step(module: ir.Module, step: Step, verify_after: bool = True) -> None:
    """Run one step on a module, then verify.  Raises PassFailed."""
    bug: Exception | None = None
    with collect(module.context) as found:
        try:
            if step.upstream:
                _upstream(step).run(module.operation)
                ok = True
            else:
                _check_level(module.operation, REGISTRY[step.name])
                results = [_call(REGISTRY[step.name], op, step.options) for op in _anchors(module.operation, step.path[1:])]
                ok = all(results)           # of all anchors: a pass that fails on one still reports what is wrong with the others
        except ir.MLIRError:
            ok = False
        except OpError as e:
            ok = False
            e.location.emit_error(e.text)
        except FocusError as e:
            ok = False
            found.append(Diagnostic("error", str(e)))
        except Exception as e:
            ok, bug = False, e
            found.append(Diagnostic("error", f"pass '{step.name}' raised {type(e).__name__}: {e} ({_raised_at(e)})"))
        if ok and LEVEL in module.operation.attributes and step.name in pass_names():
            set_attr(module.operation, LEVEL, step.name)
            if "machine" in REGISTRY[step.name].options:
                from focus.passes.target import machine_mark  # needs pydantic, as such passes do, but not focus-opt itself
                set_attr(module.operation, MACHINE, machine_mark(step.options.get("machine", REGISTRY[step.name].options["machine"].default)))
        if ok and verify_after and not step.upstream:
            try:
                ok = module.operation.verify() and check_module(module)
            except ir.MLIRError:
                ok = False
            if not ok:
                found.append(Diagnostic("note", f"pass '{step.name}' left IR that does not verify"))
    if not ok:
        raise PassFailed(step.name, found) from bug


def _check_level(root: ir.Operation, info: Pass) -> None:
    """Whether a module is at the level that a pass runs on, by the first op that belongs to one; a module without any is left to the pass.
    Raises OpError."""
    for op in (o.operation for region in root.regions for block in region for o in block):
        if op.name == "func.func" and (blocks := sum(len(region.blocks) for region in op.regions)) != 1:
            raise OpError(op, f"has {blocks} blocks; pass '{info.name}' needs functions with a body of one")
    first: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if not level_of(op):
            return ir.WalkResult.ADVANCE
        first.append(op)
        return ir.WalkResult.INTERRUPT

    if not info.level:
        return
    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    if first and level_of(first[0]) != info.level:
        raise OpError(first[0], f"is nothing for pass '{info.name}': {LEVELS[info.level]} expected, found {LEVELS[level_of(first[0])]}")


def _raised_at(e: Exception) -> str:
    """File and line an exception comes from."""
    frame = traceback.extract_tb(e.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _call(info: Pass, op: ir.OpView, options: dict[str, Any]) -> bool:
    defaults = {o.name: o.default for o in info.options.values()}
    return info.function(op, **(defaults | options)) is not False


def _anchors(root: ir.Operation, path: Sequence[str]) -> list[ir.OpView]:
    """The ops a step runs on: direct children by name for each part of `path`, as upstream nests."""
    ops = [root]
    for name in path:
        inner = (o.operation for op in ops for region in op.regions for block in region for o in block)
        ops = [o for o in inner if o.name == name]
    return [op.opview for op in ops]


def timing_report(seconds: Sequence[tuple[str, float]]) -> str:
    """A table of the seconds of each pass in the form of MLIR's `--mlir-timing` list."""
    total = sum(s for _, s in seconds)
    lines = [f"===-------------------------------------------------------------------------===\n"
             f"  Total Execution Time: {total:.4f} seconds\n\n  ----Wall Time----  ----Name----"]
    lines += [f"  {s:8.4f} ({100 * s / total if total else 0:5.1f}%)  {name}" for name, s in seconds]
    return "\n".join(lines) + f"\n  {total:8.4f} (100.0%)  Total"
