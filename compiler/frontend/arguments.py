"""What the tools that take a MODEL share: its arguments, how it is loaded, and how progress is shown.

In: parsed arguments.  Out: a model with its inputs, a concentration, a function to tell progress to.

PyTorch is imported only when a model is loaded, so that `--help` and most mistakes answer at once.
"""
from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from focus.runtime.spec.concentration import PRESETS, Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

DEEPEST = 2 ** 31           #: more layers than any decoder has


def add_model(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """The arguments MODEL, --inputs and --scope."""
    parser.add_argument("model", nargs="?" if optional else None, metavar="MODEL",
                        help="a zoo name, a Hugging Face model folder, or FILE.py:FUNCTION" + (", or an IR file of --dump-ir" if optional else ""))
    parser.add_argument("--inputs", type=Path, metavar="FILE",
                        help="inputs of the model's forward, a safetensors file; they replace those that come with the model")
    parser.add_argument("--scope", choices=("whole", "backbone"), default="whole",
                        help="the whole model (default), or its decoder layers on the visual tokens and one prompt token, to be timed")


def add_requests(parser: argparse.ArgumentParser) -> None:
    """The arguments MODEL and --inputs of tools that take several requests."""
    parser.add_argument("model", metavar="MODEL", help="a zoo name, a Hugging Face model folder, or FILE.py:FUNCTION")
    parser.add_argument("--inputs", type=Path, nargs="+", metavar="FILE",
                        help="requests: inputs of the model's forward, a safetensors file each (default: the one that comes with the model)")


def read_requests(option: str, files: Sequence[Path] | None) -> dict[str, Mapping[str, Any]]:
    """Requests by the names of their files.  Raises FocusError."""
    from focus.compiler.frontend.loading import read_inputs
    names = [path.stem for path in files or ()]
    if len(set(names)) < len(names):
        raise FocusError(f"{option} {' '.join(map(str, files or ()))}: files of different names expected")
    return {path.stem: read_inputs(path) for path in files or ()}


def load_requests(spec: str, files: Sequence[Path] | None) -> tuple[Any, dict[str, Mapping[str, Any]]]:
    """Model and requests by their names: those of the files, or "own" for the one that comes with the model.  Raises FocusError for a model
    without values."""
    requests = read_requests("--inputs", files)
    model, own = load(spec, files[0] if files else None, "whole")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise FocusError(f"{spec}: the model has no values, and so no answers")
    return model, requests or {"own": own}


def check_concentration(spec: str | None) -> None:
    """Raise FocusError now for what is neither a preset, whose layers depend on the model, nor a file of the right contents."""
    if spec is not None and spec not in PRESETS:
        Concentration.resolve(spec, DEEPEST)


def concentration(model: str, spec: str | None, machine: Machine) -> Concentration | str:
    """The concentration meant for a MODEL: presets of an entry at full size are its published schedule; None: all the machine has units for."""
    from focus.compiler.frontend.loading import concentration_of
    spec = spec or ("full" if machine.sec.present and machine.sic.present else "off")
    return concentration_of(model, spec) if spec in PRESETS else spec


def load(spec: str, inputs_file: Path | None, scope: str) -> tuple[Any, Mapping[str, Any]]:
    """Model and inputs.  What a user's function prints goes to standard error: standard output may be the IR."""
    hush()
    from focus.compiler.frontend.loading import load_model
    with contextlib.redirect_stdout(sys.stderr):
        return load_model(spec, inputs_file, scope)


def hush() -> None:
    """Keep libraries' warnings and bars off standard error, where one line says what is wrong."""
    warnings.simplefilter("ignore")
    import transformers
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done: one line that changes on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)
        yield lambda name: bar.update(task, description=name)
