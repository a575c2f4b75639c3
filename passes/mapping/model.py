"""What a mapping costs: cycles and DRAM bytes of its kernels, from the machine's own rates.

In: a form, a legal mapping, a target.  Out: `predict`, the cycles and bytes that the simulator would count; `weighed`, what a search compares.

Cycles of a loop body are the largest of what bounds it: each unit's own work, the bus, and for every ring of buffers the time from a load to the
end of its last use, divided by its slots (`Rates`).  `gemm_model` and `attention_model` say what the bodies of these kernels are.  Kernels that
only sweep or move rows are bound by the bus or the vector unit.
"""
from __future__ import annotations

from focus.dialects.mapping import AttentionMapping, GemmMapping, KernelMapping, RowsMapping, SpillMapping
from focus.passes.kernels.forms import AttentionForm, Form, GemmForm, RowsForm, SpillForm
from focus.passes.kernels.places import ceil
from focus.passes.mapping.attention_model import predict_attention, predict_spilled
from focus.passes.mapping.gemm_model import PUBLISHED_BLOCK, predict_gemm
from focus.passes.mapping.rates import Cost, Rates
from focus.passes.mapping.space import Target

KERNEL_CYCLES = 2000    #: what columns that whole n-tiles leave cost, because they have a kernel of their own


def predict(target: Target, form: Form, mapping: KernelMapping) -> Cost:
    """Cycles and DRAM bytes of all kernels of the form."""
    rates = Rates(target)
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping):
        return predict_gemm(rates, form, mapping)
    if isinstance(form, AttentionForm) and isinstance(mapping, AttentionMapping):
        return predict_attention(rates, form, mapping)
    if isinstance(form, SpillForm) and isinstance(mapping, SpillMapping):
        return predict_spilled(rates, form, mapping)
    assert isinstance(form, RowsForm) and isinstance(mapping, RowsMapping)
    return _rows(rates, form)


def _rows(rates: Rates, form: RowsForm) -> Cost:
    """Rows in, and out again; concentrated ones leave as they are expected to."""
    tm, size = rates.timing, {"f16": 2, "u16": 2}.get(form.dtype, 4)
    moved = form.rows * form.cols * size * form.repeat
    cycles = {"norm": lambda: tm.vector("v.normalize", form.rows, form.cols, extra=form.bias),
              "rope": lambda: tm.vector("v.zip", form.rows, form.cols, "mul") * 2,
              "elementwise": lambda: tm.vector("v.zip", form.rows, form.cols, "add")}.get(form.what, lambda: 0)() * form.repeat
    if form.what.startswith("gather"):
        steps = ceil(form.cols, rates.geometry.vector)
        cycles = tm.sic_gather(form.visual, form.rows - form.visual, PUBLISHED_BLOCK, min(form.cols, rates.geometry.vector)) * steps
    nbytes = moved * (2 + (form.what == "elementwise" and form.second) + (form.what == "norm" and not form.moments))
    return Cost(max(cycles, rates.bus(nbytes)), nbytes)


def weighed(target: Target, cost: Cost) -> float:
    """Cycles, and those of DRAM transfer times the machine's `traffic_weight`: traffic is energy even where bandwidth hides it."""
    return cost.cycles + target.machine.energy.traffic_weight * cost.dram_bytes / target.machine.bytes_per_cycle


def price(target: Target, form: Form, mapping: KernelMapping) -> float:
    """What a search compares: the mapping's own kernels and, where whole n-tiles leave columns over, their own kernel's start."""
    cost = weighed(target, predict(target, form, mapping))
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping) and form.gathered:
        subs = mapping.n // target.geometry.cols
        cost += KERNEL_CYCLES * (ceil(form.n, target.geometry.cols) % subs > 0)
    return cost
