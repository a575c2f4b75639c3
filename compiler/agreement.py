"""Whether a run decided and computed as the plain statement of the algorithm does (docs/algorithm.md).

In: a model, inputs, and the result of running them on the simulator.  Out: `agreement` -> `Agreement`.

Storage in fp16 and arithmetic in float32 may settle a close choice differently, and one choice changes what every later choice is made from.  So
each choice is judged where it is made: the reference follows the run's earlier choices and says what it would have chosen next.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from focus.runtime.concentration import Concentration
from focus.runtime.errors import FocusError

from .reference import reference_details

CLEAR = 0.005           #: a similarity this far from the threshold, and from the second best, must decide alike in fp16 and in float32
GAP = 0.005             #: so must a relative gap in importance at the cut of this much
LOGITS = 2e-2           #: largest relative L2 difference of the logits
GROUPS = 0.99           #: least share of group entries that are alike


@dataclass(frozen=True)
class Cut:
    """One pruning layer: tokens kept, how many of them the reference would not have kept, and its relative gap in importance there."""
    layer: int
    kept: int
    exchanged: int
    gap: float


@dataclass(frozen=True)
class Agreement:
    """How a run compares with the reference.

    logits: relative L2 difference.  cuts: one for each pruning layer.  entries, alike: group entries compared, and those with the
    reference's representative.  clear, clear_alike: the same of entries that were not close: by their own choice where each is judged for
    itself, else by all choices in their group.
    """
    logits: float
    cuts: tuple[Cut, ...]
    entries: int
    alike: int
    clear: int
    clear_alike: int

    @property
    def groups(self) -> float:
        """Share of group entries with the reference's representative; 1 where nothing was merged."""
        return self.alike / self.entries if self.entries else 1.0

    @property
    def holds(self) -> bool:
        """Logits within 2e-2; the same tokens kept wherever the gap is above 0.5 %; at least 99 % of group entries alike, and all clear ones."""
        return (self.logits < LOGITS and all(not c.exchanged or c.gap <= GAP for c in self.cuts) and self.groups >= GROUPS
                and self.clear_alike == self.clear)

    def __str__(self) -> str:
        cuts = "".join(f"; layer {c.layer} kept {c.kept - c.exchanged} of {c.kept} alike (gap {c.gap:.2%})" for c in self.cuts)
        merged = f"; {self.groups:.2%} of {self.entries:,} groups alike, {self.clear_alike:,} of {self.clear:,} clear ones" if self.entries else ""
        return f"logits differ by {self.logits:.1e}{cuts}{merged}"


def agreement(model, inputs: Mapping[str, Any], result, concentration: Concentration | str = "full", follow: bool = True) -> Agreement:
    """Compare a run with the reference on the same inputs and concentration.

    result: what `Executable.run(inputs)` returned.  follow: judge each choice where it is made, as above; otherwise the reference goes its own
    way, and whatever follows from a close choice counts as well (entries are then compared for tokens that both kept).
    Raises FocusError when the result's trace is not of this model and concentration.
    """
    wanted, trace, details = reference_details(model, inputs, concentration, result.trace if follow else None)
    if set(trace) != set(result.trace):
        raise FocusError(f"the run's trace has other sites than this model with this concentration: {sorted(set(trace) ^ set(result.trace))[0]}")
    logits = result.outputs["logits"]
    cuts = tuple(_cut(int(key.split("/")[1]), details, result.trace) for key in details if key.startswith("kept/"))
    sites = [key.removeprefix("group/") for key in trace if key.startswith("group/")]
    counts = np.sum([_site(name, result.trace, trace, details, follow) for name in sites] or [(0,) * 4], 0)
    return Agreement(float(np.linalg.norm(logits - wanted) / np.linalg.norm(wanted)), cuts, *(int(n) for n in counts))


def _cut(layer: int, details: Mapping[str, np.ndarray], trace: Mapping[str, np.ndarray]) -> Cut:
    kept = trace[f"retained/{layer}/gate_proj"]
    return Cut(layer, len(kept), len(np.setdiff1d(kept, details[f"kept/{layer}"])), float(details[f"importance_gap/{layer}"]))


def _site(name: str, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray],
          details: Mapping[str, np.ndarray], follow: bool) -> tuple[int, int, int, int]:
    """(entries, alike, clear, clear and alike) of a site, representatives being compared by their original visual index."""
    our_ids, their_ids = ours[f"retained/{name}"], theirs[f"retained/{name}"]
    _, our_rows, their_rows = np.intersect1d(our_ids, their_ids, assume_unique=True, return_indices=True)
    group = theirs[f"group/{name}"]
    alike = our_ids[ours[f"group/{name}"][our_rows]] == their_ids[group[their_rows]]
    unclear = (details[f"threshold_margin/{name}"] < CLEAR) | (details[f"choice_margin/{name}"] < CLEAR)
    clear = ~(unclear if follow else _spoilt(group, unclear))[their_rows]
    return alike.size, int(alike.sum()), int(clear.sum()), int((alike & clear).sum())


def _spoilt(group: np.ndarray, unclear: np.ndarray) -> np.ndarray:
    """bool [n, slices]: entries of groups with an unclear member."""
    spoilt = np.zeros(group.shape, bool)
    rows, columns = np.nonzero(unclear)
    spoilt[group[rows, columns], columns] = True
    return np.take_along_axis(spoilt, group, 0)
