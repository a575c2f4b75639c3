"""The choice among the legal mappings of a form: by the cost model, or by the simulator among those that the model finds best.

In: a form and a target; overrides of single fields.  Out: `choose`, the cheapest legal mapping, and `price`, what it costs.

What the model has chosen is remembered on disk (`memory`).  `decide` simulates the few best of each of many forms at once, in processes of their own,
and remembers what they took, in a file for each form on each machine.
"""
from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from focus.dialects.mapping import KernelMapping, to_dict
from focus.passes.kernels.forms import Form, GemmForm, RowsForm
from focus.passes.mapping.memory import Choices, Found, build_key, cache_folder, model_choices, searched_choices
from focus.passes.mapping.model import price, weighed
from focus.passes.mapping.rates import Cost
from focus.passes.mapping.space import Target, candidates, no_mapping, problem
from focus.runtime.spec.errors import FocusError, warn
from focus.runtime.spec.files import atomic_write

NEAR = 1.15             #: simulated is what the model finds at most this much dearer than the best
ALIKE = 4               #: m-tiles of one shape from which on their number does not matter to the choice
MATTERS = 0.01          #: forms that together take less than this share of all predicted cycles are left to the model

Job = tuple[Target, Form, KernelMapping]


@dataclass
class Search:
    """Chooses mappings, once for equal forms.  width: how many mappings of a form `decide` simulates, which is called first (0: none)."""
    target: Target
    width: int = 0
    simulated: dict[tuple[Form, KernelMapping], float] = field(default_factory=dict)
    chosen: Choices = field(init=False)

    def __post_init__(self) -> None:        # where the model alone decides, it does so alike for any program for this machine
        self.chosen = Choices() if self.width else model_choices(self.target)

    def remember(self) -> None:
        """Keep what the model has chosen for later processes."""
        self.chosen.save()

    def price(self, form: Form, overrides: dict[str, Any] | None = None) -> float:
        """Cost of the cheapest mapping; infinity where there is none.  overrides: fields that a user has fixed, name to value."""
        return self._find(form, overrides or {})[1]

    def price_all(self, parts: Counter[tuple[tuple[Form, ...], ...]]) -> float:
        """Cost of all kernels of parts of ops, each done in its cheapest way; infinity where one has no mapping.  parts: as `parts.kernels_of`."""
        return sum(times * min(sum(map(self.price, kernels)) for kernels in choices if kernels) for choices, times in parts.items())

    def choose(self, form: Form, overrides: dict[str, Any] | None = None) -> KernelMapping:
        """The cheapest legal mapping.  Raises FocusError where there is none: which memory is too small, or which override is not legal."""
        overrides = overrides or {}
        mapping, _ = self._find(form, overrides)
        if mapping is not None:
            return mapping
        free = self._find(form, {})[0]
        if overrides and free is not None:
            wanted = replace(free, **{k: v for k, v in overrides.items() if hasattr(free, k)})
            raise FocusError(f"no mapping has {', '.join(f'{k} = {v}' for k, v in overrides.items())}: {problem(self.target, form, wanted)}")
        raise no_mapping(self.target, form)

    def decide(self, forms: dict[Form, int], fixed: bool = False) -> None:
        """Simulate the best mappings of forms, given with how often each occurs; later choices use the result.  What is chosen for these forms is
        remembered as a whole, unless a user has `fixed` some of it: then what the simulator said of each mapping is asked for again."""
        if not self.width:
            return
        if not fixed:
            self.chosen = searched_choices(self.target, f"{self.width}\n{sorted((str(form), n) for form, n in forms.items())}")
            if self.chosen.found:
                return
        times: dict[Form, float] = defaultdict(float)
        for form, number in forms.items():
            if not isinstance(form, RowsForm):
                times[_alike(form)] += number * (form.tiles / min(form.tiles, ALIKE) if isinstance(form, GemmForm) else 1)
        model = Search(self.target)
        taken = {form: price for form in times if (price := model.price(form) * times[form]) < inf}
        model.remember()
        left = MATTERS * sum(taken.values())
        jobs: list[Job] = []
        for form in sorted(taken, key=lambda form: taken[form]):
            left -= taken[form]
            if left >= 0:
                continue
            pairs = self._ranked(form, list(candidates(self.target, form)))
            near = [m for found, m in pairs[:self.width] if found <= NEAR * pairs[0][0]]
            if len(near) > 1:
                jobs += [(self.target, form, m) for m in near]
        for (_, tried, mapping), cost in zip(jobs, simulate(jobs)):
            if cost is not None:
                self.simulated[tried, mapping] = weighed(self.target, cost)
        for form in forms:
            self._find(form, {})            # all of them, also those that this program has mappings of already

    def _ranked(self, form: Form, legal: list[KernelMapping]) -> list[tuple[float, KernelMapping]]:
        """(price, mapping), cheapest first; of equal ones, and of sweeps over rows, in the order of the space."""
        if isinstance(form, RowsForm):
            return [(price(self.target, form, legal[0]), m) for m in legal]
        known = [(self.simulated[form, m], m) for m in legal if (form, m) in self.simulated]
        return sorted(known or [(price(self.target, form, m), m) for m in legal], key=lambda pair: pair[0])

    def _find(self, form: Form, overrides: dict[str, Any]) -> Found:
        key = (form, tuple(sorted(overrides.items())))
        found = self.chosen.get(key)
        return self.chosen.put(key, self._cheapest(form, overrides)) if found is None else found

    def _cheapest(self, form: Form, overrides: dict[str, Any]) -> Found:
        if (alike := _alike(form)) != form:
            mapping, _ = self._find(alike, overrides)
            if mapping is None:
                return None, inf
            simulated = self.simulated.get((alike, mapping))
            share = 1 if simulated is None else simulated / price(self.target, alike, mapping)      # what the model is off by
            return mapping, share * price(self.target, form, mapping)
        legal = list(candidates(self.target, form))
        fixed = {k: v for k, v in overrides.items() if legal and hasattr(legal[0], k)}
        if fixed:               # fields that the user fixed may lie outside the candidates
            changed = dict.fromkeys(replace(m, **fixed) for m in legal)
            legal = [m for m in changed if problem(self.target, form, m) is None]
        ranked = self._ranked(form, legal)
        return (ranked[0][1], ranked[0][0]) if ranked else (None, inf)


