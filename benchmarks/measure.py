"""One measurement in a process of its own, so that its memory peak is its own.

In: `compile MODEL FOLDER` or `run PROGRAM INPUTS`.  Out: one line of JSON: seconds, rates, and the peak of resident memory in bytes.

    compile   a zoo model, dense and concentrated, written to FOLDER with its inputs; PyTorch's import is timed apart
    run       a program on its inputs, with data and without, beside numpy's float32 matmul on the same core
"""
from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def compile_model(name: str, folder: Path) -> dict:
    start = time.perf_counter()
    import torch
    from safetensors.torch import save_file
    from torch_mlir import fx  # noqa: F401  (brings torch.export, as the importer does)

    from focus.compiler.backend import compile as compiling
    from focus.compiler.frontend import importer, zoo  # noqa: F401
    torch.set_num_threads(1)
    imports = time.perf_counter() - start
    start = time.perf_counter()
    model, inputs = zoo.build(name)
    build = time.perf_counter() - start
    out = {"import_seconds": imports, "build_seconds": build}
    for kind, concentration in (("concentrated", "full"), ("dense", "off")):
        start = time.perf_counter()
        compilation = compiling.compile_model(model, inputs, "focus", concentration)
        compilation.binary.save(folder / f"{kind}.fxb")
        out[kind] = {"seconds": time.perf_counter() - start, "passes": dict(compilation.seconds)}
    save_file({k: v.contiguous() for k, v in inputs.items()}, folder / "inputs.safetensors")
    return out


def run_program(program: Path, inputs: Path) -> dict:
    import numpy as np
    from safetensors.numpy import load_file

    import focus
    executable, arrays = focus.load(program), load_file(inputs)
    result = executable.run(arrays)                                 # also writes the parameters, once
    functional = best(3, lambda: executable.run(arrays))
    timing = best(5, lambda: executable.time(result.trace))
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2048, 2048), dtype=np.float32) for _ in range(2))
    numpy_rate = 2048**3 / best(5, lambda: a @ b)
    report = result.report
    return {"cycles": report["cycles"], "instructions": report["instructions"], "functional_seconds": functional, "timing_seconds": timing,
            "macs_per_second": report["macs"] / functional, "numpy_macs_per_second": numpy_rate,
            "instructions_per_second": report["instructions"] / timing}


def best(times: int, action) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    found = compile_model(arguments[0], Path(arguments[1])) if what == "compile" else run_program(*map(Path, arguments))
    found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(found))
