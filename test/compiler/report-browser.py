# The report in a browser: its four parts are clicked through, and what they show is what the compilation and the run gave.
# REQUIRES: chromium
# RUN: %python %s %t.html %S/Inputs | filecheck %s
import re
import sys

import numpy as np
import torch

sys.path.insert(0, sys.argv[2])
from browser import Keys, opened

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.report import page as pages
from focus.compiler.report.levels import Recorder
from focus.compiler.report.run import Ran
from focus.runtime.run.asm import format_instruction
from focus.runtime.run.executable import Executable
from focus.runtime.spec.isa import Unit

torch.set_num_threads(1)
model, inputs = zoo.build("llava-onevision-tiny")
recorder = Recorder()
exe = Executable(compile_model(model, inputs, check=False, watchers=[recorder]).binary)
result = exe.run(inputs, timeline=100_000)
compared = focus.check(exe, model, inputs).modules()
errors = {path: (v.holds, v.error, v.allowed) for path, v in compared.items()}
pages.write(sys.argv[1], recorder, Ran(exe, result.report, result.timeline, result.trace, inputs, errors))
line, report, binary, levels = result.timeline, result.report, exe.binary, recorder.levels
assembly = lambda i: format_instruction(binary.program[i].instr, binary.program[i].values)
number = lambda text: int(text.replace(",", ""))
MLP = "model.language_model.layers.1.mlp"

