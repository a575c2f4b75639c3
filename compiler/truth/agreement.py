"""Whether a run decided and computed as the plain statement of the algorithm does (docs/algorithm.md).

In: a model, inputs, and the result of running them on the simulator.  Out: `agreement` -> `Agreement`.

Storage in fp16 and arithmetic in float32 may settle a close choice differently, and one choice changes what every later choice is made from.  So
each choice is judged where it is made: the reference follows the run's earlier choices and says what it would have chosen next.

What is close depends on the model: in a trained one a few large activations and sharp attention make more of the same rounding.  So the
reference also runs with fp16 storage, and how far that moves a value is what a run may move it.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from focus.compiler.frontend.families.base import decoder_of
from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.truth.reference import reference_details
from focus.compiler.truth.similarity import candidate_rows
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line
from focus.runtime.spec.sites import SITES
from focus.runtime.spec.tokens import TokenLayout

CLEAR = 0.005           #: a similarity this far from the threshold, and from the second best, must decide alike in fp16 and in float32
GAP = 0.005             #: so must a relative gap in importance at the cut of this much
LOGITS = 2e-2           #: largest relative L2 difference of the logits
GROUPS = 0.99           #: least share of group entries that are alike
ROOM = 4                #: a run may move a value by so many times what fp16 storage moves it in the reference

Details = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cut:
    """One pruning layer: tokens kept; how many of them the reference would not have kept; its relative gap in importance there (infinite where all
    tokens are kept, since no more are left than the layer asks for); how many of the tokens exchanged are further from the cut than `GAP` and than
    rounding explains (None where choices are not judged one by one)."""
    layer: int
    kept: int
    exchanged: int
    gap: float
    unexplained: int | None

    @property
    def closeness(self) -> str:
        """The gap, in words."""
        return "none dropped" if np.isinf(self.gap) else f"gap {self.gap:.2%}"


@dataclass(frozen=True)
class Agreement:
    """How a run compares with the reference.

    logits: relative L2 difference.  cuts: one for each pruning layer.  entries, alike: group entries compared, and those with the
    reference's representative.  clear, clear_alike: the same of entries that were not close: by their own choice where each is judged for
    itself, else by all choices in their group.  unexplained: choices, of tokens and of vectors, that differ although neither `GAP` and `CLEAR` nor
    rounding makes them close; None where choices are not judged one by one.
    rounding: the same comparison for the reference with fp16 storage in the place of the run; None for that one itself.
    """
    logits: float
    cuts: tuple[Cut, ...]
    entries: int
    alike: int
    clear: int
    clear_alike: int
    unexplained: int | None
    rounding: Agreement | None = field(default=None, repr=False)

    @property
    def groups(self) -> float:
        """Share of group entries with the reference's representative; 1 where nothing was merged."""
        return self.alike / self.entries if self.entries else 1.0

    @property
    def holds(self) -> bool:
        """Logits within 2e-2; the same tokens kept wherever the gap is above 0.5 %; at least 99 % of group entries alike, or all but one, and all
        clear ones."""
        return (self.logits < LOGITS and all(not c.exchanged or c.gap <= GAP for c in self.cuts)
                and self.alike >= min(GROUPS * self.entries, self.entries - 1) and self.clear_alike == self.clear)

    @property
    def explained(self) -> bool:
        """Whether fp16 storage explains every difference: it `holds`, or the model is one in which rounding itself decides that much."""
        return self.holds or (self.rounding is not None and self.logits < max(LOGITS, ROOM * self.rounding.logits) and self.unexplained == 0)

    def __str__(self) -> str:
        cuts = "".join(f"; layer {c.layer} kept {c.kept - c.exchanged} of {c.kept} alike ({c.closeness})" for c in self.cuts)
        merged = f"; {self.groups:.2%} of {self.entries:,} groups alike, {self.clear_alike:,} of {self.clear:,} clear ones" if self.entries else ""
        unexplained = f"; {self.unexplained:,} choices that rounding does not explain" if self.unexplained else ""
        return f"logits differ by {self.logits:.1e}{cuts}{merged}{unexplained}"


