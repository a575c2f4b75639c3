"""What a search found, as files and as a table.

In: `Found`, a `Goal`, measurements on held-out requests.  Out: `trials.csv`, `front.svg`, `tuned.toml`, `at-published.toml`, `global.toml`,
`report.json`; `rows`, the lines of the table.
"""
from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from focus.compiler.evaluate.tune.bench import Measurement
from focus.compiler.evaluate.tune.goal import Goal
from focus.compiler.evaluate.tune.search import Found, Trial
from focus.compiler.truth.fidelity import Distance
from focus.runtime.spec.files import atomic_write

#: what a line of the table is called
PUBLISHED, IN_TILES, PRUNED = "published setting", "the same, m-tile of the machine", "its pruning alone"
SCALED, GLOBAL = "its alphas times a factor", "one threshold and block, any alphas"
TUNED, AS_PUBLISHED = "tuned", "tuned, as far as the published setting"
FILES = {GLOBAL: "global.toml", TUNED: "tuned.toml", AS_PUBLISHED: "at-published.toml"}


@dataclass(frozen=True)
class Row:
    """A concentration that the search chose: its trial, and what it does to held-out requests (None without such)."""
    name: str
    trial: Trial
    held_out: Measurement | None = None


def chosen(found: Found, goal: Goal) -> dict[str, Trial]:
    """The trials that the table shows, by their names; those of which none keeps to the limit are left out."""
    published = found.named("published")
    as_far = Goal(goal.name, published.measurement.upper(goal.name), goal.cost)
    rows: dict[str, Trial | None] = {
        PUBLISHED: published, IN_TILES: found.named("full"), PRUNED: found.named("sec"), SCALED: found.best(goal, ("scaled",)),
        GLOBAL: found.best(goal, ("scaled", "global")), TUNED: found.best(goal, ("tuned",)), AS_PUBLISHED: found.best(as_far, ("tuned",))}
    if found.named("full").config == published.config:
        del rows[IN_TILES]
    return {name: trial for name, trial in rows.items() if trial is not None}


def write(folder: Path, found: Found, goal: Goal, rows: Sequence[Row], dense: Mapping[str, Any]) -> None:
    """All files.  dense: of the report, what is known of the dense model.  Raises FocusError."""
    _write_trials(folder / "trials.csv", found, goal)
    draw(folder / "front.svg", found, goal, rows, dense)
    for row in rows:
        if row.name in FILES:
            with atomic_write(folder / FILES[row.name]) as temporary:
                temporary.write_text(_comment(row, goal, found) + row.trial.config.to_toml(), encoding="utf-8")
    entries = [{"name": r.name, "concentration": r.trial.config.model_dump(mode="json"), "search": _numbers(r.trial.measurement, goal),
                "held_out": _numbers(r.held_out, goal) if r.held_out else None} for r in rows]
    with atomic_write(folder / "report.json") as temporary:
        temporary.write_text(json.dumps({"goal": asdict(goal), "dense": dense, "rows": entries}, indent=1) + "\n", encoding="utf-8")


def _numbers(m: Measurement, goal: Goal) -> dict[str, Any]:
    return {"mean": asdict(m.mean), "upper": m.upper(goal.name), "requests": [asdict(d) for d in m.distances], "cycles": m.cycles, "joules": m.joules}


def _comment(row: Row, goal: Goal, found: Found) -> str:
    """What a file is, in front of it."""
    m = row.trial.measurement
    dense = goal.of(found.named("off").measurement)
    return (f"# focus-tune: {row.name}; on the requests of the search {goal.name} {goal.distance(m):.4f} (with its standard error "
            f"{m.upper(goal.name):.4f}),\n# {dense / goal.of(m):.2f}x fewer {goal.cost} of the decoder than dense\n")