with opened(sys.argv[1]) as page:
    # ---- passes: each with its ops; which one brought the gathers in
    # CHECK: passes True True
    rows = page.script("return [...document.querySelectorAll('#pass-list tbody tr')].map((r) => r.innerText.split('\\t'))")
    print("passes", [r[0].strip() for r in rows] == [level.name for level in levels], [number(r[2]) for r in rows] == [sum(level.ops.values()) for level in levels])
    page.enter("#op-name", "focus.gather")
    # CHECK: gathers insert-concentration +15 (then 15) True
    print("gathers", page.text("#op-found").split(")")[0] + ")", levels[4].ops["focus.gather"] == 15)

    # ---- the difference to the pass before, of a module: only the second text has gathers
    page.script("document.querySelectorAll('#pass-list button')[4].click()")
    page.enter("#module", MLP)
    page.click("#view-diff")
    page.until("document.querySelectorAll('.cm-mergeView .cm-changedLine, .cm-mergeView .cm-insertedLine').length > 0")
    # CHECK: difference True 0
    before, after = page.script("return [...document.querySelectorAll('.cm-mergeView .cm-content')].map((c) => [...c.querySelectorAll('.cm-line')]"
                                ".filter((l) => l.innerText.includes('focus.gather')).length)")
    print("difference", after > 0, before)

    # ---- a value's definition and uses
    page.click("#view-ir")
    page.until("document.querySelectorAll('#editor > .cm-editor').length === 1")
    name = f"%{MLP}.down_proj.weight"
    page.script("[...document.querySelectorAll('.tok-value')].find((e) => e.innerText === arguments[0]).scrollIntoView()", name)
    found = page.script("return [...document.querySelectorAll('.tok-value')].find((e) => e.innerText === arguments[0])", name)
    found.click()
    page.until("document.querySelector('#value-name')")
    uses = len(re.findall(re.escape(name) + r"(?![\w.])", levels[4].text)) - 1
    # CHECK: value True 1 True 1 True
    print("value", page.text("#value-name") == name, page.script("return document.querySelectorAll('#value-definitions li').length"),
          page.script("return document.querySelectorAll('#value-uses li').length") == uses, page.script("return document.querySelectorAll('.val-def').length"),
          page.script("return document.querySelectorAll('.val-use').length") == uses)

    # ---- a GEMM from PyTorch's operator to the instruction of its first tile
    page.enter("#module", f"{MLP}.gate_proj")
    page.click("#view-follow")
    page.until("document.querySelector('#first-pass')")
    wanted = next(i for i in range(len(binary.source)) if binary.modules[binary.source[i]] == MLP and binary.program[i].instr.mnemonic.startswith("mm"))
    # CHECK: first tile True True
    print("first tile", int(page.text("#first-pass")) == wanted, assembly(wanted) in page.text("#program-of"))
    # CHECK: torch.aten.linear True #focus.mapping True bytes True
    level = lambda name: page.script("return document.querySelector(`#follow [data-level='${arguments[0]}'] pre`).textContent", name)
    print("torch.aten.linear", "torch.aten.linear" in level("input"), "#focus.mapping", "#focus.mapping" in level("map"),
          "bytes", binary.text[wanted].tobytes().hex() in level("program"))

    # ---- the time line: zoom, the longest wait of the array, what it waited for
    page.click("#tab-time")
    page.until("document.querySelector('#longest tbody tr')")
    whole = page.text("#time-shown")
    page.click("#zoom-closer")
    middle = page.until("Report.parts.time.window()")
    inside = (line.events[:, 3] >= middle[0]) & (line.events[:, 2] - line.waits[:, 0] <= middle[1])
    # CHECK: zoom True True
    print("zoom", number(re.search(r"([\d,]+) instructions", page.text("#time-shown"))[1]) == int(inside.sum()), page.text("#time-shown") != whole)
    array = np.flatnonzero(line.events[:, 0] == Unit.ARRAY)
    longest = array[np.argmax(line.waits[array, 0])]
    row = page.row("#longest")
    # CHECK: longest wait True True
    print("longest wait", number(row[0]) == line.waits[longest, 0], row[1] == line.causes[line.waits[longest, 1]])
    page.click("#longest tbody button")
    # CHECK: instruction True True
    print("instruction", page.text("#instruction-text") == assembly(int(line.events[longest, 1])),
          page.text("#instruction-module") == binary.modules[binary.source[line.events[longest, 1]]])
    operands = page.script("return document.querySelectorAll('#instruction tbody tr').length")
    # CHECK: operands True
    print("operands", operands == int((line.touched[:, 0] == longest).sum()))

    # ---- cost: modules by cycles, beside what was predicted
    page.driver.find_element("id", "tab-time").send_keys(Keys.ARROW_RIGHT)
    page.until("document.querySelector('#module-table tbody tr')")
    most = max(report["modules"], key=lambda path: report["modules"][path]["cycles"])
    row = page.row("#module-table")
    # CHECK: cost True True True
    print("cost", row[0] == most, number(row[1]) == report["modules"][most]["cycles"], number(row[3]) == round(recorder.predicted[most].cycles))
    joules = report["modules"][most]["energy_j"]
    page.enter("#measure", "energy_j")
    # CHECK: energy True energy in mJ by {{.+}}
    print("energy", abs(float(row[7].removesuffix(" mJ")) / (1e3 * joules) - 1) < 1e-3, page.text("#cost-title"))
    # CHECK: compared True
    row = page.script("return [...document.querySelectorAll('#module-table tbody tr')].map((r) => r.innerText.split('\\t')).find((r) => r[0].trim() === arguments[0])", f"{MLP}.down_proj")
    print("compared", row[-2].strip() == page.script("return arguments[0].toExponential(1)", compared[f"{MLP}.down_proj"].error))
    # CHECK: charts 7
    print("charts", page.script("return [...document.querySelectorAll('#cost .chart canvas')].length"))

    # ---- concentration: tokens left after a layer, and whose vectors stand for others'
    page.click("#tab-tokens")
    page.until("document.querySelector('#kept').innerText")
    page.enter("#layer", "1")
    left = result.trace["retained/1/gate_proj"]
    grid = binary.tokens.grids[0]
    in_frame = [t for t in left.tolist() if t // grid.frame_stride == 1 and t < grid.frames * grid.frame_stride]
    # CHECK: left True
    print("left", f"After layer 1: {len(left)} of {binary.tokens.V} visual tokens" in page.text("#kept"))
    page.enter("#frame", "1")
    cells = re.findall(r"\((\d+), (\d+)\)", page.text("#kept"))
    # CHECK: frame True
    print("frame", [(int(h), int(w)) for h, w in cells] == [divmod(t % grid.frame_stride, grid.height_stride) for t in in_frame])
    # CHECK: pictures True
    print("pictures", page.script("const c = document.querySelector('#frames'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
                                  "return new Set(d).size > 20"))

    # ---- at twice the size of text, nothing is wider than the window
    # CHECK: wide []
    page.script("document.documentElement.style.fontSize = '200%'")
    wide = []
    for tab in ("passes", "time", "cost", "tokens"):
        page.click(f"#tab-{tab}")
        wide += [tab] if page.script("return document.documentElement.scrollWidth > document.documentElement.clientWidth") else []
    print("wide", wide)

    # ---- light and dark, and no errors
    shades = [page.script("return getComputedStyle(document.body).backgroundColor")]
    page.click("#theme")
    shades.append(page.script("return getComputedStyle(document.body).backgroundColor"))
    # CHECK: themes 2 errors []
    print("themes", len(set(shades)), "errors", page.errors())
