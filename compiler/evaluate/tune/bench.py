"""What one concentration does to a set of requests: how far it moves the model's answers, and how long the decoder takes.

In: a model, requests, a machine.  Out: `Bench`, whose `measure` takes a concentration and gives a `Measurement`.

Distances are the reference's (docs/algorithm.md).  Cycles and joules are those of the decoder's layers alone, from the simulator's timing mode with
the trace that the reference gives: every instruction of a program is executed, but no data moves.  Requests with the same visual tokens share a
program, with as many text tokens as the longest of them has.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend.backbone import Backbone
from focus.compiler.truth.fidelity import Dense, Distance, log_probabilities
from focus.compiler.truth.reference import DecoderRun
from focus.runtime.run.executable import Executable
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import Grid, Run, TokenLayout

PROGRAMS = 8            #: programs that are kept


@dataclass(frozen=True)
class Measurement:
    """One concentration on several requests: their distances, and cycles and joules of the decoder (None where it was not timed).
    unique: of each layer and site that merges, [unique vectors, vectors] of all requests together."""
    distances: tuple[Distance, ...]
    cycles: tuple[int, ...] | None
    joules: tuple[float, ...] | None
    unique: Mapping[str, tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measurement:
        """Of `as_dict`, or of the same after JSON."""
        timed = {name: None if values[name] is None else tuple(values[name]) for name in ("cycles", "joules")}
        return cls(tuple(Distance(**d) for d in values["distances"]), unique={k: tuple(v) for k, v in values["unique"].items()}, **timed)

    @property
    def mean(self) -> Distance:
        """Of the distances, over requests."""
        return Distance.mean(self.distances)

    def upper(self, name: str) -> float:
        """A distance's mean over requests and its standard error together: what other requests like these are expected to stay within."""
        values = np.array([getattr(d, name) for d in self.distances])
        return float(values.mean() + (values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0))


@dataclass(frozen=True)
class Shape:
    """The tokens of a program: visual tokens in grids, text tokens."""
    visual: int
    text: int
    grids: tuple[Grid, ...]

    def backbone(self, decoder: Backbone) -> Backbone:
        """A decoder on these tokens."""
        tokens = TokenLayout(V=self.visual, S=self.visual + self.text, runs=(Run(0, self.visual),), grids=self.grids)
        return replace(decoder, tokens=tokens)


class Bench:
    """Requests to measure concentrations on.  dense: what the dense model makes of each; decoder: the sizes of its decoder; m_tile: that of
    concentrations that leave it open (default: what the compiler chooses for the published setting)."""

    def __init__(self, dense: Mapping[str, Dense], decoder: Backbone, machine: Machine, m_tile: int | None = None):
        self.dense, self.decoder, self.machine = dict(dense), decoder, machine
        self.shapes: dict[str, Shape] = {}
        texts: dict[tuple, int] = {}
        for d in self.dense.values():
            tokens = d.front.tokens
            texts[tokens.V, tokens.grids] = max(texts.get((tokens.V, tokens.grids), 1), tokens.T)
        for name, d in self.dense.items():
            tokens = d.front.tokens
            self.shapes[name] = Shape(tokens.V, texts[tokens.V, tokens.grids], tokens.grids)
        self.programs: OrderedDict[tuple, Executable] = OrderedDict()
        self.kept: list[Any] = []           # a concentration, and its runs by request
        largest = max(self.shapes.values(), key=lambda s: s.visual)
        published = Concentration.preset("full", decoder.decoder.layers).model_copy(update={"hoist": False})
        self.m_tile = m_tile or self.program(published, largest).concentration.rows_of_tile

    def in_form(self, config: Concentration) -> Concentration:
        """A concentration in the form that is measured and predicted: it prunes after the attention, so that the effects of a layer's sites stay
        apart, and its m-tiles, where they are left open, have the size of this bench."""
        return config.fixed(self.m_tile).model_copy(update={"hoist": False})

    def measure(self, config: Concentration, names: Sequence[str], timed: bool = True, generate: bool = False,
                base: Concentration | None = None) -> Measurement:
        """A concentration on the requests of these names; timed: with cycles and joules; generate: with generated tokens; base: distances are those
        from the answers under this concentration, not from the dense model's.  Raises FocusError where it cannot be compiled."""
        config = config.fixed()             # the reference and the program leave nothing open, each for itself
        distances, cycles, joules = [], [], []
        unique: dict[str, np.ndarray] = {}
        for name in names:
            dense, run = self.dense[name], None
            if base is not None:
                dense, run = self.based(base, name)
            run = dense.front.run(config, after=run)
            distances.append(dense.distance(run, generate))
            for key, group in run.trace.items():
                if key.startswith("group/"):
                    alone = (group == np.arange(len(group))[:, None]) & (run.trace[key.replace("group", "zero")] == 0)
                    unique[key[6:]] = unique.get(key[6:], 0) + np.array([alone.sum(), group.size])
            if timed:
                report = self.program(config, self.shapes[name]).time(run.trace if config.sic else None)
                cycles.append(int(report["cycles"]))
                joules.append(float(report["energy_j"]))
        counts = {key: (int(n), int(of)) for key, (n, of) in unique.items()}
        return Measurement(tuple(distances), tuple(cycles) if timed else None, tuple(joules) if timed else None, counts)

    def based(self, config: Concentration, name: str) -> tuple[Dense, DecoderRun]:
        """What the model under a concentration makes of a request, in the place of the dense model, and its run, which others may come after.  Runs
        of one concentration at a time are kept."""
        if self.kept[:1] != [config]:
            self.kept = [config, {}]
        runs = self.kept[1]
        if name not in runs:
            front = self.dense[name].front
            run = front.run(config, stages=True)
            runs[name] = Dense(front, log_probabilities(run), ()), run
        return runs[name]

    def program(self, config: Concentration, shape: Shape) -> Executable:
        """The decoder compiled for a concentration."""
        key = config.to_json(), shape
        if key not in self.programs:
            self.programs[key] = Executable(compile_model(shape.backbone(self.decoder), {}, self.machine, config).binary)
            if len(self.programs) > PROGRAMS:
                self.programs.popitem(last=False)
        return self.programs[key]