@one_line
def agreement(model, inputs: Mapping[str, Any], result, concentration: Concentration | str = "full", follow: bool = True) -> Agreement:
    """Compare a run with the reference on the same inputs and concentration; what that leaves open is as in the run.

    result: what `Executable.run(inputs)` returned.  follow: judge each choice where it is made, as above; otherwise the reference goes its own
    way, and whatever follows from a close choice counts as well (entries are then compared for tokens that both kept).
    Raises FocusError when the result's trace is not of this model and concentration.
    """
    if not isinstance(getattr(result, "trace", None), Mapping) or not isinstance(getattr(result, "outputs", None), Mapping):
        raise FocusError(f"result: what Executable.run returned expected, got {type(result).__name__}")
    prefill_of(model, inputs)                           # what is no model of ours is refused
    concentration = Concentration.resolve(concentration, len(decoder_of(model).layers))
    concentration = concentration.fixed(result.concentration.rows_of_tile, result.concentration.hoists)    # what is left open is as in the run
    decisions = result.trace if follow else None
    exact = reference_details(model, inputs, concentration, decisions, values=follow)
    stored = reference_details(model, inputs, concentration, decisions, "float16", values=follow)
    if set(exact[1]) != set(result.trace):
        raise FocusError(f"the run's trace has other sites than this model with this concentration: {min(set(exact[1]) ^ set(result.trace))}")
    judge = _Judge(model, inputs, concentration, follow, *exact, stored[2])
    kept = {key: result.trace[f"retained/{key.split('/')[1]}/gate_proj"] for key in exact[2] if key.startswith("kept/")}
    rounding = judge.verdict(stored[0], stored[1], stored[2])
    return judge.verdict(result.outputs["logits"], result.trace, kept, rounding)


