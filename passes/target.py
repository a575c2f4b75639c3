"""The machine a pass compiles for.

In: the value of a pass's `machine` option: a name, a file, or (from Python) a `Machine`.  Out: the `Machine`.
"""
from __future__ import annotations

from functools import lru_cache

from focus.runtime.errors import FocusError
from focus.runtime.machine import Machine

SIDE = 32       #: rows and columns of the array that tiles are made for; a vector is as wide


def resolve_machine(machine: str | Machine) -> Machine:
    """The machine description of an option value.  Raises FocusError when there is no such machine, its file is wrong, or its array is smaller
    than the tiles."""
    found = machine if isinstance(machine, Machine) else _load(machine)
    if (found.array.rows, found.array.cols) != (SIDE, SIDE):
        raise FocusError(f"machine '{found.name}': array of {found.array.rows} x {found.array.cols}; the compiler makes tiles for "
                         f"{SIDE} x {SIDE} only")
    return found


@lru_cache(maxsize=16)
def _load(name: str) -> Machine:
    return Machine.load(name)
