# RUN: %python %s | filecheck %s
"""Where every pass pays its own fill (rule `scalesim`): SwiGLU's products one after the other, with the activation outside the
accumulators; attention whose scores and accumulators are split into tiles of 32 columns.  Results and ordering are those of any other form."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from strategies import video

from focus.passes.mapping import cost
from focus.runtime.spec.machine import Machine

MACHINE = "dense-published"
machine = Machine.load(MACHINE)

# The cost function chooses these forms at the sizes of a 7B decoder ...
print(cost.attention_tiling(machine, 11648, 11648, 128, causal=True).split, cost.attention_tiling(Machine.load("dense"), 11648, 11648, 128).split)
# CHECK: True False

# ... and for the small operands here.
print(cost.attention_tiling(machine, 300, 300, 32, causal=True).split)
# CHECK-NEXT: True
for tokens in (video(290, 0, 5), video(300, 3, 1), video(321, 7, 30)):
    f = Function(1, tokens)
    rows = tokens.S
    q, k, v = (f.rows(rows, 32 * n) for n in (2, 1, 1))
    f.run(f.attention(q, k, v, 2, 1, True), MACHINE)
for rows, causal in ((80, True), (96, False), (130, True)):         # a few steps of wide heads: semaphores are scarce
    f = Function(4)
    q, k, v = (f.rows(rows, 128 * n) for n in (2, 1, 1))
    f.run(f.attention(q, k, v, 2, 1, causal), MACHINE)
for rows, lengths in ((200, (200,)), (163, (66, 97))):
    f = Function(2)
    f.run(f.attention(f.rows(rows, 64), f.rows(rows, 64), f.rows(rows, 64), 2, 2, segments=lengths), MACHINE)
# CHECK-NEXT: attention agrees
print("attention agrees")

for rows, k, n, bias in ((1000, 512, 512, True), (1000, 300, 300, False)):
    f = Function(3)
    outcome = f.run(f.linear(f.rows(rows, k), n, "swiglu", bias=bias), MACHINE)
    assert outcome.binary.memory_map.regions[-1].name == "intermediates"      # the gate goes through DRAM
# CHECK-NEXT: SwiGLU agrees
print("SwiGLU agrees")
