"""Errors and warnings shown to the user: the one exception that every tool reports without a traceback, and `warn`.

In: a message.  Out: `FocusError`; `printable`, any text without characters that act on a terminal; `one_line`, which makes any exception
a FocusError; `first_line` of any exception; `path_of` what is given as a file; `warn`.
"""
import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def printable(text: str, but: str = "") -> str:
    """`text` with its control characters, line breaks, and others without a glyph as escapes, except those in `but`."""
    return text if text.isprintable() else "".join(c if c.isprintable() or c in but else repr(c)[1:-1] for c in text)


class FocusError(Exception):
    """A problem with the user's input: one clear line that says which file, op or module path and what was expected.

    The command-line tools print it as `error: <message>` and exit with code 1.  Control characters in the message, which names from files may
    have brought, are escaped.
    """
    KEPT = ""           #: control characters that stay: line breaks for a kind of error that has several lines

    def __init__(self, message: object = ""):
        super().__init__(printable(str(message), self.KEPT))


def first_line(error: BaseException) -> str:
    """The message of any exception as one line; the name of its type where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def one_line(function: Callable[P, T]) -> Callable[P, T]:
    """The function, but every exception it raises becomes a FocusError; one that is no FocusError already is reported as unexpected.  Calls with
    arguments that the signature does not have stay TypeErrors."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        signature.bind(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except FocusError:
            raise
        except Exception as e:
            raise FocusError(f"{function.__qualname__}: unexpected {type(e).__name__}: {first_line(e)}") from e
    return guarded


def path_of(value: object, what: str) -> Path:
    """A path given as one, or as text.  Raises FocusError, naming `what` it is to be, for anything else."""
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise FocusError(f"{what}: the path of a file expected, got {type(value).__name__}")
    return Path(value)


def warn(message: str) -> None:
    """One line `warning: <message>` on standard error, about something that is allowed but probably not intended."""
    print(f"warning: {printable(message)}", file=sys.stderr, flush=True)
