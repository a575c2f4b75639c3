"""The published evaluation beside ours: nine video rows, closed formulas and executed programs.

In: names of rows (`llava_vid/videomme`, ...).  Out: `build/paper.json` ({"rows": [...], "means": [...]}), `paper.csv`, `paper.md`, and the
tables on standard output.

For each row: the published closed forms (rule "published": dense, AdapTiV, CMC, SEC only, Focus) and three programs of the backbone (dense,
sec, focus), every instruction of which is executed (a) under the `scalesim` rule, (b) under the `shadow` rule and (c) under that rule with one
scratchpad ("unified"); Focus with a synthetic trace at the row's fitted ratio.
With --whole, also the whole model (vision tower, projector, text, lm_head) of the LLaVA rows under `shadow`, to see
what share the published figures leave out ("whole" in the JSON file).  A finished row is kept in `<folder>/paper/` and not computed again
until the code or the machines change.
"""
from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from focus.compiler.evaluate import plots
from focus.compiler.evaluate.source import source_key
from focus.compiler.evaluate.workers import Rows, Workers, computed
from focus.runtime.evaluate import baselines, synth
from focus.runtime.evaluate.baselines import DecoderSizes, Estimate, Row
from focus.runtime.run.executable import Executable
from focus.runtime.spec.errors import FocusError, warn
from focus.runtime.spec.files import atomic_write
from focus.runtime.tools.cli import tool

#: rule -> machine of the designs with and without concentrators; "unified": the `shadow` rule, with the published SRAM bytes as one scratchpad
MACHINES = {"scalesim": ("focus-published", "dense-published"), "shadow": ("focus", "dense"), "unified": ("focus-unified", "dense-unified")}
DESIGNS = ("dense", "sec", "focus")
COLUMNS = ("model", "dataset", "design", "rule", "cycles", "compute_cycles", "dram_bytes", "energy_j")
#: kinds of work a module path belongs to, by its last part
KINDS = {"q_proj": "linear", "k_proj": "linear", "v_proj": "linear", "o_proj": "linear", "gate_proj": "linear", "up_proj": "linear",
         "down_proj": "linear", "mlp": "linear", "self_attn": "attention", "input_layernorm": "norm", "post_attention_layernorm": "norm"}


