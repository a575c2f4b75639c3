"""allocate: addresses for every buffer, on-chip and in DRAM.

In: scheduled kernels; in a program for steps, places it shares with the prefill (`focus.places`).  Out: `address` on every `focus.buffer`; `parts`
on kernels, where memories share a scratchpad; on buffers that share places outside kernels also `lives`, the numbers of the first and the last kernel
of the program that may use them; `focus.dram_bytes` on every function that is no routine.

On-chip buffers of one kernel lie side by side (kernels do not overlap in time).  DRAM holds, from address 0: parameters, caches, inputs, outputs,
then intermediates and count-memory entries by first fit over the steps (kernels and calls of routines) in which they live.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.contracts import END, PLACES
from focus.dialects.support import OpError, get_attr, set_attr, symbol
from focus.passes.capacity import LARGER, aligned, fits, no_room
from focus.passes.manager import register_pass
from focus.passes.target import resolve_machine
from focus.passes.tile.kernel_ir import buffer_bytes, is_routine, kernels_of, read_kernel, root_of, steps_of
from focus.runtime.spec import isa
from focus.runtime.spec.machine import Scratchpad
from focus.runtime.spec.sites import LARGEST_M_TILE


@register_pass("allocate", anchor="func.func", level="kernels", help={"machine": "name or file of the machine description"})
def allocate(func, *, machine: str = "focus"):
    """Assign addresses in DRAM and in every on-chip memory."""
    target = resolve_machine(machine)
    for op in kernels_of(func):
        _place_on_chip(op, target)
    if not is_routine(func):
        _place_outside(func, target)


def _place_on_chip(op, target) -> None:
    """Place a kernel's own buffers."""
    top: Counter[str] = Counter()
    for record in read_kernel(op).buffers.values():
        set_attr(record.op, "address", top[record.space])
        top[record.space] += aligned(record.bytes) * get_attr(record.op, "slots", 1)
    if not fits(target, top):
        raise OpError(op, no_room(target, top))
    if target.scratchpad is not None:
        set_attr(op, "parts", _parts(target.scratchpad, top))


def _parts(pad: Scratchpad, top: Mapping[str, int]) -> list[int]:
    """Of each memory that a kernel uses and that is a part of the scratchpad: its number, the first byte of its banks, their bytes."""
    parts: list[int] = []
    for memory in pad.memories:
        if top.get(memory):
            base = parts[-2] + parts[-1] if parts else 0
            parts += [isa.Space[memory.upper()], base, pad.part(memory, top[memory])]
    return parts


def _place_outside(func, target) -> None:
    """Place the buffers that steps share."""
    lives, kernels = _lives(func), _kernels_before(func)
    outside = [op for op in func.regions[0].blocks[0].operations if op.operation.name == "focus.buffer"]
    top = _place_fixed(outside, get_attr(func, PLACES, {}))
    temps = [op for op in outside if op.kind == "temp" and op.operation.result in lives]
    end = _first_fit(temps, lives, top)
    counts = [op for op in outside if op.kind == "tile" and op.operation.result in lives]
    for op in counts:
        if fd.space_of(op.operation.result) != "counts":
            raise OpError(op, f"lies in '{fd.space_of(op.operation.result)}' outside kernels, where of the memories on chip only 'counts' lasts")
    needs = {"counts": _first_fit(counts, lives, 0)}
    if not fits(target, needs):
        raise OpError(counts[0], no_room(target, needs, LARGER if _has_short_tiles(func) else None))
    for op in temps + counts:
        first, last = lives[op.operation.result]
        if kernels[first] < kernels[last + 1]:
            set_attr(op, "lives", [kernels[first], kernels[last + 1] - 1])
    for op in outside:      # declared but not used
        if op.kind in ("temp", "tile") and op.operation.result not in lives:
            set_attr(op, "address", 0)
    if not fits(target, {"dram": end}):
        raise OpError(func, no_room(target, {"dram": end}))
    set_attr(func, "focus.dram_bytes", end)


def _has_short_tiles(func) -> bool:
    """Whether some operand is cut into m-tiles of fewer tokens than there may be: each m-tile has counts of its own."""
    sites = func.attributes["focus.sites"] if "focus.sites" in func.attributes else []
    tiles = [list(ir.DenseI64ArrayAttr(ir.DictAttr(site)["tiles"]))[2::3] for site in sites]
    return any(sum(n > 0 for n in visual) > 1 and max(visual) < LARGEST_M_TILE for visual in tiles)


def _lives(func) -> dict[ir.Value, tuple[int, int]]:
    """The first and last step that uses each buffer outside kernels."""
    lives: dict[ir.Value, tuple[int, int]] = {}
    for number, op in enumerate(steps_of(func)):
        used = read_kernel(op).outside if op.operation.name == "focus.kernel" else {root_of(v, op) for v in op.operation.operands}
        for value in used:
            lives[value] = (lives.get(value, (number, number))[0], number)
    return lives


def _kernels_before(func) -> list[int]:
    """How many kernels the program runs before each step, and in all."""
    count = lambda op: 1 if op.operation.name == "focus.kernel" else len(kernels_of(symbol(op, op.callee.value)))
    return list(accumulate(map(count, steps_of(func)), initial=0))


def place_name(op) -> str:
    """What the place of a parameter or cache is called that several programs share."""
    order = get_attr(op, "row_order", "as_is")
    return op.name if order == "as_is" else f"{op.name}@{order}"


def _place_fixed(buffers: list, shared: dict[str, int]) -> int:
    """Parameters (one place for each name), caches, inputs and outputs, in that order; where they end.  `shared`: places that another program has
    given, by name; END is where its memory ends."""
    top, places = shared.get(END, 0), {}
    for kind in ("param", "cache", "input", "output"):
        for op in buffers:
            if op.kind != kind:
                continue
            if kind in ("param", "cache") and not get_attr(op, "constant") and place_name(op) in shared:
                set_attr(op, "address", shared[place_name(op)])
                continue
            key = (kind, get_attr(op, "constant", ""), op.name, get_attr(op, "row_order", ""), buffer_bytes(op.operation.result.type))
            if key not in places:
                places[key], top = top, top + aligned(key[-1])
            set_attr(op, "address", places[key])
    return top


@dataclass
class _Placed:
    start: int
    end: int
    last: int       #: the last step that uses it


def _first_fit(ops: list, lives: dict, base: int) -> int:
    """Lowest free place for each buffer, in order of first use; where the highest ends."""
    live: list[_Placed] = []
    top = base
    for op in sorted(ops, key=lambda o: lives[o.operation.result][0]):
        first, last = lives[op.operation.result]
        live = [p for p in live if p.last >= first]
        size, at = aligned(buffer_bytes(op.operation.result.type)), base
        for p in sorted(live, key=lambda p: p.start):
            if at + size <= p.start:
                break
            at = max(at, p.end)
        live.append(_Placed(at, at + size, last))
        set_attr(op, "address", at)
        top = max(top, at + size)
    return top
