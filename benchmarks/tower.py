"""What concentrating the vision tower is worth: cycles of the whole model, by how much its features may change.

In: a model, requests, and the same with fewer frames (in the same order), on which single changes are measured.  Out: for each request and each
cosine of the features (those that the decoder gets, against the dense tower's) the cycles of the whole model with a concentrated tower, beside those
with a dense one, the decoder being concentrated as published in both; a table, and all numbers as JSON.

Each site in each third of the tower's layers is concentrated alone, in some ways, on the short request: what it adds to 1 - cosine, and what it
saves.  Roughly both add up, so the choice for a given change is the one of least cycles + price * change for some price.  Less is lost than the sum,
where a site reads what others have merged already; so the price is found by measuring such choices on the whole request, and beside them what one
way for all sites does.  The m-tile is the one of fewest cycles where all sites merge.  Concentrated queries are made dense again, which saves
nothing: they are left alone.
"""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch.nn.functional import cosine_similarity

from focus.compiler.backend.compile import compile_model, resume
from focus.compiler.frontend import arguments
from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.truth.reference import Front, Tower
from focus.passes.mapping.choose_m_tile import SIZES
from focus.runtime.run.executable import Executable
from focus.runtime.run.report import empty_table
from focus.runtime.spec.concentration import Concentration, Override
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.sites import VISION_SITES

COSINES = (0.99, 0.98, 0.95)
SITES = tuple(site for site in VISION_SITES if site != "vision.query")
PARTS = 3               #: of the tower's layers
#: block -> thresholds at which sites merge, from the mildest on
WAYS = {(2, 1, 1): (0.99, 0.98, 0.95, 0.9, 0.8), (2, 2, 2): (0.98, 0.95, 0.9)}
M_TILES = SIZES         #: those that the compiler tries
MERGED = 0.95, (2, 1, 1)            #: way to merge at all sites, for which the m-tile is chosen
LOG_PRICES = -1.5, 2.5           #: of the price of 1 - cosine, as a share of the dense cycles
ROUNDS = 4              #: of measuring on the whole request, for each cosine


@dataclass(frozen=True)
class Change:
    """A site in a part of the layers, concentrated in a way: what that adds to 1 - cosine, and what it saves, as a share of the dense cycles."""
    override: Override
    loss: float
    saved: float


class Programs:
    """Programs of a model that can only be timed, by tokens and concentration; what a request has besides its tokens does not matter to them."""

    def __init__(self, model: torch.nn.Module, folder: Path):
        self.model, self.folder, self.known = model, folder, dict[tuple, Executable]()

    def of(self, inputs: dict[str, Any], config: Concentration) -> Executable:
        """A threshold is a number in an instruction, whatever it is: programs are shared."""
        tokens = prefill_of(self.model, inputs)[1].to_json()
        overrides = tuple(o.model_copy(update={"threshold": config.threshold}) for o in config.overrides)
        key = tokens, config.model_copy(update={"overrides": overrides}).to_json()
        if key not in self.known:
            imported = self.folder / str(abs(hash(tokens)))
            if not imported.exists():
                compile_model(self.model, inputs, "focus", "off", check=False, stop="torch", dump_ir=imported)
            self.known[key] = Executable(resume(imported / "00-input.mlir", False, "focus", concentration=config).binary)
        return self.known[key]


@dataclass(frozen=True)
class Measured:
    """A choice for the tower: cosine of the features; cycles of the whole model; share of the vectors at the tower's concentrated sites that are
    unique."""
    overrides: tuple[Override, ...]
    cosine: float
    cycles: int
    unique: float

    def as_dict(self) -> dict[str, Any]:
        return {"cosine": self.cosine, "cycles": self.cycles, "unique": self.unique,
                "overrides": [o.model_dump(exclude_defaults=True) for o in self.overrides]}


@dataclass
class Bench:
    """Measures concentrations of the tower on one request."""
    model: torch.nn.Module
    inputs: dict[str, Any]
    base: Concentration
    programs: Programs
    dense: Front

    @classmethod
    def of(cls, model: torch.nn.Module, inputs: dict[str, Any], base: Concentration, programs: Programs) -> Bench:
        return cls(model, inputs, base, programs, Front.of(model, inputs))

    def in_tiles(self, size: int) -> Bench:
        """The same with another m-tile."""
        return replace(self, base=self.base.model_copy(update={"m_tile": size}))

    def measure(self, overrides: tuple[Override, ...]) -> Measured:
        """A choice for the tower."""
        config = self.base.model_copy(update={"overrides": overrides}).fixed()     # nothing is left open, for reference and program alike
        front = Front.of(self.model, self.inputs, tower=Tower(config)) if config.vision else self.dense
        cosine = float(cosine_similarity(front.features.double(), self.dense.features.double(), dim=-1).mean())
        found = front.found.trace if front.found else {}
        trace = front.run(config).trace if self.base.sec or self.base.sic else found       # of a dense decoder there is nothing to be found
        groups = [group for key, group in found.items() if key.startswith("group/")]
        unique = sum(int((g == np.arange(len(g))[:, None]).sum()) for g in groups) / max(sum(g.size for g in groups), 1)
        return Measured(overrides, cosine, int(self.programs.of(self.inputs, config).time(trace if config.sic else None)["cycles"]), unique)


def everywhere(depth: int, threshold: float, block: tuple[int, int, int], sites: tuple[str, ...] = SITES, first: int = 0) -> tuple[Override, ...]:
    """All layers of a tower of so many (from the first on), all sites merged in one way."""
    return (Override(first=first, last=depth - 1, sites=sites, similarity=True, threshold=threshold, block=block),)


