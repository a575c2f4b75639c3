"""focus-sweep: one model on many machines and concentrations, side by side.

In: a model (as for focusc) and axes: machines, concentrations, and values for keys of either.  Out: a table with a row for each combination
(cycles, array utilization, DRAM bytes, joules, area, and how much faster and thriftier than the first row it is), and on request the same as
CSV or JSON.

The model is imported once.  Every combination is compiled and executed: on data where the model has values, else without, with a synthetic
trace.  One that cannot be compiled says why in its row.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from focus.compiler.evaluate import plots
from focus.compiler.evaluate.source import source_key
from focus.compiler.evaluate.workers import Rows, Workers, computed
from focus.compiler.frontend import arguments
from focus.runtime.spec.concentration import PRESETS, Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, check_outputs
from focus.runtime.spec.machine import Machine
from focus.runtime.tools.cli import parsed, tool

if TYPE_CHECKING:
    from focus.compiler.backend.compile import ModelIR

RATIO = 1.7             #: retained tokens per unique vector where a synthetic trace must do and none is asked for
MEASURES = ("cycles", "utilization", "dram_bytes", "energy_j", "area_mm2")
SMALLER = ("cycles", "energy_j", "area_mm2")        #: what the rows on the front are best in
CONCENTRATION = "concentration."                    #: begins the keys that are not a machine's

_EXAMPLES = """
examples:
  focus-sweep llava-onevision-demo --set sic.scatter_per_cycle=1,2,4,8
  focus-sweep llava-onevision-demo --set concentration.m_tile=1024,512,256 --set concentration.threshold=0.9,0.95 -o sweep.csv
  focus-sweep my_model.py:small --machine focus --machine my_machine.toml --concentration off --concentration full
  focus-sweep llava-video-7b --scope=backbone --ratio 1.709 --set buffers.output.bytes=196608,393216
  focus-sweep llava-onevision-demo --set sic.scatter_per_cycle=1,2,4,8 --ray auto --resume rows.jsonl
  focus-sweep llava-onevision-demo --set sic.scatter_per_cycle+energy.components.scatter_accumulator.count=1,2,4

Keys are those of machine files (docs/machine.md), and those of a concentration after "concentration." (docs/algorithm.md).
Keys joined by "+" take the same value together. Every combination of all axes is a row; rows marked * are on
the front: none is better in cycles, energy and area at once.
"""


@tool
def main(argv: list[str] | None = None) -> int:
    args = parsed(_parser(), argv)
    axes = [parse_axis(text) for text in args.set]
    check_distinct(axes)
    if args.output is not None and args.output.suffix not in (".csv", ".json"):
        raise FocusError(f"{args.output}: a .csv or .json file expected")
    workers = Workers.of(args)
    check_outputs(args.output, args.svg, args.resume)
    for spec in args.concentration or []:
        arguments.check_concentration(spec)
    points = list(combinations([Machine.load(m) for m in args.machine or ["focus"]], args.concentration or [None], axes))
    with arguments.progress(args.quiet) as tell:
        tell("load model")
        model, inputs = (None, {}) if all(p.error for p in points) else arguments.load(args.model, args.inputs, args.scope)
        kept = Rows(args.resume, _identity(args, inputs) if args.resume else None)
        tell("import")
        imported = None if all(p.error or _key(p) in kept.known for p in points) else _imported(model, inputs, args.scope)

        def measured(point: Point) -> dict[str, Any]:
            return row(point, lambda machine: execute(_there(imported), inputs, machine, lambda depth: _configured(args.model, depth, point, machine),
                                                      args.ratio))

        rows = _computed(measured, points, workers, kept, tell)
    done = [r for r in rows if "error" not in r]
    mark_front(done)
    _show(rows, args.model)
    if args.svg is not None and done:
        plots.sweep(args.svg, done, _settings(done), args.model)
    if args.output is not None:
        _write(args.output, rows)
    return 0 if done else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="focus-sweep", description="Compile and run one model for many machines and concentrations, and compare.",
                                     epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser)
    parser.add_argument("--machine", action="append", metavar="FILE", help="a machine file or name; more of them are an axis (default focus)")
    parser.add_argument("--concentration", action="append", metavar="WHAT",
                        help=f"{', '.join(PRESETS)} or a TOML file; more of them are an axis (default full, or off without the units)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=V,...", help="values of a key: an axis")
    parser.add_argument("--ratio", type=float, metavar="R",
                        help="time without data, with a synthetic trace of R retained tokens per unique vector "
                             f"(default: run on data; {RATIO} for a model without values)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the rows to a .csv or .json file too")
    parser.add_argument("--svg", type=Path, metavar="FILE",
                        help="draw cycles and energy of the rows, with the front; where one number varies, over it too")
    Workers.add_arguments(parser, "rows")
    parser.add_argument("--resume", type=Path, metavar="FILE",
                        help="keep finished rows in FILE, and take those that are there from it: a sweep that was stopped goes on")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser


def _identity(args: argparse.Namespace, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the rows of a file are of, beside their own settings."""
    digest = hashlib.sha256()
    for name, value in sorted(inputs.items()):
        digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    return {"model": args.model, "scope": args.scope, "ratio": args.ratio, "inputs": digest.hexdigest(), "source": source_key()}


