# RUN: %python %s | filecheck %s
"""Where every pass pays its own fill (rule `scalesim`): SwiGLU's products one after the other, with the activation outside the
accumulators; attention whose scores and accumulators are split into tiles of 32 columns.  Results and ordering are those of any other form."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from harness import fixed
from strategies import video

from focus.passes.kernels.forms import AttentionForm
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.runtime.spec.machine import Machine

MACHINE = "dense-published"


def splits(machine: str, rows: int, dim: int) -> bool:
    """Whether the cheapest mapping of causal attention is split."""
    return Search(Target(Machine.load(machine), 32)).choose(AttentionForm(rows, ((rows, 0),), dim, 1, 1, masked=True)).split


# The cost function chooses these forms at the sizes of a 7B decoder ...
print(splits(MACHINE, 11648, 128), splits("dense", 11648, 128))
# CHECK: True False

# ... and for the small operands here.
print(splits(MACHINE, 300, 32))
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
    with fixed(form="halves"):
        outcome = f.run(f.linear(f.rows(rows, k), n, "swiglu", bias=bias), MACHINE)
    assert outcome.binary.memory_map.regions[-1].name == "intermediates"      # the gate goes through DRAM
# CHECK-NEXT: SwiGLU agrees
print("SwiGLU agrees")
