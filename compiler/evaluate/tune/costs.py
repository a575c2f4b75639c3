"""Cycles of one decoder layer, by how many tokens it sees and which of its sites merge: what `estimate` adds up.

In: a `Bench`.  Out: `LayerCosts`, from the simulator's timing mode on decoders of two layers with synthetic traces.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from focus.compiler.backend.compile import compile_model
from focus.compiler.evaluate.tune.bench import Bench, Shape
from focus.runtime.evaluate import synth
from focus.runtime.run.executable import Executable
from focus.runtime.run.trace import Trace
from focus.runtime.spec.concentration import Concentration, Override
from focus.runtime.spec.sites import ATTENTION_SITES, SITES
from focus.runtime.spec.tokens import Grid

#: shares of the visual tokens that a schedule may keep
SHARES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.32, 0.25, 0.2, 0.15, 0.12, 0.09, 0.07, 0.05, 0.035, 0.025, 0.0175, 0.0125)
HALVES = (0, 2, 4, 6, 8, 10, 12, 14, 17)        #: of them, those at which layers are simulated ...
SITED = (0, 5, 9, 13)                           #: ... and those at which each site is
RATIOS = (1.0, 1.5, 2.5, 6.0)   #: tokens a unique vector that are simulated


@dataclass(frozen=True)
class LayerCosts:
    """Cycles of a layer over all requests.

    attention, mlp [share]: the layer's halves with nothing merged, by the share of tokens (`SHARES`) that the half sees.  saved [share, site, ratio]:
    the fraction of its half that a site saves where it merges to 1 / `RATIOS` of the vectors.
    """
    attention: np.ndarray
    mlp: np.ndarray
    saved: np.ndarray

    @classmethod
    def of(cls, bench: Bench, tell: Callable[[int, int], None]) -> LayerCosts:
        """Simulate.  tell: told how many programs are done, of how many."""
        shapes = Counter(bench.shapes.values())
        largest = max(shapes, key=lambda s: s.visual)
        total, done = len(shapes) * len(HALVES) + len(SITED) * len(SITES), 0
        halves, saved = np.zeros((len(HALVES), 2)), np.zeros((len(SITED), len(SITES), len(RATIOS)))
        for shape, number in shapes.items():
            for i, k in enumerate(HALVES):
                halves[i] += number * _layer(bench, shape, SHARES[k])[0]
                tell(done := done + 1, total)
        for i, k in enumerate(SITED):
            plain = _layer(bench, largest, SHARES[k])[0]
            for j, site in enumerate(SITES):
                merged = _layer(bench, largest, SHARES[k], site)
                saved[i, j] = (plain.sum() - merged.sum(1)) / plain[int(site not in ATTENTION_SITES)]
                tell(done := done + 1, total)
        levels = np.arange(len(SHARES))
        every = np.array([[np.interp(levels, SITED, column) for column in site.T] for site in saved.transpose(1, 0, 2)])
        attention, mlp = (np.interp(np.log(SHARES[::-1]), np.log([SHARES[k] for k in HALVES[::-1]]), column[::-1])[::-1] for column in halves.T)
        return cls(attention, mlp, every.transpose(2, 0, 1))

    def saving(self, site: str, unique: np.ndarray) -> np.ndarray:
        """Cycles [share, ...] that a site saves where these shares of its vectors are unique; negative where it takes more."""
        j = SITES.index(site)
        half = self.attention if site in ATTENTION_SITES else self.mlp
        points = 1 / np.array(RATIOS)
        fraction = np.stack([np.interp(unique, points[::-1], row[::-1]) for row in self.saved[:, j]])
        return fraction * half.reshape(-1, *(1,) * np.ndim(unique))


def _layer(bench: Bench, shape: Shape, share: float, site: str | None = None) -> np.ndarray:
    """[ratio, half]: cycles of attention and MLP of the second of two layers on a share of the visual tokens, nothing merged; or with a site that
    merges to each of `RATIOS`."""
    visual = max(1, int(shape.visual * share))
    tokens = replace(shape, visual=visual, grids=(Grid.dense(0, 1, 1, visual),))
    decoder = replace(bench.decoder, decoder=replace(bench.decoder.decoder, layers=2), levels=0)
    config = bench.in_form(Concentration(similarity=False, overrides=(Override(sites=(site,), similarity=True),) if site else ()))
    exe = Executable(compile_model(tokens.backbone(decoder), {}, bench.machine, config).binary)
    traces: list[Trace | None] = [None]
    if site:                # of tokens in a row, all but the first can join another
        recipes = (synth.Recipe(min(ratio, max(1.0, 0.9 * visual))) for ratio in RATIOS)
        traces = [synth.synth(synth.TracePlan.of_binary(exe.binary), recipe, compact=True) for recipe in recipes]
    halves = np.zeros((len(traces), 2))
    for row, trace in zip(halves, traces):
        for path, module in exe.time(trace)["modules"].items():
            if path.startswith("layers.1"):
                row[int("self_attn" not in path and "input_layernorm" not in path)] += module["cycles"]
    return halves
