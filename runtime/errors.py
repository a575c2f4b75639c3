"""The one exception every tool of the stack reports without a traceback.

In: a message.  Out: `FocusError`.
"""


class FocusError(Exception):
    """A problem with the user's input: one clear line that says which file, op or module path and what was expected.

    The command-line tools print it as `error: <message>` and exit with code 1.
    """
