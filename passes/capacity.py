"""What fits the machine's memories, and what an error says where something does not.

In: bytes that are needed of each memory, by its name, and the machine.  Out: `fits`; `no_room`, the one wording of all passes; `m_tile_error`,
which says where a smaller m-tile would help; `ring_slots`, how many slots each buffer gets.
"""
from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

Ring = TypeVar("Ring", bound=Hashable)

ALIGNMENT = 64          #: bytes of a DRAM burst: no two buffers share one
SMALLER, LARGER = (f"a {size} m_tile of the concentration needs less" for size in ("smaller", "larger"))


def aligned(n: int) -> int:
    """Bytes that a buffer of `n` takes, so that the next one begins at a multiple of `ALIGNMENT`."""
    return -(-n // ALIGNMENT) * ALIGNMENT


def fits(machine: Machine, needs: Mapping[str, int]) -> bool:
    """Whether each memory has the bytes that are needed of it."""
    return all(size <= machine.buffer_bytes(memory) for memory, size in needs.items())


def ring_slots(machine: Machine, needs: Mapping[str, int], rings: Sequence[tuple[Ring, str, int]], most: int) -> dict[Ring, int]:
    """Slots of buffers that may rotate: one each, then a second where the memory has room, then more, up to `most`.

    needs: bytes of each memory when every buffer has one slot.  rings: (buffer, its memory, bytes of a slot); those first in the list are served
    first.
    """
    free = {memory: machine.buffer_bytes(memory) - used for memory, used in needs.items()}
    slots = {buffer: 1 for buffer, _, _ in rings}
    for want in range(2, most + 1):
        for buffer, memory, size in rings:
            if slots[buffer] == want - 1 and size <= free[memory]:
                free[memory] -= size
                slots[buffer] = want
    return slots


def no_room(machine: Machine, needs: Mapping[str, int], hint: str | None = None) -> str:
    """The message where `needs` do not fit: of each memory that is too small, what is needed and what there is.  hint: what would help."""
    short = {memory: size for memory, size in needs.items() if size > machine.buffer_bytes(memory)}
    wanted = " and ".join(f"{size} bytes of '{memory}'" for memory, size in short.items())
    there = " and ".join(str(machine.buffer_bytes(memory)) for memory in short)
    return f"needs {wanted}, but machine '{machine.name}' has {there}" + (f"; {hint}" if hint else "")


def m_tile_error(machine: Machine, needs: Callable[[int, int], Mapping[str, int]], rows: int, visual: int) -> FocusError:
    """The error where what an m-tile needs, `needs(rows, visual rows)`, does not fit; with a hint where it is the number of visual rows
    that sets it."""
    return FocusError(no_room(machine, needs(rows, visual), SMALLER if visual and fits(machine, needs(1, 1)) else None))
