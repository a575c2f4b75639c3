"""Many measurements, in parallel, each of which is made once: also by a search that is begun again.

In: a `Bench`, a folder.  Out: `Kept`, what has been measured; `Pool`, whose `measure` takes concentrations and gives their measurements in the
same order.

Every measurement is a line of `measurements.jsonl`, written when it is finished.  The order in which they are finished is in the file only: results
do not depend on it, nor on how many processes there are.
"""
from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from focus.compiler.evaluate.cluster import Cluster
from focus.compiler.evaluate.source import source_key
from focus.compiler.evaluate.tune.bench import Bench, Measurement
from focus.compiler.evaluate.workers import Workers
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write


@dataclass(frozen=True)
class Task:
    """A concentration to measure on requests of these names; `timed`, `generate` and `base` as in `Bench.measure`."""
    config: Concentration
    names: tuple[str, ...]
    timed: bool = True
    generate: bool = False
    base: Concentration | None = None

    @property
    def key(self) -> str:
        parts: list[Any] = [self.config.to_json(), self.names, self.timed, self.generate]
        return json.dumps(parts if self.base is None else [*parts, self.base.to_json()])


class Kept:
    """The measurements in a file of a folder.  One of another model, other requests or another machine (`identity`) is refused."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self.path, self.known = folder / "measurements.jsonl", dict[str, Measurement]()
        header = json.dumps({"focus-tune": dict(identity)}, sort_keys=True)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        if lines and lines[0] != header:
            raise FocusError(f"{self.path}: of another model, other requests or another machine; choose another folder, or remove the file")
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                self.known[entry["key"]] = Measurement.from_dict(entry)
            except (ValueError, KeyError, TypeError):       # the line that was being written when the search was stopped
                continue
        with atomic_write(self.path) as temporary:
            temporary.write_text("\n".join([header, *(_line(key, m) for key, m in self.known.items()), ""]), encoding="utf-8")

    def add(self, key: str, measurement: Measurement) -> None:
        """Keep one more."""
        self.known[key] = measurement
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(_line(key, measurement) + "\n")


class Pool:
    """Measures tasks in so many processes, or on a cluster; one job is done in this process."""
    bench: ClassVar[Bench]              #: of the process and those that it forks

    def __init__(self, bench: Bench, kept: Kept, workers: Workers):
        self.kept, Pool.bench = kept, bench
        torch.set_num_threads(1)        # processes that are forked must not use threads of their parent's
        self.cluster = Cluster(workers.ray, partial(_measured, bench), source_key()) if workers.ray else None
        several = workers.jobs > 1 and not self.cluster
        self.executor = ProcessPoolExecutor(workers.jobs, mp_context=multiprocessing.get_context("fork")) if several else None

    def who(self) -> str:
        """Who has measured, for whom shows progress."""
        return self.cluster.who() if self.cluster else ""

    def measure(self, tasks: Sequence[Task], tell: Callable[[int, int], None] = lambda done, of: None) -> list[Measurement]:
        """The measurements of tasks, in their order.  tell: told how many are done, of how many.  Raises FocusError for one that fails."""
        missing = list({t.key: t for t in tasks if t.key not in self.kept.known}.values())
        tell(len(tasks) - len(missing), len(tasks))
        if self.cluster is not None:
            for done, (key, measurement) in enumerate(self.cluster.results({t.key: t for t in missing}), len(tasks) - len(missing) + 1):
                self.kept.add(key, measurement)
                tell(done, len(tasks))
            return [self.kept.known[t.key] for t in tasks]
        if self.executor is None:
            for done, task in enumerate(missing, len(tasks) - len(missing) + 1):
                self.kept.add(task.key, _measure(task))
                tell(done, len(tasks))
            return [self.kept.known[t.key] for t in tasks]
        futures = {self.executor.submit(_measure, t): t for t in missing}
        try:
            for done, future in enumerate(as_completed(futures), len(tasks) - len(missing) + 1):
                self.kept.add(futures[future].key, future.result())
                tell(done, len(tasks))
        except BrokenProcessPool:
            raise FocusError("a process that measured was killed; is there enough memory for --jobs?") from None
        finally:
            for future in futures:
                future.cancel()
        return [self.kept.known[t.key] for t in tasks]

    def close(self) -> None:
        """End the processes, leave the cluster."""
        if self.cluster is not None:
            self.cluster.close()
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)


def _line(key: str, measurement: Measurement) -> str:
    return json.dumps({"key": key} | measurement.as_dict())


def _measure(task: Task) -> Measurement:
    return _measured(Pool.bench, task)


def _measured(bench: Bench, task: Task) -> Measurement:
    return bench.measure(task.config, task.names, task.timed, task.generate, task.base)
