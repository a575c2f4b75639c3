# The proof of bank-conflict freedom says the same as a plain enumeration, on many small grids, banks and blocks.
# RUN: %python %s | filecheck %s
import itertools
import random
import re
from dataclasses import astuple

from focus.dialects.focus import FlatGrid, layout_problem


def conflicts(grid, banks, block):
    """All pairs of tokens that share a bank in some window, by the definition."""
    found = set()
    for place in itertools.product(*(range(n) for n in grid.sides)):
        members = []
        for offset in itertools.product(*(range(b) for b in block)):
            at = tuple(p - o for p, o in zip(place, offset))
            if min(at) >= 0:
                members.append((tuple(a % b for a, b in zip(at, banks)), grid.first + grid.offset(*at)))
        for (bank, token), (other, another) in itertools.combinations(members, 2):
            if bank == other:
                found.add((token, another))
    return found


random.seed(1)
checked = 0
for _ in range(300):
    frames, height, width, newline = random.randint(1, 3), random.randint(1, 4), random.randint(1, 4), random.randint(0, 1)
    grid = FlatGrid(0, frames, height, width, height * (width + newline), width + newline, 1)
    banks, block = (tuple(random.choice((1, 2, 3, 4)) for _ in range(3)) for _ in range(2))
    problem, expected = layout_problem(banks, block, 256, astuple(grid)), conflicts(grid, banks, block)
    if problem is None:
        assert not expected, (grid, banks, block, expected)
    elif not newline:
        one, other = map(int, re.search(r"visual tokens (\d+) and (\d+) of", problem).groups())
        assert {(one, other), (other, one)} & expected, (grid, banks, block, problem, expected)
    checked += 1
print("checked", checked)
# CHECK: checked 300

# Grids of real models, newline tokens included, have no conflict with 2x2x2 banks.
for sides in ((64, 13, 14), (32, 14, 14), (1, 27, 27), (8, 14, 15)):
    f, h, w = sides
    print(sides, layout_problem((2, 2, 2), (2, 2, 2), 256, (0, f, h, w, h * w, w, 1)))
# CHECK-NEXT: (64, 13, 14) None
# CHECK-NEXT: (32, 14, 14) None
# CHECK-NEXT: (1, 27, 27) None
# CHECK-NEXT: (8, 14, 15) None
print(layout_problem((2, 2, 2), (2, 2, 2), 256, (0, 4, 24, 24, 576, 24, 1)))
# CHECK-NEXT: grid 0: a window reaches 601 tokens back, but the layouter holds 256 vectors
