# Plots of the published evaluation: a bar for each row and design, with its number; the same bytes for the same records.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import re
import sys
from pathlib import Path

from focus.compiler.evaluate import plots

folder = Path(sys.argv[1])
records = [{"model": model, "dataset": "mvbench", "design": design, "rule": rule, "cycles": cycles, "energy_j": cycles / 10}
           for model in ("a", "b") for rule in ("shadow", "scalesim") for design, cycles in (("dense", 40.0), ("sec", 16.0), ("focus", 10.0))]
records[0]["cycles"] = 44.0
for name in ("one", "two"):
    plots.speedups(folder / f"{name}.svg", records, "shadow")
plots.energies(folder / "energy.svg", records, "shadow")
texts = lambda name: re.findall(r"<!-- ([^>]*?) -->", (folder / name).read_text())
# CHECK: ['1.00', '1.00', '2.75', '2.50', '4.40', '4.00'] True
print([t for t in texts("one.svg") if re.fullmatch(r"\d\.\d\d", t)], (folder / "one.svg").read_bytes() == (folder / "two.svg").read_bytes())
# CHECK: ['dense', 'sec', 'focus'] True
print([t for t in texts("energy.svg") if t in ("dense", "sec", "focus")], "0.25" in texts("energy.svg"))
