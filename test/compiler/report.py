# The report's file: it stands alone, and holds what was compiled and run; the tools write it.
# RUN: %python %s %t && filecheck %s --input-file %t.out
# RUN: focusc %t/ir/10-map.mlir -q --no-weights -o %t/timed.fxb --html %t/ir.html && filecheck %s --check-prefix IR --input-file %t/ir.html
# IR: <title>LlavaOnevisionForConditionalGeneration - Focus</title>
# IR: id="part-text-level_4"
# IR-NOT: id="part-text-level_5"
# RUN: rm -rf %t/ir2 && mkdir %t/ir2 && cp %t/ir/00-input.mlir %t/ir/03-fuse.mlir %t/ir2
# RUN: focus-sim %t/m.fxb --timing-only --trace %t/trace.safetensors --html %t/run.html --ir %t/ir2 > %t.table
# RUN: filecheck %s --check-prefix RUN-IR --input-file %t/run.html
# RUN-IR: id="part-text-level_1"
# RUN-IR: id="part-array-event_start"
# RUN: not focus-sim %t/m.fxb --timing-only --trace %t/trace.safetensors --ir %t/ir 2>&1 | filecheck %s --check-prefix ALONE
# ALONE: error: --ir is for the report: give --html a file
# RUN: not focus-sim %t/m.fxb --timing-only --trace %t/trace.safetensors --html %t/x.html --ir %t/none 2>&1 | filecheck %s --check-prefix NONE
# NONE: error: {{.*}}none: has no files of --dump-ir (00-input.mlir, ...)
import base64
import gzip
import json
import re
import sys
from pathlib import Path

import torch

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.report import page
from focus.compiler.report.levels import Recorder
from focus.compiler.report.run import Ran
from focus.runtime.run.executable import Executable

torch.set_num_threads(1)
folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
out = open(f"{folder}.out", "w")
model, inputs = zoo.build("llava-onevision-tiny")
recorder = Recorder()
exe = Executable(compile_model(model, inputs, check=False, watchers=[recorder], dump_ir=folder / "ir").binary)
result = exe.run(inputs, timeline=1000)
exe.save(folder / "m.fxb")
result.trace.save(folder / "trace.safetensors")
page.write(folder / "r.html", recorder, Ran(exe, result.report, result.timeline, result.trace, inputs))
html = (folder / "r.html").read_text()

# Nothing is fetched: no script, style or image comes from elsewhere.
# CHECK: fetched []
print("fetched", re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?!data:)[^\"]*", html), file=out)

part = lambda name: gzip.decompress(base64.b64decode(re.search(rf'id="part-{name}" data-kind="\w+">([^<]*)<', html)[1]))
data = json.loads(part("data"))
# CHECK: input 15 True True
print(data["levels"][0]["name"], len(data["levels"]), data["report"]["cycles"] == result.report["cycles"], len(part("array-event_start")) == 8 * 1000, file=out)

# A line for a line of the printed IR, without locations; each has the path of its op.
# CHECK: lines True True
numbers, paths, lines = part("array-path_3"), data["levels"][3]["paths"], part("text-level_3").decode().split("\n")
of = [paths[int.from_bytes(numbers[4 * i:4 * i + 4], "little")] for i in range(len(lines))]
down = [path for line, path in zip(lines, of) if "focus.linear" in line and line.strip().startswith("%model.language_model.layers.1.mlp.down_proj")]
print("lines", "loc(" not in "".join(lines), down == ["model.language_model.layers.1.mlp.down_proj"], file=out)

# Folds are functions, and layers; one that is like an earlier one but for names says so.
# CHECK: folds True True
tiled = recorder.levels[11].folds
print("folds", {"@main"}.isdisjoint(f.name for f in tiled), sum(f.name.startswith("@linear") for f in tiled) > 5, file=out)

# What is predicted is of the modules that were simulated, and near it.
# CHECK: predicted True True
said, ran = sum(p.cycles for p in recorder.predicted.values()), result.report["cycles"]
print("predicted", set(recorder.predicted) <= set(exe.binary.modules), 0.5 < said / ran < 1.5, file=out)

# CHECK: a report shows a compilation or a program; neither is given
try:
    page.write(folder / "none.html")
except focus.FocusError as e:
    print(e, (folder / "none.html").exists(), file=out)
out.close()