def _alike(form: Form) -> Form:
    """The form whose mapping a form takes: of a GEMM of many m-tiles, one of `ALIKE`."""
    return replace(form, tiles=min(form.tiles, ALIKE)) if isinstance(form, GemmForm) else form


# ---- simulating many ---------------------------------------------------------------------------------------------------------
def simulate(jobs: list[Job]) -> list[Cost | None]:
    """What each mapping takes by the simulator (None where its kernels cannot be emitted): from the cache, or in a process for each core."""
    known = [_Remembered.of(target, form) for target, form, _ in jobs]
    todo = [i for i, (job, memory) in enumerate(zip(jobs, known)) if _key(job[2]) not in memory.costs]
    for i, cost in zip(todo, _in_processes([jobs[i] for i in todo])):
        known[i].costs[_key(jobs[i][2])] = None if cost is None else (cost.cycles, cost.dram_bytes)
        known[i].changed = True
    for memory in {id(m): m for m in known}.values():
        memory.save()
    found = [memory.costs[_key(job[2])] for job, memory in zip(jobs, known)]
    return [None if cost is None else Cost(*cost) for cost in found]


def _in_processes(jobs: list[Job]) -> list[Cost | None]:
    """Jobs dealt out to as many workers as there are cores."""
    plain = [(target.machine.to_json(), target.vector, form, mapping) for target, form, mapping in jobs]
    count = min(os.cpu_count() or 1, len(jobs))
    workers = []
    for n in range(count):
        worker = subprocess.Popen([sys.executable, "-P", "-m", "focus.passes.mapping.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert worker.stdin is not None
        worker.stdin.write(pickle.dumps(plain[n::count]))
        worker.stdin.close()
        workers.append(worker)
    found: list[Cost | None] = [None] * len(jobs)
    for n, worker in enumerate(workers):
        assert worker.stdout is not None
        answer = worker.stdout.read()
        if worker.wait():
            raise FocusError(f"a process that simulates mappings ended with {worker.returncode}")
        found[n::count] = pickle.loads(answer)
    return found


# ---- cache -------------------------------------------------------------------------------------------------------------------
@dataclass
class _Remembered:
    """Simulated costs of the mappings of one form on one machine: the text of a mapping -> (cycles, bytes), or None."""
    path: Path
    costs: dict[str, tuple[float, float] | None]
    changed: bool = False

    @classmethod
    def of(cls, target: Target, form: Form) -> _Remembered:
        name = hashlib.sha256(f"{build_key()}\n{target.machine.to_json()}\n{target.vector}\n{form}".encode()).hexdigest()
        path = cache_folder() / f"{name}.json"
        known = _loaded.get(path)
        if known is None:
            known = _loaded[path] = cls(path, cls._read(path))
        return known

    @staticmethod
    def _read(path: Path) -> dict[str, tuple[float, float] | None]:
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            return {k: None if v is None else (float(v[0]), float(v[1])) for k, v in table.items()}
        except (OSError, ValueError, TypeError, AttributeError, IndexError, RecursionError):
            return {}                   # no file yet, or one that cannot be read: simulate again

    def save(self) -> None:
        if not self.changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps(self.costs), encoding="utf-8")
            self.changed = False
        except (OSError, FocusError) as e:
            warn(f"simulated mappings are not remembered: {e}")


_loaded: dict[Path, _Remembered] = {}


def _key(mapping: KernelMapping) -> str:
    return json.dumps(to_dict(mapping), sort_keys=True)