# ---- one row -----------------------------------------------------------------------------------------------------------------
def run_row(row: Row, decoder: DecoderSizes = baselines.QWEN2_7B, tell: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """All records of a row: `COLUMNS`, and for executed ones `detail` (see `_detail`)."""
    records = [_record(row, design, "published", e) for design, e in closed_forms(row, decoder).items()]
    for rule in MACHINES:
        for design in DESIGNS:
            tell(f"{row.name}: {design}, {rule}")
            records.append(execute(row, design, rule, decoder))
    return records


def closed_forms(row: Row, decoder: DecoderSizes = baselines.QWEN2_7B) -> dict[str, Estimate]:
    """The published model of every design."""
    return {"dense": baselines.dense(row.visual, decoder), "adaptiv": baselines.adaptiv(row.visual, row.adaptiv, decoder),
            "cmc": baselines.cmc(row.visual, row.frames, row.cmc, decoder),
            "sec": baselines.focus(row.visual, row.concentration(sic=False), 1.0, baselines.SEC_M_TILE, decoder),
            "focus": baselines.focus(row.visual, row.concentration(), row.ratio, d=decoder)}


def execute(row: Row, design: str, rule: str, decoder: DecoderSizes = baselines.QWEN2_7B) -> dict[str, Any]:
    """Compile the backbone of a row for a design, execute it under a rule, and record what it took."""
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.frontend.backbone import Backbone
    machine = MACHINES[rule][design == "dense"]
    config = row.concentration(sec=design != "dense", sic=design == "focus")
    start = time.perf_counter()
    binary = compile_model(Backbone.of_row(row, decoder), {}, machine, config).binary
    compiled = time.perf_counter()
    trace = synth.synth(synth.TracePlan.of_binary(binary), synth.Recipe(row.ratio), compact=True) if design == "focus" else None
    report = Executable(binary).time(trace)
    seconds = {"compile": compiled - start, "simulate": time.perf_counter() - compiled}
    busy = report["units"]["array"]["busy"]
    return {**_identity(row, design, rule), "cycles": report["cycles"], "compute_cycles": busy, "dram_bytes": report["dram_bytes"],
            "energy_j": report["energy_j"], "detail": _detail(report) | {"seconds": seconds}}


def _identity(row: Row, design: str, rule: str) -> dict[str, Any]:
    return {"model": row.model, "dataset": row.dataset, "design": design, "rule": rule}


def _record(row: Row, design: str, rule: str, e: Estimate) -> dict[str, Any]:
    return {**_identity(row, design, rule), "cycles": e.cycles, "compute_cycles": e.compute_cycles, "dram_bytes": e.dram_bytes,
            "energy_j": e.energy_j, "detail": {"parts": e.parts}}


def _detail(report: Mapping[str, Any]) -> dict[str, Any]:
    """Where cycles and bytes went: by kind of work (cycles of the critical path, array-busy cycles, DRAM bytes), by unit, by stream."""
    kinds: dict[str, dict[str, int]] = {}
    for path, m in report["modules"].items():
        entry = kinds.setdefault(kind_of(path), {"cycles": 0, "array": 0, "sfu": 0, "dram_bytes": 0})
        for key, source in (("cycles", "cycles"), ("array", "busy_array"), ("sfu", "busy_sfu"), ("dram_bytes", "dram_bytes")):
            entry[key] += m[source]
    streams = {name: t["read"] + t["write"] for name, t in report["dram"]["streams"].items() if t["read"] + t["write"]}
    return {"kinds": kinds, "units": {u: {"busy": v["busy"], "stalls": v["stalls"]} for u, v in report["units"].items()}, "streams": streams,
            "instructions": report["instructions"], "utilization": report["utilization"], "components": report["energy"]["components"]}


def kind_of(path: str) -> str:
    """Kind of work of a module path; of a backbone's residual adds and of what the passes add, "other"."""
    return KINDS.get(path.rpartition(".")[2], "other")


def run_whole(row: Row) -> dict[str, Any] | None:
    """The whole model of a row, concentrated, under `shadow`: cycles, bytes and joules, and shares by part of the model; None without one."""
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.frontend import full_size
    name = next((f"{n}/{row.dataset}" for n, m in full_size.PUBLISHED.items() if m == row.model), "")
    entry = full_size.FULL_SIZE.get(name)
    if entry is None or entry.whole is None:
        return None
    binary = compile_model(*entry.whole(), "focus", row.concentration()).binary
    plan = synth.TracePlan.of_binary(binary)
    report = Executable(binary).time(synth.synth(plan, synth.Recipe(row.ratio), compact=True))
    parts: dict[str, dict[str, int]] = {}
    for path, m in report["modules"].items():
        entry_ = parts.setdefault(part_of(path), {"cycles": 0, "array": 0, "sfu": 0, "dram_bytes": 0})
        for key, source in (("cycles", "cycles"), ("array", "busy_array"), ("sfu", "busy_sfu"), ("dram_bytes", "dram_bytes")):
            entry_[key] += m[source]
    return {**_identity(row, "focus", "shadow"), "scope": "whole", "cycles": report["cycles"], "dram_bytes": report["dram_bytes"],
            "energy_j": report["energy_j"], "text_tokens": plan.tokens.T, "visual_tokens": plan.tokens.V, "parts": parts,
            "detail": _detail(report)}


def part_of(path: str) -> str:
    """Part of a LLaVA model that a module path belongs to; of the decoder, with the kind of work."""
    if path.startswith("model.vision_tower"):
        return "vision tower"
    if path.startswith("model.multi_modal_projector") or path == "visual_tokens":
        return "projector and pooling"
    if ".layers." in path:
        return f"decoder: {kind_of(path)}"
    return "embedding, last norm, lm_head"


# ---- differences from the closed forms ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Term:
    """One reason why executed cycles differ from a closed form's array-bound cycles."""
    name: str
    cycles: float


def closed_form(row: Row, design: str, decoder: DecoderSizes = baselines.QWEN2_7B) -> Estimate:
    """The closed form to compare an executed design with: SEC only with the m-tile of our programs."""
    if design == "sec":
        return baselines.focus(row.visual, row.concentration(sic=False), 1.0, baselines.M_TILE, decoder)
    return closed_forms(row, decoder)[design]


def terms(record: Mapping[str, Any], row: Row, decoder: DecoderSizes = baselines.QWEN2_7B) -> list[Term]:
    """Executed cycles minus the closed form's array-bound cycles, term by term; the terms add up."""
    parts, kinds = closed_form(row, record["design"], decoder).parts, record["detail"]["kinds"]
    array = lambda kind: kinds.get(kind, {"array": 0})["array"]
    exposed = lambda kind: kinds[kind]["cycles"] - kinds[kind]["array"] if kind in kinds else 0
    out = [Term("linear layers: array passes", array("linear") - parts["linear"]),
           Term("linear layers: waiting for operands, results and the scatter unit", exposed("linear")),
           Term("attention: array passes", array("attention") - parts["attention"]),
           Term("attention: softmax, positions and operands not hidden", exposed("attention")),
           Term("norms and their gathering", kinds.get("norm", {"cycles": 0})["cycles"])]
    return out + [Term("rotary embedding, pruning, residual rows, prompt", sum(v["cycles"] for k, v in kinds.items() if k == "other"))]


# ---- all rows ----------------------------------------------------------------------------------------------------------------
class _Kept(Rows):
    """Finished rows of this version, a file for each, in a folder."""

    def __init__(self, folder: Path, prefix: str = ""):
        super().__init__()
        self.folder, self.prefix, self.source = folder, prefix, source_key()
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, names: Iterable[str]) -> Iterator[str]:
        """Take over those that are there, and name them."""
        for name in names:
            path = self._path(name)
            if path.exists() and (saved := json.loads(path.read_text()))["key"] == self.source:
                self.known[name] = saved["rows"]
                yield name

    def add(self, key: str, row: Any) -> None:
        super().add(key, row)
        with atomic_write(self._path(key)) as temporary:
            temporary.write_text(json.dumps({"key": self.source, "rows": row}))

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.prefix}{name.replace('/', '-')}.json"


