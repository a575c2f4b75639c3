"""What happened when: the instructions of a run on a time line, what each waited for, and what its operands touched.

In: the simulator's tables of a run, and the binary.  Out: `Timeline`; `occupancy`, how full the memories were; `chrome_trace`, a file for Perfetto.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from focus.runtime.spec.isa import TABLE, Space, Unit

if TYPE_CHECKING:
    from focus.runtime.run.fxb import Binary

BINS = 2000             #: samples of the DRAM bandwidth in a file for Perfetto
BLOCK = 64              #: bytes of on-chip memory that are full or empty together
_STREAMED = [f.name for f in TABLE["mm"].fields if f.kind == "mem"].index("src")          # among the operands of a pass


@dataclass(frozen=True)
class Timeline:
    """Instructions in program order, of those that were asked for.  Cycles throughout.

    events: int64 [n, 4] of unit, instruction, first cycle, last cycle.
    waits: int64 [n, 4] of cycles for which the unit had nothing else to do, why (an index of `causes`), the event whose signal ended the wait (-1:
    none, or not on the time line), and bytes moved from or to DRAM.
    touched: int64 [m, 8] of event, operand, memory, address, pitch, rows, bytes of a row, access (1 read, 2 written, 3 both).
    """
    events: np.ndarray
    waits: np.ndarray
    touched: np.ndarray
    causes: tuple[str, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Timeline:
        """From the simulator's counters; empty if they have no time line."""
        empty = {key: np.empty((0, width), np.int64) for key, width in (("timeline", 4), ("waits", 4), ("touched", 8))}
        events, waits, touched = (raw.get(key, otherwise) for key, otherwise in empty.items())
        return cls(events, waits, touched, tuple(next(iter(raw["units"].values()))["stall"]))

    def __len__(self) -> int:
        return len(self.events)

    def array_rows(self) -> np.ndarray:
        """int64 [n]: rows that an event streams through the array; 0 for other units."""
        streamed = (self.events[self.touched[:, 0], 0] == Unit.ARRAY) & (self.touched[:, 1] == _STREAMED)
        out = np.zeros(len(self), np.int64)
        out[self.touched[streamed, 0]] = self.touched[streamed, 5]
        return out

    def bandwidth(self, begin: int, end: int, bins: int) -> np.ndarray:
        """float64 [bins]: bytes to and from DRAM per cycle, each transfer spread over its time."""
        moving = self.waits[:, 3] > 0
        return spread(self.events[moving, 2], self.events[moving, 3], self.waits[moving, 3], (begin, end), bins)


def spread(start: np.ndarray, finish: np.ndarray, amount: np.ndarray, span: tuple[int, int], bins: int) -> np.ndarray:
    """float64 [bins]: amounts per cycle, each spread evenly over start .. finish, in equal parts of a span of cycles."""
    edges = np.linspace(*span, bins + 1)
    rate = amount / np.maximum(finish - start, 1)
    order_s, order_f = np.argsort(start), np.argsort(finish)

    def until(times: np.ndarray, order: np.ndarray) -> np.ndarray:
        """At each edge: the sum over events begun by then of rate x time since."""
        at = np.searchsorted(times[order], edges, side="right")
        sums, firsts = np.r_[0, np.cumsum(rate[order])], np.r_[0, np.cumsum(rate[order] * times[order])]
        return sums[at] * edges - firsts[at]

    done = until(start, order_s) - until(np.maximum(finish, start + 1), order_f)
    return np.diff(done) / np.diff(edges)


def occupancy(timeline: Timeline, space: Space, size: int) -> tuple[np.ndarray, np.ndarray]:
    """When the number of bytes of a memory that hold something still to be read changes, and what it is from then on: int64 [k] cycles and bytes.

    A block of 64 bytes is full from the start of the instruction that writes it to the end of the last one that reads it before it is written anew.
    """
    from focus.runtime import _sim
    table = _sim.occupancy(np.ascontiguousarray(timeline.touched), np.ascontiguousarray(timeline.events), int(space), size, BLOCK)
    return table[:, 0], table[:, 1]


# ---- a file for Perfetto -------------------------------------------------------------------------------------------------
def chrome_trace(binary: Binary, timeline: Timeline) -> dict[str, Any]:
    """Trace-event JSON that ui.perfetto.dev and chrome://tracing open.

    One row per unit, one microsecond on screen is one cycle.  Arrows lead from the instruction that signalled to the one that had waited for it.
    Counters: DRAM bytes per cycle, rows in the array, bytes of each on-chip memory that are still to be read.
    """
    events: list[dict[str, Any]] = [{"ph": "M", "name": "thread_name", "pid": 0, "tid": int(u), "args": {"name": u.name.lower()}}
                                    for u in Unit if u != Unit.CTRL]
    rows = timeline.events.tolist()
    for number, ((unit, instruction, start, finish), (waited, why, by, moved)) in enumerate(zip(rows, timeline.waits.tolist())):
        module = binary.modules[int(binary.source[instruction])]
        args = {"instruction": instruction, "module": module}
        args |= ({"waited": waited, "for": timeline.causes[why]} if waited else {}) | ({"dram_bytes": moved} if moved else {})
        events.append({"ph": "X", "name": binary.program[instruction].instr.mnemonic, "cat": module, "pid": 0, "tid": unit, "ts": start,
                       "dur": finish - start, "args": args})
        if by >= 0:
            other, _, since, until = rows[by]
            arrow = {"name": "signal", "cat": "semaphore", "pid": 0, "id": number}
            events.append(arrow | {"ph": "s", "tid": other, "ts": max(since, until - 0.5)})     # inside the instruction's bar
            events.append(arrow | {"ph": "f", "bp": "e", "tid": unit, "ts": start})
    events += _counters(binary, timeline)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"model": binary.model, "machine": binary.machine.name}}


def _counters(binary: Binary, timeline: Timeline) -> list[dict[str, Any]]:
    if not len(timeline):
        return []

    def counter(name: str, unit: str, times: Any, values: Any) -> list[dict[str, Any]]:
        return [{"ph": "C", "name": name, "pid": 0, "ts": t, "args": {unit: v}} for t, v in zip(times, values)]

    begin, end = int(timeline.events[:, 2].min()), int(timeline.events[:, 3].max())
    bins = max(1, min(BINS, end - begin))
    rates = timeline.bandwidth(begin, end, bins)
    out = counter("DRAM", "bytes per cycle", np.linspace(begin, end, bins + 1)[:-1].round(1).tolist(), rates.round(3).tolist())
    array = timeline.events[:, 0] == Unit.ARRAY
    steps: dict[int, int] = {}
    for (_, _, start, finish), n in zip(timeline.events[array].tolist(), timeline.array_rows()[array].tolist()):
        steps |= {start: n, finish: 0}              # the next pass, if it follows at once, takes the place of the zero
    out += counter("array", "rows", sorted(steps), [steps[t] for t in sorted(steps)])
    for space in Space:
        if space != Space.DRAM:
            times, full = occupancy(timeline, space, binary.machine.buffer_bytes(space.name.lower()))
            out += counter(f"{space.name.lower()} memory", "bytes", times.tolist(), full.tolist())
    return out
