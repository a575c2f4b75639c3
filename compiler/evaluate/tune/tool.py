"""The command focus-tune.

In: a model (as for focusc), files of requests, a budget.  Out: a folder with the concentration found, all trials, and a picture; a table.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from focus.compiler.evaluate.tune.goal import BUDGETS, COSTS, Goal
from focus.compiler.evaluate.workers import Workers
from focus.compiler.frontend import arguments
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.sites import LARGEST_M_TILE
from focus.runtime.tools.cli import parsed, tool

FEW = 2             #: requests on which the effect of each layer and site is measured

_EXAMPLES = """
examples:
  focus-tune llava-onevision-demo --budget kl=0.05 --out build/tune
  focus-tune examples/trained.py:video --inputs a.safetensors b.safetensors --validate c.safetensors d.safetensors --budget kl=0.05 --jobs 2
  focus-tune examples/trained.py:video --inputs a.safetensors b.safetensors --validate c.safetensors d.safetensors --budget kl=0.05 --ray auto

The folder gets tuned.toml (the fewest cycles within the budget), at-published.toml (the fewest as far from the dense model as the published setting),
global.toml (the best with one threshold and block for all sites), trials.csv, front.svg and report.json. A search that was stopped, or gets
more trials, goes on where it was: measurements.jsonl holds all that was measured. docs/tuning.md says how it works.
"""


@tool
def main(argv: list[str] | None = None) -> int:
    args = parsed(_parser(), argv)
    goal = Goal.parse(args.budget, args.objective)
    Workers.of(args)
    if args.m_tile is not None and not 1 <= args.m_tile <= LARGEST_M_TILE:
        raise FocusError(f"--m-tile {args.m_tile}: 1 to {LARGEST_M_TILE} expected")
    if args.trials < 1 or args.generate < 0:
        raise FocusError("--trials: 1 or more expected, --generate: 0 or more")
    machine = Machine.load(args.machine)
    if not (machine.sec.present and machine.sic.present):
        raise FocusError(f"machine '{machine.name}' has not both concentrators: there is nothing to tune")
    args.out.mkdir(parents=True, exist_ok=True)
    with arguments.progress(args.quiet) as tell:
        tell("load model")
        model, requests = arguments.load_requests(args.model, args.inputs)
        held_out = arguments.read_requests("--validate", args.validate)
        if both := set(requests) & set(held_out):
            raise FocusError(f"--validate: '{min(both)}' is a request of the search, too")
        _tune(args, machine, (model, requests, held_out), goal, tell)
    return 0


def _tune(args: argparse.Namespace, machine: Machine, given: tuple, goal: Goal, tell: Any) -> None:
    """Search, validate, write."""
    import optuna
    from rich.console import Console

    from focus.compiler.evaluate.tune import prepare, report
    from focus.compiler.evaluate.tune.bench import Bench
    from focus.compiler.evaluate.tune.pool import Kept, Pool, Task
    from focus.compiler.evaluate.tune.search import Search
    from focus.compiler.frontend.importer import backbone_of
    from focus.compiler.truth.fidelity import Distance
    from focus.runtime.spec.concentration import Concentration
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model, requests, held_out = given

    workers, pool = Workers.of(args), None

    def stage(what: str, done: int, of: int) -> None:
        tell(f"{what}: {done} of {of} {pool.who() if pool else ''}".rstrip())
    kept = Kept(args.out, prepare.identity(model, requests | held_out) | {"machine": machine.to_json(), "generate": args.generate})
    decoder = backbone_of(model, next(iter(requests.values())))
    ready = prepare.prepared(model, requests | held_out, frozenset(held_out), (args.generate, workers),
                             lambda done, of: stage("dense model", done, of))
    pool = Pool(Bench(ready.dense, decoder, machine, args.m_tile), kept, workers)
    try:
        names = list(requests)
        found = Search(pool, names, names[:FEW], args.seed, stage).run(goal, args.trials)
        rows = [report.Row(name, trial) for name, trial in report.chosen(found, goal).items()]
        dense = {f"search_{cost}": sum(getattr(found.named("off").measurement, cost)) for cost in COSTS}
        storage = None
        if held_out:
            off, *measured = pool.measure([Task(config, tuple(held_out), generate=args.generate > 0) for config in
                                           (Concentration.preset("off", decoder.decoder.layers), *(r.trial.config for r in rows))],
                                          lambda done, of: stage("held-out requests", done, of))
            rows = [report.Row(r.name, r.trial, m) for r, m in zip(rows, measured)]
            dense |= {f"held_out_{cost}": sum(getattr(off, cost)) for cost in COSTS}
            storage = Distance.mean(list(ready.storage.values()))
        report.write(args.out, found, goal, rows, dense)
    finally:
        pool.close()
    Console(width=None if sys.stdout.isatty() else 160).print(report.table(rows, goal, dense, storage))
    if report.TUNED not in {r.name for r in rows}:
        raise FocusError(f"no trial keeps to the budget {goal.name} {goal.limit:g}; more trials, or a larger budget, are needed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="focus-tune", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Find the concentration that takes the fewest cycles within a budget of fidelity.")
    arguments.add_requests(parser)
    parser.add_argument("--validate", type=Path, nargs="+", metavar="FILE", help="held-out requests, on which the result is measured, too")
    parser.add_argument("--budget", default="kl=0.05", metavar="NAME=X",
                        help=f"the distance from the dense model that is allowed: {', '.join(BUDGETS)} (focus-fidelity; default kl=0.05), with its "
                             "standard error over the requests")
    parser.add_argument("--objective", choices=COSTS, default="cycles", help="what shall be small, of the decoder's layers (default cycles)")
    parser.add_argument("--machine", default="focus", metavar="FILE", help="a machine file or name (default focus)")
    parser.add_argument("--m-tile", type=int, metavar="N",
                        help="visual tokens of a tile of the concentration (default: what the compiler chooses for the published setting)")
    parser.add_argument("--trials", type=int, default=48, metavar="N",
                        help="concentrations to try within the budget (default 48); half as many for the published setting's distance, a quarter for "
                             "each global comparison")
    parser.add_argument("--generate", type=int, default=16, metavar="N", help="compare N greedily generated tokens of held-out requests (default 16)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the search; the same seed gives the same trials (default 0)")
    Workers.add_arguments(parser, "measurements", os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("tune"), metavar="FOLDER", help="folder for the results (default ./tune)")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
