# What the demo's report alone tells: which pass introduced a gather, which instruction computes tile 0 of a projection, why the array waited longest, and
# which patches of a frame survive a layer.  Answers are compared with the files the demo wrote: IR, binary, trace, and the program timed again.
# LONG: a model of the demo's size; report.py and report-browser.py take small ones
# REQUIRES: chromium
# RUN: rm -rf %t && %python %root/examples/demo.py --out %t > %t.txt && %python %s %t %S/Inputs | filecheck %s
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[2])
from browser import opened

import focus
from focus.runtime.run.asm import format_instruction
from focus.runtime.run.trace import Trace
from focus.runtime.spec.isa import Unit

folder = Path(sys.argv[1])
exe, trace = focus.load(folder / "demo.fxb"), Trace.load(folder / "trace.safetensors")
binary = exe.binary
_, line = exe.time_with_timeline(trace, timeline=1_000_000)
number = lambda text: int(text.replace(",", ""))

with opened(folder / "report.html") as page:
    # ---- which pass introduced a gather?
    counts = [(path.stem.partition("-")[2], path.read_text().count('"focus.gather"') + path.read_text().count(" focus.gather ")) for path in sorted((folder / "ir").glob("*.mlir"))]
    first, many = next((name, n) for name, n in counts if n)
    page.enter("#op-name", "focus.gather")
    # CHECK: gather insert-concentration True
    print("gather", first, page.text("#op-found").startswith(f"{first} +{many} "))

    # ---- which instruction computes tile 0 of layers.3.mlp.gate_proj?
    mlp = "model.language_model.layers.3.mlp"
    page.enter("#module", f"{mlp}.gate_proj")
    page.click("#view-follow")
    page.until("document.querySelector('#first-pass')")
    wanted = next(i for i in range(len(binary.source)) if binary.modules[binary.source[i]] in (mlp, f"{mlp}.gate_proj") and binary.program[i].instr.mnemonic.startswith("mm"))
    # CHECK: tile 0 True True
    print("tile 0", int(page.text("#first-pass")) == wanted,
          format_instruction(binary.program[wanted].instr, binary.program[wanted].values) in page.text("#program-of"))

    # ---- why did the array wait longest?
    page.click("#tab-time")
    page.until("document.querySelector('#longest tbody tr')")
    array = np.flatnonzero(line.events[:, 0] == Unit.ARRAY)
    longest = array[np.argmax(line.waits[array, 0])]
    row = page.row("#longest")
    # CHECK: longest wait True True {{[a-z]+}}
    print("longest wait", number(row[0]) == line.waits[longest, 0], row[1] == line.causes[line.waits[longest, 1]], row[1])

    # ---- which patches of frame 4 survive layer 5?
    page.click("#tab-tokens")
    page.until("document.querySelector('#kept').innerText")
    page.enter("#layer", "5")
    page.enter("#frame", "4")
    left = trace["retained/5/gate_proj"]
    grid, = binary.tokens.grids
    here = left[left // grid.frame_stride == 4] % grid.frame_stride
    cells = [divmod(t, grid.height_stride) for t in here.tolist() if t < grid.height * grid.height_stride]
    # CHECK: frame 4 True True
    print("frame 4", 0 < len(cells) < grid.height * grid.width, [(int(h), int(w)) for h, w in re.findall(r"\((\d+), (\d+)\)", page.text("#kept"))] == cells)
    # CHECK: errors []
    print("errors", page.errors())
