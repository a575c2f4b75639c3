# The closed formulas against the published figures: dense, AdapTiV and CMC to the digits given; SEC only and Focus within what one fitted
# ratio for all sites and the unstated part of the attention's traffic leave open.
# RUN: %python %s | filecheck %s
from focus.runtime.evaluate import baselines as b
from focus.runtime.spec.errors import FocusError

videomme, mvbench = b.row("llava_vid/videomme"), b.row("llava_vid/mvbench")
print([r.visual for r in b.ROWS])
# CHECK: [11648, 11648, 2366, 6272, 6272, 6272, 12736, 12736, 402]


def show(name, e):
    print(f"{name}: {e.cycles / 1e9:.3f} {e.dram_bytes / 1e12:.5f} {e.energy_j:.2f}")


# CHECK-NEXT: videomme dense: 95.937 2.28100 366.29
show("videomme dense", b.dense(videomme.visual))
# CHECK-NEXT: videomme AdapTiV: 48.971 0.90014 205.14
show("videomme AdapTiV", b.adaptiv(videomme.visual, videomme.adaptiv))
# CHECK-NEXT: videomme CMC: 41.845 1.44235 213.84
show("videomme CMC", b.cmc(videomme.visual, videomme.frames, videomme.cmc))
# CHECK-NEXT: mvbench dense: 17.475 0.39171 64.34
show("mvbench dense", b.dense(mvbench.visual))

# The published energy rule, from the published cycles and bytes.
# CHECK-NEXT: 66.28 15.19
power = b.machine_power("focus-published")
print(*(f"{b.published_energy(c * 1e9, d * 1e12, power):.2f}" for c, d in ((18.552, .38964), (4.1674, .090565))))


def close(value, published, percent):
    return "ok" if abs(value / published - 1) <= percent / 100 else f"{value} is not {published}"


sec = b.focus(videomme.visual, videomme.concentration(sic=False), 1.0, b.SEC_M_TILE)
# CHECK-NEXT: SEC only 30.106 ok
print(f"SEC only {sec.cycles / 1e9:.3f}", close(sec.dram_bytes, .62671e12, 1.3))
for r, compute, cycles, traffic, energy in ((videomme, 17.564e9, 18.552e9, .38964e12, 66.28), (mvbench, None, 4.1674e9, .090565e12, 15.19)):
    e = b.focus(r.visual, r.concentration(), r.ratio)
    # CHECK-NEXT: Focus ok ok ok ok
    # CHECK-NEXT: Focus ok ok ok ok
    print("Focus", close(e.compute_cycles, compute or e.compute_cycles, 0.2), close(e.cycles, cycles, 1.6), close(e.dram_bytes, traffic, 1.6),
          close(e.energy_j, energy, 1.6))

focus = [b.focus(r.visual, r.concentration(), r.ratio) for r in b.ROWS]
baselines = {"dense": [b.dense(r.visual) for r in b.ROWS], "AdapTiV": [b.adaptiv(r.visual, r.adaptiv) for r in b.ROWS],
             "CMC": [b.cmc(r.visual, r.frames, r.cmc) for r in b.ROWS]}
published = {"dense": (4.47, 4.67), "AdapTiV": (2.60, 2.98), "CMC": (2.35, 3.29)}
for name, estimates in baselines.items():
    speed = b.geometric_mean(e.cycles / f.cycles for e, f in zip(estimates, focus))
    energy = b.geometric_mean(e.energy_j / f.energy_j for e, f in zip(estimates, focus))
    # CHECK-NEXT: over dense ok ok
    # CHECK-NEXT: over AdapTiV ok ok
    # CHECK-NEXT: over CMC ok ok
    print(f"over {name}", close(speed, published[name][0], 1.5), close(energy, published[name][1], 1.5))

# Measured unique vectors per site take the ratio's place: of an operand that is all alike, one vector a slice is left.
one = b.focus(videomme.visual, videomme.concentration(), lambda layer, site, n, slices: slices)
# CHECK-NEXT: True
print(one.compute_cycles < 0.3 * focus[0].compute_cycles)
try:
    b.row("llava_vid/none")
except FocusError as e:
    print(e)
# CHECK-NEXT: unknown row 'llava_vid/none'; expected one of llava_vid/videomme, llava_vid/mlvu
