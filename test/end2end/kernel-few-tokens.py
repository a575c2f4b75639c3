# RUN: %python %s | filecheck %s
"""Concentrated attention of one to six visual tokens and many heads: all keys in one step, so that there is no loop over them, inside loops over
more heads than there are keys."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from strategies import repetitive, video

for visual in range(1, 7):
    for before, after in ((0, 1), (2, 1), (1, 3)):
        f = Function(visual, video(visual, before, after, side=1))
        x, ids = repetitive(f, 64, visual % 4), f.token_ids()
        q, k, v = (f.linear(x, 32 * n) for n in (9, 3, 3))
        q, k = f.rope(q, 32, ids), f.rope(k, 32, ids)
        f.run(f.attention(f.gather(q, ids, 1024, site="query"), k, v, 9, 3, True, ids=ids), "focus", tolerance=4e-3)
print("few tokens agree")
# CHECK: few tokens agree