def _write_trials(path: Path, found: Found, goal: Goal) -> None:
    front = {id(t) for t in found.front(goal)}
    dense = goal.of(found.named("off").measurement)
    with atomic_write(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        measures = [name for name in Distance.__dataclass_fields__ if name not in ("generated", "features")]
        writer = csv.writer(file)
        writer.writerow(["kind", "trial", *measures, f"{goal.name} with standard error", "cycles", "joules", "faster", "front", "concentration"])
        for t in found.trials:
            m = t.measurement
            distances = [f"{getattr(m.mean, name):.6g}" for name in measures]
            costs = sum(m.cycles or ()), f"{sum(m.joules or ()):.6g}", f"{dense / goal.of(m):.4f}"
            writer.writerow([t.kind, t.label, *distances, f"{m.upper(goal.name):.6g}", *costs, int(id(t) in front), t.config.to_json()])


# ---- the picture -------------------------------------------------------------------------------------------------------------------
_MARKS = {PUBLISHED: ("D", "#b2182b"), IN_TILES: ("d", "#d6604d"), PRUNED: ("v", "#b2182b"), SCALED: ("<", "#7f7f7f"), GLOBAL: ("s", "#404040"),
          TUNED: ("*", "#2166ac"), AS_PUBLISHED: ("P", "#2166ac")}


def draw(path: Path, found: Found, goal: Goal, rows: Sequence[Row], dense: Mapping[str, Any]) -> None:
    """The distances and costs of all trials, the front, the chosen ones; hollow: on held-out requests.  Raises FocusError."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    base = goal.of(found.named("off").measurement)
    shown = [t for t in found.trials if goal.distance(t.measurement) > 0]
    settings: Any = {"svg.hashsalt": "focus-tune", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(settings), atomic_write(path) as temporary:
        figure, axes = plt.subplots(figsize=(7.5, 4.5))
        for kinds, label, colour in ((("tuned",), "trials", "#92c5de"), (("scaled", "global"), "one threshold and block", "#bdbdbd")):
            points = [(goal.distance(t.measurement), base / goal.of(t.measurement)) for t in shown if t.kind in kinds]
            axes.scatter([x for x, _ in points], [y for _, y in points], s=9, color=colour, label=label, zorder=1)
        front = [t for t in found.front(goal) if goal.distance(t.measurement) > 0]
        axes.plot([goal.distance(t.measurement) for t in front], [base / goal.of(t.measurement) for t in front], color="#4393c3", lw=1,
                  label="front", zorder=2)
        for row in rows:
            marker, colour = _MARKS[row.name]
            axes.scatter(goal.distance(row.trial.measurement), base / goal.of(row.trial.measurement), marker=marker, s=70, color=colour,
                         label=row.name, zorder=4)
            if row.held_out is not None:
                axes.scatter(goal.distance(row.held_out), dense["held_out_" + goal.cost] / goal.of(row.held_out), marker=marker, s=70,
                             facecolors="none", edgecolors=colour, zorder=3)
        axes.axvline(goal.limit, color="#888888", lw=0.8, ls=":", label=f"budget {goal.name} {goal.limit:g}")
        axes.set_xscale("log")
        hollow = " (hollow: held-out requests)" if rows[0].held_out else ""
        axes.set_xlabel(f"{goal.name} of the next-token distributions from the dense model's{hollow}")
        axes.set_ylabel(f"{goal.cost} of the decoder, dense / concentrated")
        axes.legend(fontsize=7, frameon=False)
        figure.savefig(temporary, format="svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)


# ---- the table ---------------------------------------------------------------------------------------------------------------------
def table(rows: Sequence[Row], goal: Goal, dense: Mapping[str, Any], storage: Distance | None):
    """The table of a terminal: each row on the requests of the search and on held-out ones."""
    from focus.runtime.run.report import empty_table
    held_out = any(r.held_out for r in rows)
    columns = [f"{goal.name}", f"{goal.cost}\ndense / this"]
    if held_out:
        columns += [f"held-out:\n{goal.name}", f"{goal.cost}\ndense / this", "top token", "top 5", "generated"]
    shown = empty_table("", *columns)
    for r in rows:
        cells = _costs(r.trial.measurement, goal, dense["search_" + goal.cost])
        if r.held_out:
            cells += [*_costs(r.held_out, goal, dense["held_out_" + goal.cost]), *_agreement(r.held_out.mean)]
        shown.add_row(r.name, *cells)
    if storage is not None:
        shown.add_row("dense, stored in fp16", "", "", f"{getattr(storage, goal.name):.4f}", "", *_agreement(storage))
    return shown


def _costs(m: Measurement, goal: Goal, dense: float) -> list[str]:
    return [f"{goal.distance(m):.4f}", f"{dense / goal.of(m):.2f}"]


def _agreement(d: Distance) -> list[str]:
    return [f"{d.top1:.1%}", f"{d.top5:.1%}", "" if d.generated is None else f"{d.generated:.0%}"]
