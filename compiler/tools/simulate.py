"""focus-sim: runs a compiled program on the simulated accelerator.

In: an `.fxb` file and inputs, or a trace.  Out: outputs, trace, report and time line as files, and the report as tables.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from focus.compiler.report.run import Ran
from focus.runtime.run import report as reports
from focus.runtime.run.executable import WHOLE, Budget, Executable, Progress
from focus.runtime.run.fxb import Values, open_tensors
from focus.runtime.run.timeline import chrome_trace
from focus.runtime.run.trace import Trace
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, check_outputs
from focus.runtime.tools.cli import parsed, tool

EVENTS = 200_000            #: instructions that a time line keeps unless told otherwise

_EXAMPLES = """
examples:
  focus-sim demo.fxb --inputs in.safetensors --outputs out.safetensors --trace t.safetensors --report r.json
  focus-sim demo.fxb --timing-only --trace t.safetensors          the same cycles again, without data
  focus-sim demo.fxb --inputs in.safetensors --sanitize           find missing semaphores, unwritten and stale reads
  focus-sim chat.fxb --inputs in.safetensors --generate 16 --eos 2       go on token by token (focusc --max-new-tokens)
  focus-sim chat.fxb --inputs in.safetensors --generate 16 --ask 5,9,7 --generate 8    a follow-up, then more (focusc --follow-up)
  focus-sim chat.fxb --timing-only --trace t.safetensors --generate 128  what that takes, without data
  focus-sim demo.fxb --inputs in.safetensors --check llava-onevision-demo   where the run begins to differ from PyTorch's model
  focus-sim demo.fxb --inputs in.safetensors --html r.html --ir ir   a report to look at; ir is a folder of focusc --dump-ir
  focus-sim demo.fxb --inputs in.safetensors --timeline t.json    then open t.json in ui.perfetto.dev