def _computed(measured: Callable[[Point], dict[str, Any]], points: Sequence[Point], workers: Workers, kept: Rows,
              tell: Callable[[str], None]) -> list[dict]:
    """The rows of all points.  Processes that compute them have one thread each."""
    tasks = {_key(point): point for point in points}
    if not workers.alone:
        import torch
        threads = torch.get_num_threads()
        torch.set_num_threads(1)            # set before they are forked: those of their parent are not theirs
    try:
        found = computed(measured, tasks, workers, kept, lambda done, of, who: tell(f"{done} of {of} rows {who}".rstrip()))
    finally:
        if not workers.alone:
            torch.set_num_threads(threads)
    by = dict(zip(tasks, found))
    return [dict(by[_key(point)]) for point in points]


def _key(point: Point) -> str:
    machine = None if point.machine is None else point.machine.model_dump(mode="json")
    return json.dumps([machine, point.concentration, dict(point.settings), dict(point.changes)], sort_keys=True)


# ---- axes --------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Axis:
    """Keys that take the same values together."""
    keys: tuple[str, ...]
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One combination.  settings: what varies, as columns of its row; changes: values for keys of the concentration."""
    machine: Machine | None
    concentration: str | None
    settings: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


def parse_axis(text: str) -> Axis:
    """`KEY[+KEY...]=V[,V...]`, values as in TOML, or words without quotes.  Raises FocusError."""
    keys, equals, values = text.partition("=")
    if not equals or not all(keys.split("+")):
        raise FocusError(f"--set {text}: KEY=VALUE,VALUE,... expected")
    try:
        parsed = tomllib.loads(f"values = [{values}]")["values"]
    except tomllib.TOMLDecodeError:
        parsed = [word.strip() for word in values.split(",")]
        if not all(re.fullmatch(r"[A-Za-z][\w.-]*", word) for word in parsed):
            raise FocusError(f"--set {text}: values as in TOML, or words, expected, with commas between them") from None
    if not parsed:
        raise FocusError(f"--set {text}: has no value")
    return Axis(tuple(keys.split("+")), tuple(parsed))


def check_distinct(axes: Sequence[Axis]) -> None:
    """Raise FocusError where two axes, or one twice, give values to the same key."""
    seen: set[str] = set()
    for key in (key for axis in axes for key in axis.keys):
        if key in seen:
            raise FocusError(f"--set {key}=: is set twice")
        seen.add(key)


def combinations(machines: Sequence[Machine], concentrations: Sequence[str | None], axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination, the last axis fastest.  A machine that its values make impossible is a point with an error; an unknown key raises."""
    for machine, spec, *chosen in itertools.product(machines, concentrations, *(axis.values for axis in axes)):
        settings = {"machine": machine.name} if len(machines) > 1 else {}
        if len(concentrations) > 1:
            settings["concentration"] = spec
        values = machine.model_dump(mode="json")
        changes = {}
        for axis, value in zip(axes, chosen):
            settings["+".join(axis.keys)] = value
            for key in axis.keys:
                if key.startswith(CONCENTRATION):
                    changes[_concentration_key(key)] = value
                else:
                    _put(values, key, value, machine.name)
        try:
            yield Point(Machine.from_dict(values, machine.name), spec, settings, changes)
        except FocusError as e:
            yield Point(None, spec, settings, changes, str(e))


def _concentration_key(key: str) -> str:
    name = key.removeprefix(CONCENTRATION)
    if name not in Concentration.model_fields:
        raise FocusError(f"--set {key}=: a concentration has {', '.join(Concentration.model_fields)}")
    return name


