# RUN: rm -rf %t && mkdir %t && env FOCUS_CACHE=%t/cache %python %s %t | filecheck %s
"""--map=search=N: what the simulator says decides, the same from the cache; a trial takes what the kernel takes in a program; the model is near."""
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "end2end", "Inputs"))
from functions import Function
from harness import execute

from focus.compiler.tools import opt
from focus.passes.kernels.forms import AttentionForm, GemmForm, SpillForm
from focus.passes.mapping.model import predict
from focus.passes.mapping.search import Search, cache_folder, simulate
from focus.passes.mapping.space import Target, candidates
from focus.passes.mapping.trial import trial
from focus.runtime.spec.machine import Machine

folder, target = Path(sys.argv[1]), Target(Machine.load("focus"), 32)

# A trial of a dense form is the kernel that a program has.
f = Function(0)
x = f.rows(200, 256)
outcome = execute(f.text(f.linear(x, 500, "silu", bias=True)), f.inputs, f.params)
form = GemmForm(200, 500, 256, slow=True, biases=1)
mapping = Search(target).choose(form)
alone = trial(target, form, mapping)
# CHECK: trial and program: True True
print("trial and program:", abs(alone.cycles - outcome.timing["modules"]["cycles"][0]) < 16, alone.dram_bytes == outcome.timing["modules"]["dram_bytes"][0],
      alone, outcome.timing["modules"])

# What is chosen with the simulator takes no longer than what the model chooses, and its price is what the trial says.
forms = (GemmForm(785, 700, 256), GemmForm(300, 512, 512, 2, visual=284, unique=True, gathered=True, slow=True),
         AttentionForm(785, ((785, 0),), 32, 8, 2, masked=True), SpillForm(((128, 2),), 256, 260, 64, 4, 2, 128))
by_model, by_trial = Search(target), Search(target, width=4)
by_trial.decide(dict.fromkeys(forms, 1))
for form in forms:
    price = lambda mapping: trial(target, form, mapping).cycles + 1.5 * trial(target, form, mapping).dram_bytes / target.machine.bytes_per_cycle
    found = by_trial.choose(form)
    print(type(form).__name__, price(found) <= price(by_model.choose(form)) + 1e-6, (form, found) in by_trial.simulated)
# CHECK-NEXT: GemmForm True True
# CHECK-NEXT: GemmForm True True
# CHECK-NEXT: AttentionForm True True
# CHECK-NEXT: SpillForm True True

# What was chosen for these forms is remembered as a whole, and used but where a user has fixed something.
by_trial.remember()
again, other = Search(target, width=4), Search(target, width=4)
again.decide(dict.fromkeys(forms, 1))
other.decide(dict.fromkeys(forms, 1), fixed=True)
# CHECK-NEXT: as a whole True 0 True
print("as a whole", all(again.choose(form) == other.choose(form) == by_trial.choose(form) for form in forms), len(again.simulated),
      other.simulated == by_trial.simulated)

# A form that was priced before, as one of many m-tiles is, has what the simulator says of four of them.
many = GemmForm(300, 512, 512, 2, visual=284, tiles=9, unique=True, gathered=True, slow=True)
search = Search(target, width=4)
search.price(many)
search.decide({many: 1})
four = replace(many, tiles=4)
# CHECK-NEXT: of many m-tiles True True
print("of many m-tiles", search.choose(many) == min((m for f, m in search.simulated if f == four), key=lambda m: search.simulated[four, m]),
      all(form == four for form, _ in search.simulated))

# From the cache: no process is started, and costs are the same; a damaged file is simulated again.
files = sorted(f for f in cache_folder().glob("*.json") if not f.name.startswith(("model-", "searched-")))
jobs = [(target, form, m) for form in forms for m in list(candidates(target, form))[:2]]
first = simulate(jobs)
for file in files:
    file.write_text("[" * 100_000)
# CHECK-NEXT: remembered 5 True
print("remembered", len(files), simulate(jobs) == first and None not in first)

# The model is near the simulator on kernels of full size.
for form in (GemmForm(2367, 3584, 3584), GemmForm(1024, 3584, 18944, visual=1024, tiles=2, unique=True, residual=True),
             AttentionForm(2366, ((2366, 0),), 128, 28, 4, masked=True)):
    cost, said = trial(target, form, by_model.choose(form)), predict(target, form, by_model.choose(form))
    print("near", abs(said.cycles / cost.cycles - 1) < 0.05, abs(said.dram_bytes / cost.dram_bytes - 1) < 0.05)
# CHECK-COUNT-3: near True True

# As a pass.
g = Function(1)
(folder / "in.mlir").write_text(g.text(g.linear(g.rows(100, 96), 200)))
print(opt.main([str(folder / "in.mlir"), "--map=search=2", "-o", str(folder / "out.mlir")]), "focus.mapping" in (folder / "out.mlir").read_text())
# CHECK-NEXT: 0 True
