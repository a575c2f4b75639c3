# RUN: %python %s | filecheck %s
"""n-tiles of concentrated inputs of few rows: as wide as accumulators and address generators allow, in pieces of weights that places take in turn,
so that compact rows are read few times."""
from focus.passes.kernels.forms import GemmForm
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target, candidates
from focus.passes.mapping.trial import trial
from focus.runtime.spec.machine import Machine

target = Target(Machine.load("focus"), 32)
for rows in (61, 90):
    form = GemmForm(rows, 1600, 1024, visual=rows - 1, unique=True, residual=True)
    best, half = (Search(target).choose(form, fixed) for fixed in ({}, {"n": 384}))
    wide, narrow = (trial(target, form, mapping) for mapping in (best, half))
    widths = sorted({m.n for m in candidates(target, form)}, reverse=True)
    print(rows, "rows: columns", widths[:2], "take", best.n, "in", best.weight_places, "places;",
          "fewer bytes" if wide.dram_bytes < 0.97 * narrow.dram_bytes else (wide, narrow),
          "and hardly more cycles" if wide.cycles < 1.01 * narrow.cycles else (wide, narrow))
    # CHECK: 61 rows: columns [768, 576] take 576 in 6 places; fewer bytes and hardly more cycles
    # CHECK: 90 rows: columns [768, 576] take 576 in 6 places; fewer bytes and hardly more cycles
