"""`focus-opt`: read IR, run passes on it, write it.

In: a file (or standard input) with a module in any mix of the `torch`, `focus`, `fisa` and upstream dialects.  Out: the module after the
passes, or the diagnostics.  Works like mlir-opt; without passes it parses, verifies and prints.  Starts without importing torch.
"""
import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # numpy comes with the bindings; its thread pool costs more than our start-up

from focus.dialects.context import make_context, parse_file, parse_text
from focus.dialects.support import DiagnosedError, Diagnostic, ir, to_text
from focus.passes.manager import Dump, Printing, find_pass, load_passes, parse_pipeline, run, timing_report
from focus.runtime.spec.errors import FocusError, printable
from focus.runtime.spec.files import atomic_write
from focus.runtime.tools.cli import tool

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
    p.add_argument("file", nargs="?", default="-", help="input file; - for standard input (default)")
    p.add_argument("-o", metavar="FILE", default="-", help="output file; - for standard output (default)")
    p.add_argument("--pass-pipeline", metavar="TEXT", help="passes to run, in MLIR's pipeline syntax")
    p.add_argument("--machine", metavar="FILE", help="machine file or name, for every pass with an option 'machine'")
    p.add_argument("--list-passes", action="store_true", help="list our passes with their options and stop")
    p.add_argument("--dump-ir", metavar="DIR", help="write the IR after each pass to a numbered file in DIR")
    p.add_argument("--split-input-file", action="store_true", help="handle the parts between '// -----' lines one by one")
    p.add_argument("--verify-diagnostics", action="store_true", help="check the diagnostics against 'expected-error {{...}}' comments")
    p.add_argument("--no-verify-each", action="store_true", help="do not verify the IR after each pass")
    p.add_argument("--allow-unregistered-dialect", action="store_true", help="accept ops of unknown dialects")
    p.add_argument("--mlir-print-ir-before-all", action="store_true", help="print the IR before each pass to standard error")
    p.add_argument("--mlir-print-ir-after-all", action="store_true", help="print the IR after each pass to standard error")
    p.add_argument("--mlir-print-ir-after-change", action="store_true", help="print the IR after each pass that changed it")
    p.add_argument("--mlir-print-ir-tree-dir", metavar="DIR", help="write the IR after each pass to a file in a tree under DIR")
    p.add_argument("--mlir-timing", action="store_true", help="print the time each pass took to standard error")
    p.add_argument("--mlir-print-debuginfo", action="store_true", help="print locations (module paths)")
    p.add_argument("--mlir-print-op-generic", action="store_true", help="print every op in the generic form")
    return p


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
    if raw[:4] == b"ML\xefR":
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


def _transform(source: _Input, args: argparse.Namespace, pipeline: str) -> tuple[str, list[Diagnostic]]:
    """The module's text after the passes, and no diagnostics; or "" and the diagnostics."""
    context = make_context()
    context.allow_unregistered_dialects = args.allow_unregistered_dialect
    printing = Printing(args.mlir_print_ir_before_all, args.mlir_print_ir_after_all, args.mlir_print_ir_after_change,
                        args.mlir_print_ir_tree_dir, args.mlir_print_debuginfo, args.mlir_print_op_generic)
    with context, ir.Location.unknown():
        try:
            # leading newlines keep the line numbers of the whole file
            module = parse_file(source.path) if source.path else parse_text("\n" * source.lines_before + source.text, source.file)
            steps = parse_pipeline(pipeline, {"machine": args.machine} if args.machine else {})
            dump = Dump(Path(args.dump_ir)) if args.dump_ir else None
            seconds = run(module, steps, verify_each=not args.no_verify_each, dump=dump, printing=printing)
        except DiagnosedError as e:
            return "", e.diagnostics or [Diagnostic("error", str(e), source.file)]
        if args.mlir_timing:
            print(timing_report(seconds), file=sys.stderr)
        text = to_text(module, args.mlir_print_debuginfo, args.mlir_print_op_generic)
        return text if text.endswith("\n") else text + "\n", []


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
    args = parser.parse_args(others)
    if args.pass_pipeline is not None and elements:
        parser.error("give passes either as flags or as --pass-pipeline, not both")
    if args.list_passes:
        print(list_passes())
        return 0
    pipeline = args.pass_pipeline if args.pass_pipeline is not None else ",".join(elements)
    ok, texts = True, []
    for source in _read(args):
        text, found = _transform(source, args, pipeline)
        if args.verify_diagnostics:
            ok &= _check_diagnostics(found, source)
        elif found:
            _print_diagnostics(found, source)
            ok = False
        texts.append(text)
    if ok:
        _write("// -----\n".join(texts), args.o)
    return 0 if ok else 1


def _write(text: str, to: str) -> None:
    if to == "-":
        print(text, end="")
        return
    with atomic_write(to) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
