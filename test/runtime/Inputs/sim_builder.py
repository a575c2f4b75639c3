"""Builds small programs by hand for the simulator's tests.

In: method calls, one per instruction.  Out: a `_sim.Simulator` ready to run, and arrays read back from its DRAM.
"""
from __future__ import annotations

import json

import numpy as np

from focus.runtime import _sim
from focus.runtime.spec import isa
from focus.runtime.spec.machine import Machine

DTYPES = {np.dtype("f2"): isa.DType.F16, np.dtype("f4"): isa.DType.F32, np.dtype("i4"): isa.DType.I32, np.dtype("u2"): isa.DType.U16}
SPACES = {s.name.lower(): s for s in isa.Space}


class Program:
    """A program under construction.  `machine` is a name or a Machine; keyword `site` entries go to the site table."""

    def __init__(self, machine: str | Machine = "focus", sites: list[dict] | None = None):
        self.machine = Machine.load(machine) if isinstance(machine, str) else machine
        self.sites = sites or []
        self.words: list[bytes] = []
        self.modules: list[int] = []
        self.module = 0
        self.agus = 0
        self.extents: dict[tuple, int] = {}
        self.data: list[tuple[int, np.ndarray]] = []
        self.lives: list[dict] = []         #: as the memory map has them
        self.dram_end = 0
        self.sim = None

    # ---- instructions ----
    def emit(self, mnemonic: str, **fields) -> int:
        """One instruction; enumeration fields by name or number.  Its index."""
        instr = isa.TABLE[mnemonic]
        for f in instr.all_fields:
            if f.kind == "enum" and isinstance(fields.get(f.name), str):
                fields[f.name] = isa.ENUMS[f.enum][fields[f.name].upper()]
            if f.kind == "f32" and isinstance(fields.get(f.name), float):
                fields[f.name] = int(np.float32(fields[f.name]).view(np.uint32))
        self.words.append(isa.encode(mnemonic, {k: int(v) for k, v in fields.items()}))
        self.modules.append(self.module)
        return len(self.words) - 1

    def do(self, mnemonic: str, **fields) -> int:
        """An instruction that ends before the next one is fetched."""
        index = self.emit(mnemonic, signal2=63, **fields)
        self.emit("drain", id=63, credits=1)
        return index

    def agu(self, space: str, base: int, pitch: int, dtype, strides: dict[int, int] | None = None, slots=1, slot_bytes=0, ring_level=7,
            number: int | None = None) -> int:
        """A new address generator's number, or this one set up anew."""
        if number is None:
            number, self.agus = self.agus, self.agus + 1
        self.emit("agu", id=number, space=SPACES[space], dtype=DTYPES[np.dtype(dtype)], base=base, pitch=pitch, slots=slots, slot_bytes=slot_bytes,
                  ring_level=ring_level)
        for level, stride in (strides or {}).items():
            self.emit("agu.stride", id=number, level=level, stride=stride)
        return number

    def n(self, total: int, full: int | None = None, step: int = 0, level: int = 0) -> int:
        """The number of an extent generator; a plain number by default."""
        key = (total, full, step, level)
        if key not in self.extents:
            self.extents[key] = len(self.extents)
            self.emit("ext", id=self.extents[key], full=total if full is None else full, total=total, step=step, level=level)
        return self.extents[key]

    def loop(self, trips: int, **extent) -> None:
        self.emit("loop", trips=self.n(trips, **extent))

    def end(self) -> None:
        self.emit("endloop")

    # ---- data ----
    def dram(self, array: np.ndarray, align: int = 64) -> int:
        """Address of a new place in DRAM that holds the array."""
        address = -(-self.dram_end // align) * align
        self.dram_end = address + array.nbytes
        self.data.append((address, np.ascontiguousarray(array)))
        return address

    def put(self, space: str, address: int, array: np.ndarray, pitch: int | None = None) -> int:
        """Loads a 2-D array to an on-chip memory; the number of its address generator."""
        array = np.atleast_2d(array)
        rows, cols = array.shape
        src = self.agu("dram", self.dram(array), cols * array.itemsize, array.dtype, number=126)
        dst = self.agu(space, address, cols * array.itemsize if pitch is None else pitch, array.dtype)
        if array.size:
            self.do("load", src=src, dst=dst, rows=self.n(rows), cols=self.n(cols), stream="activation")
        return dst

    def get(self, agu: int, shape: tuple[int, int], dtype) -> tuple[int, tuple[int, int], np.dtype]:
        """Stores a tile to a new place in DRAM; a handle for `result`."""
        address = self.dram(np.zeros(shape, dtype))
        dst = self.agu("dram", address, shape[1] * np.dtype(dtype).itemsize, dtype, number=125)
        self.do("store", src=agu, dst=dst, rows=self.n(shape[0]), cols=self.n(shape[1]), stream="result")
        return address, shape, np.dtype(dtype)

    # ---- running ----
    def simulator(self) -> _sim.Simulator:
        self.emit("halt")
        text = np.frombuffer(b"".join(self.words), np.uint8).reshape(-1, 16)
        self.sim = _sim.Simulator(text, np.array(self.modules, np.uint32), self.machine.to_json(), json.dumps(self.sites),
                                  lives_json=json.dumps(self.lives))
        for address, array in self.data:
            self.sim.write(address, array.reshape(-1).view(np.uint8))
        return self.sim

    def run(self, **options) -> dict:
        """Raw counters of a functional run (or of one with these options)."""
        return self.simulator().run(**{"functional": True, **options})

    def result(self, handle) -> np.ndarray:
        address, shape, dtype = handle
        return self.sim.read(address, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)


def machine(**changes) -> Machine:
    """The default machine with other values: machine(dram__latency_cycles=0)."""
    values = Machine.load("focus").model_dump(mode="json")
    for key, value in changes.items():
        table, path = values, key.split("__")
        for part in path[:-1]:
            table = table[part]
        table[path[-1]] = value
    return Machine.from_dict(values)


def examples(count: int = 25):
    """Hypothesis settings of the suite: the same examples every time, no time limit, nothing kept on disk."""
    from hypothesis import HealthCheck, settings
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def variants() -> list[str]:
    """Inner loops this processor can run, best last."""
    return [name for name in ("baseline", "avx2", "avx512") if _sim.select_kernels(name)]


def complaint(action) -> str:
    """The message of the FocusError that calling `action` raises."""
    from focus.runtime.spec.errors import FocusError
    try:
        action()
    except FocusError as e:
        return str(e)
    return "no error"
