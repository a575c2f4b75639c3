# RUN: %python %s | filecheck %s
"""Linear layers of any size on any machine: activations, bias, residuals (repeating too), SwiGLU, row moments that a norm uses."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from hypothesis import given, strategies as st
from strategies import depths, examples, machines, rows, seeds, widths

ACTIVATIONS = ["none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu", "swiglu"]


@examples(90)
@given(seeds, machines, rows, depths, widths, st.sampled_from(ACTIVATIONS), st.booleans(), st.sampled_from([0, 1, 2, 3]), st.booleans(),
       st.sampled_from(["rms", "layer"]))
def linear(seed, machine, m, k, n, activation, bias, periods, moments, norm):
    f = Function(seed)
    x, residual = f.rows(m * max(periods, 1), k), f.rows(m, n) if periods else None
    y = f.linear(x, n, activation, bias, residual, moments)
    f.run(f.norm(norm, *y) if moments else y, machine)


linear()
# A layer of one output after another keeps what each needs; 1500 rows are more than one m-tile of the default machine.
f = Function(1)
f.run(f.linear(f.linear(f.linear(f.rows(1500, 70), 130, "gelu_tanh", True), 1), 33, "none", True, f.rows(500, 33)))
# CHECK: linear agrees
print("linear agrees")
