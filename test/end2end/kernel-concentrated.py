# RUN: %python %s | filecheck %s
"""Similarity concentration at every site: gathers of an operand, of its norm, of a SwiGLU product and of queries, and what reads them.
Group by group the trace is the interpreter's; m-tiles that nothing divides, all-zero vectors, repetitive and unlike rows."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function, trace_difference
from hypothesis import given, strategies as st
from strategies import blocks, depths, examples, head_widths, layouts, m_tiles, machines, repetitive, seeds, video, widths

ACTIVATIONS = ["none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu", "swiglu"]
kinds = st.integers(0, 3)


def run(f, y, machine):
    outcome = f.run(y, machine, tolerance=4e-3)
    assert trace_difference(outcome) == 0
    return outcome


def start(seed, tokens, width, kind, keep):
    """A function with concentrated data, the ids left after pruning to a share of `keep` (none is pruned where no prompt follows)."""
    f = Function(seed, tokens)
    x, ids = repetitive(f, width, kind), f.token_ids()
    if keep < 1 and tokens.prompt_rows:
        sel = f.topk(f.rows(tokens.S, 64), f.rows(tokens.S, 32), ids, 2, 1, max(1, int(tokens.V * keep)))
        x, ids = f.prune(x, sel), f.select(ids, sel)
    return f, x, ids


common = seeds, machines, layouts(), kinds, st.sampled_from([0.3, 0.8, 1, 1]), m_tiles, blocks


@examples(50)
@given(*common, depths, widths, st.sampled_from(ACTIVATIONS), st.booleans(), st.booleans(), st.booleans())
def linear(seed, machine, tokens, kind, keep, m_tile, block, k, n, activation, bias, residual, moments):
    """A linear layer of concentrated rows, with everything a dense one can have."""
    f, x, ids = start(seed, tokens, k, kind, keep)
    c = f.gather(x, ids, m_tile, block=block, site="o_proj")
    y = f.linear(c, n, activation, bias, f.rows(x.shape[0], n) if residual else None, moments)
    run(f, f.norm("rms", *y) if moments else y, machine)


@examples(40)
@given(*common, depths, widths, st.sampled_from(["rms", "layer"]), st.sampled_from(["swiglu", "none"]))
def mlp(seed, machine, tokens, kind, keep, m_tile, block, k, n, norm, activation):
    """A norm gathered in its sweep; a product gathered as it leaves the accumulators, or on its own where something else reads it."""
    f, x, ids = start(seed, tokens, k, kind, keep)
    gate = f.gather(f.norm(norm, x), ids, m_tile, block=block, site="gate_proj")
    product = f.linear(gate, n, activation)
    down = f.gather(product, ids, m_tile, block=block, site="down_proj")
    y = f.linear(down, k, residual=x)
    run(f, f.elementwise("mul", y, f.linear(product, k)) if seed % 3 == 0 else y, machine)


@examples(40)
@given(*common, head_widths, st.sampled_from([(2, 1), (4, 1), (4, 2)]))
def attention(seed, machine, tokens, kind, keep, m_tile, block, dim, heads):
    """Projections that share a gather, concentrated queries, and a gather of what attention makes."""
    f, x, ids = start(seed, tokens, 64, kind, keep)
    x = f.gather(x, ids, m_tile, block=block)
    q, k, v = (f.linear(x, dim * n) for n in (heads[0], heads[1], heads[1]))
    q, k = f.rope(q, dim, ids), f.rope(k, dim, ids)
    y = f.attention(f.gather(q, ids, m_tile, block=block, site="query"), k, v, *heads, True, ids=ids)
    run(f, y, machine)


for test in (linear, mlp, attention):
    test()
    print(test.__name__, "agrees")
# CHECK: linear agrees
# CHECK-NEXT: mlp agrees
# CHECK-NEXT: attention agrees


# Computed operands are not separated from the threshold by design: one in a thousand may fall otherwise than in float32.
# On the default machine: m-tiles of 1024, 512 and 100 rows, several of them, text in the last tile or in one of its own.
for m_tile, tokens, width, dim in ((1024, video(1200, 5, 30), 100, 32), (1024, video(1010, 5, 30), 96, 80), (512, video(1300, 3, 5), 64, 32),
                                   (100, video(500, 0, 7), 80, 40)):
    f = Function(m_tile, tokens)
    f.cap = 0.0                 # bounded scores make rows more alike, and more of them close to the threshold
    x, ids = repetitive(f, width, 0), f.token_ids()
    c = f.gather(x, ids, m_tile)
    q, k, v = (f.linear(c, n * dim) for n in (2, 1, 1))
    y = f.attention(f.gather(q, ids, m_tile, site="query"), k, v, 2, 1, True, ids=ids)
    y = f.linear(f.gather(f.norm("rms", y), ids, m_tile, site="gate_proj"), width, "swiglu")
    y = f.linear(f.gather(y, ids, m_tile, site="down_proj"), width, residual=x)
    outcome = f.run(y, tolerance=5e-3)
    assert trace_difference(outcome) <= 1e-3 * sum(np.asarray(s["group"]).size for s in outcome.trace)
# CHECK-NEXT: large agrees
print("large agrees")
