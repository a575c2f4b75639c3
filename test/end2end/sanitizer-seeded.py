# RUN: %python %s | filecheck %s
"""A compiled program is sanitizer-clean; with one wait left out, a buffer moved onto another, or a load left out, it is not.

The program has every unit: concentrated and dense GEMMs, attention, importance and pruning.  Each fault is made in the encoded program."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from harness import execute
from strategies import repetitive, video

from focus.runtime import _sim, isa
from focus.runtime.errors import FocusError
from focus.runtime.fxb import STORED

f = Function(4, video(75, 4, 6, side=5))
ids = f.token_ids()
x = f.gather(f.norm("rms", repetitive(f, 96, 0)), ids)
q, k, v = (f.linear(x, n) for n in (128, 64, 64))
sel = f.topk(q, k, ids, 4, 2, 40)
y = f.linear(f.attention(f.gather(q, ids, site="query"), k, v, 4, 2, True, ids=ids), 96, residual=f.rows(85, 96))
y = f.linear(f.gather(f.prune(y, sel), f.select(ids, sel), site="gate_proj"), 200, "swiglu")
outcome = execute(f.text(y), f.inputs, f.params)
assert not outcome.functional["findings"] and outcome.error < 5e-3
binary = outcome.binary
program = [isa.decode(bytes(word)) for word in binary.text]


def findings(text):
    """Kinds of what the sanitizer finds, or the error of a program that cannot go on."""
    sim = _sim.Simulator(text, binary.source, binary.machine.to_json(), binary.sites_json())
    for p in binary.param_table:
        sim.write(p.address, binary.param(p).ravel().view(np.uint8))
    for p in binary.inputs:
        sim.write(p.address, f.inputs[p.name].astype(STORED[p.stored]).ravel().view(np.uint8))
    try:
        return {finding["kind"] for finding in sim.run(True, True)["findings"]}
    except (FocusError, RuntimeError) as e:
        return {str(e)}


def changed(number, mnemonic, values):
    text = binary.text.copy()
    text[number] = np.frombuffer(isa.encode(mnemonic, values), np.uint8)
    return text


# One wait less, for every wait of every instruction: most leave two units unordered at once.  The others are those that another wait
# implies, and those for a free slot that nobody is late for here.
waits = [(i, f"wait{n}") for i, (_, values) in enumerate(program) for n in range(3) if values.get(f"wait{n}")]
seen, units = 0, set()
for i, name in waits:
    instr, values = program[i]
    if "unordered" in findings(changed(i, instr.mnemonic, values | {name: 0})):
        seen += 1
        units.add(isa.Unit(values.get("unit", instr.unit)).name)
# CHECK: waits True True
print("waits", len(waits) > 100, seen > 0.6 * len(waits), seen, len(waits))
# CHECK-NEXT: ARRAY LOAD SCATTER SEC SFU SIC STORE
print(*sorted(units))

# A buffer moved onto another of the same memory that is in use in the same kernel.
agus, overlaps = {}, 0
for i, (instr, values) in enumerate(program):
    if instr.mnemonic == "drain":
        agus.clear()
    if instr.mnemonic == "agu" and values["space"] in (isa.Space.INPUT, isa.Space.OUTPUT, isa.Space.WGT):
        other = agus.setdefault(values["space"], values["base"])
        if other != values["base"]:
            overlaps += bool(findings(changed(i, "agu", values | {"base": other})) & {"unordered", "uninitialised"})
# CHECK-NEXT: overlaps True
print("overlaps", overlaps > 5, overlaps)

# A load that brings nothing, but still waits and signals: what it should have brought was never written, unless an earlier kernel used the
# same place.
loads = [i for i, (instr, _) in enumerate(program) if instr.mnemonic in ("load", "gather")]
sync = lambda i: {n: v for n, v in program[i][1].items() if n.startswith(("wait", "signal"))}
found = sum("uninitialised" in findings(changed(i, "sync", sync(i) | {"unit": int(isa.Unit.LOAD)})) for i in loads)
# CHECK-NEXT: loads True
print("loads", found > 15, found, len(loads))
