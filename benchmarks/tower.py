"""What concentrating the vision tower is worth: cycles of the whole model, by how much its features may change.

In: a model, requests, and the same with fewer frames (in the same order), on which single changes are measured.  Out: for each request and each
cosine of the features (those that the decoder gets, against the dense tower's) the cycles of the whole model with a concentrated tower, beside those
with a dense one, the decoder being concentrated as published in both; a table, and all numbers as JSON.

Each site in each third of the tower's layers is concentrated alone, in some ways, on the short request: what it adds to 1 - cosine, and what it
saves.  Both nearly add up, so the best choice for a given change is the one of least cycles + price * change for some price; the price is found by
measuring such choices on the whole request.  Concentrated queries are made dense again, which saves nothing: they are left alone.
"""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from focus.runtime.run.executable import Executable
from focus.runtime.run.report import empty_table
from focus.runtime.spec.concentration import Concentration, Override
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.sites import VISION_SITES

COSINES = (0.99, 0.98, 0.95)
SITES = tuple(site for site in VISION_SITES if site != "vision.query")
PARTS = 3               #: of the tower's layers
WAYS = [(threshold, block) for block, thresholds in (((2, 1, 1), (0.8, 0.9, 0.95)), ((2, 2, 2), (0.9, 0.95, 0.98))) for threshold in thresholds]
ROUNDS = 5              #: of measuring on the whole request, for each cosine


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


@dataclass
class Bench:
    """Measures concentrations of the tower on one request."""
    model: torch.nn.Module
    inputs: dict[str, Any]
    base: Concentration
    programs: Programs
    dense: Front = field(init=False)

    def __post_init__(self) -> None:
        self.dense = Front.of(self.model, self.inputs)

    def measure(self, overrides: tuple[Override, ...]) -> tuple[float, int, float]:
        """Cosine of the features; cycles of the whole model; share of the vectors at the tower's concentrated sites that are unique."""
        config = self.base.model_copy(update={"overrides": overrides}).fixed()     # nothing is left open, for reference and program alike
        front = Front.of(self.model, self.inputs, tower=Tower(config)) if config.vision else self.dense
        cosine = float(cosine_similarity(front.features.double(), self.dense.features.double(), dim=-1).mean())
        trace = front.run(config).trace
        groups = [group for key, group in trace.items() if key.startswith("group/") and key.split("/")[2] in VISION_SITES]
        unique = sum(int((g == np.arange(len(g))[:, None]).sum()) for g in groups) / max(sum(g.size for g in groups), 1)
        return cosine, int(self.programs.of(self.inputs, config).time(trace if config.sic else None)["cycles"]), unique


def changes(bench: Bench, depth: int) -> Iterator[tuple[int, list[Change]]]:
    """(place, changes of it) of each site in each part of the layers, the decoder being dense."""
    _, dense, _ = bench.measure(())
    parts = min(PARTS, depth)
    bounds = np.linspace(0, depth, parts + 1).round().astype(int)
    for place, (site, part) in enumerate((site, part) for site in SITES for part in range(parts)):
        found = []
        for threshold, block in WAYS:
            override = Override(first=int(bounds[part]), last=int(bounds[part + 1]) - 1, sites=(site,), similarity=True, threshold=threshold,
                                block=block)
            cosine, cycles, _ = bench.measure((override,))
            found.append(Change(override, 1 - cosine, 1 - cycles / dense))
        yield place, found


def best(places: dict[int, list[Change]], price: float) -> tuple[Override, ...]:
    """Of each place the change that saves the most beyond price * loss, if one does."""
    chosen = [max(found, key=lambda c: c.saved - price * c.loss) for found in places.values()]
    return tuple(c.override for c in chosen if c.saved > price * c.loss)


def within(bench: Bench, places: dict[int, list[Change]], cosine: float) -> dict[str, Any] | None:
    """The choice of fewest cycles whose features keep a cosine, by bisection of the price; None where not even the most careful one does."""
    low, high, found = -3.0, 5.0, None
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        overrides = best(places, 10 ** middle)
        if not overrides:
            high = middle
            continue
        reached, cycles, unique = bench.measure(overrides)
        if reached >= cosine:
            high = middle
            if found is None or cycles < found["cycles"]:
                found = {"cosine": reached, "cycles": cycles, "unique": unique, "overrides": [o.model_dump(exclude_defaults=True) for o in overrides]}
        else:
            low = middle
    return found


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
    for (name, inputs), fewer in zip(requests.items(), short.values()):
        tell(f"{name}: the tower dense")
        info = prefill_of(model, inputs)[0].family.info(model)
        bench = Bench(model, inputs, Concentration.preset("full", info["depth"]), programs)
        _, dense, _ = bench.measure(())
        places = {}
        for place, found_alone in changes(Bench(model, fewer, Concentration(similarity=False), programs), info["vision_depth"]):
            places[place] = found_alone
            tell(f"{name}: {len(places)} of {len(SITES) * min(PARTS, info['vision_depth'])} sites and parts of the layers alone")
        for cosine in COSINES:
            tell(f"{name}: cosine {cosine:g}")
            found = within(bench, places, cosine)
            results.append({"request": name, "wanted": cosine, "dense": dense, "found": found})
            cells = [f"{found['cosine']:.4f}", f"{found['unique']:.1%}", f"{dense:,}", f"{found['cycles']:,}",
                     f"{dense / found['cycles']:.3f}"] if found else ["-", "-", f"{dense:,}", "-", "-"]
            shown.add_row(f"{name}, {cosine:g}", *cells)
        alone = [{"override": c.override.model_dump(exclude_defaults=True), "loss": c.loss, "saved": c.saved} for one in places.values() for c in one]
        results.append({"request": name, "alone, with fewer frames": alone})
        with atomic_write(args.output) as temporary:            # also where it is stopped before the last request
            temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    console.print(shown)


if __name__ == "__main__":
    main()
