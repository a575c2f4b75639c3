# The report's parts add up, for both kinds of run and both energy rules, and follow from the machine's figures.
# RUN: %python %s | filecheck %s
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import merged
from small import binary

from focus.runtime.run import energy
from focus.runtime.run.energy import Usage
from focus.runtime.run.executable import Executable
from focus.runtime.run.timeline import chrome_trace
from focus.runtime.spec.machine import Machine

result = Executable(merged.binary()).run({"x": merged.inputs()}, timeline=1000)
r = json.loads(json.dumps(result.report))                   # plain numbers and strings only
assert r == result.report
assert sum(m["cycles"] for m in r["modules"].values()) == r["cycles"]
for key in ("macs", "dram_bytes", "instructions"):
    assert sum(m[key] for m in r["modules"].values()) == r[key], key
assert sum(r["opcodes"].values()) == r["instructions"]
streams = r["dram"]["streams"].values()
assert sum(t["read"] + t["write"] for t in streams) == r["dram"]["read"] + r["dram"]["write"] == r["dram_bytes"]
for name, u in r["units"].items():
    assert math.isclose(u["busy"] + u["stall"] + u["idle"], r["cycles"]) and math.isclose(sum(u["stalls"].values()), u["stall"]), name
assert math.isclose(sum(r["energy"]["components"].values()), r["energy_j"])
assert math.isclose(sum(m["energy_j"] for m in r["modules"].values()), r["energy_j"], rel_tol=1e-9)
assert math.isclose(sum(r["area_mm2"]["components"].values()), r["area_mm2"]["total"])
assert r["utilization"] == r["macs"] / (1024 * r["cycles"]) and r["seconds"] == r["cycles"] / 500e6
# CHECK: {'activation': {'read': 3200, 'write': 0}, 'weight': {'read': 4096, 'write': 0}, 'result': {'read': 0, 'write': 1600}}
print({k: v for k, v in r["dram"]["streams"].items() if k in ("activation", "weight", "result")})
# CHECK-NEXT: {'visual': 20, 'text': 5, 'kept': {}} activity
print(r["tokens"], r["energy"]["rule"])

# The published machines have the published area and power, and with the published cycles and bytes the published energy.
# CHECK-NEXT: focus-published 3.2055 mm2, core 496.17 mW, buffers 240.20 mW, 66.28 J
# CHECK-NEXT: dense-published 3.1192 mm2, core 480.27 mW, buffers 240.20 mW, 366.29 J
for name, cycles, dram in (("focus-published", 18.552e9, 0.38964e12), ("dense-published", 95.937e9, 2.2810e12)):
    m = Machine.load(name)
    core = sum(c.count * c.power_mw for c in m.energy.components.values())
    buffers = sum(energy.power_mw(m, b) for b in m.buffers.values())
    joules = sum(energy.energy(m, Usage(cycles, int(dram))).values())
    print(f"{name} {sum(energy.area_mm2(m).values()):.4f} mm2, core {core:.2f} mW, buffers {buffers:.2f} mW, {joules:.2f} J")

# Activity: idle blocks draw idle_fraction, busy ones all; each byte of a buffer adds its macro's access energy.
m = Machine.load("focus")
idle, busy = (energy.energy(m, Usage(5e8, 0, {"array": b}, {"exp": 192 * b}, {"input": (b, 0)})) for b in (0, 5e8))
assert math.isclose(busy["array"], 0.3243681) and math.isclose(idle["array"], 0.3 * 0.3243681)     # one second
assert math.isclose(busy["sfu_exp"], 192 * 0.41e-3) and math.isclose(idle["sfu_exp"], 0.3 * 192 * 0.41e-3)
assert math.isclose(busy["buffer.input"] - idle["buffer.input"], 5e8 * 0.81 * 9.3 / 16 * 1e-12, rel_tol=1e-6)
assert math.isclose(idle["buffer.input"], 8 * 0.81 * 251 * 1e-6, rel_tol=1e-6)

for name, t in r["sram_bytes"].items():
    buffer, (read_pj, write_pj) = m.buffers[name], energy.access_pj_per_byte(m, m.buffers[name])
    joules = energy.leakage_mw(m, buffer) * 1e-3 * r["seconds"] + (t["read"] * read_pj + t["write"] * write_pj) * 1e-12
    assert math.isclose(r["energy"]["components"][f"buffer.{name}"], joules), name
assert r["sram_bytes"]["wgt"] == {"read": 4096, "write": 4096} and r["sram_bytes"]["vector"]["read"] == 3200

# Energy by module: every component of a run is attributed, under both rules; vector lanes that are busy longer than the run counts once.
a = Usage(300, 1000, {"array": 200, "load": 90, "sfu": 250}, {"exp": 400, "add": 60_000}, {"input": (64, 32), "layouter": (7, 9)})
b = Usage(700, 24, {"array": 650, "sfu": 10}, {"exp": 300_000, "add": 0}, {"input": (1, 2), "wgt": (500, 0)})
whole = Usage(1000, 1024, {"array": 850, "load": 90, "sfu": 260}, {"exp": 300_400, "add": 60_000}, {"input": (65, 34), "layouter": (7, 9), "wgt": (500, 0)})
for name in ("focus", "focus-published"):
    m = Machine.load(name)
    parts, all_ = [energy.energy(m, part, whole) for part in (a, b)], energy.energy(m, whole)
    assert all(math.isclose(parts[0][c] + parts[1][c], joules) and min(parts[0][c], parts[1][c]) >= 0 for c, joules in all_.items()), name
    assert parts[0] != parts[1] and energy.busy_cycles(m, "sfu_exp", whole) > whole.cycles
dearest = max(r["modules"].items(), key=lambda item: item[1]["energy_j"])
assert dearest[1]["energy_j"] > 0.4 * r["energy_j"], dearest

# Rules differ, instructions do not.
published = Executable(binary(machine="focus-published")).time()
assert published["array_rule"] == "scalesim" and published["energy"]["rule"] == "published"
assert math.isclose(sum(m["energy_j"] for m in published["modules"].values()), published["energy_j"])
assert published["opcodes"] == Executable(binary()).time()["opcodes"] and published["dram_bytes"] == 2 * (40 * 32 * 2 + 1024)

# The time line is trace-event JSON: one row per unit, events inside the run.
line = chrome_trace(merged.binary(), result.timeline)
events = [e for e in line["traceEvents"] if e["ph"] == "X"]
assert len(events) == sum(u["instructions"] for u in r["units"].values())
assert max(e["ts"] + e["dur"] for e in events) == r["cycles"] and json.dumps(line)
# CHECK-NEXT: {'concentrate', 'proj'}
print("{" + ", ".join(repr(c) for c in sorted({e["cat"] for e in events})) + "}")