@dataclass
class _Judge:
    """What the reference found (`logits`, `trace`, `details`), and the details of the one with fp16 storage."""
    model: Any
    inputs: Mapping[str, Any]
    concentration: Concentration | str
    follow: bool
    logits: np.ndarray
    trace: Mapping[str, np.ndarray]
    details: Details
    stored: Details

    def __post_init__(self) -> None:
        prefill, self.tokens, _ = prefill_of(self.model, self.inputs)
        self.towers, self.tower_layers = list(prefill.towers.values()), prefill.family.info(self.model)["vision_depth"]
        self.settings = Concentration.resolve(self.concentration, len(decoder_of(self.model).layers), self.tower_layers)

    def verdict(self, logits: np.ndarray, trace: Mapping[str, np.ndarray], kept: Details, rounding: Agreement | None = None) -> Agreement:
        """`kept/{layer}`: the tokens kept there."""
        cuts = tuple(self.cut(int(key.split("/")[1]), kept[key]) for key in self.details if key.startswith("kept/"))
        sites = (key.removeprefix("group/") for key in self.trace if key.startswith("group/"))
        entries, alike, clear, clear_alike, vectors = map(int, np.sum([self.site(name, trace) for name in sites] or [(0,) * 5], 0))
        unexplained = vectors + sum(c.unexplained or 0 for c in cuts) if self.follow else None
        distance = float(np.linalg.norm(logits - self.logits) / np.linalg.norm(self.logits))
        return Agreement(distance, cuts, entries, alike, clear, clear_alike, unexplained, rounding)

    # ---- tokens --------------------------------------------------------------------------------------------------------------------
    def cut(self, layer: int, kept: np.ndarray) -> Cut:
        wanted, gap = self.details[f"kept/{layer}"], float(self.details[f"importance_gap/{layer}"])
        exchanged = np.setxor1d(kept, wanted)
        unexplained = self.far_from_cut(layer, exchanged) if self.follow else None
        return Cut(layer, len(kept), len(np.setdiff1d(kept, wanted)), gap, unexplained)

    def far_from_cut(self, layer: int, exchanged: np.ndarray) -> int:
        """How many of the tokens are further from the cut than rounding explains: what it moves most importances by, or theirs."""
        importance, tiny = self.details[f"importance/{layer}"], np.finfo(np.float32).tiny
        ids = self.trace[f"retained/{layer}/q_proj"]
        moved = np.abs(self.stored[f"importance/{layer}"] - importance) / np.maximum(importance, tiny)
        least = importance[np.isin(ids, self.details[f"kept/{layer}"])].min()
        distance = np.abs(importance - least) / max(least, tiny)
        far = distance > np.maximum(GAP, ROOM * np.maximum(moved, np.median(moved)))
        return int((far & np.isin(ids, exchanged)).sum())

    # ---- vectors -------------------------------------------------------------------------------------------------------------------
    def site(self, name: str, trace: Mapping[str, np.ndarray]) -> tuple[int, int, int, int, int]:
        """(entries, alike, clear, clear and alike, unexplained) of a site, representatives being compared by their original visual index."""
        our_ids, their_ids = (self.places(name, found)[0] for found in (trace, self.trace))
        _, our_rows, their_rows = np.intersect1d(our_ids, their_ids, assume_unique=True, return_indices=True)
        group = self.trace[f"group/{name}"]
        alike = our_ids[trace[f"group/{name}"][our_rows]] == their_ids[group[their_rows]]
        margin = np.minimum(self.details[f"threshold_margin/{name}"], self.details[f"choice_margin/{name}"])
        unclear = margin < CLEAR
        clear = ~(unclear if self.follow else _spoilt(group, unclear))[their_rows]
        unexplained = int((~alike & (margin >= np.maximum(CLEAR, self.noise(name)))[their_rows]).sum()) if self.follow else 0
        return alike.size, int(alike.sum()), int(clear.sum()), int((alike & clear).sum()), unexplained

    def places(self, name: str, trace: Mapping[str, np.ndarray]) -> tuple[np.ndarray, TokenLayout]:
        """int [n]: the indices of a site's rows in the grids of a layout, and that layout."""
        layer, site = name.split("/")
        if site in SITES:
            return trace[f"retained/{name}"], self.tokens
        tower = self.towers[int(layer) // self.tower_layers]
        return tower.ids, tower.tokens

    def noise(self, name: str) -> np.ndarray:
        """float32 [n, slices]: how much of a similarity rounding may change: what it moves the vector and its candidates by, relatively."""
        size, (ids, tokens) = self.settings.vector, self.places(name, self.trace)
        exact, stored = (_vectors(details[f"value/{name}"], size) for details in (self.details, self.stored))
        moved = np.linalg.norm(stored - exact, axis=-1) / np.maximum(np.linalg.norm(exact, axis=-1), np.finfo(np.float32).tiny)
        layer, site = name.split("/")
        number = int(layer) if site in SITES else int(layer) % self.tower_layers
        candidates = candidate_rows(ids, tokens, self.settings.everywhere(number, site))
        of_candidates: Iterable[np.ndarray] = (np.where((rows >= 0)[:, None], moved[rows], 0) for rows in candidates)
        return ROOM * np.max([moved, *of_candidates], 0)


def _vectors(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows [n, width] as vectors [n, slices, size], zeros at the end where `size` does not divide the width."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % size))).reshape(len(rows), -1, size)


def _spoilt(group: np.ndarray, unclear: np.ndarray) -> np.ndarray:
    """bool [n, slices]: entries of groups with an unclear member."""
    spoilt = np.zeros(group.shape, bool)
    rows, columns = np.nonzero(unclear)
    spoilt[group[rows, columns], columns] = True
    return np.take_along_axis(spoilt, group, 0)
