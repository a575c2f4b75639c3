# The published table on a tiny row: records, means, differences that add up, and rows kept between runs.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

from focus.compiler.evaluate import paper
from focus.compiler.evaluate.workers import Workers
from focus.runtime.evaluate import baselines
from focus.runtime.evaluate.baselines import DecoderSizes

folder = Path(sys.argv[1])
TINY = DecoderSizes(layers=3, hidden=128, heads=2, kv_heads=1, head_dim=64, intermediate=256)
row = replace(baselines.row("llava_vid/mvbench"), grid=(4, 5, 5), schedule=((1,), (0.5,)), ratio=1.2)
rows = [row, replace(row, dataset="other", ratio=1.1)]
run_row = paper.run_row
paper.run_row = lambda r, **options: run_row(r, TINY, **options)
paper.terms.__defaults__ = (TINY,)
paper.closed_form.__defaults__ = (TINY,)

told = []
records = paper.run_all(rows, folder, Workers(), told.append)
print(len(records), [t.partition(": ")[2] for t in told if ": " in t], [t for t in told if ": " not in t])
# CHECK: 28 ['dense, scalesim', 'sec, scalesim', 'focus, scalesim', 'dense, shadow', 'sec, shadow', 'focus, shadow', 'dense, unified', 'sec, unified', 'focus, unified', 'dense, scalesim'
again = []
print(paper.run_all(rows, folder, Workers(), again.append) == json.loads(json.dumps(records)), again)
# CHECK-NEXT: True ['llava_vid/mvbench: kept from an earlier run', 'llava_vid/other: kept from an earlier run']

# Energy under the published rule follows from cycles and bytes; array-bound cycles are no more than all cycles.
for r in records:
    assert 0 < r["compute_cycles"] <= r["cycles"] and r["dram_bytes"] > 0, r
    if r["rule"] == "scalesim":
        power = baselines.machine_power("dense-published" if r["design"] == "dense" else "focus-published")
        assert abs(baselines.published_energy(r["cycles"], r["dram_bytes"], power) / r["energy_j"] - 1) < 1e-9, r
        found = paper.terms(r, row if r["dataset"] == "mvbench" else rows[1], TINY)
        whole = paper.closed_form(row if r["dataset"] == "mvbench" else rows[1], r["design"], TINY).compute_cycles
        assert abs(sum(t.cycles for t in found) - (r["cycles"] - whole)) <= 64, (found, r)     # cycles of modules are whole numbers
print("consistent")
# CHECK-NEXT: consistent
ratios = {(m["over"], m["rule"], m["baseline_rule"]): m["speedup"] for m in paper.means(records)}
print(sorted({k[0] for k in ratios}), ratios["dense", "shadow", "shadow"] > 0.5)
# CHECK-NEXT: ['adaptiv', 'cmc', 'dense', 'sec'] True

paper._write(folder, records, [], paper.markdown(records, rows))
print(sorted(json.loads((folder / "paper.json").read_text())), sorted(json.loads((folder / "paper.json").read_text())["rows"][0])[:4])
# CHECK-NEXT: ['means', 'rows', 'whole'] ['compute_cycles', 'cycles', 'dataset', 'design']
print(next(csv.reader(open(folder / "paper.csv"))))
# CHECK-NEXT: ['model', 'dataset', 'design', 'rule', 'cycles', 'compute_cycles', 'dram_bytes', 'energy_j']
print((folder / "paper.md").read_text().count("| llava_vid/mvbench |"))
# CHECK-NEXT: 20
print(paper.main(["--rows", "none/none", "--output", str(folder)]))
# CHECK-NEXT: 1
