"""The errors under their public name: `from focus.runtime.errors import FocusError`.

In: nothing.  Out: what `focus.runtime.spec.errors` has.
"""
from focus.runtime.spec.errors import FocusError, first_line, warn

__all__ = ["FocusError", "first_line", "warn"]
