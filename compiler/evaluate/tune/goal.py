"""What a search is for: a distance from the dense model that is allowed, and what shall be small within it.

In: `NAME=X`.  Out: `Goal`.  In a file of its own, so that a wrong one is reported before torch is imported.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from focus.runtime.spec.errors import FocusError

if TYPE_CHECKING:
    from focus.compiler.evaluate.tune.bench import Measurement

BUDGETS = ("kl", "last", "variation")       #: distances that may be limited: fields of `Distance`, the smaller the better
COSTS = ("cycles", "joules")                #: what may be small: fields of `Measurement`


@dataclass(frozen=True)
class Goal:
    """A distance of at most `limit`, at the least `cost`."""
    name: str
    limit: float
    cost: str

    @classmethod
    def parse(cls, text: str, cost: str) -> Goal:
        """From `NAME=X`.  Raises FocusError."""
        name, _, value = text.partition("=")
        try:
            limit = float(value)
        except ValueError:
            limit = -1.0
        if name not in BUDGETS or not 0 < limit < float("inf"):
            raise FocusError(f"--budget {text}: one of {', '.join(f'{b}=X' for b in BUDGETS)}, X above 0, expected")
        return cls(name, limit, cost)

    def of(self, measurement: Measurement) -> float:
        """Cycles or joules of all requests."""
        return float(sum(getattr(measurement, self.cost)))

    def distance(self, measurement: Measurement) -> float:
        """The distance, a mean over requests."""
        return float(getattr(measurement.mean, self.name))

    def room(self, measurement: Measurement) -> float:
        """How far a measurement, with its standard error, is inside the limit: 1 at it, more beyond."""
        return measurement.upper(self.name) / self.limit
