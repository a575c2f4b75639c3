"""focusc: compiles a vision-language model to a binary for the accelerator.

In: a zoo name, a Hugging Face model folder, a function of a Python file that returns (model, inputs), or an IR file of an earlier compilation and
where its parameters are.  Out: an `.fxb` file, or the IR or assembly of an earlier level; on request one IR file per pass, the inputs used, and the
seconds each pass took.

PyTorch is imported only once the arguments are known to make sense, so that `focusc --help` and most mistakes answer at once.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focus.compiler.frontend import arguments
from focus.passes.pipeline import pass_names
from focus.runtime.spec.concentration import PRESETS
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, check_outputs
from focus.runtime.spec.machine import Machine, names
from focus.runtime.tools.cli import completed, parsed, tool

if TYPE_CHECKING:
    from focus.compiler.backend.compile import Compilation
    from focus.compiler.report.explain import Predictions
    from focus.compiler.report.levels import Recorder
    from focus.passes.watch import Watcher

IR_SUFFIXES = (".mlir", ".mlirbc")
EMIT = ("torch", "focus", "tiled", "fisa", "asm", "binary")

_EXAMPLES = """
examples:
  focusc --list                                         the models of the zoo, which need no download
  focusc llava-onevision-tiny -o tiny.fxb --save-inputs in.safetensors
  focus-sim tiny.fxb --inputs in.safetensors            run what was compiled
  focusc my_model.py:small -o small.fxb                 small() returns (model, inputs of its forward)
  focusc llava-video-7b --scope=backbone -o video.fxb   at full size, without parameter values: focus-sim --timing-only
  focusc ./Qwen2.5-VL --inputs request.safetensors -o qwen.fxb
  focusc llava-onevision-tiny --max-new-tokens 32 -o tiny.fxb     can go on: focus-sim tiny.fxb --inputs in.safetensors --generate 16
  focusc llava-onevision-tiny --emit=tiled | less       the IR after tiling, scheduling and allocation
  focusc llava-onevision-tiny --emit=asm -o tiny.s      the program as assembly
  focusc llava-onevision-tiny -o tiny.fxb --dump-ir ir  ir/00-input.mlir, ir/01-convert-torch-to-focus.mlir, ...
  focusc ir/03-fuse.mlir --weights llava-onevision-tiny -o tiny.fxb      go on from any of these files

levels of --emit:
  torch    the imported model in the torch dialect, weights as named parameters
  focus    operations on whole tensors, fused, concentrated and laid out
  tiled    loops over tiles in on-chip memory, with semaphores and addresses
  fisa     instructions of the accelerator, as IR
  asm      the same as assembly text
  binary   the .fxb file (default)

