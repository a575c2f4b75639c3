"""What the stack has to say to its user: the one exception every tool reports without a traceback, and warnings.

In: a message.  Out: `FocusError`; `warn`; `printable`, any text without characters that act on a terminal.
"""
import sys


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


def warn(message: str) -> None:
    """One line `warning: <message>` on standard error, about something that is allowed and probably not meant."""
    print(f"warning: {printable(message)}", file=sys.stderr, flush=True)
