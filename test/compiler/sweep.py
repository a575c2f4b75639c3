# focus-sweep: each row is what compiling and running that combination alone gives; what does not fit says why; the front; each mistake is one line.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
# RUN: not focus-sweep llava-onevision-tiny --set sic.scater=1 2>&1 | filecheck --check-prefix=KEY %s
# KEY: error: --set sic.scater=: sic has present, cycles_per_candidate, cycles_per_identity_row, scatter_per_cycle, banks
# RUN: not focus-sweep llava-onevision-tiny --set buffers.stack.bytes=1 2>&1 | filecheck --check-prefix=TABLE %s
# TABLE: error: --set buffers.stack.bytes=: machine 'focus' has no table 'buffers.stack'
# RUN: not focus-sweep llava-onevision-tiny --set concentration.tile=1 2>&1 | filecheck --check-prefix=FIELD %s
# FIELD: error: --set concentration.tile=: a concentration has layers, alphas, threshold, block, vector, m_tile, similarity
# RUN: not focus-sweep llava-onevision-tiny --set sic.banks 2>&1 | filecheck --check-prefix=FORM %s
# FORM: error: --set sic.banks: KEY=VALUE,VALUE,... expected
# RUN: not focus-sweep llava-onevision-tiny --set sic.banks=1,2 --set array.rule+sic.banks=rtl 2>&1 | filecheck --check-prefix=TWICE %s
# TWICE: error: --set sic.banks=: is set twice
# RUN: not focus-sweep llava-onevision-tiny --set sic.banks=1,,2 2>&1 | filecheck --check-prefix=VALUES %s
# VALUES: error: --set sic.banks=1,,2: values as in TOML, or words, expected, with commas between them
# RUN: not focus-sweep llava-onevision-tiny --set sic.banks=4 -o %t/rows.txt 2>&1 | filecheck --check-prefix=FILE %s
# FILE: error: {{.*}}rows.txt: a .csv or .json file expected
# RUN: not focus-sweep llava-onevision-tiny --set sic.banks=0 | filecheck --check-prefix=NONE %s
# NONE: 1 {{.*}} 0 {{.*}} see below
# NONE: 1: focus: sic.banks: must be greater than 0, got 0
import csv
import json
import sys
from pathlib import Path

from hypothesis import given, strategies as st

import focus
from focus.compiler.evaluate import sweep
from focus.compiler.frontend import zoo

folder = Path(sys.argv[1])
(folder / "small.toml").write_text('base = "focus"\nname = "small"\n[dram]\nbytes_per_second = 8589934592\n')

# Machines, concentrations, a key of each, the last axis fastest.
name = "llava-onevision-tiny"
print(sweep.main([name, "--machine", "focus", "--machine", f"{folder}/small.toml", "--concentration", "off", "--concentration", "full",
                  "--set", "concentration.m_tile=16", "--set", "sic.scatter_per_cycle+energy.components.scatter_accumulator.count=1,4",
                  "-o", f"{folder}/rows.json"]))
rows = json.loads((folder / "rows.json").read_text())
print(len(rows), [rows[i]["machine"] for i in (0, 3, 4, 7)], [rows[0][k] for k in list(rows[0])[1:4]], [rows[7][k] for k in list(rows[7])[1:4]])
# CHECK: {{^}}0
# CHECK-NEXT: 8 ['focus', 'focus', 'small', 'small'] ['off', 16, 1] ['full', 16, 4]

# As alone.
model, inputs = zoo.build(name)
machine = (folder / "four.toml")
machine.write_text('base = "small.toml"\nname = "four"\n[sic]\nscatter_per_cycle = 4\n[energy.components.scatter_accumulator]\ncount = 4\n')
alone = focus.compile(model, inputs, machine, focus.Concentration.preset("full", 3).model_copy(update={"m_tile": 16})).run(inputs).report
print(all(rows[7][m] == (alone[m]["total"] if m == "area_mm2" else alone[m]) for m in sweep.MEASURES))
print(rows[0]["cycles"] == rows[1]["cycles"], rows[2]["cycles"] > rows[3]["cycles"], rows[4]["cycles"] > rows[0]["cycles"])
# CHECK-NEXT: True
# CHECK-NEXT: True True True

# A backbone, or any model with --ratio, is timed; what does not fit is told, the rest is there; a value may be a list.
print(sweep.main([name, "--scope", "backbone", "--set", "concentration.alphas=[0.5],[0.2]", "--set", "concentration.layers=[1]", "--set",
                  "buffers.input.bytes=64,131072", "--set", "array.rule=shadow,scalesim", "-o", f"{folder}/rows.csv", "-q"]))
rows = list(csv.DictReader(open(folder / "rows.csv")))
print([bool(r["error"]) for r in rows], rows[2]["concentration.alphas"], rows[3]["array.rule"], "'input'" in rows[0]["error"])
print(int(rows[2]["cycles"]) > int(rows[6]["cycles"]), int(rows[3]["cycles"]) > int(rows[2]["cycles"]))
# CHECK: {{^}}0
# CHECK-NEXT: [True, True, False, False, True, True, False, False] [0.5] scalesim True
# CHECK-NEXT: True True
print(sweep.main([name, "--ratio", "1.0", "--ratio", "1.2", "--set", "concentration.threshold=0.5,1.0", "-o", f"{folder}/rows.json"]))
rows = json.loads((folder / "rows.json").read_text())
print(rows[0]["cycles"] == rows[1]["cycles"])           # of a synthetic trace the threshold is only a name
# CHECK: {{^}}0
# CHECK-NEXT: True

# A model of no family: every row says so.
(folder / "plain.py").write_text("def model():\n    import torch\n    return torch.nn.Linear(2, 2), {}\n")
print(sweep.main([f"{folder}/plain.py:model", "--set", "sic.banks=8"]))
# CHECK: 1: unknown model Linear; supported:
# CHECK: {{^}}1


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def front_is_what_nothing_beats(values):
    rows = [dict(zip(sweep.SMALLER, v)) for v in values]
    sweep.mark_front(rows)
    for v, r in zip(values, rows):
        assert r["front"] == (not any(o != v and all(a <= b for a, b in zip(o, v)) for o in values))


front_is_what_nothing_beats()
print("front")
# CHECK-NEXT: front
