"""schedule: how many slots each on-chip buffer rotates through, and which semaphores hand it from unit to unit.

In: tiled kernels.  Out: the same, with `slots` on every buffer, `wait` and `signal` on instructions, arrays of `#focus.sync<semaphore, loop depth>`,
and `credits` on kernels, an array of `#focus.credit<semaphore, initial count>`.

A buffer lives for one iteration of the loop body it stands in.  For so long it belongs to one unit at a time; where program order
passes from one unit to another, the last access of the one signals a semaphore that the first access of the other waits on.  The
last owner hands it back to the first for the next iteration; as many iterations may be in flight as the buffer has slots (double buffering), which is
the semaphore's initial count.  Slots are given as the machine's buffers allow: first to what DMA loads in the innermost loops.
Where a kernel would need more semaphores than there are, hand-overs of the same kind share one.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from focus.dialects import focus as fd
from focus.dialects.contracts import MAX_SEMAPHORES
from focus.dialects.mapping import MAX_SLOTS
from focus.dialects.support import OpError, get_attr, set_attr
from focus.passes.capacity import aligned, fits, no_room, ring_slots
from focus.passes.manager import register_pass
from focus.passes.target import resolve_machine
from focus.passes.tile.kernel_ir import BufferRecord, Instr, Kernel, kernels_of, read_kernel
from focus.runtime.spec import isa
from focus.runtime.spec.isa import Unit
from focus.runtime.spec.machine import Machine


@register_pass("schedule", anchor="func.func", level="kernels", help={"machine": "name or file of the machine description"})
def schedule(func, *, machine: str = "focus"):
    """Give buffers ring slots (double buffering) and place semaphores between units."""
    target = resolve_machine(machine)
    for op in kernels_of(func):
        kernel = read_kernel(op)
        owners = {b: _owners(kernel, record) for b, record in kernel.buffers.items()}
        _give_slots(kernel, owners, target)
        _place_semaphores(kernel, owners)


# ---- owners of buffers -------------------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Turn:
    """Consecutive accesses by one unit: the first waits and the last signals, conditional from loop level `depth` on."""
    unit: Unit
    first: Instr
    last: Instr
    depth: int


@dataclass(eq=False)
class Turns:
    """A loop in which several units take turns: those of its body."""
    turns: list[Turn]


def _owners(kernel: Kernel, record: BufferRecord) -> list[Turn | Turns]:
    """The units that own a buffer, in order, over its live range."""
    return _turns(kernel, record, record.users, len(record.loops))


def _turns(kernel: Kernel, record: BufferRecord, users: list[Instr], depth: int) -> list[Turn | Turns]:
    turns: list[Turn | Turns] = []
    i = 0
    while i < len(users):
        new: list[Turn | Turns]
        if len(users[i].loops) == depth:
            new = [Turn(users[i].entry.unit, users[i], users[i], depth)]
            i += 1
        else:
            loop, j = users[i].loops[depth], i
            while j < len(users) and len(users[j].loops) > depth and users[j].loops[depth] is loop:
                j += 1
            inner = _turns(kernel, record, users[i:j], depth + 1)
            if len(inner) == 1 and isinstance(inner[0], Turn):
                new = [Turn(inner[0].unit, inner[0].first, inner[0].last, depth)]
            else:
                shared = Turns(_flatten(inner))
                _check_turns(kernel, record, shared.turns)
                new = [shared]
            i = j
        if turns and isinstance(turns[-1], Turn) and isinstance(new[0], Turn) and turns[-1].unit == new[0].unit:
            turns[-1].last = new[0].last
        else:
            turns += new
    return turns


def _flatten(items: list[Turn | Turns]) -> list[Turn]:
    return [turn for item in items for turn in (item.turns if isinstance(item, Turns) else [item])]


def _check_turns(kernel: Kernel, record: BufferRecord, turns: list[Turn]) -> None:
    """In a loop with several owners, each iteration must hand the buffer over: neighbours differ, cyclically."""
    for a, b in zip(turns, turns[1:] + turns[:1]):
        if a.unit == b.unit:
            raise OpError(record.op, f"cannot be scheduled: its loop begins and ends an iteration on unit '{a.unit.name.lower()}' but other units "
                                     "use it between")


# ---- slots -------------------------------------------------------------------------------------------------------------------
def _give_slots(kernel: Kernel, owners: dict, machine: Machine) -> None:
    """One slot for all, then a second where units overlap and the memory allows, then more for small operands of inner loops."""
    records: list[BufferRecord] = list(kernel.buffers.values())
    needs: Counter[str] = Counter()
    for r in records:
        needs[r.space] += aligned(r.bytes)
    if not fits(machine, needs):
        raise OpError(kernel.op, no_room(machine, needs))
    order = sorted((r for b, r in kernel.buffers.items() if r.loops and _rotates(owners[b])),
                   key=lambda r: (r.users[0].entry.unit != Unit.LOAD, -len(r.loops)))
    slots = ring_slots(machine, needs, [(id(r), r.space, aligned(r.bytes)) for r in order], get_attr(kernel.op, "slots", MAX_SLOTS))
    for r in records:
        set_attr(r.op, "slots", slots.get(id(r), 1))


def _rotates(owners: list[Turn | Turns]) -> bool:
    """Whether a second slot helps: several owners in sequence.  Where owners take turns in a loop, one slot keeps the hand-over unambiguous."""
    return len(owners) > 1 and all(isinstance(item, Turn) for item in owners)


# ---- semaphores --------------------------------------------------------------------------------------------------------------
class _Semaphores:
    """Semaphore numbers of a kernel, and what each instruction waits on and signals."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.numbers: dict[Any, int] = {}
        self.credits: dict[int, int] = {}               #: semaphore -> initial count
        self.waits: dict[int, list[tuple[int, int]]] = {}       #: instruction -> (semaphore, depth)
        self.signals: dict[int, list[tuple[int, int]]] = {}

    def number(self, key) -> int:
        return self.numbers.setdefault(key, len(self.numbers) + 1)

    def hand_over(self, key, giver: Turn, taker: Turn, give_depth: int, take_depth: int) -> None:
        """The buffer passes from `giver` to `taker`.  A turn that both waits and signals in several roles does each once."""
        n = self.number(key)
        self._add(self.signals, giver.last, n, give_depth)
        self._add(self.waits, taker.first, n, take_depth)

    @staticmethod
    def _add(table: dict[int, list], instr: Instr, n: int, depth: int) -> None:
        entry = (n, min(depth, isa.ALWAYS))
        if entry not in table.setdefault(id(instr), []):
            table[id(instr)].append(entry)

    def share(self) -> None:
        """Let hand-overs share a semaphore where that changes nothing: between the same two units, each from one place to one other in the
        same two loop bodies, in the same order on both sides, with as many credits.  Units work in order, so the nth wait then still
        needs the signal that belongs to it.  OpError where too many are left.
        """
        chains: dict[tuple, list[list[int]]] = {}       # kind of hand-over -> [semaphore, place of its last signal, of its last wait] of each
        became: dict[int, int] = {}
        given, taken = self._places(self.signals), self._places(self.waits)
        for n in sorted(self.numbers.values(), key=lambda n: given[n][0][0]):
            became[n] = n
            if len(given[n]) != 1 or len(taken[n]) != 1:
                continue
            (give, *giver), (take, *taker) = given[n][0], taken[n][0]
            alike = chains.setdefault((*giver, *taker, self.credits.get(n, 0)), [])
            fitting = [chain for chain in alike if give > chain[1] and take > chain[2]]
            if fitting:             # of these the one waited for last, which leaves most to those that follow
                chain = max(fitting, key=lambda chain: chain[2])
                became[n] = chain[0]
                self.credits[chain[0]] = self.credits.get(chain[0], 0) + self.credits.pop(n, 0)
                chain[1:] = give, take
            else:
                alike.append([n, give, take])
        dense = {n: i + 1 for i, n in enumerate(sorted(set(became.values())))}
        if len(dense) > MAX_SEMAPHORES:
            raise OpError(self.kernel.op, f"needs {len(dense)} semaphores; there are {MAX_SEMAPHORES}")
        for table in (self.waits, self.signals):
            for instr, entries in table.items():
                table[instr] = [(dense[became[n]], depth) for n, depth in entries]
        self.credits = {dense[n]: c for n, c in self.credits.items() if c}

    def _places(self, table: dict[int, list[tuple[int, int]]]) -> dict[int, list[tuple]]:
        """Semaphore -> where it is signalled or waited for: (place in the program, unit, loops in each iteration of which that happens once)."""
        found: dict[int, list[tuple]] = {}
        for place, instr in enumerate(self.kernel.instrs):
            for n, depth in table.get(id(instr), []):
                found.setdefault(n, []).append((place, instr.entry.unit, tuple(id(loop) for loop in instr.loops[:depth])))
        return found


