# RUN: %python %s | filecheck %s
"""Ops that work on rows: norms, RoPE, elementwise, resampling, patches, and what moves rows about."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from hypothesis import given, strategies as st
from strategies import depths, examples, head_widths, layouts, machines, rows, seeds, widths


@examples(20)
@given(seeds, machines, rows, st.sampled_from([7, 32, 100, 300, 3000]), st.sampled_from(["rms", "layer"]))
def norm(seed, machine, m, d, kind):
    f = Function(seed)
    f.run(f.norm(kind, f.input(1 + f.normal(m, d))), machine)
    f.run(f.norm("rms", f.rows(m, 3 * d), heads=3), machine)


@examples(20)
@given(seeds, machines, rows, st.one_of(head_widths, st.sampled_from([2, 10])), st.integers(1, 3))
def rope(seed, machine, m, head, heads):
    f = Function(seed)
    f.run(f.rope(f.rows(m, head * heads), head), machine)


@examples(20)
@given(seeds, machines, rows, widths, st.integers(1, 3), st.sampled_from(["add", "mul", "silu", "relu", "gelu_erf", "gelu_tanh", "gelu_quick"]))
def elementwise(seed, machine, m, d, periods, kind):
    f = Function(seed)
    a = f.rows(m * periods, d)
    f.run(f.elementwise(kind, a, f.rows(m, d)) if kind in ("add", "mul") else f.activation(kind, a), machine)


@examples(20)
@given(seeds, machines, rows, depths, widths, st.integers(1, 3))
def resample(seed, machine, m, k, n, batch):
    f = Function(seed)
    f.run(f.matmul(f.param(f.normal(m, k) / k ** 0.5), f.rows(batch * k, n), batch), machine)


@examples(20)
@given(seeds, machines, st.sampled_from([2, 7, 14]), st.integers(1, 3), st.integers(1, 3), st.tuples(st.integers(1, 60), st.integers(1, 60)),
       widths, st.booleans())
def patches(seed, machine, patch, frames, channels, size, depth, bias):
    f = Function(seed)
    height, width = (max(patch, n) for n in size)
    f.run(f.patch_embed(f.input(f.normal(frames, channels, height, width)), depth, patch, bias), machine)


@examples(20)
@given(seeds, machines, rows, widths, st.sampled_from([1, 7, 200]))
def move(seed, machine, m, d, count):
    """A concat of rows that are made in place, copied from an input, a slice, taken rows, and rows that another part has too."""
    f = Function(seed)
    made = f.linear(f.rows(m, 40), d)
    part = f.slice(f.linear(f.rows(50, 33), d + 9), (3, 4), (20, d))
    table = f.param(f.normal(90, d))
    looked_up = f.embedding(f.input(f.rng.integers(0, 90, (1, count)).astype(np.int32)), table)
    y = f.concat(made, f.rows(7, d), part, f.take_rows(f.rows(m, d), f.rng.integers(0, m, count)), looked_up, made)
    f.run(f.linear(y, 20), machine)


@examples(12)
@given(seeds, machines, rows, widths)
def reshape(seed, machine, m, d):
    """A view of two rows as one, and a slice as the result of the function."""
    f = Function(seed)
    y = f.linear(f.reshape(f.linear(f.rows(2 * m, 40), d), m, 2 * d), 33)
    f.run(f.slice(y, (m - 1, 2), (1, 30)), machine)


@examples(12)
@given(seeds, machines, layouts())
def last_row(seed, machine, tokens):
    """The last token may be a visual one; visual rows stand first."""
    f = Function(seed, tokens)
    f.run(f.last_row(f.linear(f.rows(tokens.S, 40), 33)), machine)


for test in (norm, rope, elementwise, resample, patches, move, reshape, last_row):
    test()
    print(test.__name__, "agrees")
# CHECK: norm agrees
# CHECK-NEXT: rope agrees
# CHECK-NEXT: elementwise agrees
# CHECK-NEXT: resample agrees
# CHECK-NEXT: patches agrees
# CHECK-NEXT: move agrees
# CHECK-NEXT: reshape agrees
# CHECK-NEXT: last_row agrees
