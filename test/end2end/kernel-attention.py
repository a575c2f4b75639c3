# RUN: %python %s | filecheck %s
"""Dense attention: segments, causal with and without visual tokens, grouped queries, any head width; pruned tokens keep their positions."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from hypothesis import given, strategies as st
from strategies import examples, head_widths, layouts, machines, rows, seeds, video

from focus.dialects.mapping import AttentionMapping
from focus.passes.kernels.forms import AttentionForm
from focus.passes.mapping.model import predict
from focus.passes.mapping.space import Target
from focus.passes.mapping.trial import trial
from focus.runtime.spec.machine import Machine

groups = st.sampled_from([(1, 1), (2, 1), (3, 1), (2, 2), (4, 2)])       # query heads, key/value heads


def operands(f, count, heads, kv_heads, dim):
    return [f.rows(count, dim * n) for n in (heads, kv_heads, kv_heads)]


@examples(25)
@given(seeds, machines, rows, head_widths, groups, st.booleans())
def whole(seed, machine, m, dim, heads, causal):
    """Every row sees every row, or the rows before it (no visual tokens: V = 0)."""
    f = Function(seed)
    f.run(f.attention(*operands(f, m, *heads, dim), *heads, causal), machine)


@examples(20)
@given(seeds, machines, st.lists(st.integers(1, 90), min_size=1, max_size=4), st.integers(0, 2), head_widths)
def segments(seed, machine, lengths, repeats, dim):
    """Segments of any lengths, the last one several times."""
    f = Function(seed)
    lengths = tuple(lengths + lengths[-1:] * repeats)
    f.run(f.attention(*operands(f, sum(lengths), 2, 2, dim), 2, 2, segments=lengths), machine)


@examples(40)
@given(seeds, machines, layouts(), head_widths, groups, st.booleans())
def causal(seed, machine, tokens, dim, heads, rotate):
    """Visual rows first in memory, masked by their place among the text."""
    f = Function(seed, tokens)
    q, k, v = operands(f, tokens.S, *heads, dim)
    ids = f.token_ids()
    f.run(f.attention(q, f.rope(k, dim, ids) if rotate else k, v, *heads, True, ids=ids), machine)


@examples(40)
@given(seeds, machines, layouts(prompt=1), head_widths, groups, st.data())
def pruned(seed, machine, tokens, dim, heads, data):
    """Importance, top-k and pruning twice: the second time among tokens whose places follow from the first."""
    f = Function(seed, tokens)
    ids, x = f.token_ids(), f.rows(tokens.S, dim * heads[0])
    for _ in range(2):
        q, k, v = (f.linear(x, dim * n) for n in (heads[0], heads[1], heads[1]))
        q, k = f.rope(q, dim, ids), f.rope(k, dim, ids)
        sel = f.topk(q, k, ids, *heads, data.draw(st.integers(1, ids.shape[0])))
        x = f.prune(f.attention(q, k, v, *heads, True, ids=ids), sel)
        ids = f.select(ids, sel)
    f.run(f.last_row(x), machine, tolerance=5e-3)


for test in (whole, segments, causal, pruned):
    test()
    print(test.__name__, "agrees")
# CHECK: whole agrees
# CHECK-NEXT: segments agrees
# CHECK-NEXT: causal agrees
# CHECK-NEXT: pruned agrees

# More rows than the default machine holds at a time.
for dim, tokens in ((128, None), (72, None), (64, video(1200, 9, 40))):
    f = Function(dim, tokens)
    count = tokens.S if tokens else 1500
    q, k, v = operands(f, count, 2, 1, dim)
    f.run(f.attention(q, k, v, 2, 1, tokens is not None, ids=f.token_ids() if tokens else None))
# CHECK-NEXT: large agrees
print("large agrees")

# Two tiles of queries that interleave: each goes through two value tiles before the other does, whose softmax is done by then.
target = Target(Machine.load("focus"), 32)
form = AttentionForm(3072, ((3072, 0),), 128, 1, 1, masked=True)
mapping = AttentionMapping(m=192, strands=2, step=32, kv_cols=128, out_cols=128, stays="queries")
passes = sum(2 * 192 * 2 * 4 * (end // 32) for end in range(384, 3073, 384))
cost = trial(target, form, mapping)
print(cost.cycles < 1.045 * passes, abs(predict(target, form, mapping).cycles / cost.cycles - 1) < 0.05)
# CHECK-NEXT: True True