def best_m_tile(bench: Bench, depth: int) -> int:
    """The m-tile of fewest cycles where all sites merge."""
    return min(M_TILES, key=lambda size: bench.in_tiles(size).measure(everywhere(depth, *MERGED)).cycles)


def changes(bench: Bench, depth: int) -> Iterator[tuple[int, list[Change]]]:
    """(place, changes of it) of each site in each part of the layers, the decoder being dense.  What loses more than any cosine allows is the boldest
    of its block that is measured."""
    dense = bench.measure(()).cycles
    parts = min(PARTS, depth)
    bounds = np.linspace(0, depth, parts + 1).round().astype(int)
    for place, (site, part) in enumerate((site, part) for site in SITES for part in range(parts)):
        found = []
        for block, thresholds in WAYS.items():
            for threshold in thresholds:
                overrides = everywhere(int(bounds[part + 1]), threshold, block, (site,), int(bounds[part]))
                measured = bench.measure(overrides)
                found.append(Change(overrides[0], 1 - measured.cosine, 1 - measured.cycles / dense))
                if measured.cosine < min(COSINES):
                    break
        yield place, found


def best(places: dict[int, list[Change]], price: float) -> tuple[Override, ...]:
    """Of each place the change that saves the most beyond price * loss, if one does."""
    chosen = [max(found, key=lambda c: c.saved - price * c.loss) for found in places.values()]
    return tuple(c.override for c in chosen if c.saved > price * c.loss)


def search(bench: Bench, places: dict[int, list[Change]], depth: int, tell: Callable[[str], None]) -> dict[float, Measured | None]:
    """For each cosine the choice of fewest cycles that keeps it, None where none does that was measured: one way for all sites, and the best
    choices for prices, found by bisection."""
    tried = {}

    def measured(overrides: tuple[Override, ...]) -> Measured:
        if overrides not in tried:
            tried[overrides] = one = bench.measure(overrides)
            tell(f"choice {len(tried)}: cosine {one.cosine:.4f}, {one.cycles:,} cycles")
        return tried[overrides]
    for block, thresholds in WAYS.items():
        for threshold in thresholds:
            if measured(everywhere(depth, threshold, block)).cosine < min(COSINES):
                break
    prices: dict[float, float] = {}             # logarithm of a price -> the cosine of its best choice
    for cosine in COSINES:
        for _ in range(ROUNDS):
            low = max((p for p, reached in prices.items() if reached < cosine), default=LOG_PRICES[0])
            high = min((p for p, reached in prices.items() if reached >= cosine and p > low), default=LOG_PRICES[1])
            middle = (low + high) / 2
            overrides = best(places, 10 ** middle)
            prices[middle] = measured(overrides).cosine if overrides else 1.0
    return {cosine: min((one for one in tried.values() if one.cosine >= cosine), key=lambda one: one.cycles, default=None) for cosine in COSINES}


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--inputs", type=Path, nargs="+", required=True, metavar="FILE", help="requests")
    parser.add_argument("--short", type=Path, nargs="+", required=True, metavar="FILE", help="the same requests with fewer frames, in the same order")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/tower.json"), metavar="FILE")
    args = parser.parse_args()
    model, requests = arguments.load_requests(args.model, args.inputs)
    short = arguments.read_requests("--short", args.short)
    if len(short) != len(requests):
        raise SystemExit(f"error: --short: {len(requests)} files expected, as many as of --inputs; got {len(short)}")
    programs = Programs(model, Path(tempfile.mkdtemp(prefix="tower-")))
    console, results = Console(width=140, highlight=False), []
    shown = empty_table("", "features' cosine", "unique vectors", "cycles, tower dense", "cycles", "dense / this")
    tell = lambda text: print(text, file=sys.stderr, flush=True)
    m_tiles = {}            # by the tokens of a request
    for (name, inputs), fewer in zip(requests.items(), short.values()):
        tell(f"{name}: the tower dense")
        prefill = prefill_of(model, inputs)
        info, tokens = prefill[0].family.info(model), prefill[1].to_json()
        depth = info["vision_depth"]
        bench = Bench.of(model, inputs, Concentration.preset("full", info["depth"]), programs)
        if tokens not in m_tiles:
            tell(f"{name}: the m-tile of the concentration")
            m_tiles[tokens] = best_m_tile(bench, depth)
        bench = bench.in_tiles(m_tiles[tokens])
        dense, places = bench.measure(()), {}
        for place, found_alone in changes(Bench.of(model, fewer, Concentration(similarity=False, m_tile=m_tiles[tokens]), programs), depth):
            places[place] = found_alone
            tell(f"{name}: {len(places)} of {len(SITES) * min(PARTS, depth)} sites and parts of the layers alone")
        for cosine, found in search(bench, places, depth, lambda text: tell(f"{name}: {text}")).items():
            results.append({"request": name, "m_tile": m_tiles[tokens], "wanted": cosine, "dense": dense.cycles,
                            "found": found.as_dict() if found else None})
            cells = [f"{found.cosine:.4f}", f"{found.unique:.1%}", f"{dense.cycles:,}", f"{found.cycles:,}",
                     f"{dense.cycles / found.cycles:.3f}"] if found else ["-", "-", f"{dense.cycles:,}", "-", "-"]
            shown.add_row(f"{name}, {cosine:g}", *cells)
        alone = [{"override": c.override.model_dump(exclude_defaults=True), "loss": c.loss, "saved": c.saved} for one in places.values() for c in one]
        results.append({"request": name, "alone, with fewer frames": alone})
        with atomic_write(args.output) as temporary:            # also where it is stopped before the last request
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    console.print(shown)


if __name__ == "__main__":
    main()
