"""Speed of the simulator on this machine.

In: nothing.  Out: lines `name: value` and ratios: multiply-accumulates a second of the functional array against numpy's float32 matmul on
one core in the same process, for each variant of the inner loops and several pass heights; instructions a second in timing mode.

Targets: a quarter of numpy's rate, and 5 million instructions a second.
"""
from __future__ import annotations

import json
import os
import sys
import time

# numpy must use one core and choose its own kernels; it reads the environment when it is imported.
_WANTED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
if any(k in os.environ for k in _UNWANTED) or any(os.environ.get(k) != v for k, v in _WANTED.items()):
    environment = {k: v for k, v in os.environ.items() if k not in _UNWANTED} | _WANTED
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)

import numpy as np  # noqa: E402

from focus.runtime import _sim  # noqa: E402
from focus.runtime.spec import isa  # noqa: E402
from focus.runtime.spec.machine import Machine  # noqa: E402

SIZE = 2048


def best_of(times: int, action) -> float:
    """Seconds of the fastest of several runs."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def numpy_rate() -> float:
    """MAC/s of a float32 matmul."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    return SIZE**3 / best_of(5, lambda: a @ b)


def simulator(words: list[tuple[str, dict]]) -> _sim.Simulator:
    """A simulator of a program given as (mnemonic, fields)."""
    text = np.frombuffer(b"".join(isa.encode(m, {k: int(v) for k, v in f.items()}) for m, f in words), np.uint8).reshape(-1, 16)
    return _sim.Simulator(text, np.zeros(len(words), np.uint32), Machine.load("focus").to_json(), json.dumps([]))


def agu(number: int, space: isa.Space, dtype: isa.DType, pitch: int, base: int = 0, strides=()) -> list[tuple[str, dict]]:
    """Sets up an address generator; `strides` are (level, bytes)."""
    fields = dict(id=number, space=space, dtype=dtype, base=base, pitch=pitch, slots=1, slot_bytes=0, ring_level=7)
    return [("agu", fields), *(("agu.stride", dict(id=number, level=level, stride=stride)) for level, stride in strides)]


def extents(*values: int) -> list[tuple[str, dict]]:
    return [("ext", dict(id=i, full=v, total=v, step=0, level=0)) for i, v in enumerate(values)]


def gemm(rows: int, passes: int) -> _sim.Simulator:
    """Loads one weight tile and a row tile, then streams passes into three columns of accumulators."""
    return simulator([
        *agu(0, isa.Space.DRAM, isa.DType.F16, 64), *agu(1, isa.Space.INPUT, isa.DType.F16, 64), *agu(2, isa.Space.WGT, isa.DType.F16, 64),
        *agu(3, isa.Space.OUTPUT, isa.DType.F32, 384, strides=[(1, 128)]), *extents(rows, 32, -(-passes // 3), 3),
        ("load", dict(src=0, dst=1, rows=0, cols=1, stream=0, signal0=1)), ("load", dict(src=0, dst=2, rows=1, cols=1, stream=1, signal0=1)),
        ("drain", dict(id=1, credits=2)),
        ("loop", dict(trips=2)), ("loop", dict(trips=3)), ("mm", dict(src=1, wgt=2, dst=3, rows=0, k=1, n=1, init=0)),
        ("endloop", {}), ("endloop", {}),
        ("halt", {})])


def functional_rates(reference: float) -> None:
    data = np.random.default_rng(0).standard_normal((1024, 32)).astype(np.float16).reshape(-1).view(np.uint8)
    for variant in ("baseline", "avx2", "avx512"):
        if not _sim.select_kernels(variant):
            continue
        for rows in (1024, 256, 64):
            sim = gemm(rows, 12_000_000 // rows // 4)
            sim.write(0, data)
            counters = sim.run(functional=True)
            rate = counters["macs"] / best_of(3, lambda: sim.run(functional=True))
            print(f"functional {variant} rows={rows}: {rate / 1e9:.2f} GMAC/s, {rate / reference:.2f} of numpy")


def timing_rate() -> None:
    """A tiled GEMM as the compiler schedules it: loads of weights and inputs double buffered, passes, a result stored for each tile."""
    sim = simulator([
        *agu(0, isa.Space.DRAM, isa.DType.F16, 8192, strides=[(0, 1 << 20), (2, 64)]), *agu(1, isa.Space.INPUT, isa.DType.F16, 64),
        *agu(2, isa.Space.DRAM, isa.DType.F16, 8192, strides=[(1, 1 << 18), (2, 64), (3, 1 << 17)]), *agu(3, isa.Space.WGT, isa.DType.F16, 64),
        *agu(4, isa.Space.OUTPUT, isa.DType.F32, 384, strides=[(3, 128)]),
        *agu(5, isa.Space.DRAM, isa.DType.F32, 8192, strides=[(0, 1 << 22), (1, 384)]),
        *extents(1024, 32, 100, 100, 40, 3, 96),
        ("sem", dict(id=1, credits=2)), ("sem", dict(id=2, credits=2)), ("sem", dict(id=5, credits=1)),
        ("loop", dict(trips=2)), ("loop", dict(trips=3)), ("loop", dict(trips=4)),
        ("load", dict(src=0, dst=1, rows=0, cols=1, stream=0, wait0=1, signal0=3)), ("loop", dict(trips=5)),
        ("load", dict(src=2, dst=3, rows=1, cols=1, stream=1, wait0=2, signal0=4)),
        ("mm", dict(src=1, wgt=3, dst=4, rows=0, k=1, n=1, init=2, wait0=3, wait0_depth=3, wait1=4, wait2=5, wait2_depth=2, signal0=1,
                    signal0_depth=3, signal1=2, signal2=6, signal2_depth=2)),
        ("endloop", {}), ("endloop", {}),
        ("store", dict(src=4, dst=5, rows=0, cols=6, stream=2, wait0=6, signal0=5)), ("endloop", {}), ("endloop", {}),
        ("halt", {})])
    counters = sim.run(functional=False, counts=[])
    seconds = best_of(3, lambda: sim.run(functional=False, counts=[]))
    print(f"timing: {counters['instructions'] / seconds / 1e6:.1f} million instructions/s, {counters['cycles'] / seconds / 1e9:.2f} billion cycles/s "
          f"({counters['instructions']} instructions, {counters['opcodes']['mm']} passes)")


if __name__ == "__main__":
    reference_rate = numpy_rate()
    print(f"numpy float32 matmul, one core: {reference_rate / 1e9:.2f} GMAC/s")
    functional_rates(reference_rate)
    timing_rate()
