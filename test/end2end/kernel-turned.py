# RUN: %python %s | filecheck %s
"""Linear layers of few rows with the tokens as the stationary operand: where the cost function chooses it, and that results, groups, ordering and
cycles without data are those of any other form, on sizes that no tile divides."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
from functions import Function, trace_difference
from harness import OVERRIDES, fixed
from hypothesis import given, strategies as st
from strategies import blocks, depths, examples, layouts, m_tiles, machines, repetitive, rows, seeds, video, widths

from focus.passes.kernels.forms import GemmForm
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

# At the sizes of a 7B decoder, where every pass pays its fill: 81 tokens take two thirds of the time, and read their weights as often.
search = Search(Target(Machine.load("focus-published"), 32))
plain = GemmForm(81, 3584, 18944, visual=80, unique=True, residual=True)
across = GemmForm(3584, 81, 18944, turn="across", added=True)
back = GemmForm(81, 3584, 0, turn="back", added=True)
print(search.price(across) + search.price(back) < 0.75 * search.price(plain))
# CHECK: True


# It is chosen where it saves time, which is not where passes stream back to back.  Its transposed result goes through DRAM.
for machine in ("focus-published", "focus"):
    f = Function(5)
    outcome = f.run(f.linear(f.rows(40, 512), 640, "silu", True), machine, tolerance=5e-3)
    print(machine, outcome.binary.memory_map.regions[-1].name == "intermediates")
# CHECK-NEXT: focus-published True
# CHECK-NEXT: focus False


# Bit for bit what the other form gives: sums run in the same order, and are rounded once.
for residual, moments in ((False, False), (True, True), (True, False)):
    got = []
    for form in ("dense", "turned"):
        f = Function(9)
        x, r = f.rows(77, 200), f.rows(77, 150) if residual else None
        y = f.linear(x, 150, residual=r, moments=moments)
        y = f.norm("rms", *y) if moments else y
        with fixed(form=form):
            got.append(f.run(y, "focus").got)
    assert np.array_equal(*got)
print("bit for bit")
# CHECK-NEXT: bit for bit


@examples(40)
@given(seeds, machines, rows, depths, widths, st.sampled_from(("none", "swiglu", "silu", "gelu_tanh", "relu")), st.booleans(), st.booleans(),
       st.booleans())
def agrees_dense(seed, machine, m, k, n, activation, bias, residual, moments):
    f = Function(seed)
    with fixed(form="turned"):
        y = f.linear(f.rows(m, k), n, activation, bias, f.rows(m, n) if residual else None, moments)
        f.run(f.norm("rms", *y) if moments else y, machine, tolerance=5e-3)


agrees_dense()
print("dense")
# CHECK-NEXT: dense


@examples(40)
@given(seeds, machines, layouts(), st.integers(0, 3), m_tiles, blocks, depths, widths, st.booleans(), st.booleans())
def agrees(seed, machine, tokens, kind, m_tile, block, k, n, bias, swiglu):
    f = Function(seed, tokens)
    x, ids = repetitive(f, k, kind), f.token_ids()
    h = f.linear(f.gather(x, ids, m_tile, block=block, site="gate_proj"), n, "swiglu" if swiglu else "none", bias)
    y = f.linear(f.gather(h, ids, m_tile, block=block, site="down_proj"), k, residual=x)
    with fixed(form="turned"):
        outcome = f.run(y, machine, tolerance=5e-3)
    assert trace_difference(outcome) == 0


agrees()
print("concentrated")
# CHECK-NEXT: concentrated

# What one value's users take must be the same: all dense rows, or all unique vectors.
f = Function(3, video(60, 3, 5, side=5))
x, ids = repetitive(f, 64, 0), f.token_ids()
g = f.gather(x, ids, 64, site="query")
OVERRIDES["*"] = {"form": "turned"}
f.run(f.elementwise("add", f.linear(g, 40), f.linear(g, 40)), "focus", tolerance=5e-3)
OVERRIDES.clear()
OVERRIDES["focus.linear"] = {"form": "turned"}
try:
    f.run(f.elementwise("add", f.linear(g, 40), f.linear(g, 40)), "focus", tolerance=5e-3)
except FocusError as e:
    print(e)
# CHECK-NEXT: 'focus.linear' op form 'turned' takes dense rows, and its operand is concentrated: expected it of every op that uses that
