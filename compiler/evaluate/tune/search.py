"""The search: what each layer and site does alone, then concentrations that a prediction from these effects takes for the best, corrected by optuna.

In: a `Pool`, the budget.  Out: `Found`: all trials, and of them the best within the budget, the best global ones, and the best as far from the dense
model as the published setting.

One prediction has as many answers as there are prices of loss and weights of the effects: few numbers, of which every choice gives a sensible
concentration.  Those optuna looks for.  Batches are of a fixed size, so that the same seed makes the same trials, whatever runs at a time.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna

from focus.compiler.evaluate.tune.bench import Measurement
from focus.compiler.evaluate.tune.costs import SHARES, LayerCosts
from focus.compiler.evaluate.tune.estimate import Effects, SiteEffect, Weights, best, pruning_loss
from focus.compiler.evaluate.tune.goal import Goal
from focus.compiler.evaluate.tune.pool import Pool, Task
from focus.runtime.spec.concentration import Concentration, Override, SiteSettings, default_schedule
from focus.runtime.spec.sites import PUBLISHED_M_TILE, SITES

BATCH = 4                       #: trials that are asked for together
PRUNED = (0.4, 0.1)             #: shares at which the effect of pruning is measured
MOST_PRUNED = 16                #: layers at which it is measured
FIRST = SiteSettings(True, 0.8, (2, 2, 2))      #: the first way to merge that is measured at each site ...
BOLDER = (SiteSettings(True, 0.7, (2, 2, 2)),)  #: ... then these where it loses next to nothing ...
#: ... or these where it does not
MILDER = (SiteSettings(True, 0.9, (2, 2, 2)), SiteSettings(True, 0.95, (2, 2, 2)), SiteSettings(True, 0.9, (2, 1, 1)))
NOTHING, LITTLE = 0.01, 0.05    #: shares of the budget that are next to nothing, and less than is worth other ways
BISECTIONS = 12                 #: of the price of loss of the schedule under which merging is measured
PRICES = np.geomspace(1 / 16, 64, 11)           #: of loss, in dense cycles a nat: the first trials
#: global thresholds and blocks of the comparison
GLOBALS = [SiteSettings(True, threshold, block) for threshold in (0.9, 0.95, 0.98) for block in ((2, 2, 2), (2, 1, 1))]
ALIKE = 0.01                    #: share of the cost by which trials differ no more than noise
FACTORS = np.geomspace(0.25, 2.5, 10)           #: on the published alphas


@dataclass(frozen=True)
class Trial:
    """A concentration that was measured on all requests of the search.  kind: "reference", "tuned", "global" (one threshold and block), or "scaled"
    (of the global ones, those with the published alphas times a factor)."""
    kind: str
    label: str
    config: Concentration
    measurement: Measurement


@dataclass
class Found:
    """All trials; effects; of the trials, the best of each kind (None where none keeps to the limit)."""
    trials: list[Trial] = field(default_factory=list)
    effects: Effects | None = None

    def add(self, trial: Trial) -> Trial:
        self.trials.append(trial)
        return trial

    def named(self, label: str) -> Trial:
        return next(t for t in self.trials if t.label == label)

    def best(self, goal: Goal, kinds: Iterable[str]) -> Trial | None:
        """The cheapest trial of some kinds within a limit; of those that cost nearly as little, the one of least distance: other requests are
        likelier to keep to the limit, too."""
        inside = [t for t in self.trials if t.kind in kinds and goal.room(t.measurement) <= 1]
        least = min((goal.of(t.measurement) for t in inside), default=0.0)
        near = [t for t in inside if goal.of(t.measurement) <= (1 + ALIKE) * least]
        return min(near, key=lambda t: (goal.distance(t.measurement), goal.of(t.measurement)), default=None)

    def front(self, goal: Goal) -> list[Trial]:
        """The trials that no other beats in both, by rising distance."""
        out: list[Trial] = []
        for t in sorted(self.trials, key=lambda t: (goal.distance(t.measurement), goal.of(t.measurement))):
            if not out or goal.of(t.measurement) < goal.of(out[-1].measurement):
                out.append(t)
        return out


class Search:
    """names: the requests of the search; few: those on which effects are measured; tell: told what is done, how much of how much."""

    def __init__(self, pool: Pool, names: Sequence[str], few: Sequence[str], seed: int, tell: Callable[[str, int, int], None]):
        self.pool, self.names, self.few, self.seed, self.tell = pool, tuple(names), tuple(few), seed, tell
        self.depth = Pool.bench.decoder.decoder.layers
        self.found = Found()
        self.layers, self.alphas = default_schedule(self.depth)

    # ---- stages ----------------------------------------------------------------------------------------------------------------------
    def run(self, goal: Goal, trials: int) -> Found:
        """Everything: reference points, effects, the global comparison, the search for the limit, and as much again for the published setting's."""
        presets = [(name, Concentration.preset(name, self.depth)) for name in ("off", "full", "sec", "sic")]
        published = presets[1][1].model_copy(update={"m_tile": PUBLISHED_M_TILE})
        self.try_all("reference", [*presets, ("published", published)], "published settings")
        self.costs = LayerCosts.of(Pool.bench, lambda done, of: self.tell("cycles of layers", done, of))
        pruning = self.pruning(goal)
        self.found.effects = Effects(pruning, self.merging(goal, self.lightly_pruned(goal, pruning)))
        self.sweep()
        self.compare(goal, max(BATCH, trials // 4))
        self.improve(goal, trials, self.propose)
        as_published = self.found.named("published").measurement.upper(goal.name)
        if as_published > goal.limit:
            self.improve(Goal(goal.name, as_published, goal.cost), trials // 2, self.propose)
        return self.found

    def try_all(self, kind: str, configs: Sequence[tuple[str, Concentration]], what: str) -> list[Trial]:
        """Measure concentrations on all requests."""
        configs = [(label, Pool.bench.in_form(config)) for label, config in configs]
        tasks = [Task(config, self.names) for _, config in configs]
        measured = self.pool.measure(tasks, lambda done, of: self.tell(what, done, of))
        return [self.found.add(Trial(kind, label, config, m)) for (label, config), m in zip(configs, measured)]

    def losses(self, configs: Sequence[Concentration], goal: Goal, what: str, base: Concentration) -> tuple[np.ndarray, list[Measurement]]:
        """[config]: the distance from the answers under a base, on the few requests, with its standard error."""
        formed = Pool.bench.in_form
        tasks = [Task(formed(c), self.few, timed=False, base=formed(base)) for c in configs]
        measured = self.pool.measure(tasks, lambda done, of: self.tell(what, done, of))
        return np.array([m.upper(goal.name) for m in measured]), measured

    # ---- effects ---------------------------------------------------------------------------------------------------------------------
    def pruning(self, goal: Goal) -> np.ndarray:
        """Loss [layer, share] of keeping a share of the tokens behind a layer's attention: measured at some layers and shares, between them by power
        laws of 1 / share - 1, whose coefficients change evenly from layer to layer."""
        layers = np.unique(np.linspace(0, self.depth - 1, min(self.depth, MOST_PRUNED)).round().astype(int))
        configs = [Concentration(layers=(int(layer),), alphas=(share,), similarity=False) for layer in layers for share in PRUNED]
        losses, _ = self.losses(configs, goal, "effect of pruning at each layer", Concentration.preset("off", self.depth))
        logs = np.log(np.maximum(losses, 1e-7)).reshape(len(layers), len(PRUNED))
        x = np.log(1 / np.array(PRUNED) - 1)
        power = np.clip((logs[:, 1] - logs[:, 0]) / (x[1] - x[0]), 0.3, 2.0)
        level = logs.mean(1) - power * x.mean()
        every = np.arange(self.depth)
        level, power = np.interp(every, layers, level), np.interp(every, layers, power)
        shares = np.log(1 / np.array(SHARES[1:]) - 1)
        return np.concatenate((np.zeros((self.depth, 1)), np.exp(level[:, None] + power[:, None] * shares)), 1)

    def lightly_pruned(self, goal: Goal, pruning: np.ndarray) -> Concentration:
        """The best schedule whose pruning is expected to take half of the limit: the tokens that merging will find."""
        low, high = np.log(PRICES[[0, -1]])
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            schedule = best(Effects(pruning, {}), self.costs, Weights(float(np.exp(middle)) * self.dense()))
            low, high = (middle, high) if pruning_loss(pruning, schedule) > goal.limit / 2 else (low, middle)
        return best(Effects(pruning, {}), self.costs, Weights(float(np.exp(high)) * self.dense()))

    def merging(self, goal: Goal, base: Concentration) -> dict[tuple[int, str], list[SiteEffect]]:
        """Loss and unique vectors of merging at each layer and site alone, tokens being pruned as in `base`: the distance from its answers, since
        such distances add up.  Sites that never save anything are left out."""
        sites = [s for s in SITES if self.costs.saving(s, np.array(0.2)).max() > 0]
        effects: dict[tuple[int, str], list[SiteEffect]] = {(layer, site): [] for layer in range(self.depth) for site in sites}
        pending = [(*place, FIRST) for place in effects]
        for stage in ("", ", more") if pending else ():
            configs = [_only(base, *entry) for entry in pending]
            losses, measured = self.losses(configs, goal, f"effect of merging at each site{stage}", base)
            for (layer, site, settings), loss, m in zip(pending, losses, measured):
                unique, of = m.unique[f"{layer}/{site}"]
                effects[layer, site].append(SiteEffect(settings, float(loss), unique / max(of, 1)))
            pending = [(*place, settings) for place, known in effects.items() for settings in _further(known[0].loss / goal.limit)]
        return effects

    # ---- concentrations --------------------------------------------------------------------------------------------------------------
    def propose(self, trial: optuna.Trial) -> Concentration:
        """The best concentration by a prediction whose price and weights are the trial's."""
        weights = Weights(self.price(trial), *self.slope(trial), {s: trial.suggest_float(s, 0.1, 10, log=True) for s in self.sites()})
        return best(self._effects(), self.costs, weights)

    def sites(self) -> list[str]:
        """Sites that can save something."""
        return sorted({site for _, site in self._effects().merging}, key=SITES.index)

    def price(self, trial: optuna.Trial) -> float:
        return trial.suggest_float("price", PRICES[0], PRICES[-1], log=True) * self.dense()

    @staticmethod
    def slope(trial: optuna.Trial) -> tuple[float, float]:
        """Weights of pruning in the first and the last layers."""
        return trial.suggest_float("first", 0.2, 5, log=True), trial.suggest_float("last", 0.2, 5, log=True)

    def dense(self) -> float:
        """Cycles of the dense decoder."""
        return float(sum(self.found.named("off").measurement.cycles or ()))

    def _effects(self) -> Effects:
        assert self.found.effects is not None
        return self.found.effects

    def sweep(self) -> None:
        """Trials at prices far apart, with the prediction as it is."""
        configs = [best(self._effects(), self.costs, Weights(price * self.dense())) for price in PRICES]
        self.try_all("tuned", [(f"price {price:.3g}", c) for price, c in zip(PRICES, configs)], "first trials")

    def improve(self, goal: Goal, trials: int, propose: Callable[[optuna.Trial], Concentration], kind: str = "tuned") -> None:
        """Let optuna find prices and weights whose concentrations cost the least within a limit."""
        sampler = optuna.samplers.TPESampler(seed=self.seed, multivariate=True, constant_liar=True, n_startup_trials=2 * BATCH,
                                             constraints_func=lambda t: t.user_attrs["beyond"])
        study = optuna.create_study(sampler=sampler)
        for price in self.near(goal):
            study.enqueue_trial({"price": price, "first": 1.0, "last": 1.0} | dict.fromkeys(self.sites() if kind == "tuned" else (), 1.0))
        for at in range(0, trials, BATCH):
            asked = [study.ask() for _ in range(min(BATCH, trials - at))]
            configs = [(_label(t, goal), c) for t, c in ((t, propose(t)) for t in asked)]
            for t, done in zip(asked, self.try_all(kind, configs, f"trials {at} of {trials} for {goal.name} {goal.limit:.3g}")):
                t.set_user_attr("beyond", (float(np.log(max(goal.room(done.measurement), 1e-9))),))
                study.tell(t, float(np.log(goal.of(done.measurement))))

    def near(self, goal: Goal) -> list[float]:
        """The prices of the first trials whose results are next to a limit."""
        rooms = {p: goal.room(self.found.named(f"price {p:.3g}").measurement) for p in PRICES}
        return [float(p) for p in sorted(rooms, key=lambda p: abs(np.log(max(rooms[p], 1e-9))))[:2]]

    # ---- the comparison --------------------------------------------------------------------------------------------------------------
    def compare(self, goal: Goal, trials: int) -> None:
        """The best that one threshold and one block for all sites can do, pruning at the published layers: with the published alphas times a factor,
        and with any alphas: alone, and with each threshold and block that keeps within the limit where nothing is pruned."""
        pruned = self.found.named("sec").config
        scaled = [(f"published alphas times {f:.3g}", pruned.model_copy(update={"alphas": tuple(min(1.0, float(f) * a) for a in self.alphas)}))
                  for f in FACTORS]
        self.try_all("scaled", scaled, "published alphas times a factor")
        dense = Concentration.preset("off", self.depth)
        merged = self.try_all("global", [(_named(s), _merged(dense, s)) for s in GLOBALS], "one threshold and block")
        kept = [s for s, t in zip(GLOBALS, merged) if t.measurement.upper(goal.name) < goal.limit]
        only = np.full_like(self._effects().pruning, np.inf)
        only[:, 0] = 0
        only[list(self.layers)] = self._effects().pruning[list(self.layers)]
        for settings in (None, *kept):
            def propose(trial: optuna.Trial, settings: SiteSettings | None = settings) -> Concentration:
                schedule = best(Effects(only, {}), self.costs, Weights(self.price(trial), *self.slope(trial)))
                return schedule if settings is None else _merged(schedule, settings)
            self.improve(goal, trials, propose, "global")


def _further(share: float) -> tuple[SiteSettings, ...]:
    """The ways to measure where the first one loses a share of the budget."""
    return BOLDER if share < NOTHING else () if share < LITTLE else MILDER


def _only(base: Concentration, layer: int, site: str, settings: SiteSettings) -> Concentration:
    """A schedule that merges at one site of one layer."""
    override = Override(first=layer, last=layer, sites=(site,), similarity=True, threshold=settings.threshold, block=settings.block)
    return base.model_copy(update={"overrides": (override,)})


def _merged(schedule: Concentration, settings: SiteSettings) -> Concentration:
    """A schedule that merges everywhere alike."""
    return schedule.model_copy(update=settings._asdict())


def _named(settings: SiteSettings) -> str:
    return f"threshold {settings.threshold:g}, block {'x'.join(map(str, settings.block))}"


def _label(trial: optuna.Trial, goal: Goal) -> str:
    values: dict[str, Any] = trial.params
    return f"{goal.name} {goal.limit:.3g}, trial {trial.number}: " + ", ".join(f"{k} {v:.3g}" for k, v in values.items())
