"""Rows computed by several workers, each once: also when the whole is begun again after it was stopped.

In: a function and its tasks by key; `Workers`, processes here or a cluster.  Out: `computed`, the results in the tasks' order; `Rows`, a file of
those that are finished.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focus.compiler.evaluate.cluster import Cluster
from focus.compiler.evaluate.source import source_key
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

RETRIES = 2             #: how often tasks are given out again after a process was ended, without one being finished in between


@dataclass(frozen=True)
class Workers:
    """Who computes: so many processes of this machine, or whatever the cluster of Ray at an address has."""
    jobs: int = 1
    ray: str | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Workers:
        """Of parsed `add_arguments`.  Raises FocusError."""
        if args.jobs < 1:
            raise FocusError(f"--jobs {args.jobs}: 1 or more expected")
        return cls(args.jobs, args.ray)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser, what: str, jobs: int = 1) -> None:
        """--jobs (default `jobs`) and --ray."""
        parser.add_argument("--jobs", type=int, default=jobs, metavar="N",
                            help=f"{what} at a time, each in a process of its own (default {'1' if jobs == 1 else 'as many as processors'})")
        parser.add_argument("--ray", metavar="ADDRESS",
                            help=f"compute {what} on the Ray cluster at ADDRESS (HOST:PORT, auto, ray://HOST:PORT), whose machines have this package")

    @property
    def alone(self) -> bool:
        """Whether this process computes."""
        return self.jobs == 1 and self.ray is None


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


def computed(function: Callable[[Any], Any], tasks: Mapping[str, Any], workers: Workers = Workers(), rows: Rows | None = None,
             tell: Callable[[int, int, str], None] = lambda done, of, who: None) -> list[Any]:
    """The result of `function` for each task, in the tasks' order; those in `rows` are taken from there, and others are added as they are finished.

    With several jobs, processes are forked from this one, so that what is loaded is loaded once; to a cluster it is sent.  When a process is ended by
    the system, or a worker or machine of the cluster is lost, what it was at is given out again.  tell: told how many are done, of how many, and
    by whom.  Raises FocusError when workers are lost again and again.
    """
    rows = Rows() if rows is None else rows
    attempts = 0

    def finished(key: str, row: Any, who: str = "") -> None:
        rows.add(key, row)
        tell(sum(k in rows.known for k in tasks), len(tasks), who)

    while missing := {key: task for key, task in tasks.items() if key not in rows.known}:
        tell(len(tasks) - len(missing), len(tasks), "")
        if workers.ray is not None:
            with Cluster(workers.ray, function, source_key()) as cluster:
                for key, row in cluster.results(missing):
                    finished(key, row, cluster.who())
            break
        if workers.jobs == 1 or (len(missing) == 1 and not attempts):
            for key, task in missing.items():
                finished(key, function(task))
            break
        before = len(rows.known)
        try:
            _in_processes(function, missing, workers.jobs, finished)
        except BrokenProcessPool:
            attempts = 1 if len(rows.known) > before else attempts + 1
            if attempts > RETRIES:
                raise FocusError(f"processes were ended {attempts} times; is there enough memory for {workers.jobs} at a time (--jobs)? Finished "
                                 "rows are kept if a file was given for them") from None
    return [rows.known[key] for key in tasks]


class _Work:
    function: Callable[[Any], Any]


def _work(task: Any) -> Any:
    return _Work.function(task)


def _in_processes(function: Callable[[Any], Any], tasks: Mapping[str, Any], jobs: int, finished: Callable[[str, Any], None]) -> None:
    """Compute tasks.  Raises BrokenProcessPool when a process was ended; what was finished until then is kept."""
    _Work.function = function           # of this process and those that it forks: a function with what it has loaded is not sent to them
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        futures: dict[Future, str] = {pool.submit(_work, task): key for key, task in tasks.items()}
        try:
            for future in as_completed(futures):
                finished(futures[future], future.result())
        finally:
            for future in futures:
                future.cancel()
