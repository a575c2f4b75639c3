"""How near the cost model is to the simulator: predicted cycles and DRAM bytes of the kernels of full-size models, beside a simulation of each.

In: nothing, or names of full-size entries.  Out: a table by kind of kernel, on `focus` and `focus-published`, dense and concentrated.  A kernel
counts as often as the model has it.  Simulations are remembered in the user's cache.
"""
from __future__ import annotations

import argparse
from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import full_size
from focus.dialects.focus import mapping_of
from focus.passes import manager
from focus.passes.kernels.forms import AttentionForm, Form
from focus.passes.mapping.legal import assigned
from focus.passes.mapping.model import predict
from focus.passes.mapping.parts import Context
from focus.passes.mapping.search import simulate
from focus.passes.mapping.space import Target
from focus.passes.steps import Step
from focus.runtime.spec.machine import Machine

ENTRIES = ("llava-video-7b/mvbench", "llava-1.5-7b", "qwen2.5-vl-7b", "internvl3-8b")
NEAR, FAIR = 0.05, 0.1


def kernels(entry: str, machine: Machine, preset: str) -> Counter:
    """(vector, form, mapping) of each kernel of an entry's decoder, as the model chooses them."""
    model, inputs = full_size.build(entry, "backbone")
    concentration = full_size.preset(entry, preset)
    module = compile_model(model, inputs, machine, concentration, scope="backbone", stop="focus").module
    found: Counter = Counter()
    with module.context:
        manager.run(module, [Step("fuse-concentration", {"machine": machine}), Step("map", {"machine": machine})])
        function = module.body.operations[0]
        target = Target(machine, concentration.vector)
        context = Context(function, target)
        for op in function.regions[0].blocks[0].operations:
            mapping = mapping_of(op)
            if mapping is not None:
                found.update((form, kernel) for form, kernel in assigned(target, list(context.parts(op)), mapping))
    return Counter({(target.vector, *pair): count for pair, count in found.items()})


def kind(form: Form) -> str:
    if isinstance(form, AttentionForm):
        return "importance" if form.scores_only else "attention, concentrated queries" if form.fixed else "attention, dense queries"
    return {"GemmForm": "GEMM", "SpillForm": "attention through DRAM", "RowsForm": "rows swept or moved"}[type(form).__name__]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("entries", nargs="*", default=ENTRIES, help="full-size entries (default: one of each size)")
    args = parser.parse_args()
    console = Console(width=130, highlight=False)
    for name in ("focus", "focus-published"):
        machine, found = Machine.load(name), Counter()
        for entry in args.entries:
            for preset in ("off", "full"):
                found += kernels(entry, machine, preset)
        jobs = [(Target(machine, vector), form, mapping) for vector, form, mapping in found]
        rows: dict[str, list[tuple[float, float, int]]] = {}
        for job, cost, count in zip(jobs, simulate(jobs), found.values()):
            if cost is not None:
                said = predict(*job)
                entry_ = (said.cycles / cost.cycles - 1, said.dram_bytes / max(cost.dram_bytes, 1) - 1, count)
                rows.setdefault(kind(job[1]), []).append(entry_)
                rows.setdefault("all", []).append(entry_)
        columns = ("predicted / simulated", "kernels", "different", "cycles within 5 %", "within 10 %", "lowest", "highest", "bytes within 5 %")
        table = Table(*columns, box=SIMPLE_HEAD)
        for label, values in sorted(rows.items(), key=lambda item: item[0] == "all"):
            total = sum(n for _, _, n in values)
            share = lambda place, limit: f"{sum(v[2] for v in values if abs(v[place]) <= limit) / total:.1%}"
            table.add_row(label, str(total), str(len(values)), share(0, NEAR), share(0, FAIR), f"{1 + min(v[0] for v in values):.2f}",
                          f"{1 + max(v[0] for v in values):.2f}", share(1, NEAR))
        console.print(f"\n[bold]{name}[/bold]: {', '.join(args.entries)}; dense and concentrated")
        console.print(table)


if __name__ == "__main__":
    main()