def _put(values: dict[str, Any], key: str, value: Any, machine: str) -> None:
    """Set a key of a machine.  Raises FocusError where there is none of that name."""
    *path, last = key.split(".")
    at: Any = values
    seen = []
    for name in path:
        at = at.get(name) if isinstance(at, dict) else None
        seen.append(name)
        if not isinstance(at, dict):
            raise FocusError(f"--set {key}=: machine '{machine}' has no table '{'.'.join(seen)}'")
    if last not in at:
        raise FocusError(f"--set {key}=: {'.'.join(seen) or f'machine {machine!r}'} has {', '.join(at)}")
    at[last] = value


def _configured(name: str, depth: int, point: Point, machine: Machine) -> Concentration:
    """The concentration of a point, whose machine this is, for a model of this depth.  Raises FocusError."""
    config = Concentration.resolve(arguments.concentration(name, point.concentration, machine), depth)
    return Concentration(**config.model_dump() | dict(point.changes))


# ---- rows --------------------------------------------------------------------------------------------------------------------
def row(point: Point, run: Callable[[Machine], Mapping[str, Any]]) -> dict[str, Any]:
    """A point's settings with the `MEASURES` of the report that `run` gives on its machine, or with `error`."""
    if point.machine is None:
        return dict(point.settings) | {"error": point.error}
    try:
        report = run(point.machine)
    except FocusError as e:
        return dict(point.settings) | {"error": str(e)}
    return dict(point.settings) | {m: report[m]["total"] if m == "area_mm2" else report[m] for m in MEASURES}


def _imported(model: Any, inputs: Mapping[str, Any], scope: str) -> ModelIR | FocusError:
    """The model, imported once for all rows, or why it cannot be, which each row then says."""
    from focus.compiler.backend.compile import ModelIR
    try:
        return ModelIR.of(model, inputs, scope)
    except FocusError as e:
        return e


def _there(imported: ModelIR | FocusError | None) -> ModelIR:
    """What was imported.  Raises the FocusError why it was not."""
    if isinstance(imported, FocusError):
        raise imported
    assert imported is not None             # only rows that are known, or whose machine is impossible, do without
    return imported


def execute(model: ModelIR, inputs: Mapping[str, Any], machine: Machine, config: Callable[[int], Concentration],
            ratio: float | None = None) -> Mapping[str, Any]:
    """The report of a run of the model compiled for a machine: on data, or with a synthetic trace where a ratio is given or there are no values.
    config: the concentration for a decoder of so many layers.  Raises FocusError."""
    from focus.runtime.evaluate import synth
    from focus.runtime.run.executable import Executable
    binary = model.compile(machine, config(model.layers)).binary
    if ratio is None and not binary.timing_only:
        return Executable(binary).run(inputs).report
    recipe = synth.Recipe(RATIO if ratio is None else ratio)
    return Executable(binary).time(synth.synth(synth.TracePlan.of_binary(binary), recipe, compact=True) if binary.sites else None)


def mark_front(rows: Sequence[dict[str, Any]]) -> None:
    """Give each row `front`: whether no other is at least as good in all of `SMALLER` and better in one."""
    for r in rows:
        r["front"] = not any(all(o[m] <= r[m] for m in SMALLER) and any(o[m] < r[m] for m in SMALLER) for o in rows)


def _settings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that say what a row is."""
    return [k for k in rows[0] if k not in (*MEASURES, "front", "error")]


def _show(rows: Sequence[Mapping[str, Any]], model: str) -> None:
    """The table on standard output."""
    from rich.console import Console

    from focus.runtime.run.report import empty_table, scaled, sized
    settings = _settings(rows)
    first = next((r for r in rows if "error" not in r), None)
    shown = empty_table(model, *(k.replace("+", "\n+ ") for k in settings), "cycles", "faster", "utilization", "DRAM", "energy", "less", "area", "")
    for number, r in enumerate(rows, 1):
        cells = [str(number), *(str(r[k]) for k in settings)]
        if first is not None and "error" not in r:
            cells += [f"{r['cycles']:,}", f"{first['cycles'] / r['cycles']:.3f}x", f"{r['utilization']:.1%}", sized(r["dram_bytes"]),
                      scaled(r["energy_j"], "J"), f"{first['energy_j'] / r['energy_j']:.3f}x", f"{r['area_mm2']:.3f} mm2", "*" if r["front"] else ""]
        else:
            cells.append("see below")
        shown.add_row(*cells)
    console = Console(width=None if sys.stdout.isatty() else 200)       # a file or pipe has no width to keep to
    console.print(shown)
    for number, r in enumerate(rows, 1):
        if "error" in r:
            console.print(f"{number}: {r['error']}", highlight=False, markup=False, soft_wrap=True)


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(path) as temporary:
        if path.suffix == ".json":
            temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            return
        columns = [*_settings(rows), *MEASURES, "front", "error"]
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
