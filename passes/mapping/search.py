"""The choice among the legal mappings of a form.

In: a form and a target; overrides of single fields.  Out: `choose`, the cheapest legal mapping by the model, and its cost.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from focus.dialects.mapping import KernelMapping
from focus.passes.kernels.forms import Form
from focus.passes.mapping.model import best
from focus.passes.mapping.space import Target, candidates, no_mapping, problem
from focus.runtime.spec.errors import FocusError


@dataclass
class Search:
    """Chooses mappings; equal forms are chosen for once.  overrides are fields that a user has fixed: name to value."""
    target: Target
    chosen: dict[tuple, tuple[KernelMapping | None, float]] = field(default_factory=dict)

    def price(self, form: Form, overrides: dict[str, Any] | None = None) -> float:
        """Cost of the cheapest mapping; infinity where there is none."""
        return self._find(form, overrides or {})[1]

    def choose(self, form: Form, overrides: dict[str, Any] | None = None) -> KernelMapping:
        """The cheapest legal mapping.  Raises FocusError where there is none: which memory is too small, or which override cannot be."""
        overrides = overrides or {}
        mapping, _ = self._find(form, overrides)
        if mapping is not None:
            return mapping
        if overrides and self._find(form, {})[0] is not None:
            free = self._find(form, {})[0]
            wanted = replace(free, **{k: v for k, v in overrides.items() if hasattr(free, k)})
            raise FocusError(f"no mapping has {', '.join(f'{k} = {v}' for k, v in overrides.items())}: {problem(self.target, form, wanted)}")
        raise no_mapping(self.target, form)

    def _find(self, form: Form, overrides: dict[str, Any]) -> tuple[KernelMapping | None, float]:
        key = (form, tuple(sorted(overrides.items())))
        if key not in self.chosen:
            legal = list(candidates(self.target, form))
            fixed = {k: v for k, v in overrides.items() if legal and hasattr(legal[0], k)}
            if fixed:           # what a user wants need not be among those worth trying
                changed = dict.fromkeys(replace(m, **fixed) for m in legal)
                legal = [m for m in changed if problem(self.target, form, m) is None]
            self.chosen[key] = best(self.target, form, legal) if legal else (None, inf)
        return self.chosen[key]
