"""What the stack has to say to its user: the one exception every tool reports without a traceback, and warnings.

In: a message.  Out: `FocusError`; `first_line` of any exception; `warn`.
"""
import sys


class FocusError(Exception):
    """A problem with the user's input: one clear line that says which file, op or module path and what was expected.

    The command-line tools print it as `error: <message>` and exit with code 1.
    """


def first_line(error: BaseException) -> str:
    """What an exception of somebody else's says, as one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def warn(message: str) -> None:
    """One line `warning: <message>` on standard error, about something that is allowed and probably not meant."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
