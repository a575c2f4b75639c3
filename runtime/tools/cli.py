"""What all command-line tools share: how they read their arguments, and how they fail.

In: a tool's function of its arguments.  Out: an exit code: 0 (or what the function returns), 1 after `error: ...` on stderr, 2 for wrong
usage (argparse).  Where argcomplete is installed, a shell completes arguments: `eval "$(register-python-argcomplete focusc)"`.
"""
from __future__ import annotations

import argparse
import atexit
import contextlib
import functools
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn, Protocol, cast

from focus.runtime.spec.errors import FocusError


class Main(Protocol):
    """A tool's entry point: its arguments (those of the process if none are given), its exit code.  `process`: what the installed command runs."""
    process: Callable[[], NoReturn]

    def __call__(self, argv: list[str] | None = None) -> int: ...


def tool(function: Callable[[list[str] | None], int | None]) -> Main:
    """Turn a function that raises FocusError into a `main` that returns an exit code and prints no traceback."""
    @functools.wraps(function)
    def main(argv: list[str] | None = None) -> int:
        try:
            code = function(argv)
            if sys.stdout is not None and not sys.stdout.closed:        # closed by the caller (>&-) or by the tool
                sys.stdout.flush()
            return code or 0
        except FocusError as e:
            print(f"error: {e}", file=sys.stderr)
            return 1
        except OSError as e:
            if not isinstance(e, BrokenPipeError):          # else the reader of our output has closed it, and there is nobody to report to
                print(f"error: {e.filename or 'standard output'}: {e.strerror or e}", file=sys.stderr)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)    # what is still buffered goes nowhere
            return 1
        except KeyboardInterrupt:
            return 130

    tool_main = cast(Main, main)
    tool_main.process = functools.partial(_process, main)
    return tool_main


def _process(main: Callable[[], int]) -> NoReturn:
    """Run a tool as all of a process.  What Python itself does at the end is left out but for `atexit`: to free all objects of PyTorch and
    transformers, one by one, takes 2 to 3 s."""
    try:
        code = main()
    except SystemExit as e:             # of argparse, after its message
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):      # there is none, or nobody reads it
            stream.flush()
    os._exit(code)


class _Version(argparse.Action):
    """Prints the versions of the package and of MLIR, which are looked up only then, and ends the tool."""

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> NoReturn:
        import focus
        print(f"{parser.prog} {focus.__version__} (MLIR of torch-mlir {importlib.metadata.version('torch-mlir')})")
        parser.exit()


def parsed(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments of a tool, all of which say their version; to a shell that asks for it, how the line may go on."""
    parser.add_argument("--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the versions of Focus and of MLIR and exit")
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # what set the variable comes with it
        argcomplete.autocomplete(parser)
    return parser.parse_args(argv)


def completed(action: argparse.Action, choices: Callable[[], Iterable[str]]) -> None:
    """Let a shell offer these values of an argument, beside the names of files."""
    def offered(prefix: str, **_unused: object) -> list[str]:
        from argcomplete.completers import FilesCompleter
        return [*(c for c in choices() if c.startswith(prefix)), *FilesCompleter()(prefix)]
    action.completer = offered      # type: ignore[attr-defined]


def read_input(path: str) -> bytes:
    """The bytes of a file, or of stdin for "-".  Raises FocusError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
