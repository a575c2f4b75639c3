"""Plots of sweeps and of the published evaluation, as SVG.

In: rows of `focus-sweep`, records of `paper`.  Out: `sweep`, `speedups`, `energies`, which write a file each; the same bytes for the same rows.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

_SETTINGS = {"svg.hashsalt": "focus", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3}


@contextmanager
def _figure(path: Path, columns: int = 1, width: float = 7.5, height: float = 4.5) -> Iterator[tuple[Any, Any]]:
    """Yields a figure and its axes (an array of them for several columns), which goes to `path`.  Raises FocusError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise FocusError(f"{path}: drawing needs matplotlib (pip install matplotlib)") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    settings: Any = _SETTINGS
    with matplotlib.rc_context(settings), atomic_write(path) as temporary:
        figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained")
        try:
            yield figure, axes
            figure.savefig(temporary, format="svg", metadata={"Date": None})
        finally:
            plt.close(figure)


# ---- sweeps --------------------------------------------------------------------------------------------------------------------
def sweep(path: Path, rows: Sequence[Mapping[str, Any]], settings: Sequence[str], model: str) -> None:
    """Cycles and energy of each row with the front, and, where one setting of numbers varies, how both change with it.  `rows` without errors."""
    varied = [s for s in settings if len({str(r[s]) for r in rows}) > 1]
    over = varied[0] if len(varied) == 1 and all(isinstance(r[varied[0]], (int, float)) for r in rows) else None
    with _figure(path, 2 if over else 1, 11 if over else 7.5) as (figure, axes):
        plane = axes[0] if over else axes
        _draw_front(plane, rows)
        figure.suptitle(model)
        if over:
            _draw_sensitivity(axes[1], rows, over)


def _draw_front(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for front, style in ((False, {"color": "0.6"}), (True, {"color": "tab:blue"})):
        some = [r for r in rows if r["front"] == front]
        axes.scatter([r["cycles"] for r in some], [1e3 * r["energy_j"] for r in some], label="on the front" if front else "others", zorder=3, **style)
    best = sorted((r["cycles"], 1e3 * r["energy_j"]) for r in rows if r["front"])
    axes.plot([c for c, _ in best], [e for _, e in best], color="tab:blue", linewidth=0.8, drawstyle="steps-post")
    for number, r in enumerate(rows, 1):
        axes.annotate(str(number), (r["cycles"], 1e3 * r["energy_j"]), xytext=(4, 4), textcoords="offset points")
    axes.set(xlabel="cycles", ylabel="energy, mJ")
    axes.legend()


def _draw_sensitivity(axes: Any, rows: Sequence[Mapping[str, Any]], over: str) -> None:
    """Both measures relative to the first row."""
    ordered = sorted(rows, key=lambda r: r[over])
    for measure, name in (("cycles", "cycles"), ("energy_j", "energy")):
        axes.plot([r[over] for r in ordered], [r[measure] / rows[0][measure] for r in ordered], marker="o", label=name)
    axes.set(xlabel=over, ylabel="relative to row 1", ylim=(0, None))
    axes.legend()


# ---- the published evaluation ------------------------------------------------------------------------------------------------------
def speedups(path: Path, records: Sequence[Mapping[str, Any]], rule: str) -> None:
    """Speed-up of each design over the dense array of its row, under one array rule."""
    some = [r for r in records if r["rule"] == rule]
    dense = {(r["model"], r["dataset"]): r["cycles"] for r in some if r["design"] == "dense"}
    _grouped(path, some, f"speed-up over the dense array ({rule})", lambda r: dense[r["model"], r["dataset"]] / r["cycles"])


def energies(path: Path, records: Sequence[Mapping[str, Any]], rule: str) -> None:
    """Energy of each design as a share of the dense array's of its row, under one array rule."""
    some = [r for r in records if r["rule"] == rule]
    dense = {(r["model"], r["dataset"]): r["energy_j"] for r in some if r["design"] == "dense"}
    _grouped(path, some, f"energy, as a share of the dense array's ({rule})", lambda r: r["energy_j"] / dense[r["model"], r["dataset"]])


def _grouped(path: Path, records: Sequence[Mapping[str, Any]], title: str, value: Any) -> None:
    """Bars by row, one for each design."""
    names = list(dict.fromkeys((r["model"], r["dataset"]) for r in records))
    designs = list(dict.fromkeys(r["design"] for r in records))
    by = {(r["model"], r["dataset"], r["design"]): value(r) for r in records}
    with _figure(path, width=max(7.5, 1.1 * len(names))) as (_, axes):
        width = 0.8 / len(designs)
        for number, design in enumerate(designs):
            at = [i + (number - (len(designs) - 1) / 2) * width for i, name in enumerate(names) if (*name, design) in by]
            bars = axes.bar(at, [by[*name, design] for name in names if (*name, design) in by], width, label=design, zorder=2)
            axes.bar_label(bars, fmt="%.2f", fontsize=6, rotation=90, padding=2)
        axes.set_xticks(range(len(names)), ["\n".join(name) for name in names])
        axes.set(title=title, ylabel=title.split(",", maxsplit=1)[0].split(" (", maxsplit=1)[0])
        axes.legend(ncols=len(designs))
