"""The error that every part of the stack raises, by a short name.

In: nothing.  Out: `FocusError`, which `focus` itself has too.
"""
from focus.runtime.spec.errors import FocusError

__all__ = ["FocusError"]