Inputs are named as the model's own forward names them. The machine is the one the program was compiled for.
How cycles and energy are counted: docs/machine.md.
"""


@tool
def main(argv: list[str] | None = None) -> None:
    parser = _parser()
    args = parsed(parser, argv)
    if args.check and (args.timing_only or args.outputs or args.sanitize or args.trace or args.report or args.timeline):
        parser.error("--check compares a run with a model: it takes --inputs at most, and writes --html only")
    if args.timing_only and (args.inputs or args.outputs or args.sanitize):
        parser.error("--timing-only uses no data: it takes neither --inputs, --outputs nor --sanitize")
    if (args.events is not None or args.trace_window) and not args.timeline and not args.html:
        parser.error("--events and --trace-window say what --timeline keeps: give it a file")
    if args.ir and not args.html:
        parser.error("--ir is for the report: give --html a file")
    turns = args.turns or []
    if turns and (args.check or args.timeline or args.html or args.outputs or (args.trace and not args.timing_only)):
        parser.error("--generate and --ask go on with requests: they go with --inputs, --sanitize, --report, --json and --timing-only")
    if turns and not args.timing_only and not args.inputs:
        parser.error("--generate and --ask go on with a request: give its inputs with --inputs")
    if args.timing_only and [kind for kind, _ in turns] not in ([], ["generate"]):
        parser.error("--timing-only goes with one --generate")
    if (args.eos or args.save_session or args.session) and (not turns or args.timing_only):
        parser.error("--eos, --save-session and --session go with --generate or --ask, and with data")
    check_outputs(args.save_session, args.outputs, args.report, args.timeline, args.html, None if args.timing_only else args.trace)
    exe = Executable.load(args.binary, args.weights, max_instructions=args.max_instructions, max_bytes=args.max_bytes)
    if args.check:
        _check(exe, args)
        return
    progress = None if args.json or not sys.stderr.isatty() else _show_progress
    if turns:
        report = _foreseen(exe, args, progress) if args.timing_only else _conversation(exe, args)
        if args.report:
            _save_json(args.report, report)
        _print(report, args.json)
        return
    inputs: Mapping[str, Values] = {}
    if args.timing_only:
        trace = Trace.load(args.trace) if args.trace else None
        report, timeline = exe.time_with_timeline(trace, progress=progress, timeline=_events(args), window=_window(args.trace_window))
    else:
        inputs = _inputs_of(args)
        result = exe.run(inputs, sanitize=args.sanitize, progress=progress, timeline=_events(args), window=_window(args.trace_window))
        report, timeline, trace = result.report, result.timeline, result.trace
        if args.outputs:
            _save_arrays(args.outputs, result.outputs)
        if args.trace:
            result.trace.save(args.trace)
    if args.report:
        _save_json(args.report, report)
    if args.timeline:
        _save_json(args.timeline, chrome_trace(exe.binary, timeline))
    if args.html:
        _write_html(args, Ran(exe, report, timeline, trace, inputs))
    _print(report, args.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="focus-sim", description="Run a compiled program on the simulated accelerator: results, cycles, traffic, energy.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, help="the program, an .fxb file")
    parser.add_argument("--inputs", type=Path, metavar="FILE", action="append",
                        help="inputs, a safetensors or .npz file; one for each request of a program for several (focusc --requests)")
    parser.add_argument("--generate", type=_count, metavar="N", dest="turns", action="append",
                        help="go on with the N most probable tokens, one by one; may be repeated, with --ask between")
    parser.add_argument("--ask", type=_tokens, metavar="IDS", dest="turns", action="append",
                        help="text that follows: token ids, commas between them; the program needs focusc --follow-up")
    parser.add_argument("--save-session", type=Path, metavar="FILE", help="with --generate or --ask: write what the caches hold, to go on later")
    parser.add_argument("--session", type=Path, metavar="FILE",
                        help="with --generate or --ask: go on from a file of --save-session, with the same --inputs, which are not prefilled again")
    parser.add_argument("--eos", type=int, metavar="ID", action="append", help="a token after which --generate stops")
    parser.add_argument("--outputs", type=Path, metavar="FILE", help="write the outputs, a safetensors file")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write what was concentrated; with --timing-only, read it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--timing-only", action="store_true", help="no data: the same instructions and cycles, with sizes from --trace")
    parser.add_argument("--sanitize", action="store_true",
                        help="find reads of unwritten or stale bytes and accesses that no semaphore orders; exit with 1 if any")
    parser.add_argument("--check", metavar="MODEL",
                        help="compare what modules take and give with PyTorch's, and name the first that differs more than fp16 explains (then exit "
                             "with 1); MODEL as focusc takes it")
    parser.add_argument("--timeline", type=Path, metavar="FILE", help="write the instructions' times for Perfetto")
    parser.add_argument("--html", type=Path, metavar="FILE",
                        help="write a report to look at: time line, cost, concentration; one HTML file that opens anywhere")
    parser.add_argument("--ir", type=Path, metavar="DIR", help="let the report show the IR, too, from a folder of focusc --dump-ir")
    parser.add_argument("--events", type=_natural, metavar="N", help=f"how many instructions --timeline keeps (default {EVENTS})")
    parser.add_argument("--trace-window", type=_natural, nargs=2, metavar=("FROM", "TO"),
                        help="keep only instructions for --timeline that start in these cycles (default: the first ones)")
    parser.add_argument("--weights", type=Path, metavar="FILE",
                        help="where the weights file is that the program refers to, if not beside it; wrong for one that refers to none")
    parser.add_argument("--max-instructions", type=_natural, metavar="N", default=Budget.instructions,
                        help="stop with an error when more instructions than this have been executed (default %(default)s)")
    parser.add_argument("--max-bytes", type=_natural, metavar="N", default=Budget.bytes,
                        help="stop with an error when operands have read and written more bytes than this (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of tables")
    return parser


def _count(text: str) -> tuple[str, int]:
    """The turn of so many tokens."""
    if not text.isdecimal() or not 1 <= int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"a number of at least 1 expected, got '{text}'")
    return "generate", int(text)


def _tokens(text: str) -> tuple[str, list[int]]:
    """The turn of these tokens."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) < 1 << 31 for part in parts):
        raise argparse.ArgumentTypeError(f"token ids with commas between them expected, got '{text}'")
    return "ask", [int(part) for part in parts]


def _natural(text: str) -> int:
    """A number of cycles or instructions."""
    if not text.isdecimal() or int(text) > WHOLE[1]:
        raise argparse.ArgumentTypeError(f"0 to {WHOLE[1]} expected, got '{text}'")
    return int(text)


def _events(args: argparse.Namespace) -> int:
    return (EVENTS if args.events is None else args.events) if args.timeline or args.html else 0


def _write_html(args: argparse.Namespace, ran: Ran) -> None:
    from focus.compiler.report import page
    recorder = None
    if args.ir:
        from focus.compiler.report.levels import read_dump
        recorder = read_dump(args.ir)
    page.write(args.html, recorder, ran)


