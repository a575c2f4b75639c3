# RUN: %python %s | filecheck %s
"""SwiGLU of dense or concentrated rows as two layers, gate then up, so that tiles are larger and the input is read less often: where the cost
function chooses it, and that results, ordering and cycles are those of both at once, on sizes that no tile divides."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function, trace_difference
from hypothesis import given
from hypothesis import strategies as st
from strategies import blocks, depths, examples, layouts, m_tiles, machines, repetitive, rows, seeds, video, widths

from focus.passes.mapping import cost
from focus.passes.kernels import linear
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

# At the sizes of a 7B decoder, under both rules.  Both products at once have 32 columns each, one alone 96.
for name in ("focus", "focus-published"):
    at_once, gate, up = (cost.concentrated_tiling(Machine.load(name), 1024, 1024, cost.Gemm(18944, 3584, **options)) for options in (
        dict(weights=2, gathered=True, slow=True), dict(slow=True, aside=True), dict(residual=True, gathered=True)))
    print(name, at_once.n_sub, gate.n_sub, up.n_sub, gate.cost + up.cost < at_once.cost)
# CHECK: focus 1 3 3 True
# CHECK-NEXT: focus-published 1 3 3 True


def forced(machine, lin, group):
    """Two layers wherever they fit."""
    if lin.activation != "swiglu":
        return False
    try:
        tilings = [linear._tiling(machine, half, group) for half in linear._halves(lin, lin.out)]
    except FocusError:
        return False
    halves.append(tilings)
    return True


def run(f, x, ids, machine, m_tile, block, n, bias, gathered):
    c = f.gather(x, ids, m_tile, block=block, site="gate_proj")
    y = f.linear(c, n, "swiglu", bias)
    y = f.linear(f.gather(y, ids, m_tile, block=block, site="down_proj"), 40) if gathered else y
    return f.run(y, machine, tolerance=5e-3)


@examples(50)
@given(seeds, machines, layouts(), st.integers(0, 3), m_tiles, blocks, depths, widths, st.booleans(), st.booleans())
def agrees(seed, machine, tokens, kind, m_tile, block, k, n, bias, gathered):
    f = Function(seed, tokens)
    outcome = run(f, repetitive(f, k, kind), f.token_ids(), machine, m_tile, block, n, bias, gathered)
    assert trace_difference(outcome) == 0


linear._apart, halves = forced, []
agrees()
print("small", len(halves) > 50, any(t[1].n_sub == 3 for t in halves))
# CHECK-NEXT: small True True



@examples(15)
@given(seeds, machines, rows, depths, widths, st.booleans())
def agrees_dense(seed, machine, m, k, n, bias):
    f = Function(seed)
    f.run(f.linear(f.input(f.normal(m, k)), n, "swiglu", bias), machine, tolerance=5e-3)


halves = []
agrees_dense()
print("dense", len(halves) == 15)
# CHECK-NEXT: dense True

# On the default machine: full m-tiles, where results to be gathered leave the accumulators for the place of the gate; columns left over.
# One vector for all rows, then rows nothing alike: the gate is rounded once more, which a close similarity would feel.
for tokens, kind, k, n, bias in ((video(1100, 0, 5), 1, 2048, 224, False), (video(1024, 3, 9), 2, 2048, 210, True)):
    f, halves = Function(n, tokens), []
    outcome = run(f, repetitive(f, k, kind), f.token_ids(), "focus", 1024, (2, 2, 2), n, bias, True)
    assert not halves[0][1].separate_result and halves[0][1].n_sub == 3
    assert trace_difference(outcome) == 0
print("large")
# CHECK-NEXT: large
