"""What a concentration is expected to do, from what each pruning and each site does alone; and the best one by that.

In: `Effects`, measured.  Out: `best`, the concentration with the least cycles + price * loss: by dynamic programming over layers and the share of
tokens that is left, since both are sums over layers.

Losses of small changes add up, roughly: how roughly, `search` finds out, by weights on groups of effects (`Weights`).
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from focus.compiler.evaluate.tune.costs import SHARES, LayerCosts
from focus.runtime.spec.concentration import Concentration, Override, SiteSettings
from focus.runtime.spec.sites import ATTENTION_SITES, SITES

OFF = SiteSettings(False, 0.9, (2, 2, 2))


@dataclass(frozen=True)
class SiteEffect:
    """One way to merge at a site of a layer: the loss it adds, and the share of vectors that stay unique."""
    settings: SiteSettings
    loss: float
    unique: float


@dataclass(frozen=True)
class Effects:
    """Loss by layer of keeping a share of the tokens, all others being there [layer, share] (infinity: not there), and of merging."""
    pruning: np.ndarray
    merging: Mapping[tuple[int, str], Sequence[SiteEffect]]

    @property
    def depth(self) -> int:
        return len(self.pruning)


@dataclass(frozen=True)
class Weights:
    """Factors on losses: of pruning in the first and the last layers (linear between, on a logarithmic scale), and of merging by site."""
    price: float
    first: float = 1.0
    last: float = 1.0
    sites: Mapping[str, float] = field(default_factory=dict)


def best(effects: Effects, costs: LayerCosts, weights: Weights) -> Concentration:
    """The concentration with the least cycles + price * weighted loss."""
    depth, levels = effects.depth, len(SHARES)
    slope = np.geomspace(weights.first, weights.last, depth)
    loss = weights.price * slope[:, None] * effects.pruning
    halves = {kind: np.tile(cycles, (depth, 1)) for kind, cycles in (("attention", costs.attention), ("mlp", costs.mlp))}
    chosen: dict[tuple[int, str], list[SiteSettings]] = {}          # by share
    for (layer, site), options in effects.merging.items():
        prices = weights.price * weights.sites.get(site, 1.0) * np.array([o.loss for o in options])
        gains = costs.saving(site, np.array([o.unique for o in options])) - prices
        gains = np.concatenate((np.zeros((levels, 1)), gains), 1)
        pick = gains.argmax(1)
        halves["attention" if site in ATTENTION_SITES else "mlp"][layer] -= gains[np.arange(levels), pick]
        chosen[layer, site] = [OFF if p == 0 else options[p - 1].settings for p in pick]
    lower = np.tril(np.full((levels, levels), np.inf), -1)          # [before, after]: tokens do not come back
    ahead, steps = np.zeros(levels), []
    for layer in reversed(range(depth)):
        with np.errstate(invalid="ignore"):
            pruned = loss[layer][None] - loss[layer][:, None]
        pruned = np.where(np.eye(levels, dtype=bool), 0, np.where(np.isnan(pruned), np.inf, np.maximum(pruned, 0)))
        total = pruned + lower + (halves["mlp"][layer] + ahead)[None]
        steps.append(total.argmin(1))
        ahead = total.min(1) + halves["attention"][layer]
    return _concentration(steps[::-1], chosen)


def pruning_loss(pruning: np.ndarray, schedule: Concentration) -> float:
    """What a schedule of `SHARES` is expected to lose."""
    loss, level = 0.0, 0
    for layer, alpha in zip(schedule.layers, schedule.alphas):
        after = SHARES.index(alpha)
        loss += max(float(pruning[layer, after] - pruning[layer, level]), 0.0)
        level = after
    return loss


def _concentration(steps: Sequence[np.ndarray], chosen: Mapping[tuple[int, str], Sequence[SiteSettings]]) -> Concentration:
    """The schedule that the steps lead through, with what is best at each site for the tokens that it sees."""
    level, layers, alphas, table = 0, [], [], {}
    for layer, step in enumerate(steps):
        after = int(step[level])
        for site in SITES:
            if (layer, site) in chosen:
                table[layer, site] = chosen[layer, site][level if site in ATTENTION_SITES else after]
        if after != level:
            layers.append(layer)
            alphas.append(SHARES[after])
        level = after
    return with_sites(Concentration(layers=tuple(layers), alphas=tuple(alphas), similarity=False), table)


def with_sites(schedule: Concentration, table: Mapping[tuple[int, str], SiteSettings]) -> Concentration:
    """A schedule that merges where the table says so, in few overrides: one for each run of layers, of all sites that are alike in it."""
    ranges: dict[tuple[int, int, SiteSettings], list[str]] = {}
    for site in SITES:
        rows = sorted((layer, s) for (layer, name), s in table.items() if name == site and s.similarity)
        for _, run in groupby(enumerate(rows), lambda item: (item[1][0] - item[0], item[1][1])):
            members = [row for _, row in run]
            ranges.setdefault((members[0][0], members[-1][0], members[0][1]), []).append(site)
    overrides = [Override(first=first, last=last, sites=tuple(sites), similarity=True, threshold=s.threshold, block=s.block)
                 for (first, last, s), sites in sorted(ranges.items())]
    return schedule.model_copy(update={"similarity": False, "overrides": tuple(overrides)})