def _window(given: list[int] | None) -> tuple[int, int]:
    if given is None:
        return WHOLE
    begin, end = given
    if begin >= end:
        raise FocusError(f"--trace-window {begin} {end}: two cycles, the first before the second, expected")
    return begin, end


def _foreseen(exe: Executable, args: argparse.Namespace, progress: Progress | None) -> dict[str, Any]:
    """What a prefill and the tokens after it take, without data."""
    (_, count), = args.turns
    return exe.time(Trace.load(args.trace) if args.trace else None, progress=progress, generate=count)


def _conversation(exe: Executable, args: argparse.Namespace) -> dict[str, Any]:
    """Prefill, then the turns in their order: print tokens.  What it took."""
    shown = not args.json and sys.stderr.isatty()
    with exe.session([_load_inputs(path) for path in args.inputs or []], sanitize=args.sanitize, kept=args.session) as session:
        for kind, turn in args.turns:
            if kind == "ask":
                session.ask(np.array([turn] * len(session.prefills)))
                continue
            for number, tokens in enumerate(session.generate(turn, args.eos or (), _show_tokens if shown else None)):
                if not args.json:
                    print(f"request {number}: {' '.join(map(str, tokens))}")
        runs = [run for run in (*session.prefills, *(run for _, run in session.runs)) if "sanitizer" in run]
        report = session.prefills[0] | {"generation": session.summary() | {"tokens": session.new}}
        if args.sanitize:
            report["sanitizer"] = {"total": sum(r["sanitizer"]["total"] for r in runs),
                                   "findings": [line for r in runs for line in r["sanitizer"]["findings"]]}
        if args.save_session:
            session.save(args.save_session)
    return report


def _show_tokens(done: int, total: int) -> None:
    print(f"  token {done} of {total}", end="\r" if done < total else "\n", file=sys.stderr, flush=True)


def _inputs_of(args: argparse.Namespace) -> Mapping[str, Values]:
    """The inputs of a single request."""
    if len(args.inputs or []) > 1:
        raise FocusError("--inputs: one file expected; several are for --generate")
    return _load_inputs(args.inputs[0]) if args.inputs else {}


def _load_inputs(path: Path) -> Mapping[str, Values]:
    """Arrays by name from a safetensors or .npz file."""
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except OSError as e:
            raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
        except Exception as e:                          # numpy raises half a dozen types for damaged archives
            raise FocusError(f"{path}: no readable .npz file: {str(e).partition('. ')[0]}") from None
    return open_tensors(path)


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    with atomic_write(path) as temporary:
        save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, temporary)


def _save_json(path: Path, value: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=None if "traceEvents" in value else 1) + "\n", encoding="utf-8")


def _check(exe: Executable, args: argparse.Namespace) -> None:
    """Print how each module compares with the model's.  Raises FocusError for the first that differs."""
    from focus.compiler.frontend import arguments
    from focus.compiler.truth.divergence import check
    model, inputs = arguments.load(args.check, args.inputs[0] if args.inputs else None, "whole")
    found = check(exe, model, inputs)
    if args.json:
        print(json.dumps({"values": [v.__dict__ | {"differs": v.differs} for v in found.values], "skipped": found.skipped}, indent=1))
    else:
        table = reports.empty_table("Module", "what", "difference", "fp16 explains", "")
        for path, v in found.modules().items():
            table.add_row(path, v.holds.split(" of ")[0], f"{v.error:.1e}", f"{v.allowed:.1e}", "differs" if v.differs else "")
        reports.print_table(table)
        print(f"{len(found.values)} values compared; {found.skipped} have no counterpart of their size in PyTorch")
    if args.html:
        result = exe.run(inputs, timeline=_events(args), window=_window(args.trace_window))
        errors = {path: (v.holds, v.error, v.allowed) for path, v in found.modules().items()}
        _write_html(args, Ran(exe, result.report, result.timeline, result.trace, inputs, errors))
    if found.first is not None:
        raise FocusError(str(found))


def _show_progress(done: int, total: int) -> None:
    end = "\r" if done < total else "\n"
    print(f"  {done / max(total, 1):6.1%} of {total:,} instructions", end=end, file=sys.stderr, flush=True)


def _print(report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        reports.show(report)
    if "sanitizer" in report and report["sanitizer"]["total"]:
        for line in report["sanitizer"]["findings"]:
            print(f"sanitizer: {line}", file=sys.stderr)
        raise FocusError(f"sanitizer findings: {report['sanitizer']['total']}")


if __name__ == "__main__":
    sys.exit(main())
