# RUN: %python %s | filecheck %s
"""A compiled program is sanitizer-clean; with one wait left out, a buffer moved onto another, a transfer left out or too short, or a sum
that does not begin anew, it is not.

The program has every unit: concentrated and dense GEMMs, attention, importance and pruning.  Each fault is made in the encoded program."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from harness import execute
from strategies import repetitive, video

from focus.runtime import _sim
from focus.runtime.run.fxb import STORED
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError

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


def findings(text, source=binary.source):
    """Kinds of what the sanitizer finds, or the error of a program that cannot go on."""
    sim = _sim.Simulator(text, source, binary.machine.to_json(), binary.sites_json(), lives_json=binary.lives_json())
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
            overlaps += bool(findings(changed(i, "agu", values | {"base": other})) & {"unordered", "uninitialised", "stale"})
# CHECK-NEXT: overlaps True
print("overlaps", overlaps > 5, overlaps)

# Loads that are wrong: one row or one column too short, or left out (what waits and signals is still there).  Kernels reuse all places, so what
# should have come is mostly something that an earlier kernel wrote.  Where the count memory gives the rows, it may be below the extent anyway:
# then one row less changes nothing.  Not found is what an instruction of the same kernel put there before, where a buffer is filled more than once
# in its life.
loads = [i for i, (instr, _) in enumerate(program) if instr.mnemonic in ("load", "gather")]
stores = [i for i, (instr, _) in enumerate(program) if instr.mnemonic == "store"]
spare = isa.NUM_EXTENTS - 1
assert not any(instr.mnemonic == "ext" and values["id"] == spare for instr, values in program)


def shorter(number, field):
    """The text and sources with one row or column less in a transfer: in a full tile and in the last."""
    instr, values = program[number]
    extent = next(v for i, v in reversed(program[:number]) if i.mnemonic == "ext" and v["id"] == values[field])
    less = extent | {"id": spare, "full": extent["full"] - 1, "total": extent["total"] - 1}
    words = np.frombuffer(isa.encode("ext", less) + isa.encode(instr.mnemonic, values | {field: spare}), np.uint8).reshape(2, 16)
    return np.concatenate([binary.text[:number], words, binary.text[number + 1:]]), np.insert(binary.source, number, binary.source[number])


def left_out(number):
    instr, values = program[number]
    sync = {n: v for n, v in values.items() if n.startswith(("wait", "signal"))}
    return changed(number, "sync", sync | {"unit": int(instr.unit)}), binary.source


def share(what, numbers, fault, few, most=0.9):
    """Whether there are many such faults, a share of `most` or more is found, and `few` of them also by touching what nobody wrote at all."""
    kinds = [findings(*fault(i)) for i in numbers]
    found, unaided = sum(bool(k) for k in kinds), sum(bool(k - {"stale"}) for k in kinds)
    print(what, len(kinds) > 20, found >= most * len(kinds), unaided < few * found, found, unaided, len(kinds))


counted = [i for i in loads if program[i][1].get("count", isa.NO_AGU) != isa.NO_AGU]
# CHECK-NEXT: rows True True True
share("rows", [i for i in loads if i not in counted], lambda i: shorter(i, "rows"), 0.4)
# CHECK-NEXT: columns True True True
share("columns", loads, lambda i: shorter(i, "cols"), 0.4)
# CHECK-NEXT: left out True True True
share("left out", loads, left_out, 0.4)

# Sums that do not begin anew.  Not found where an earlier iteration of the same kernel left a sum in the same place.
sums = [i for i, (instr, values) in enumerate(program) if values.get("init", isa.NEVER) != isa.NEVER and instr.mnemonic != "v.rescale"]
# CHECK-NEXT: sums True True True
share("sums", sums, lambda i: (changed(i, program[i][0].mnemonic, program[i][1] | {"init": isa.NEVER}), binary.source), 0.5, 0.75)

# Stores left out: what is read in the result's place is what another intermediate had there, where there was one.  Only the
# host reads the last.
# CHECK-NEXT: stores True True True
share("stores", stores, left_out, 1)
