"""Energy and area of a run.

In: what the machine did (`Usage`) and the machine description, which holds every figure.  Out: joules by component under the rule the
machine names, of a run and of each module's part in it, and square millimetres.  docs/machine.md explains the rules and names the sources.

* `published`: DRAM bytes x energy per byte + (power of all logic + power of all buffers) x time.
* `activity`: DRAM as above; each logic component draws its power while its unit (in the vector unit: its lanes) is busy and
  `idle_fraction` of it otherwise; buffers leak all the time and take energy for each byte read or written.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from focus.runtime.spec.machine import SCRATCHPAD, Buffer, Machine, MacroKind

_PICO = 1e-12


@dataclass(frozen=True)
class Usage:
    """What a run did: `cycles` it took, busy cycles of each unit, uses of each kind of vector lane, and bytes moved."""
    cycles: float
    dram_bytes: int
    busy: Mapping[str, float] = field(default_factory=dict)                     # unit -> cycles
    lanes: Mapping[str, int] = field(default_factory=dict)                      # exp, multiply, ... -> results computed
    sram: Mapping[str, tuple[int, int]] = field(default_factory=dict)           # buffer -> bytes read, bytes written


def energy(machine: Machine, usage: Usage, whole: Usage | None = None) -> dict[str, float]:
    """Joules of each component: `dram`, each logic component, and `buffer.<name>` for each memory, `buffer.scratchpad` for those
    that share one.

    whole: the run that `usage` is a part of.  The joules of parts whose usages add up to the whole's add up to the whole's: what flows all the time
    goes by their cycles.
    """
    rule = _published if machine.energy.rule == "published" else _activity
    return {"dram": usage.dram_bytes * machine.dram.pj_per_byte * _PICO} | rule(machine, usage, whole or usage)


def _published(machine: Machine, usage: Usage, _whole: Usage) -> dict[str, float]:
    seconds = usage.cycles / machine.frequency_hz
    logic = {name: machine.blocks(name) * c.power_mw * 1e-3 * seconds for name, c in machine.energy.components.items()}
    buffers = {f"buffer.{name}": power_mw(machine, buffer) * 1e-3 * seconds for name, buffer in machine.sram.items()}
    return logic | buffers


def _activity(machine: Machine, usage: Usage, whole: Usage) -> dict[str, float]:
    out = {}
    for name, component in machine.energy.components.items():
        busy, all_busy = busy_cycles(machine, name, usage), busy_cycles(machine, name, whole)
        if all_busy > whole.cycles:
            busy *= whole.cycles / all_busy
        cycles = busy + machine.energy.idle_fraction * (usage.cycles - busy)
        out[name] = machine.blocks(name) * component.power_mw * 1e-3 * cycles / machine.frequency_hz
    seconds = usage.cycles / machine.frequency_hz
    moved = _moved(machine, usage)
    for name, buffer in machine.sram.items():
        read, written = moved.get(name, (0, 0))
        read_pj, write_pj = access_pj_per_byte(machine, buffer)
        out[f"buffer.{name}"] = leakage_mw(machine, buffer) * 1e-3 * seconds + (read * read_pj + written * write_pj) * _PICO
    return out


def _moved(machine: Machine, usage: Usage) -> dict[str, tuple[int, int]]:
    """Bytes read and written of each memory that has macros; those of the scratchpad's parts together."""
    parts = machine.scratchpad.memories if machine.scratchpad else ()
    out = {name: moved for name, moved in usage.sram.items() if name not in parts}
    if parts:
        of = [usage.sram.get(name, (0, 0)) for name in parts]
        out[SCRATCHPAD] = sum(read for read, _ in of), sum(written for _, written in of)
    return out


def busy_cycles(machine: Machine, component: str, usage: Usage) -> float:
    """Cycles in which a logic component works: those of its lanes for `sfu_<kind>`, else those of its unit."""
    unit = machine.energy.components[component].unit
    kind = component.removeprefix("sfu_")
    if unit == "sfu" and kind in usage.lanes:
        return usage.lanes[kind] / getattr(machine.sfu, kind)
    return usage.busy.get(unit, 0)


# ---- buffers ---------------------------------------------------------------------------------------------------------
def _kinds(machine: Machine, buffer: Buffer) -> list[tuple[MacroKind, int, int, int]]:
    """(kind, words, bits, count) of the macros a buffer is built from."""
    return [(machine.energy.macros[m.kind], m.words, m.bits, m.count) for m in buffer.macros]


def power_mw(machine: Machine, buffer: Buffer) -> float:
    """Power of a buffer that is accessed in every cycle, half of them reads (the synthesis tables' rule)."""
    volts, mhz = machine.energy.supply_volts, machine.frequency_hz / 1e6
    return sum(count * volts / 1000 * (kind.leakage_ua + mhz * (kind.read_ua_per_mhz + kind.write_ua_per_mhz) / 2)
               for kind, _, _, count in _kinds(machine, buffer))


def leakage_mw(machine: Machine, buffer: Buffer) -> float:
    return sum(count * machine.energy.supply_volts / 1000 * kind.leakage_ua for kind, _, _, count in _kinds(machine, buffer))


def access_pj_per_byte(machine: Machine, buffer: Buffer) -> tuple[float, float]:
    """Energy of reading and of writing one byte: current per MHz x supply is the energy of one access (uA / MHz x V = pJ) of `bits` bits.

    A buffer of several kinds of macro is taken to be accessed in proportion to their capacity.  Without macros it is free.
    """
    kinds = _kinds(machine, buffer)
    capacity = sum(words * bits * count for _, words, bits, count in kinds)
    read = write = 0.0
    for kind, words, bits, count in kinds:
        share = words * bits * count / capacity * machine.energy.supply_volts / (bits / 8)
        read += share * kind.read_ua_per_mhz
        write += share * kind.write_ua_per_mhz
    return read, write


def area_mm2(machine: Machine) -> dict[str, float]:
    """Area of each logic component and of each buffer's macros."""
    logic = {name: machine.blocks(name) * c.area_mm2 for name, c in machine.energy.components.items()}
    return logic | {f"buffer.{name}": sum(count * kind.area_mm2 for kind, _, _, count in _kinds(machine, buffer))
                    for name, buffer in machine.sram.items()}
