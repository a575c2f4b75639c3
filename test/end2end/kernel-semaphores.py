# RUN: %python %s | filecheck %s
"""Kernels that hand over more buffers than there are semaphores: hand-overs of the same kind share one, results and cycles hold, and no access is
unordered (every run is sanitized)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from functions import Function
from harness import fixed
from strategies import repetitive, video

from focus.passes.tile import schedule

share, shared = schedule._Semaphores.share, []


def counted(self) -> None:
    before = len(self.numbers)
    share(self)
    shared.append((before, len({n for table in (self.waits, self.signals) for entries in table.values() for n, _ in entries})))


schedule._Semaphores.share = counted


def attend(head: int, heads: int, kv_heads: int, visual: int, seed: int, machine: str = "focus") -> None:
    """Attention of concentrated queries."""
    f = Function(seed, video(visual, 2, 3, side=2))
    x, ids = repetitive(f, 64, seed % 4), f.token_ids()
    q, k, v = (f.linear(x, head * n) for n in (heads, kv_heads, kv_heads))
    q, k = f.rope(q, head, ids), f.rope(k, head, ids)
    f.run(f.attention(f.gather(q, ids, 1024, site="query"), k, v, heads, kv_heads, True, ids=ids), machine, tolerance=4e-3)


# Two heads of four slices at once, and no loop over the keys: 66 hand-overs.
with fixed(form="stay", strands=2, kv_cols=128):
    attend(128, 6, 3, 16, 1)
print("wide heads agree,", *(f"{a} hand-overs with {b <= schedule.MAX_SEMAPHORES} semaphores" for a, b in shared))
# CHECK: wide heads agree, 66 hand-overs with True semaphores

# Sharing wherever it is possible.
schedule.MAX_SEMAPHORES, before = 40, len(shared)
for seed, (head, heads, kv_heads, visual) in enumerate(((64, 4, 2, 12), (64, 4, 2, 40), (96, 2, 1, 20), (32, 4, 1, 130), (128, 2, 1, 8))):
    attend(head, heads, kv_heads, visual, seed)
print("agree with 40 at most, fewer in use:", all(b < a for a, b in shared[before:]), len(shared) > before)
# CHECK-NEXT: agree with 40 at most, fewer in use: True True

# A machine with room for the partial sums of one pass over the m-tile, not for two.
schedule.MAX_SEMAPHORES = 62
attend(64, 2, 2, 90, 6, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs", "small.toml"))
print("one buffer of partial sums agrees")
# CHECK-NEXT: one buffer of partial sums agrees