def _place_semaphores(kernel: Kernel, owners: dict) -> None:
    sems = _Semaphores(kernel)
    for number, (buffer, record) in enumerate(kernel.buffers.items()):
        owned = owners[buffer]
        if len({run.unit for run in _flatten(owned)}) < 2:
            continue
        in_turns = any(isinstance(item, Turns) for item in owned)
        key = (lambda run, i: (number, run.unit)) if in_turns else (lambda run, i: (number, i))
        flat = _flatten(owned)
        for item in owned:
            if isinstance(item, Turns):
                for a, b in zip(item.turns, item.turns[1:] + item.turns[:1]):
                    sems.hand_over(key(b, 0), a, b, a.depth, b.depth)
        for i, (a, b) in enumerate(pairwise(owned)):
            giver, taker = _end(a, -1), _end(b, 0)
            if isinstance(a, Turns) and a.turns[0].unit != taker.unit:
                raise OpError(record.op, f"cannot be scheduled: after a loop of several units it goes to '{taker.unit.name.lower()}', which did not "
                                         "begin the loop")
            if giver.unit != taker.unit:
                sems.hand_over(key(taker, i + 1), giver, taker, giver.depth, taker.depth)
        first, last = flat[0], flat[-1]
        # the last owner hands it to the first for the next iteration; a buffer that begins with turns needs that credit even if it is the only one,
        # and gives it back, so that every kernel leaves its semaphores as it found them
        if record.loops or isinstance(owned[0], Turns):
            if first.unit != last.unit:
                sems.hand_over(key(first, 0), last, first, last.depth, first.depth)
            if first.unit != last.unit or isinstance(owned[0], Turns):
                sems.credits[sems.number(key(first, 0))] = record.op.operation.attributes["slots"].value
    if len(sems.numbers) > MAX_SEMAPHORES:
        sems.share()
    for instr in kernel.instrs:
        for name, table in (("wait", sems.waits), ("signal", sems.signals)):
            if id(instr) in table:
                set_attr(instr.op, name, fd.sync_array(table[id(instr)]))
            elif name in instr.op.operation.attributes:     # of a schedule that was there before
                del instr.op.operation.attributes[name]
    set_attr(kernel.op, "credits", fd.credit_array(list(sems.credits.items())))


def _end(item: Turn | Turns, which: int) -> Turn:
    return item.turns[which] if isinstance(item, Turns) else item
