"""The cost model of mappings: cycles and DRAM bytes of kernels, from the machine's own rates.

In: a form, a legal mapping, a target.  Out: `predict`, the cycles and bytes that the simulator would count; `weighed`, what a search compares.

Cycles of a loop body are the largest of what bounds it: each unit's own work, the bus, and for every ring of buffers the time from a load to the
end of its last use, divided by its slots (`Rates`).  `gemm_model`, `attention_model` and `rows_model` say what the bodies of the kernels are.
"""
from __future__ import annotations

from focus.dialects.mapping import AttentionMapping, GemmMapping, KernelMapping, RowsMapping, SpillMapping
from focus.passes.kernels.forms import AttentionForm, Form, GemmForm, RowsForm, SpillForm
from focus.passes.kernels.places import ceil
from focus.passes.mapping.attention_model import predict_attention, predict_spilled
from focus.passes.mapping.gemm_model import predict_gemm
from focus.passes.mapping.rates import Cost, Rates
from focus.passes.mapping.rows_model import predict_rows
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
    return predict_rows(rates, form, mapping)


def weighed(target: Target, cost: Cost) -> float:
    """Cycles, and those of DRAM transfer times the machine's `traffic_weight`: traffic is energy even where bandwidth hides it."""
    return cost.cycles + target.machine.energy.traffic_weight * cost.dram_bytes / target.machine.bytes_per_cycle


def price(target: Target, form: Form, mapping: KernelMapping) -> float:
    """What a search compares: the cost of the mapping's kernels, and of starting the kernel for columns left over after whole n-tiles."""
    cost = weighed(target, predict(target, form, mapping))
    if isinstance(form, GemmForm) and isinstance(mapping, GemmMapping) and form.gathered:
        subs = mapping.n // target.geometry.cols
        cost += KERNEL_CYCLES * (ceil(form.n, target.geometry.cols) % subs > 0)
    return cost
