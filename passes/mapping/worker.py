"""A process that simulates mappings for `search`.

In: a pickled list of (machine as JSON, vector, form, mapping) on standard input.  Out: the pickled list of their costs on standard output; None
for a mapping whose kernels cannot be emitted.
"""
from __future__ import annotations

import json
import pickle
import sys
from functools import cache

from focus.dialects.mapping import KernelMapping
from focus.passes.kernels.forms import Form
from focus.passes.mapping.rates import Cost
from focus.passes.mapping.space import Target
from focus.passes.mapping.trial import trial
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine


@cache
def target_of(machine: str, vector: int) -> Target:
    return Target(Machine.from_dict(json.loads(machine)), vector)


def attempt(machine: str, vector: int, form: Form, mapping: KernelMapping) -> Cost | None:
    """What the mapping takes, or None."""
    try:
        return trial(target_of(machine, vector), form, mapping)
    except FocusError:
        return None


def main() -> None:
    jobs = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps([attempt(*job) for job in jobs]))


if __name__ == "__main__":
    main()