def run_all(rows: Iterable[Row], folder: Path, workers: Workers, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Records of all rows; rows already in `<folder>/paper/` are read from there."""
    tasks, kept = {row.name: row for row in rows}, _Kept(folder / "paper")
    for name in kept.read(tasks):
        tell(f"{name}: kept from an earlier run")
    found = computed(partial(run_row, tell=tell) if workers.alone else run_row, tasks, workers, kept,
                     lambda done, of, who: tell(f"{done} of {of} rows {who}".rstrip()))
    return [record for records in found for record in records]


def run_wholes(rows: Iterable[Row], folder: Path, workers: Workers, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The whole models of rows of different sizes, kept like the rows."""
    kept, tasks = _Kept(folder / "paper", "whole-"), dict[str, Row]()
    for row in rows:
        if all((row.model, row.visual, row.ratio) != (other.model, other.visual, other.ratio) for other in tasks.values()):
            tasks[row.name] = row
    list(kept.read(tasks))
    found = computed(run_whole, tasks, workers, kept, lambda done, of, who: tell(f"{done} of {of} whole models {who}".rstrip()))
    return [record for record in found if record]


def whole_table(records: list[dict[str, Any]]) -> str:
    """Shares of the parts of whole models as Markdown."""
    lines = ["", "## Whole models under `shadow`, Focus", "",
             "Share of the cycles (of the DRAM bytes) of each part; maps and waiting are of the whole run.", ""]
    names = list(dict.fromkeys(part for r in records for part in r["parts"]))
    lines.append("| row | cycles | " + " | ".join(names) + " | vector unit busy | array waits for DRAM | maps, of DRAM bytes |")
    lines.append("|---|--:|" + "--:|" * (len(names) + 3))
    for r in records:
        parts, units, streams = r["parts"], r["detail"]["units"], r["detail"]["streams"]
        cells = [f"{parts[n]['cycles'] / r['cycles']:.1%} ({parts[n]['dram_bytes'] / r['dram_bytes']:.1%})" if n in parts else "" for n in names]
        whole = (units["sfu"]["busy"] / r["cycles"], units["array"]["stalls"]["dram"] / r["cycles"], streams.get("map", 0) / r["dram_bytes"])
        cells += [f"{v:.1%}" for v in whole]
        lines.append(f"| {r['model']}/{r['dataset']} | {r['cycles'] / 1e9:.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def means(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Geometric means over the rows: how many times faster, and how many times less energy, Focus is than each baseline.

    What is executed stands beside the closed forms with the published energy rule, whatever the machine's own; `shadow` has a second weight register.
    """
    by = {(r["model"], r["dataset"], r["design"], r["rule"]): r for r in records}
    names = list(dict.fromkeys((r["model"], r["dataset"]) for r in records))
    out = []
    for rule, baseline_rule in (("published", "published"), *((rule, rule) for rule in MACHINES), *((rule, "published") for rule in MACHINES)):
        for design in ("dense", "sec", "adaptiv", "cmc"):
            wanted = [((*n, design, baseline_rule), (*n, "focus", rule)) for n in names]
            if any(a not in by or b not in by for a, b in wanted):
                continue
            pairs = [(by[a], by[b]) for a, b in wanted]
            joules = published_joules if baseline_rule == "published" and rule != "published" else lambda r: r["energy_j"]
            out.append({"over": design, "rule": rule, "baseline_rule": baseline_rule,
                        "speedup": baselines.geometric_mean(a["cycles"] / b["cycles"] for a, b in pairs),
                        "energy": baselines.geometric_mean(a["energy_j"] / joules(b) for a, b in pairs)})
    return out


def published_joules(record: Mapping[str, Any]) -> float:
    """Energy of an executed record by the published rule, on its machine."""
    power = baselines.machine_power(MACHINES[record["rule"]][record["design"] == "dense"])
    return baselines.published_energy(record["cycles"], record["dram_bytes"], power)


# ---- tables ------------------------------------------------------------------------------------------------------------------
def markdown(records: list[dict[str, Any]], rows: list[Row]) -> str:
    """The tables as Markdown: results, means, and differences from the closed forms."""
    lines = ["# Published and executed", "",
             "Cycles in 10^9, DRAM in 10^12 bytes, energy in joules; speed-up and energy ratio are those of the row's dense array under "
             "the same rule.", "", "| row | design | rule | cycles | array-bound | DRAM | energy | speed-up | energy ratio |",
             "|---|---|---|--:|--:|--:|--:|--:|--:|"]
    dense = {(r["model"], r["dataset"], r["rule"]): r for r in records if r["design"] == "dense"}
    for r in records:
        base = dense[r["model"], r["dataset"], r["rule"]]
        lines.append(f"| {r['model']}/{r['dataset']} | {r['design']} | {r['rule']} | {r['cycles'] / 1e9:.3f} | "
                     f"{r['compute_cycles'] / 1e9:.3f} | {r['dram_bytes'] / 1e12:.4f} | {r['energy_j']:.2f} | {base['cycles'] / r['cycles']:.2f} | "
                     f"{base['energy_j'] / r['energy_j']:.2f} |")
    lines += ["", "## Focus over the baselines, geometric means", "", "| over | Focus | baseline | speed-up | energy ratio |",
              "|---|---|---|--:|--:|"]
    lines += [f"| {m['over']} | {m['rule']} | {m['baseline_rule']} | {m['speedup']:.2f} | {m['energy']:.2f} |" for m in means(records)]
    lines += ["", "## Executed under `scalesim` minus the closed form's array-bound cycles", "",
              "In percent of the closed form. SEC only is compared with the closed form for the m-tile of our programs."]
    lines += _difference_table(records, rows)
    lines += ["", "## Shares of the executed cycles under `shadow`", ""]
    return "\n".join(lines + _share_table(records)) + "\n"


def _difference_table(records: list[dict[str, Any]], rows: list[Row]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        for r in records:
            if (r["model"], r["dataset"], r["rule"]) != (row.model, row.dataset, "scalesim"):
                continue
            found, whole = terms(r, row), closed_form(row, r["design"]).compute_cycles
            if not lines:
                lines = ["", "| row | design | " + " | ".join(t.name for t in found) + " | all | array-bound |",
                         "|---|---|" + "--:|" * (len(found) + 2)]
            shown = [100 * t.cycles / whole for t in found] + [100 * (r[key] / whole - 1) for key in ("cycles", "compute_cycles")]
            lines.append(f"| {row.name} | {r['design']} | " + " | ".join(f"{v:+.2f}" for v in shown) + " |")
    return lines


def _share_table(records: list[dict[str, Any]]) -> list[str]:
    kinds = ("linear", "attention", "norm", "other")
    lines = ["| row | design | " + " | ".join(kinds) + " | array waits for DRAM | for the vector unit | for scatter | maps, of DRAM bytes |",
             "|---|---|" + "--:|" * (len(kinds) + 4)]
    for r in records:
        if r["rule"] != "shadow":
            continue
        d, stalls = r["detail"], r["detail"]["units"]["array"]["stalls"]
        share = [d["kinds"].get(k, {"cycles": 0})["cycles"] / r["cycles"] for k in kinds]
        share += [stalls[k] / r["cycles"] for k in ("dram", "sfu", "scatter")]
        maps = d["streams"].get("map", 0) / r["dram_bytes"]
        lines.append(f"| {r['model']}/{r['dataset']} | {r['design']} | " + " | ".join(f"{s:.1%}" for s in [*share, maps]) + " |")
    return lines


def _write(folder: Path, records: list[dict[str, Any]], wholes: list[dict[str, Any]], text: str) -> None:
    with atomic_write(folder / "paper.json") as temporary:
        temporary.write_text(json.dumps({"rows": records, "means": means(records), "whole": wholes}, indent=1) + "\n")
    with atomic_write(folder / "paper.csv") as temporary, open(temporary, "w", newline="") as out:
        table = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
        table.writeheader()
        table.writerows(records)
    with atomic_write(folder / "paper.md") as temporary:
        temporary.write_text(text)
    if importlib.util.find_spec("matplotlib"):
        for rule in dict.fromkeys(r["rule"] for r in records):
            plots.speedups(folder / f"paper-speedup-{rule}.svg", records, rule)
            plots.energies(folder / f"paper-energy-{rule}.svg", records, rule)
    else:
        warn("matplotlib is not installed: no plots are drawn")


@tool
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m focus.compiler.evaluate.paper", description="The published evaluation beside executed programs.")
    parser.add_argument("--rows", nargs="+", metavar="MODEL/DATASET",
                        help=f"which rows (default all): {', '.join(r.name for r in baselines.ROWS)}")
    Workers.add_arguments(parser, "rows")
    parser.add_argument("--whole", action="store_true", help="the whole LLaVA models too (imports PyTorch)")
    parser.add_argument("--output", type=Path, default=Path("build"), metavar="DIR", help="where paper.json, .csv, .md and plots go (default build)")
    args = parser.parse_args(argv)
    workers = Workers.of(args)
    rows = [baselines.row(name) for name in args.rows] if args.rows else list(baselines.ROWS)
    if args.output.exists() and not args.output.is_dir():
        raise FocusError(f"{args.output}: is no folder")
    start = time.perf_counter()

    def tell(text: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f} s] {text}", file=sys.stderr, flush=True)

    records = run_all(rows, args.output, workers, tell)
    wholes = run_wholes(rows, args.output, workers, tell) if args.whole else []
    text = markdown(records, rows) + (whole_table(wholes) if wholes else "")
    _write(args.output, records, wholes, text)
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
