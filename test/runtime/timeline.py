# The time line says what each instruction waited for and touched; a file for Perfetto has arrows for signals and counters that add up.
# RUN: %python %s %S/Inputs | filecheck %s
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import merged

from focus.runtime.run.executable import Executable
from focus.runtime.run.timeline import Timeline, chrome_trace, occupancy, spread
from focus.runtime.spec.isa import Space, Unit

binary = merged.binary()
result = Executable(binary).run({"x": merged.inputs()}, timeline=1000)
line, report = result.timeline, result.report

# Waits and traffic of the events are those of the report.
# CHECK: waits True dram True
units = {u.name.lower(): u for u in Unit if u != Unit.CTRL}
waited = {name: int(line.waits[line.events[:, 0] == u, 0].sum()) for name, u in units.items()}
total = {name: report["units"][name]["stall"] for name in units}
print("waits", all(waited[n] <= total[n] + len(line) and (n in ("load", "store") or waited[n] >= total[n] - len(line)) for n in units),
      "dram", int(line.waits[:, 3].sum()) == report["dram_bytes"])

# Who waits for a signal starts when the instruction that gives it has finished.
# CHECK: signals True True
given = line.waits[:, 2] >= 0
print("signals", bool(given.any()), bool((line.events[given, 2] >= line.events[line.waits[given, 2], 3] - 1).all()))

# Bytes that operands touch on chip are those the report counts; rows that a map names several times are read several times.
# CHECK: touched True True
sizes = line.touched[:, 5] * line.touched[:, 6]
counted = {s.name.lower(): (int(sizes[(line.touched[:, 2] == s) & (line.touched[:, 7] & 1 > 0)].sum()),
                            int(sizes[(line.touched[:, 2] == s) & (line.touched[:, 7] & 2 > 0)].sum())) for s in Space if s != Space.DRAM}
print("touched", all(counted[name] == (t["read"], t["write"]) for name, t in report["sram_bytes"].items() if name in counted and name != "conc"),
      0 < counted["conc"][0] <= report["sram_bytes"]["conc"]["read"])

# Occupancy: 128 bytes written in two parts at cycles 0 and 5, read until 20 and 30; then the first part anew at 40, read until 50; the other
# memory and what nobody reads do not count.
# CHECK: [0, 5, 20, 30, 40, 50] [64, 128, 64, 0, 64, 0]
events = np.array([[1, 0, 0, 4], [1, 1, 5, 9], [3, 2, 10, 20], [3, 3, 21, 30], [1, 4, 40, 45], [3, 5, 46, 50], [1, 6, 60, 70]])
touched = np.array([[0, 0, 1, 0, 64, 1, 64, 2], [1, 0, 1, 64, 64, 1, 64, 2], [2, 0, 1, 0, 64, 2, 64, 1], [3, 0, 1, 64, 64, 1, 64, 1],
                    [4, 0, 1, 0, 64, 1, 64, 2], [5, 0, 1, 0, 64, 1, 64, 1], [6, 0, 1, 0, 64, 1, 64, 2], [2, 1, 2, 0, 64, 1, 64, 3]])
touched[2, 5] = 1
print(*(x.tolist() for x in occupancy(Timeline(events, np.zeros((7, 4), int), touched, ()), Space.INPUT, 4096)))

# 100 bytes over cycles 0 to 10 and 20 over 5 to 15, in parts of 5 cycles.
# CHECK: [10.0, 12.0, 2.0, 0.0]
print(spread(np.array([0, 5]), np.array([10, 15]), np.array([100, 20]), (0, 20), 4).round(6).tolist())

trace = chrome_trace(binary, line)["traceEvents"]
bars = {(e["tid"], e["ts"]): e for e in trace if e["ph"] == "X"}
# Each arrow begins inside a bar and ends at the start of one.
# CHECK: arrows True True True
starts, ends = ([e for e in trace if e["ph"] == ph] for ph in "sf")
inside = lambda e: any(b["tid"] == e["tid"] and b["ts"] <= e["ts"] <= b["ts"] + b["dur"] for b in bars.values())
print("arrows", len(starts) == len(ends) == int(given.sum()), all(map(inside, starts)), all((e["tid"], e["ts"]) in bars for e in ends))

# CHECK: DRAM array {{.*}}input memory{{.*}}wgt memory
counters: dict[str, list] = {}
for e in trace:
    if e["ph"] == "C":
        counters.setdefault(e["name"], []).append((e["ts"], next(iter(e["args"].values()))))
print(*counters)
# The bandwidth over time is the traffic; no memory is fuller than it is large, and all are empty in the end.
# CHECK: True True True
times, rates = np.array(counters["DRAM"]).T
step = times[1] - times[0]
print(abs(rates.sum() * step / report["dram_bytes"] - 1) < 0.05,
      all(v <= binary.machine.buffer_bytes(name.split()[0]) for name, c in counters.items() if name.endswith(" memory") for _, v in c),
      all(c[-1][1] == 0 for name, c in counters.items() if name.endswith((" memory", "array"))))
# The array has the unique vectors of both slices, and twice the 5 identity rows.
# CHECK: rows True
print("rows", int(line.array_rows().sum()) == report["sites"]["0/q_proj"]["unique"] + 10)
