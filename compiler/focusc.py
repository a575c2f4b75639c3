"""focusc: compiles a vision-language model to a binary for the accelerator.

In: a zoo name, a Hugging Face model folder, or a function of a Python file that returns (model, inputs).  Out: an `.fxb` file, or the IR or
assembly of an earlier level; on request one IR file a pass, the inputs used, and the seconds each pass took.

PyTorch is imported only once the arguments are known to make sense, so that `focusc --help` and most mistakes answer at once.
"""
from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focus.runtime.cli import tool
from focus.runtime.concentration import PRESETS, Concentration
from focus.runtime.errors import FocusError
from focus.runtime.files import atomic_write, check_outputs
from focus.runtime.machine import Machine

if TYPE_CHECKING:
    from .compile import Compilation

DEEPEST = 2 ** 31           #: more layers than any decoder has
EMIT = ("torch", "focus", "tiled", "fisa", "asm", "binary")

_EXAMPLES = """
examples:
  focusc --list                                         the models of the zoo, which need no download
  focusc llava-onevision-tiny -o tiny.fxb --save-inputs in.safetensors
  focus-sim tiny.fxb --inputs in.safetensors            run what was compiled
  focusc my_model.py:small -o small.fxb                 small() returns (model, inputs of its forward)
  focusc llava-video-7b --scope=backbone -o video.fxb   at full size, without parameter values: focus-sim --timing-only
  focusc ./Qwen2.5-VL --inputs request.safetensors -o qwen.fxb
  focusc llava-onevision-tiny --emit=tiled | less       the IR after tiling, scheduling and allocation
  focusc llava-onevision-tiny --emit=asm -o tiny.s      the program as assembly
  focusc llava-onevision-tiny -o tiny.fxb --dump-ir ir  ir/00-input.mlir, ir/01-convert-torch-to-focus.mlir, ...

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
    args = parser.parse_args(argv)
    if args.list:
        _list_zoo()
        return
    if args.model is None:
        parser.error("which MODEL? (focusc --list shows the zoo)")
    if args.emit == "binary" and args.output == "-":
        parser.error("a binary needs a file to be written to: give one with -o")
    machine = Machine.load(args.machine)
    _check_concentration(args.concentration)
    _check_places(args)
    with _progress(args.quiet) as tell:
        tell("load model")
        model, inputs = _load(args.model, args.inputs, args.scope)
        compilation = _compile(model, inputs, machine, args, tell)
        tell("write")
        if args.save_inputs:
            _save_inputs(args.save_inputs, inputs)
        _write(compilation, args.emit, args.output)
    if args.timing:
        from focus.passes.manager import timing_report
        print(timing_report(compilation.seconds), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="focusc", description="Compile a vision-language model to a binary for the Focus accelerator.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a zoo name, a Hugging Face model folder, or FILE.py:FUNCTION")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="what to write; - for standard output (IR and assembly)")
    parser.add_argument("--emit", choices=EMIT, default="binary", help="the level to stop at (default %(default)s)")
    parser.add_argument("--machine", default="focus", metavar="FILE",
                        help="a machine file, or focus (default), focus-published, dense or dense-published")
    parser.add_argument("--scope", choices=("whole", "backbone"), default="whole",
                        help="the whole model (default), or its decoder layers on the visual tokens and one prompt token, to be timed")
    parser.add_argument("--concentration", metavar="WHAT",
                        help=f"{', '.join(PRESETS)} or a TOML file (default full, or off for a machine without the units)")
    parser.add_argument("--inputs", type=Path, metavar="FILE",
                        help="inputs of the model's forward, a safetensors file; they replace those that come with the model")
    parser.add_argument("--save-inputs", type=Path, metavar="FILE", help="write the inputs compiled for, as focus-sim --inputs takes them")
    parser.add_argument("--dump-ir", type=Path, metavar="DIR", help="write the IR before the first and after each pass to numbered files")
    parser.add_argument("--timing", action="store_true", help="print the seconds each pass took to standard error")
    parser.add_argument("--list", action="store_true", help="list the zoo and stop")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser


def _list_zoo() -> None:
    from . import full_size, zoo
    entries = zoo.ZOO | full_size.FULL_SIZE
    width = max(map(len, entries))
    for name, entry in entries.items():
        print(f"{name:{width}}  {entry.description}")


# ---- before anything heavy ---------------------------------------------------------------------------------------------------
def _check_concentration(spec: str | None) -> None:
    """Raise FocusError now for what is neither a preset, whose layers depend on the model, nor a file of the right contents."""
    if spec is not None and spec not in PRESETS:
        Concentration.resolve(spec, DEEPEST)


def _check_places(args: argparse.Namespace) -> None:
    """Raise FocusError now for what could not be written after minutes of work."""
    check_outputs(args.save_inputs, None if args.output == "-" else args.output)
    if args.dump_ir is not None and args.dump_ir.exists() and not args.dump_ir.is_dir():
        raise FocusError(f"{args.dump_ir}: cannot write: is no folder")


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function to tell what is being done: one line that changes on a terminal, nothing anywhere else."""
    if quiet or not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)
        yield lambda name: bar.update(task, description=name)


# ---- the work ------------------------------------------------------------------------------------------------------------------
def _load(spec: str, inputs_file: Path | None, scope: str) -> tuple[Any, Mapping[str, Any]]:
    """Model and inputs.  What a user's function prints goes to standard error: standard output may be the IR."""
    _hush()
    from .loading import load_model
    with contextlib.redirect_stdout(sys.stderr):
        return load_model(spec, inputs_file, scope)


def _hush() -> None:
    """Keep libraries' warnings and bars off standard error, where one line says what is wrong."""
    warnings.simplefilter("ignore")
    import transformers
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def _compile(model, inputs: Mapping[str, Any], machine: Machine, args: argparse.Namespace, tell: Callable[[str], None]) -> Compilation:
    from .compile import compile_model
    from .loading import concentration_of
    concentration = args.concentration or ("full" if machine.sec.present and machine.sic.present else "off")
    if concentration in PRESETS:
        concentration = concentration_of(args.model, concentration)
    stop = "binary" if args.emit == "asm" else args.emit
    return compile_model(model, inputs, machine, concentration, scope=args.scope, stop=stop, dump_ir=args.dump_ir, progress=tell)


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
        from focus.runtime import asm
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
