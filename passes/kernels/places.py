"""The on-chip footprint of a kernel, declared once: the emitter allocates it, the mapping space and the cost model sum it.

In: places by name.  Out: `Places`: which memory each buffer of a kernel lies in, how large it is and how many of it there are.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from focus.passes.capacity import aligned
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.runtime.spec.types import BY_NAME


def ceil(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def widths(total: int, width: int) -> list[int]:
    """Widths of the parts that `width` cuts `total` into: the last may be narrower."""
    return [min(width, total - at) for at in range(0, total, width)]


@dataclass(slots=True)
class Place:
    """A buffer of `rows` x `cols` elements in a memory; `count` of them are allocated, each by its own `make`."""
    space: str
    rows: int
    cols: int
    dtype: str
    count: int = 1

    @property
    def bytes(self) -> int:
        """Of one buffer, as it is aligned."""
        return aligned(self.rows * self.cols * BY_NAME[self.dtype].bytes)


@dataclass
class Places:
    """The places of a kernel by name."""
    table: dict[str, Place] = field(default_factory=dict)
    _bytes: dict[str, int] | None = None            #: of all places, once they are asked for

    def add(self, name: str, space: str, shape: tuple[int, int], dtype: str, count: int = 1) -> None:
        """Declare a place; none where `count` or a side is 0."""
        if count and min(shape):
            self.table[name] = Place(space, *shape, dtype, count)
            self._bytes = None

    def make(self, b: TileBuilder, name: str, number: int | None = None) -> Mat:
        """Allocate one buffer of a declared place at the current insertion point.  number: stands after its name."""
        place = self.table[name]
        return b.buffer(place.space, place.rows, place.cols, place.dtype, name if number is None else f"{name}{number}")

    def __contains__(self, name: str) -> bool:
        return name in self.table

    def bytes(self) -> dict[str, int]:
        """Bytes that the kernel needs of each memory when every buffer has one slot."""
        if self._bytes is None:
            total: Counter[str] = Counter()
            for place in self.table.values():
                total[place.space] += place.bytes * place.count
            self._bytes = dict(total)
        return dict(self._bytes)
