"""What was found out about mappings, kept for later compilations: in the folder `focus/mappings` of the user's cache.

In: a target.  Out: `model_choices`, what the cost model has chosen for each form, and `searched_choices`, what the simulator has; `cache_folder` and
`build_key`, for all files that are kept there.

A file is named after everything that its content depends on, the code included, so none has to be removed when something changes.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from typing import Any

from focus.dialects.mapping import KernelMapping, from_dict, to_dict
from focus.passes.kernels.forms import Form
from focus.passes.mapping.space import Target
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

MOST_FORMS = 4096       #: in a file; a full one is begun anew

Key = tuple[Form, tuple[tuple[str, Any], ...]]          #: a form, and what a user has fixed of its mapping
Found = tuple[KernelMapping | None, float]              #: the cheapest mapping, None where there is none; its price


class Choices:
    """What has been chosen for a machine: in this process and, with a file, on disk by earlier ones, where users fixed nothing."""

    def __init__(self, path: Path | None = None):
        self.path = path
        self._known: dict[Key, Found] = {}
        self._stored: dict[str, Any] | None = None      #: of the file, by the text of the form
        self._changed = False

    @property
    def found(self) -> bool:
        """Whether there is a file with choices."""
        if self._stored is None and self.path is not None:
            self._stored = _read(self.path)
        return bool(self._stored)

    def get(self, key: Key) -> Found | None:
        """What was chosen; None where nothing was yet."""
        found = self._known.get(key)
        if found is None and not key[1] and self.found:
            found = _found((self._stored or {}).get(str(key[0])))
            if found is not None:
                self._known[key] = found
        return found

    def put(self, key: Key, found: Found) -> Found:
        """Keep a choice; itself."""
        self._known[key] = found
        self._changed |= not key[1]
        return found

    def save(self) -> None:
        """Write what is new to the file, if there is one and it can be written: a choice is only made again without it."""
        if self.path is None or not self._changed:
            return
        table = _read(self.path)                        # others may have written since
        table = table if len(table) < MOST_FORMS else {}
        for (form, fixed), (mapping, price) in self._known.items():
            if not fixed:
                table[str(form)] = [None if mapping is None else to_dict(mapping), price]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(table), encoding="utf-8")
        except (OSError, FocusError):
            pass
        self._changed = False


def model_choices(target: Target) -> Choices:
    """Those of the cost model for a machine and vectors of a length."""
    return _choices(cache_folder(), target.machine.to_json(), target.vector)


def searched_choices(target: Target, forms: str) -> Choices:
    """Those of the simulator for a machine, vectors of a length, and a program's forms, of which the best mappings were simulated: a text."""
    name = hashlib.sha256(f"{build_key()}\n{target.machine.to_json()}\n{target.vector}\n{forms}".encode()).hexdigest()
    return Choices(cache_folder() / f"searched-{name}.json")


@lru_cache(4)
def _choices(folder: Path, machine: str, vector: int) -> Choices:
    name = hashlib.sha256(f"{build_key()}\n{machine}\n{vector}".encode()).hexdigest()
    return Choices(folder / f"model-{name}.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}                       # no file yet, or one that cannot be read: choose again
    return table if isinstance(table, dict) else {}


def _found(entry: Any) -> Found | None:
    """A choice as the file has it; None for what is none."""
    try:
        values, price = entry
        return (None, inf) if values is None else (from_dict(values), float(price))
    except (TypeError, ValueError, AttributeError, FocusError):
        return None


def cache_folder() -> Path:
    """Where what was found out is kept: `$FOCUS_CACHE`, or `focus` in the user's cache."""
    own = os.environ.get("FOCUS_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "focus") / "mappings"


@cache
def build_key() -> str:
    """A hash of all that a choice depends on: the code that emits and lowers kernels, the description of machines, and the simulator."""
    package = Path(__file__).parents[2]
    total = hashlib.sha256()
    for file in sorted(_files(package)):
        total.update(file.read_bytes())
    return total.hexdigest()


def _files(package: Path) -> Iterable[Path]:
    for folder in ("passes", "dialects", "runtime/spec"):
        yield from (package / folder).rglob("*.py")
    yield from (package / "runtime").glob("_sim*.so")
