# Elementwise functions against float64, rounding of every fp16 value, and type conversion; all inner loops give the same bits.
# RUN: %python %s | filecheck %s
import math

import numpy as np
from Inputs.sim_builder import Program, variants

from focus.runtime import _sim

erfc = np.vectorize(math.erfc)
GRID = np.concatenate([np.linspace(-30, 30, 601), [-0.0, 1e-7, -1e-7, 88, 100, -88, -104, 1e4, -1e4]]).astype("f4")


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


EXACT = {
    "copy": lambda x: x, "silu": lambda x: x * sigmoid(x), "relu": lambda x: np.maximum(x, 0), "scale": lambda x: x * np.float32(-1.7),
    "gelu_quick": lambda x: x * sigmoid(1.702 * x), "gelu_erf": lambda x: 0.5 * x * erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)), "exp": np.exp,
    "tanh": lambda x: np.tanh(x * np.float32(-1.7)),
}


def run(op, x, variant, dtype="f4"):
    _sim.select_kernels(variant)
    p = Program()
    rows = np.resize(x, (-(-len(x) // 37), 37))
    p.emit("scalar", id=3, value=-1.7)
    src, dst = p.put("vector", 0, rows), p.agu("output", 0, 37 * np.dtype(dtype).itemsize, dtype)
    p.do("v.map", op=op, src=src, dst=dst, rows=p.n(len(rows)), cols=p.n(37), scalar=3)
    out = p.get(dst, rows.shape, dtype)
    counters = p.run()
    return p.result(out).ravel()[:len(x)], counters


for op, f in EXACT.items():
    results = [run(op, GRID, v)[0] for v in variants()]
    with np.errstate(over="ignore", invalid="ignore"):
        exact = f(GRID.astype("f8")).astype("f4")
        error = np.abs(results[0] - exact) / np.maximum(np.abs(exact), 1e-30)
    error = error[np.isfinite(exact) & (np.abs(exact) > (1e-3 if op == "tanh" else 1e-30))]        # tanh is exact to 2e-7 of 1
    assert all(r.tobytes() == results[0].tobytes() for r in results), op
    np.testing.assert_allclose(results[0], exact, rtol=2e-6 if op != "gelu_erf" else 2e-5, atol=2e-7)
    print(op, "ok" if error.max() < 2e-4 else error.max())
# CHECK: copy ok
# CHECK-NEXT: silu ok
# CHECK-NEXT: relu ok
# CHECK-NEXT: scale ok
# CHECK-NEXT: gelu_quick ok
# CHECK-NEXT: gelu_erf ok
# CHECK-NEXT: gelu_tanh ok
# CHECK-NEXT: exp ok
# CHECK-NEXT: tanh ok

# Every fp16 value survives a copy through fp32, and fp32 rounds to nearest even, subnormals and overflow included.
halves = np.arange(0x7C01, dtype="u2").view("f2")
halves = np.concatenate([halves, -halves])
exact = halves.astype("f8")
middle = ((exact[1:0x7C00] + exact[:0x7BFF]) / 2).astype("f4")
near = np.concatenate([middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(0)),
                       np.float32([65519.9, 65520, 1e30, -1e30, np.inf])])
for v in variants():
    assert run("copy", halves, v)[0].tobytes() == halves.astype("f4").tobytes()
    for part in np.array_split(near, 4):
        with np.errstate(over="ignore"):
            assert run("copy", part, v, "f2")[0].tobytes() == part.astype("f2").tobytes()
    assert np.isnan(run("copy", np.array([np.nan], "f4"), v, "f2")[0]).all() and np.isnan(run("copy", np.array([np.nan], "f2"), v)[0]).all()
print("rounding ok")
# CHECK-NEXT: rounding ok

# Finite values that become infinite are counted by module, infinities that come in are not; NaN and infinity loaded are.
x = np.array([65519.9, 65520, -7e4, np.inf, np.nan, 1.0] + [0.0] * 31, "f4")
for v in variants():
    modules = run("copy", x, v, "f2")[1]["modules"]
    print(modules["overflows"], modules["nonfinite"])
# CHECK-NEXT: [2] [2]
