"""The machine a pass compiles for.

In: the value of a pass's `machine` option: a name, a file, or (from Python) a `Machine`.  Out: the `Machine`.
"""
from __future__ import annotations

from functools import lru_cache

from focus.runtime.spec.machine import Machine


def resolve_machine(machine: str | Machine) -> Machine:
    """The machine description of an option value.  Raises FocusError when there is no such machine or its file is wrong."""
    return machine if isinstance(machine, Machine) else _load(machine)


@lru_cache(maxsize=16)
def _load(name: str) -> Machine:
    return Machine.load(name)


def machine_mark(machine: str | Machine) -> str:
    """What a module says of the machine it is for (`focus.machine`): its name and a sum of all it states."""
    target = resolve_machine(machine)
    return f"{target.name} {target.fingerprint[:16]}"