A program is compiled for the shapes and the token layout of its inputs. Passes: docs/passes.md. Concentration: docs/algorithm.md.
"""


@tool
def main(argv: list[str] | None = None) -> None:
    parser = _parser()
    args = parsed(parser, argv)
    if args.list:
        _list_zoo()
        return
    if args.model is None:
        parser.error("which MODEL? (focusc --list shows the zoo)")
    resumed = args.model.endswith(IR_SUFFIXES)
    _check_resuming(parser, args, resumed)
    if args.print_ir_module and not _prints(args):
        parser.error("--print-ir-module says what of the IR is printed; say when with --print-ir-after or another")
    if args.max_new_tokens and args.emit != "binary":
        parser.error(f"--max-new-tokens adds programs to a binary; --emit={args.emit} writes one program (those that follow: --dump-ir)")
    if args.emit == "binary" and args.output == "-":
        parser.error("a binary needs a file to be written to: give one with -o")
    if args.explain_mapping and _stop(args) != "binary":
        parser.error(f"--explain-mapping needs a program to time, not --emit {args.emit}")
    machine = Machine.load(args.machine)
    arguments.check_concentration(args.concentration)
    _check_places(args)
    inputs: Mapping[str, Any] = {}
    recorder, predictions = _recorder(args), _predictions(args)
    with arguments.progress(args.quiet) as tell:
        if resumed:
            compilation = _resume(machine, args, tell, _watchers(args, recorder, predictions))
        else:
            tell("load model")
            model, inputs = arguments.load(args.model, args.inputs, args.scope)
            compilation = _compile(model, inputs, machine, args, tell, _watchers(args, recorder, predictions))
        tell("write")
        if args.save_inputs:
            _save_inputs(args.save_inputs, inputs)
        _write(compilation, args.emit, args.output)
        if recorder is not None:
            tell("report")
            _write_report(args.html, recorder, compilation)
    if predictions is not None:
        from focus.compiler.report.explain import explain, show
        show(explain(predictions, compilation.binary))
    if args.timing:
        from focus.passes.manager import timing_report
        print(timing_report(compilation.seconds), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="focusc", description="Compile a vision-language model to a binary for the Focus accelerator.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser, optional=True)
    parser.add_argument("--weights", metavar="WHAT",
                        help="where parameters are, if MODEL is an IR file: a model as MODEL names it, or a safetensors file by the names in the IR")
    parser.add_argument("--no-weights", action="store_true", help="go on from an IR file to a program without parameter values, to be timed")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="what to write; - for standard output (IR and assembly)")
    parser.add_argument("--emit", choices=EMIT, default="binary", help="the level to stop at (default %(default)s)")
    completed(parser.add_argument("--machine", default="focus", metavar="FILE",
                                  help=f"a machine file, or {', '.join(names())} (default focus)"), names)
    completed(parser.add_argument("--concentration", metavar="WHAT",
                                  help=f"{', '.join(PRESETS)} or a TOML file (default full, or off for a machine without the units)"),
              lambda: PRESETS)
    parser.add_argument("--max-new-tokens", type=int, default=0, metavar="N",
                        help="also compile the program for a token that follows the request, with room for N new ones (focus-sim --generate)")
    parser.add_argument("--follow-up", type=int, default=0, metavar="T",
                        help="with --max-new-tokens: also compile the program for text that follows, T tokens at a time (focus-sim --ask)")
    parser.add_argument("--requests", type=int, default=1, metavar="B",
                        help="with --max-new-tokens: go on with B requests of the same shape side by side (default %(default)s)")
    parser.add_argument("--no-check", action="store_true",
                        help="do not compare what is compiled with the model's own forward on the inputs, which takes two forwards")
    parser.add_argument("--verify-each", action="store_true", help="verify the IR after each pass, not after the last alone")
    parser.add_argument("--save-inputs", type=Path, metavar="FILE", help="write the inputs compiled for, as focus-sim --inputs takes them")
    parser.add_argument("--mappings", default="", metavar="FILE", help="fix mappings by module path or pattern (TOML)")
    parser.add_argument("--save-mappings", default="", metavar="FILE", help="write the mapping of every op (TOML); --mappings takes it")
    parser.add_argument("--search", type=int, default=0, metavar="N",
                        help="simulate the N best mappings of each kernel and take the best; what was simulated is remembered (default: cost model)")
    parser.add_argument("--explain-mapping", action="store_true",
                        help="print for each module its mapping, cycles and DRAM bytes as predicted and as simulated, what bounds it, and what it "
                             "waits for")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report to look at, one HTML file: the IR after each pass")
    parser.add_argument("--dump-ir", type=Path, metavar="DIR", help="write the IR before the first and after each pass to numbered files")
    completed(parser.add_argument("--print-ir-before", metavar="PASS", action="append", default=[],
                                  help="print the IR before this pass to standard error"), pass_names)
    completed(parser.add_argument("--print-ir-after", metavar="PASS", action="append", default=[],
                                  help="print the IR after this pass (may be repeated)"), pass_names)
    parser.add_argument("--print-ir-after-all", action="store_true", help="print the IR after each pass")
    parser.add_argument("--print-ir-after-change", action="store_true", help="print the IR after passes only where they changed it")
    parser.add_argument("--print-ir-module", metavar="PATH",
                        help="of the IR that is printed, only the ops of this module path and below it, and the routines they call")
    parser.add_argument("--timing", action="store_true", help="print the seconds each pass took to standard error")
    parser.add_argument("--list", action="store_true", help="list the zoo and stop")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser


def _list_zoo() -> None:
    from focus.compiler.frontend import full_size, zoo
    entries = zoo.ZOO | full_size.FULL_SIZE
    width = max(map(len, entries))
    for name, entry in entries.items():
        print(f"{name:{width}}  {entry.description}")


# ---- going on from IR ----------------------------------------------------------------------------------------------------------
def _check_resuming(parser: argparse.ArgumentParser, args: argparse.Namespace, resumed: bool) -> None:
    """Stop with a usage error for options that do not go together."""
    if not resumed and (args.weights or args.no_weights):
        parser.error("--weights and --no-weights go with an IR file as MODEL; any other has its own")
    if not resumed:
        return
    if args.weights and args.no_weights:
        parser.error("give either --weights or --no-weights")
    if args.emit in ("binary", "asm") and not args.weights and not args.no_weights:
        parser.error(f"{args.model} holds no parameters: give them with --weights, or --no-weights for a program that can only be timed")
    if args.save_inputs:
        parser.error("--save-inputs needs a model: an IR file has no inputs")
    if args.max_new_tokens or args.follow_up or args.requests != 1:
        parser.error("--max-new-tokens, --follow-up and --requests need a model: an IR file holds one program only")


def _resume(machine: Machine, args: argparse.Namespace, tell: Callable[[str], None], watchers: list[Watcher]) -> Compilation:
    if args.weights:
        arguments.hush()
    from focus.compiler.backend.compile import resume
    weights = args.weights if args.weights and args.emit != "asm" else False
    return resume(args.model, weights, machine, concentration=args.concentration, inputs_file=args.inputs, scope=args.scope, stop=_stop(args),
                  watchers=watchers, dump_ir=args.dump_ir, mappings=args.mappings, save_mappings=args.save_mappings,
                  search=args.search, progress=tell)


# ---- before anything heavy ---------------------------------------------------------------------------------------------------
def _check_places(args: argparse.Namespace) -> None:
    """Raise FocusError now for what could not be written after minutes of work."""
    check_outputs(args.save_inputs, args.html, None if args.output == "-" else args.output)
    if args.dump_ir is not None and args.dump_ir.exists() and not args.dump_ir.is_dir():
        raise FocusError(f"{args.dump_ir}: cannot write: is no folder")


# ---- the work ------------------------------------------------------------------------------------------------------------------
def _compile(model, inputs: Mapping[str, Any], machine: Machine, args: argparse.Namespace, tell: Callable[[str], None],
             watchers: list[Watcher]) -> Compilation:
    from focus.compiler.backend.compile import compile_model
    concentration = arguments.concentration(args.model, args.concentration, machine)
    return compile_model(model, inputs, machine, concentration, scope=args.scope, stop=_stop(args), dump_ir=args.dump_ir, progress=tell,
                         mappings=args.mappings, save_mappings=args.save_mappings, search=args.search,
                         max_new_tokens=args.max_new_tokens, requests=args.requests, follow_up=args.follow_up,
                         check=not args.no_check, verify_each=args.verify_each, watchers=watchers)


def _predictions(args: argparse.Namespace) -> Predictions | None:
    """What keeps the mappings and what is predicted of them, if they are to be explained."""
    if not args.explain_mapping:
        return None
    from focus.compiler.report.explain import Predictions
    return Predictions()


def _watchers(args: argparse.Namespace, recorder: Recorder | None, predictions: Predictions | None) -> list[Watcher]:
    """The watchers that see the IR around the passes."""
    from focus.dialects.support import AsmForm
    from focus.passes.watch import Printing
    watchers: list[Watcher] = [watcher for watcher in (recorder, predictions) if watcher is not None]
    if _prints(args):
        watchers.append(Printing(args.print_ir_before, args.print_ir_after, after_all=args.print_ir_after_all,
                                 only_changed=args.print_ir_after_change, path=args.print_ir_module or "",
                                 form=AsmForm(local=bool(args.print_ir_module))))
    return watchers


def _recorder(args: argparse.Namespace) -> Recorder | None:
    """What keeps the IR for the report, if one is to be written."""
    if not args.html:
        return None
    from focus.compiler.report.levels import Recorder
    return Recorder()


def _write_report(path: Path, recorder: Recorder, compilation: Compilation) -> None:
    from focus.compiler.report import page
    from focus.compiler.report.run import Ran
    from focus.runtime.run.executable import Executable
    page.write(path, recorder, None if compilation.made is None else Ran(Executable(compilation.made)))


def _prints(args: argparse.Namespace) -> bool:
    return bool(args.print_ir_before or args.print_ir_after or args.print_ir_after_all or args.print_ir_after_change)


def _stop(args: argparse.Namespace) -> str:
    return "binary" if args.emit == "asm" else args.emit


def _save_inputs(path: Path, inputs: Mapping[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file
    given = {name: value for name, value in inputs.items() if value is not None and not isinstance(value, bool)}     # flags are no tensors
    tensors = {name: torch.as_tensor(value).contiguous() for name, value in given.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)


def _write(compilation: Compilation, emit: str, output: str) -> None:
    if emit == "binary":
        compilation.binary.save(output)
        return
    if emit == "asm":
        from focus.runtime.run import asm
        binary = compilation.binary
        text = asm.disassemble(binary.text, binary.source, list(binary.modules))
    else:
        from focus.dialects.support import to_text
        text = to_text(compilation.module, locations=True).rstrip("\n") + "\n"
    if output == "-":
        sys.stdout.write(text)
        return
    with atomic_write(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
