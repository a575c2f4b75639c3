"""What the stack has to say to its user: the one exception every tool reports without a traceback, and warnings.

In: a message.  Out: `FocusError`; `one_line`, which makes any exception one; `first_line` of any exception; `warn`.
"""
import functools
import inspect
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class FocusError(Exception):
    """A problem with the user's input: one clear line that says which file, op or module path and what was expected.

    The command-line tools print it as `error: <message>` and exit with code 1.
    """


def first_line(error: BaseException) -> str:
    """What an exception of somebody else's says, as one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def one_line(function: Callable[P, T]) -> Callable[P, T]:
    """A function that raises FocusError for whatever goes wrong in it; what nobody foresaw says so.  Calls of a wrong form stay TypeErrors."""
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


def warn(message: str) -> None:
    """One line `warning: <message>` on standard error, about something that is allowed and probably not meant."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
