"""What the command-line tools of this room share: how they fail.

In: a tool's function of its arguments.  Out: an exit code: 0, 1 after `error: ...` on stderr, 2 for wrong usage (argparse).
"""
from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

from .errors import FocusError


def tool(function: Callable[[list[str] | None], None]) -> Callable[[list[str] | None], int]:
    """Turn a function that raises FocusError into a `main` that returns an exit code and prints no traceback."""
    @functools.wraps(function)
    def main(argv: list[str] | None = None) -> int:
        try:
            function(argv)
            sys.stdout.flush()
            return 0
        except FocusError as e:
            print(f"error: {e}", file=sys.stderr)
            return 1
        except BrokenPipeError:                         # the reader of our output has left; nobody is there to tell
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except KeyboardInterrupt:
            return 130
    return main


def read_input(path: str) -> bytes:
    """The bytes of a file, or of stdin for "-".  Raises FocusError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
