"""
The simulator's core: executes a program and counts time, traffic and events.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import numpy
import numpy.typing
from numpy.typing import NDArray


class Simulator:
    """
    One program on one machine, with its DRAM.  Runs may be repeated; DRAM keeps its contents between them.
    """

    def __init__(self, text: Annotated[NDArray[numpy.uint8], dict(shape=(None, 16), order='C', device='cpu', writable=False)], source: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], machine_json: str, sites_json: str = '[]', modules: Sequence[str] = [], lives_json: str = '[]', beside: Simulator | None = None) -> None:
        """
        text: uint8 [n, 16]; source: uint32 [n], module of each instruction; modules: their names, for error messages; lives_json: those of the memory map, for the sanitizer; beside: another program on the same machine, whose DRAM this one shares.
        """

    def forget(self, address: int, nbytes: int) -> None:
        """
        What earlier runs and the host left in these bytes of DRAM means nothing any more: a sanitized run reports whoever reads it.
        """

    def write(self, address: int, data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """Copy bytes (uint8) to DRAM."""

    def read(self, address: int, nbytes: int) -> numpy.typing.NDArray[numpy.uint8]:
        """Bytes of DRAM as uint8."""

    def run(self, functional: bool, sanitize: bool = False, counts: Iterable[numpy.typing.NDArray[numpy.int32]] | None = None, progress: Callable[[int, int], object] | None = None, timeline: int = 0, window_begin: int = 0, window_end: int = ..., max_instructions: int = ..., max_bytes: int = ..., captures: Sequence[tuple[int, int, int]] = [], step: int = 0, kept: Sequence[tuple[int, int]] = [], replay: bool = True) -> dict[str, Any]:
        """
        Execute the program; returns raw counters.  counts: per site an int32 array of unique vectors of (tile, slice), needed when not functional.  progress: called with (instructions done, in all) a few times a second.  timeline: how many (unit, instruction, start, finish) events to return, of those that start in the cycles window_begin <= start < window_end; with them waits (cycles, why, event whose signal it waited for or -1, DRAM bytes) and touched (event, operand, space, address, pitch, rows, bytes of a row, access).  max_instructions, max_bytes: stop with an error after executing more, or after operands have read and written more; of bytes, only when functional.  captures: (address, bytes, kernel) in the order of the kernels, bytes of DRAM to return as they are when that kernel ends.  step: what the step register holds.  kept: (address, bytes) of DRAM from which later runs may read what this one wrote; a sanitized run notes what that is.  replay: without data, a kernel or an instruction that depends on nothing else than one timed before is not executed, but takes what that one took.
        """

    def trace(self) -> list[dict[str, Any]]:
        """
        What the last functional run concentrated: a dict of layer, site, retained, group, zero for each site.
        """

class Timing:
    """
    Cycles of single instructions on one machine; described in focus/runtime/spec/timing.py.
    """

    def __init__(self, machine_json: str) -> None: ...

    @property
    def fill(self) -> int: ...

    @property
    def weight_load(self) -> int: ...

    @property
    def dram_latency(self) -> int: ...

    def array_pass(self, rows: int) -> tuple[int, int]: ...

    def scatter(self, rows: int, cols: int) -> int: ...

    def sic_gather(self, visual: int, identity: int, block: int, cols: int) -> int: ...

    def sec_importance(self, rows: int, cols: int) -> int: ...

    def sec_topk(self, candidates: int) -> int: ...

    def sec_select(self, keep: int) -> int: ...

    def vector(self, mnemonic: str, value: int, extra: bool, rows: int, cols: int) -> int: ...

    def dma(self, bytes: int) -> float: ...

def occupancy(touched: numpy.typing.NDArray[numpy.int64], events: numpy.typing.NDArray[numpy.int64], space: int, size: int, block: int) -> numpy.typing.NDArray[numpy.int64]:
    """
    When the bytes of a memory that hold something still to be read change, and what they are from then on: int64 [k, 2], from tables of a run's time line.  A memory is full or empty by blocks of `block` bytes.
    """

def select_kernels(name: str) -> bool:
    """
    Use the inner loops of that variant; False when this processor cannot run it.
    """

def kernels() -> str:
    """Name of the inner loops in use."""
