"""Rows computed in several processes, each once: also when the whole is begun again after it was stopped.

In: a function and its tasks by key.  Out: `computed`, the results in the tasks' order; `Rows`, a file of those that are finished; `source_key`, which
changes when a result may.
"""
from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

RETRIES = 2             #: how often tasks are given out again after a process was ended, without one being finished in between


def source_key() -> str:
    """A digest of what results depend on: the installed package."""
    digest = hashlib.sha256()
    for room in ("runtime", "dialects", "passes", "compiler"):
        folder = Path(importlib.import_module(f"focus.{room}").__path__[0])
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".toml", ".cpp", ".h")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Rows:
    """Finished results (JSON) by key, in a file with a line for each; without a path, in memory only.  A file of another `identity` is refused."""

    def __init__(self, path: Path | None = None, identity: Mapping[str, Any] | None = None):
        self.path, self.known = path, dict[str, Any]()
        if path is None:
            return
        header = json.dumps(dict(identity or {}), sort_keys=True)
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as e:
            raise FocusError(f"{path}: cannot read: {getattr(e, 'strerror', None) or 'is no text'}") from None
        if lines and lines[0] != header:
            raise FocusError(f"{path}: holds rows of another model, other inputs or another version; choose another file, or remove it")
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                self.known[entry["key"]] = entry["row"]
            except (ValueError, KeyError, TypeError):       # the line that was being written when the work was stopped
                continue
        with atomic_write(path) as temporary:
            temporary.write_text("\n".join([header, *(_line(k, row) for k, row in self.known.items()), ""]), encoding="utf-8")

    def add(self, key: str, row: Any) -> None:
        """Keep one more."""
        self.known[key] = row
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(_line(key, row) + "\n")
                file.flush()
                os.fsync(file.fileno())


def _line(key: str, row: Any) -> str:
    return json.dumps({"key": key, "row": row})


def computed(function: Callable[[Any], Any], tasks: Mapping[str, Any], jobs: int = 1, rows: Rows | None = None,
             tell: Callable[[int, int], None] = lambda done, of: None) -> list[Any]:
    """The result of `function` for each task, in the tasks' order; those in `rows` are taken from there, and others are added as they are finished.

    With several jobs, processes are forked from this one, so that what is loaded is loaded once.  When one is ended by the system, what it and the
    others were at is given out again.  tell: told how many are done, of how many.  Raises FocusError when processes are ended again and again.
    """
    rows = Rows() if rows is None else rows
    attempts = 0
    while missing := {key: task for key, task in tasks.items() if key not in rows.known}:
        tell(len(tasks) - len(missing), len(tasks))
        if jobs == 1 or (len(missing) == 1 and not attempts):
            for key, task in missing.items():
                rows.add(key, function(task))
                tell(sum(k in rows.known for k in tasks), len(tasks))
            break
        before = len(rows.known)
        try:
            _in_processes(function, missing, jobs, rows, lambda: tell(sum(k in rows.known for k in tasks), len(tasks)))
        except BrokenProcessPool:
            attempts = 1 if len(rows.known) > before else attempts + 1
            if attempts > RETRIES:
                raise FocusError(f"processes were ended {attempts} times; is there enough memory for {jobs} at a time (--jobs)? Finished rows are "
                                 "kept if a file was given for them") from None
    return [rows.known[key] for key in tasks]


class _Work:
    function: Callable[[Any], Any]


def _work(task: Any) -> Any:
    return _Work.function(task)


def _in_processes(function: Callable[[Any], Any], tasks: Mapping[str, Any], jobs: int, rows: Rows, tell: Callable[[], None]) -> None:
    """Compute what is missing.  Raises BrokenProcessPool when a process was ended; what was finished until then is kept."""
    _Work.function = function           # of this process and those that it forks: a function with what it has loaded is not sent to them
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        futures: dict[Future, str] = {pool.submit(_work, task): key for key, task in tasks.items()}
        try:
            for future in as_completed(futures):
                rows.add(futures[future], future.result())
                tell()
        finally:
            for future in futures:
                future.cancel()
