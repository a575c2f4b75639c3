"""What the cost models share: the machine's rates, bytes in whole bursts, and the period of a ring of buffers.

In: a target.  Out: `Cost`, `Rates`, and `UNIQUE_SHARE`, the share of unique vectors that mappings are chosen for.
"""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from focus.passes.capacity import ring_slots
from focus.passes.kernels.places import Places, ceil
from focus.passes.mapping.space import Target
from focus.runtime.spec.types import BYTES, DType

UNIQUE_SHARE = 0.73     #: unique vectors a retained token that mappings are chosen for: the mean of the published rows, which have 0.5 to 0.91
PUBLISHED_BLOCK = 8     #: members of the block of the similarity concentrator that mappings are chosen for
VALUE = BYTES[DType.F16]
INDEX, ID = BYTES[DType.U16], BYTES[DType.I32]


@dataclass(frozen=True)
class Cost:
    """What all kernels of a form take: cycles, and bytes to and from DRAM."""
    cycles: float
    dram_bytes: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cycles + other.cycles, self.dram_bytes + other.dram_bytes)

    def times(self, factor: float) -> Cost:
        return Cost(self.cycles * factor, self.dram_bytes * factor)


@lru_cache(1 << 12)
def row_bytes(width: int, pitch: int, burst: int) -> float:
    """Bytes of the bursts that a row of `width` bytes touches, where rows are `pitch` bytes apart: the mean over where rows begin."""
    starts = range(0, burst, gcd(pitch, burst))
    return sum(ceil(start + width, burst) for start in starts) * burst / len(starts)


class Rates:
    """Cycles of instructions and transfers on a target."""

    def __init__(self, target: Target):
        self.target, self.geometry, self.timing = target, target.geometry, target.machine.timing
        self.bytes_per_cycle, self.latency = target.machine.bytes_per_cycle, target.machine.timing.dram_latency
        self.burst = target.machine.dram.burst_bytes

    def unique(self, visual: int, identity: int) -> int:
        """Rows of a slice of a concentrated tile that go through the array."""
        return (max(1, round(visual * UNIQUE_SHARE)) if visual else 0) + identity

    def transfer(self, rows: int, width: int, pitch: int) -> float:
        """Bytes on the bus of `rows` rows of `width` bytes, `pitch` bytes apart, in whole bursts: a row begins wherever the pitch puts it."""
        if width >= pitch:
            return ceil(rows * width, self.burst) * self.burst
        return rows * row_bytes(width, pitch, self.burst)

    def bus(self, nbytes: float) -> float:
        """Cycles of bus time."""
        return nbytes / self.bytes_per_cycle

    def period(self, use: float, nbytes: float, slots: float) -> float:
        """Cycles between loads into a ring of `slots`: from the start of a load of `nbytes` to the end of its last use, `use` cycles after the
        first."""
        return (use + self.latency + self.bus(nbytes)) / slots

    def slots(self, places: Places, order: list[str], most: int) -> dict[str, list[int]]:
        """Slots that each buffer of a kernel's places gets, by name; `order`: those that rotate, the first to be served first."""
        table = [(name, i) for name in order if name in places for i in range(places.table[name].count)]
        rings = [((name, i), places.table[name].space, places.table[name].bytes) for name, i in table]
        found: dict[str, list[int]] = defaultdict(list)
        for (name, _), slots in ring_slots(self.target.machine, places.bytes(), rings, most).items():
            found[name].append(slots)
        return found
