"""One element of a pipeline of passes: what `manager` runs and `pipeline` lists.

In: nothing.  Out: `Step`.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MODULE = "builtin.module"


@dataclass(frozen=True)
class Step:
    """One pass of a pipeline: a registered pass with option values, or upstream text; on the ops that `path` names, outermost first."""
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = (MODULE,)
    upstream: str = ""              #: the element's text when the pass is not ours

    def __str__(self) -> str:
        return self.upstream or self.name
