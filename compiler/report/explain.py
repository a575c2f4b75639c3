"""Why a module takes as long as it does: its mapping, what the cost model predicts, what the simulator counts, and what bounds it.

In: the mapped function, through a watcher of the pipeline, and the binary.  Out: `explain`, a dictionary by module path; `show`, a table.

Programs that merge vectors are timed with a synthetic trace that has the share of unique vectors that mappings are chosen for.
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.mapping import GemmMapping, KernelMapping, to_dict
from focus.dialects.support import path_of, walk
from focus.passes.kernels.forms import GemmForm, RowsForm
from focus.passes.mapping.legal import assigned, rest_of
from focus.passes.mapping.model import predict
from focus.passes.mapping.parts import Context
from focus.passes.mapping.rates import UNIQUE_SHARE, Cost
from focus.passes.mapping.space import Target
from focus.passes.steps import Step
from focus.passes.target import resolve_machine
from focus.passes.watch import Watcher
from focus.runtime.evaluate import synth
from focus.runtime.run.executable import Executable
from focus.runtime.run.fxb import Binary
from focus.runtime.spec.geometry import PUBLISHED_SIDE

if TYPE_CHECKING:
    from rich.console import Console

MATTERS = 0.02      #: of all cycles: modules that take more are shown with what they wait for
NEAR = 0.85         #: of its bound: a module that is nearer needs no explanation


@dataclass
class Predictions(Watcher):
    """What the pass `map` chose: mappings by module path, and the cycles and DRAM bytes that the cost model predicts for them."""
    mappings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    costs: dict[str, Cost] = field(default_factory=lambda: defaultdict(lambda: Cost(0, 0)))

    def after(self, module: ir.Module, step: Step, seconds: float) -> None:
        if step.name != "map":
            return
        for function in walk(module, "func.func"):
            vectors = [op.vector for op in walk(function, fd.GatherOp)]
            target = Target(resolve_machine(step.options["machine"]), vectors[0] if vectors else PUBLISHED_SIDE)
            context = Context(function, target)
            for op in function.regions[0].blocks[0].operations:
                mapping = fd.mapping_of(op)
                if mapping is not None:
                    self._note(path_of(op), mapping.form, list(assigned(target, list(context.parts(op)), mapping)), target)

    def _note(self, path: str, form: str, kernels: list, target: Target) -> None:
        for what, mapping in kernels:
            if isinstance(what, RowsForm) and what.what == "cut":       # no kernel: how the one before it gathers its result
                continue
            rest = rest_of(target, what, mapping)       # columns that a kernel of their own does, which comes next
            if rest is not None and isinstance(what, GemmForm):
                what = replace(what, n=what.n - rest.n)
            self.mappings[path].append(f"{form}: {text_of(mapping)}")
            self.costs[path] += predict(target, what, mapping)


def text_of(mapping: KernelMapping) -> str:
    """A kernel's mapping in a few words: a GEMM's as rows x columns of a tile, and what else is not the default."""
    values = to_dict(mapping)
    kind = values.pop("kind")
    size = f"{values.pop('m')} x {values.pop('n')}" if isinstance(mapping, GemmMapping) else ""
    rest = ", ".join(f"{key} {value}" if not isinstance(value, bool) else key for key, value in values.items())
    return " ".join(filter(None, (kind, size, rest)))


def explain(predictions: Predictions, binary: Binary) -> dict[str, dict[str, Any]]:
    """By module path: `mapping` (texts, one a kernel), `predicted` and `simulated` (cycles, dram_bytes; None where there is no mapping), `bound` as
    the report of a run has it, and `share` of all cycles."""
    trace = synth.synth(synth.TracePlan.of_binary(binary), synth.Recipe(1 / UNIQUE_SHARE), compact=True) if binary.sites else None
    report = Executable(binary).time(trace)
    out = {}
    for path, m in report["modules"].items():
        cost = predictions.costs.get(path)
        predicted = None if cost is None else {"cycles": round(cost.cycles), "dram_bytes": round(cost.dram_bytes)}
        out[path] = {"mapping": list(predictions.mappings.get(path, ())), "predicted": predicted,
                     "simulated": {"cycles": m["cycles"], "dram_bytes": m["dram_bytes"]}, "bound": report["bounds"][path],
                     "share": m["cycles"] / max(1, report["cycles"])}
    return out


def show(explained: Mapping[str, Mapping[str, Any]], console: Console | None = None, limit: int = 40) -> None:
    """Print the modules that take the most cycles as a table."""
    from rich.console import Console
    from rich.table import Table
    table = Table(title="Modules: mapping, cycles and DRAM bytes (predicted, simulated), bound, and what the array waits for")
    for name in ("module", "mapping", "cycles", "predicted", "DRAM", "predicted", "bound", "of it", "waits for"):
        table.add_column(name, overflow="fold", justify="left" if name in ("module", "mapping", "bound", "waits for") else "right")
    for path, e in sorted(explained.items(), key=lambda item: -item[1]["simulated"]["cycles"])[:limit]:
        said, ran, bound = e["predicted"] or {}, e["simulated"], e["bound"]
        kernels = Counter(e["mapping"])
        mapping = "; ".join(text + (f" ({n} times)" if n > 1 else "") for text, n in kernels.items())
        table.add_row(path, mapping, f"{ran['cycles']:,}", *(f"{said[key]:,}" if said else "" for key in ("cycles",)), f"{ran['dram_bytes']:,}",
                      f"{said['dram_bytes']:,}" if said else "", bound["by"], f"{bound['share']:.0%}", waits_of(e))
    (console or Console(stderr=True, width=200)).print(table)


def waits_of(explained: Mapping[str, Any]) -> str:
    """What a module waits for that takes more than `MATTERS` of the time and is farther from its bound than `NEAR`: the array's waits, the longest
    first; of a module without array passes, that other units take turns."""
    bound, ran = explained["bound"], explained["simulated"]
    if bound["share"] >= NEAR or explained["share"] < MATTERS:
        return ""
    waits = sorted(bound["waits"].items(), key=lambda item: -item[1])
    return ", ".join(f"{reason} {n / max(1, ran['cycles']):.0%}" for reason, n in waits[:3]) or "units that take turns"
