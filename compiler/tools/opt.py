"""`focus-opt`: read IR, run passes on it, write it.

In: a file (or standard input) with a module in any mix of the `torch`, `focus`, `fisa` and upstream dialects.  Out: the module after the
passes, or the diagnostics.  Works like mlir-opt; without passes it parses, verifies and prints.  Starts without importing torch.
"""
import argparse
import io
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # numpy comes with the bindings; its thread pool costs more than our start-up

import torch_mlir.dialects

from focus.dialects.bytecode import is_bytecode
from focus.dialects.context import make_context, parse_file, parse_text
from focus.dialects.support import AsmForm, DiagnosedError, Diagnostic, ir
from focus.passes.manager import find_pass, load_passes, parse_pipeline, run, timing_report
from focus.passes.watch import Dump, Printing, Reproducer, Statistics, Watcher, pipeline_text
from focus.runtime.spec.errors import FocusError, printable
from focus.runtime.spec.files import atomic_write
from focus.runtime.tools.cli import parsed, tool

#: upstream passes that are flags of their own; all others go through --pass-pipeline
UPSTREAM_FLAGS = ("canonicalize", "cse", "symbol-dce")
EPILOG = """\
Each pass of --list-passes is also a flag, in the order given, with its options after an equals sign:
  focus-opt model.mlir --tile="machine=dense" --schedule
The same as a pipeline, with upstream passes in between:
  focus-opt model.mlir --pass-pipeline='builtin.module(tile{machine=dense},func.func(canonicalize,cse),schedule)'
Upstream flags: """ + ", ".join("--" + f for f in UPSTREAM_FLAGS)


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("focus-opt", description="Parse, transform, verify and print IR of the Focus compiler.", epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    p.add_argument("file", nargs="?", default="-", help="input file, text or bytecode; - for standard input (default)")
    files = p.add_argument_group("input and output")
    files.add_argument("-o", metavar="FILE", default="-", help="output file; - for standard output (default)")
    files.add_argument("--emit-bytecode", action="store_true", help="write MLIR bytecode, not text")
    files.add_argument("--split-input-file", action="store_true", help="handle the parts between '// -----' lines one by one")
    files.add_argument("--verify-diagnostics", action="store_true", help="check the diagnostics against 'expected-error {{...}}' comments")
    files.add_argument("--allow-unregistered-dialect", action="store_true", help="accept ops of unknown dialects")
    files.add_argument("--show-dialects", action="store_true", help="print the names of the dialects that are known, and stop")
    passes = p.add_argument_group("passes")
    passes.add_argument("--pass-pipeline", metavar="TEXT", help="passes to run, in MLIR's pipeline syntax")
    passes.add_argument("--machine", metavar="FILE", help="machine file or name, for every pass with an option 'machine'")
    passes.add_argument("--list-passes", action="store_true", help="list our passes with their options and stop")
    passes.add_argument("--dump-pass-pipeline", action="store_true", help="print the pipeline that is run to standard error")
    passes.add_argument("--verify-each", type=_true_or_false, default=True, metavar="true|false",
                        help="whether to verify the IR after each pass (default true)")
    around = p.add_argument_group("IR around passes, to standard error")
    around.add_argument("--mlir-print-ir-before", metavar="PASS", action="append", default=[], help="print the IR before this pass (may be repeated)")
    around.add_argument("--mlir-print-ir-after", metavar="PASS", action="append", default=[], help="print the IR after this pass (may be repeated)")
    around.add_argument("--mlir-print-ir-before-all", action="store_true", help="print the IR before each pass")
    around.add_argument("--mlir-print-ir-after-all", action="store_true", help="print the IR after each pass")
    around.add_argument("--mlir-print-ir-after-change", action="store_true", help="print the IR after passes only where they changed it")
    around.add_argument("--mlir-print-ir-after-failure", action="store_true", help="print the IR after a pass that failed")
    around.add_argument("--mlir-print-ir-tree-dir", metavar="DIR", help="write the IR after each pass to a file in a tree under DIR")
    around.add_argument("--dump-ir", metavar="DIR", help="write the IR after each pass to a numbered file in DIR")
    form = p.add_argument_group("form of the IR")
    form.add_argument("--mlir-print-debuginfo", action="store_true", help="print locations (module paths)")
    form.add_argument("--mlir-pretty-debuginfo", action="store_true", help="print locations for people; the result does not parse")
    form.add_argument("--mlir-print-op-generic", action="store_true", help="print every op in the generic form")
    form.add_argument("--mlir-print-local-scope", action="store_true", help="print nothing of an op (locations, aliases) elsewhere")
    form.add_argument("--mlir-print-skip-regions", action="store_true", help="leave out what is inside ops")
    form.add_argument("--mlir-elide-elementsattrs-if-larger", metavar="N", type=_count, help="print '...' for elements attributes of more elements")
    form.add_argument("--mlir-elide-resource-strings-if-larger", metavar="N", type=_count, help="print '...' for resources of more characters")
    watch = p.add_argument_group("time, statistics and failures of passes")
    watch.add_argument("--mlir-timing", action="store_true", help="print the time each pass took to standard error")
    watch.add_argument("--mlir-pass-statistics", action="store_true", help="print how many ops each pass found, left, added and removed")
    watch.add_argument("--mlir-pass-pipeline-crash-reproducer", metavar="FILE",
                       help="if a pass fails or the process dies, leave a file with the IR and the pipeline, for --run-reproducer")
    watch.add_argument("--mlir-pass-pipeline-local-reproducer", action="store_true",
                       help="let the reproducer hold the IR before the pass that fails, and that pass alone")
    watch.add_argument("--run-reproducer", action="store_true", help="run the pipeline that stands in the input file, a reproducer")
    return p


def _true_or_false(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"true or false expected, got '{text}'")
    return values[text.lower()]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number expected, got '{text}'")
    return int(text)


def _split_pass_flags(argv: list[str]) -> tuple[list[str], list[str]]:
    """The pipeline elements among the arguments (`--tile`, `--tile=machine=dense`), and all other arguments."""
    elements, others = [], []
    for arg in argv:
        name, equals, options = arg[2:].partition("=") if arg.startswith("--") else ("", "", "")
        if name in UPSTREAM_FLAGS or (name and find_pass(name)):
            elements.append(f"{name}{{{options}}}" if equals else name)
        else:
            others.append(arg)
    return elements, others


def list_passes() -> str:
    """Our passes, what they run on and their options, as text."""
    lines = []
    for _, info in sorted(load_passes().items()):
        summary = info.doc.split("\n")[0].split(".  ")[0].rstrip(".")
        lines.append(f"--{info.name:24} {summary} [on {info.anchor}]")
        for o in info.options.values():
            if o.kind is not object:        # only Python code can set these
                lines.append(f"    {o.name.replace('_', '-')}=<{o.type_name}>: {o.help} (default {o.default!r})")
    return "\n".join(lines)


def dialects() -> list[str]:
    """The names of the dialects that a context knows: ours, and those of MLIR and torch-mlir that come with Python bindings."""
    files = (Path(torch_mlir.dialects.__path__[0])).glob("*_ops_gen.py")
    named = {match[1] for file in files if (match := _NAMESPACE.search(file.read_text()))}
    context, found = make_context(), []
    for name in named | {"focus", "fisa"}:
        try:
            context.get_dialect_descriptor(name)
            found.append(name)
        except ValueError:              # has bindings, but is not linked into this build of MLIR
            continue
    return sorted(found)


_NAMESPACE = re.compile(r'DIALECT_NAMESPACE = "([\w.]+)"')


# ---- one module -------------------------------------------------------------------------------------------------------------
@dataclass
class _Input:
    """A module's text, the file it stands in, and the number of lines before it in that file."""
    text: str
    file: str
    lines_before: int = 0
    path: Path | None = None        #: set when the whole file is one module, whose locations then carry its name


def _read(args: argparse.Namespace) -> list[_Input]:
    """The modules of the input.  Raises FocusError for a file that cannot be read."""
    name = "<stdin>" if args.file == "-" else args.file
    try:
        raw = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    except OSError as e:
        raise FocusError(f"{args.file}: cannot read: {e.strerror}") from None
    path = None if args.file == "-" else Path(args.file)
    if is_bytecode(raw):
        if path is None:
            raise FocusError("<stdin>: is bytecode; give it as a file")
        return [_Input("", name, path=path)]
    try:
        text = raw.decode()
    except UnicodeDecodeError as e:
        raise FocusError(f"{name}: is neither text nor MLIR bytecode (byte {e.start})") from None
    if not args.split_input_file:
        return [_Input(text, name, path=path)]
    inputs, line = [], 0
    for chunk in re.split(r"^// -----.*$", text, flags=re.MULTILINE):
        inputs.append(_Input(chunk, name, line))
        line += chunk.count("\n")
    return inputs


@dataclass
class _Output:
    """What the passes made of a module, or why they did not."""
    written: bytes = b""
    diagnostics: list[Diagnostic] = field(default_factory=list)


def _transform(source: _Input, args: argparse.Namespace, pipeline: str) -> _Output:
    """Run the pipeline on a module."""
    context = make_context()
    context.allow_unregistered_dialects = args.allow_unregistered_dialect
    with context, ir.Location.unknown():
        try:
            # leading newlines keep the line numbers of the whole file
            module = parse_file(source.path) if source.path else parse_text("\n" * source.lines_before + source.text, source.file)
            verify = args.verify_each
            if args.run_reproducer:
                pipeline, verify = _reproduced(source)
            steps = parse_pipeline(pipeline, {"machine": args.machine} if args.machine else {})
            if args.dump_pass_pipeline:
                print(f"Pass Manager with {len(steps)} passes:\n{pipeline_text(steps)}", file=sys.stderr)
            statistics = Statistics()
            seconds = run(module, steps, verify_each=verify, watchers=_watchers(args, statistics))
        except DiagnosedError as e:
            return _Output(diagnostics=e.diagnostics or [Diagnostic("error", str(e), source.file)])
        if args.mlir_timing:
            print(timing_report(seconds), file=sys.stderr)
        if args.mlir_pass_statistics:
            print(statistics.report(), file=sys.stderr)
        if args.emit_bytecode:
            stream = io.BytesIO()
            module.operation.write_bytecode(stream)
            return _Output(stream.getvalue())
        return _Output((_form(args).text(module).rstrip("\n") + "\n").encode())


def _form(args: argparse.Namespace) -> AsmForm:
    return AsmForm(args.mlir_print_debuginfo, args.mlir_print_op_generic, args.mlir_elide_elementsattrs_if_larger,
                   args.mlir_elide_resource_strings_if_larger, args.mlir_pretty_debuginfo, args.mlir_print_local_scope,
                   not args.mlir_print_skip_regions)


def _watchers(args: argparse.Namespace, statistics: Statistics) -> list[Watcher]:
    """The watcher that sees the IR around the passes, by the flags."""
    watchers: list[Watcher] = [
        Printing(args.mlir_print_ir_before, args.mlir_print_ir_after, args.mlir_print_ir_before_all, args.mlir_print_ir_after_all,
                 args.mlir_print_ir_after_change, args.mlir_print_ir_after_failure, args.mlir_print_ir_tree_dir, form=_form(args))]
    if args.dump_ir:
        watchers.append(Dump(Path(args.dump_ir)))
    if args.mlir_pass_statistics:
        watchers.append(statistics)
    if args.mlir_pass_pipeline_crash_reproducer:
        watchers.append(Reproducer(Path(args.mlir_pass_pipeline_crash_reproducer), args.mlir_pass_pipeline_local_reproducer, args.verify_each))
    return watchers


_REPRODUCER = re.compile(r'mlir_reproducer:\s*\{(.*?)\n\s*\}', re.DOTALL)


def _reproduced(source: _Input) -> tuple[str, bool]:
    """The pipeline that a reproducer holds, and whether to verify after each pass.  Raises FocusError for a file that is none."""
    held = _REPRODUCER.search(source.text.rpartition("{-#")[2]) if "{-#" in source.text else None
    text = held and re.search(r'pipeline:\s*("(?:[^"\\]|\\.)*")', held[1])
    if not held or not text:
        raise FocusError(f"{source.file}: is no reproducer: it holds no resource 'mlir_reproducer' with a pipeline")
    return ir.StringAttr(ir.Attribute.parse(text[1])).value, "verify_each: false" not in held[1]


# ---- diagnostics ------------------------------------------------------------------------------------------------------------
def _print_diagnostics(found: list[Diagnostic], source: _Input) -> None:
    """MLIR's form: position, message, the source line with a caret."""
    lines = source.text.split("\n")
    for d in found:
        print(d, file=sys.stderr)
        here = d.line - source.lines_before - 1
        if d.file == source.file and d.line and 0 <= here < len(lines) and d.severity != "note":
            print(printable(lines[here], but="\t"), " " * (d.column - 1) + "^", sep="\n", file=sys.stderr)
        _print_diagnostics(d.notes, source)


_EXPECTED = re.compile(r"expected-(error|warning|note|remark)(-re)?\s*(?:@([+-]\d+|above|below|unknown))?\s*\{\{(.*)\}\}")


@dataclass
class _Expected:
    """One `expected-error@+1 {{text}}` comment; line 0 for @unknown."""
    severity: str
    line: int
    pattern: re.Pattern
    text: str
    written_at: int

    def matches(self, d: Diagnostic) -> bool:
        return d.severity == self.severity and d.line == self.line and bool(self.pattern.search(d.message))


def _expectations(source: _Input) -> list[_Expected]:
    out = []
    for number, line in enumerate(source.text.split("\n"), source.lines_before + 1):
        for part in re.split(r"(?=expected-(?:error|warning|note|remark))", line):
            match = _EXPECTED.match(part)
            if match:
                severity, is_re, at, text = match.groups()
                relative = int(at) if at and at[1:].isdigit() else 0
                where = {"above": number - 1, "below": number + 1, "unknown": 0}.get(at, number + relative)
                pieces = re.split(r"\{\{(.*?)\}\}", text) if is_re else [text]
                pattern = "".join(p if i % 2 else re.escape(p) for i, p in enumerate(pieces))
                out.append(_Expected(severity, where, re.compile(pattern), text, number))
    return out


def _check_diagnostics(found: list[Diagnostic], source: _Input) -> bool:
    """Compare the diagnostics with the comments, as `--verify-diagnostics` asks; print what differs."""
    expected, ok = _expectations(source), True
    flat = [d for top in found for d in (top, *top.notes)]
    for d in flat:
        match = next((e for e in expected if e.matches(d)), None)
        if match:
            expected.remove(match)
        elif d.severity != "note":
            ok = False
            where = f"{source.file}:{d.line}:{d.column}" if d.line else source.file
            print(f"{where}: error: unexpected {d.severity}: {d.message}", file=sys.stderr)
    for e in expected:
        ok = False
        print(f"{source.file}:{e.written_at}: error: expected {e.severity} \"{e.text}\" was not produced", file=sys.stderr)
    return ok


# ---- command ----------------------------------------------------------------------------------------------------------------
@tool
def main(argv: list[str] | None = None) -> int:
    elements, others = _split_pass_flags(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:            # a shell asks: each pass is a flag
        for name in (*UPSTREAM_FLAGS, *load_passes()):
            parser.add_argument(f"--{name}")
    args = parsed(parser, others)
    if args.pass_pipeline is not None and elements:
        parser.error("give passes either as flags or as --pass-pipeline, not both")
    if args.run_reproducer and (args.pass_pipeline is not None or elements):
        parser.error("--run-reproducer runs the passes that stand in the file; give no others")
    if args.mlir_pass_pipeline_local_reproducer and not args.mlir_pass_pipeline_crash_reproducer:
        parser.error("--mlir-pass-pipeline-local-reproducer says what --mlir-pass-pipeline-crash-reproducer writes: give it a file")
    if args.emit_bytecode and args.split_input_file:
        parser.error("--emit-bytecode writes one module, --split-input-file has several")
    if args.list_passes or args.show_dialects:
        print(list_passes() if args.list_passes else "Available Dialects: " + ",".join(dialects()))
        return 0
    pipeline = args.pass_pipeline if args.pass_pipeline is not None else ",".join(elements)
    ok, written = True, []
    for source in _read(args):
        output = _transform(source, args, pipeline)
        if args.verify_diagnostics:
            ok &= _check_diagnostics(output.diagnostics, source)
        elif output.diagnostics:
            _print_diagnostics(output.diagnostics, source)
            ok = False
        written.append(output.written)
    if ok:
        _write(b"// -----\n".join(written), args.o)
    return 0 if ok else 1


def _write(output: bytes, to: str) -> None:
    if to == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
        return
    with atomic_write(to) as temporary:
        temporary.write_bytes(output)


if __name__ == "__main__":
    sys.exit(main())
