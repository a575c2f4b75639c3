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
    """Whether each memory has the bytes that are needed of it, and the scratchpad those of all its parts."""
    return all(size <= machine.buffer_bytes(memory) for memory, size in needs.items()) and parted(machine, needs) <= pool(machine)


def pool(machine: Machine) -> int:
    """Bytes of the scratchpad; 0 where there is none."""
    return machine.scratchpad.bytes if machine.scratchpad else 0


def parted(machine: Machine, needs: Mapping[str, int]) -> int:
    """Bytes of the banks that all parts of the scratchpad take."""
    pad = machine.scratchpad
    return sum(pad.part(memory, needs[memory]) for memory in pad.memories if memory in needs) if pad else 0


def ring_slots(machine: Machine, needs: Mapping[str, int], rings: Sequence[tuple[Ring, str, int]], most: int) -> dict[Ring, int]:
    """Slots of buffers that may rotate: one each, then a second where the memory has room, then more, up to `most`.

    needs: bytes of each memory when every buffer has one slot.  rings: (buffer, its memory, bytes of a slot); those first in the list are served
    first.
    """
    taken, slots = dict(needs), {buffer: 1 for buffer, _, _ in rings}
    pad = machine.scratchpad
    free = pool(machine) - parted(machine, needs)
    for want in range(2, most + 1):
        for buffer, memory, size in rings:
            more = taken[memory] + size
            if slots[buffer] != want - 1 or more > machine.buffer_bytes(memory):
                continue
            if pad and memory in pad.memories:
                banks = pad.part(memory, more) - pad.part(memory, taken[memory])
                if banks > free:
                    continue
                free -= banks
            taken[memory], slots[buffer] = more, want
    return slots


def no_room(machine: Machine, needs: Mapping[str, int], hint: str | None = None) -> str:
    """The message where `needs` do not fit: of each memory that is too small, what is needed and what there is.  hint: what would help."""
    short = {memory: size for memory, size in needs.items() if size > machine.buffer_bytes(memory)}
    if not short and parted(machine, needs) > pool(machine):
        parts = [f"{needs[memory]} of '{memory}'" for memory in machine.scratchpad.memories if needs.get(memory)] if machine.scratchpad else []
        text = f"needs {parted(machine, needs)} bytes of the scratchpad ({', '.join(parts)}), but machine '{machine.name}' has {pool(machine)}"
    else:
        wanted = " and ".join(f"{size} bytes of '{memory}'" for memory, size in short.items())
        text = f"needs {wanted}, but machine '{machine.name}' has {' and '.join(str(machine.buffer_bytes(memory)) for memory in short)}"
    return text + (f"; {hint}" if hint else "")


def m_tile_error(machine: Machine, needs: Callable[[int, int], Mapping[str, int]], rows: int, visual: int) -> FocusError:
    """The error where what an m-tile needs, `needs(rows, visual rows)`, does not fit; with a hint where it is the number of visual rows
    that sets it."""
    return FocusError(no_room(machine, needs(rows, visual), SMALLER if visual and fits(machine, needs(1, 1)) else None))
