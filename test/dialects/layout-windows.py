# The verdict on a layout is that of looking at every window of every token, newlines between rows included; a grid of any size takes no time.
# RUN: %python %s | filecheck %s
from itertools import product
from random import Random

from focus.dialects.base import grids_of, layout_problem


def place(g, token):
    """Coordinates of a token by index arithmetic, the largest stride first."""
    found, rest = [0, 0, 0], token - g.first
    for axis in sorted(range(3), key=lambda a: (-g.strides[a], a)):
        if g.sides[axis] > 1:
            found[axis], rest = rest // g.strides[axis], rest % g.strides[axis]
    return found


def collides(flat, banks, block):
    """Whether some token's window has two members in one bank."""
    g = grids_of(flat)[0]
    for token in range(g.first, g.last + 1):
        at, seen = place(g, token), set()
        for offset in product(*map(range, block)):
            if any(o and n == 1 for o, n in zip(offset, g.sides)) or any(o > a for o, a in zip(offset, at)):
                continue
            bank = tuple((a - o) % n for a, o, n in zip(at, offset, banks))
            if bank in seen:
                return True
            seen.add(bank)
    return False


rng, verdicts = Random(5), {True: 0, False: 0}
for _ in range(600):
    f, h, w = (rng.randint(1, 4) for _ in range(3))
    row = w + rng.choice((0, 0, 1, 2))
    frame = h * row + rng.choice((0, 0, 3))
    strides = (frame, row, 1) if rng.random() < 0.8 else tuple(rng.sample((1, row, rng.randint(1, 9)), 3))
    flat = (0, f, h, w, *strides)
    banks, block = (tuple(rng.randint(1, 4) for _ in range(3)) for _ in range(2))
    found, expected = layout_problem(banks, block, 10 ** 6, flat), collides(flat, banks, block)
    assert (found is not None) == expected, (flat, banks, block, found)
    verdicts[expected] += 1
print(min(verdicts.values()) > 100)
# CHECK: True

print(layout_problem((2, 2, 2), (2, 2, 2), 2 ** 62, (0, 2 ** 20, 2 ** 20, 2 ** 20, 2 ** 40, 2 ** 20, 1)))
print(layout_problem((2, 2, 2), (1000, 1, 1), 256, (0, 2, 2, 2, 4, 2, 1)))
# CHECK: None
# CHECK: expected three positive numbers each, those of the block at most 4
