# RUN: %python %s | filecheck %s
"""Views agree with numpy on random chains of shape ops, and find a matrix exactly where the memory has one."""
import random

import numpy as np

from focus.passes.tensor.views import View


def elements(view, memory):
    return np.lib.stride_tricks.as_strided(memory[view.offset:], view.shape, [s * memory.itemsize for s in view.strides])


def factors(n):
    """A random shape of n elements."""
    shape = []
    while n > 1:
        shape.append(random.choice([k for k in range(2, n + 1) if n % k == 0]))
        n //= shape[-1]
    return shape or [1]


def step(view, array):
    """One random shape op on both; None when torch too would have to copy."""
    kind, axis = random.randrange(8), random.randrange(-view.rank, view.rank) if view.rank else 0
    if kind == 0:
        order = random.sample(range(view.rank), view.rank)
        return view.permute(order), array.transpose(order)
    if kind == 1:
        at = random.randint(-view.rank - 1, view.rank)
        return view.unsqueeze(at), np.expand_dims(array, at)
    if not view.rank:
        return view, array
    if kind == 2:
        return view.squeeze(axis), array.squeeze(axis) if array.shape[axis] == 1 else array
    if kind == 3:
        i = random.randrange(-view.shape[axis], view.shape[axis])
        return view.select(axis, i), array.take(i, axis) if array.ndim == 1 else np.moveaxis(array, axis, 0)[i]
    if kind == 4:
        start, stop, by = random.randrange(view.shape[axis]), random.choice([-1, 2, 2 ** 63 - 1]), random.choice([1, 1, 2])
        if range(view.shape[axis])[start:stop:by]:
            return view.slice(axis, start, stop, by), np.moveaxis(np.moveaxis(array, axis, 0)[start:stop:by], 0, axis)
        return view, array
    if kind == 5:
        shape = [n if n > 1 else random.choice([1, 3]) for n in view.shape]
        return view.expand(shape), np.broadcast_to(array, shape)
    shape = factors(array.size)
    array = array.view()
    try:
        array.shape = shape
    except AttributeError:
        assert view.reshape(shape) is None, (view, shape)
        return None
    return view.reshape(shape), array


random.seed(1)
chains = matrices = refused = 0
for _ in range(1500):
    shape = [random.choice([1, 2, 3, 4, 6]) for _ in range(random.randint(1, 4))]
    memory = np.arange(np.prod(shape), dtype=np.int64)
    pair = View.dense(None, shape), memory.reshape(shape)
    for _ in range(random.randint(1, 6)):
        pair = step(*pair) or pair
        view, array = pair
        assert view.shape == array.shape and (elements(view, memory) == array).all(), view
    chains += 1
    order, split = view.memory_order(), random.randint(0, view.rank)
    box = view.permute(order).box(range(split), range(split, view.rank), shape)
    wanted = np.ascontiguousarray(array.transpose(order)).reshape(int(np.prod([view.shape[a] for a in order[:split]])), -1)
    if box:
        matrices += 1
        found = memory.reshape(-1, box.pitch)[box.row:box.row + box.rows, box.col:box.col + box.cols]
        assert (box.rows, box.cols) == wanted.shape and (found == wanted).all(), (view, box)
    else:
        refused += 1

# CHECK: 1500 chains agree
print(f"{chains} chains agree")
# Both kinds of ending must have been met for the test to mean anything.
# CHECK: True True
print(matrices > 500, refused > 100)

# A batch of rows that repeats has no stride there: what repeats is the rest.
view = View.dense(None, [5, 8]).expand([3, 5, 8])
# CHECK: [1] Box(rows=5, cols=8, row=0, col=0, pitch=8) None
print(view.period([0, 1]), view.box(view.period([0, 1]), [2], [5, 8]), view.box([0, 1], [2], [5, 8]))
# CHECK: None None
print(View.dense(None, [5, 8]).expand([3, 4, 8]), View.dense(None, [5, 8]).reshape([3, -1]))
