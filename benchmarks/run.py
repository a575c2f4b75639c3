"""`make bench`: start-up, compile time, simulation speed and memory on this machine, beside their targets.

In: nothing.  Out: a table, and build/bench/report.json.  Everything runs on one core, one thing after the other; numpy chooses its own
kernels.  Nothing here is a test: a slow machine fails nothing.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
MODEL = "llava-onevision-demo"
START_UP, COMPILE, NUMPY_SHARE, INSTRUCTIONS = 0.25, 20.0, 0.25, 5e6        #: targets: s, s, share of numpy's MAC/s, instructions/s

#: numpy reads these when it is imported
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")} | {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
console = Console(width=120, highlight=False)


def run(*command: str | Path) -> str:
    """Standard output of one of our programs; its own error output when it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit(done.stderr or f"{command[0]} failed")
    return done.stdout


def start_up() -> float:
    """Seconds `focus-opt` takes for a file with one empty function: the best of seven."""
    file = OUT / "empty.mlir"
    file.write_text("func.func @main() {\n  return\n}\n")
    tool = Path(sys.executable).with_name("focus-opt")
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        run(tool, file)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(*arguments: str | Path) -> dict:
    return json.loads(run(sys.executable, "-P", HERE / "measure.py", *arguments).splitlines()[-1])


def array_speed() -> dict[str, float]:
    """What sim_speed.py says: passes alone, and a tiled GEMM without data."""
    text = run(sys.executable, "-P", HERE / "sim_speed.py")
    found = re.findall(r"functional (\w+) rows=(\d+): .*?, ([\d.]+) of numpy", text)
    rates = {f"{variant} kernels, {rows} rows": float(share) for variant, rows, share in found}
    numpy_rate = float(re.search(r"one core: ([\d.]+) GMAC/s", text)[1]) * 1e9
    return {"numpy": numpy_rate, "shares": rates, "instructions": float(re.search(r"timing: ([\d.]+) million", text)[1]) * 1e6}


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with console.status("") as status:
        status.update("focus-opt start-up")
        found = {"focus_opt_seconds": start_up()}
        status.update(f"compile {MODEL}")
        found["compile"] = measure("compile", MODEL, OUT)
        for kind in ("dense", "concentrated"):
            status.update(f"run {MODEL}, {kind}")
            found[kind] = measure("run", OUT / f"{kind}.fxb", OUT / "inputs.safetensors")
        status.update("array passes against numpy")
        found["array"] = array_speed()
    (OUT / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(found)


def show(found: dict) -> None:
    """The table: what was measured, the target, and how far it is from it (above 1: better)."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(("", "measured", "target", "better by")):
        table.add_column(column, justify="right" if i else "left")

    def row(name: str, measured: str, target: str = "", ratio: float | None = None) -> None:
        table.add_row(name, measured, target, "" if ratio is None else f"{ratio:.2f}x")

    compiled, array = found["compile"], found["array"]
    row("focus-opt start-up", f"{found['focus_opt_seconds']:.3f} s", f"{START_UP} s", START_UP / found["focus_opt_seconds"])
    for kind in ("concentrated", "dense"):
        seconds = compiled[kind]["seconds"]
        row(f"compile {MODEL}, {kind}", f"{seconds:.2f} s", f"{COMPILE:g} s", COMPILE / seconds)
    row("  PyTorch import and model, not in that", f"{compiled['import_seconds'] + compiled['build_seconds']:.2f} s")
    row("  peak memory of the compilation", f"{compiled['peak_bytes'] / 2**20:,.0f} MiB")
    row("numpy float32 matmul, one core", f"{array['numpy'] / 1e9:.1f} GMAC/s")
    for name, share in array["shares"].items():
        row(f"array passes, {name}", f"{share * array['numpy'] / 1e9:.1f} GMAC/s", f"{NUMPY_SHARE:g} of numpy", share / NUMPY_SHARE)
    row("tiled GEMM, timing mode", f"{array['instructions'] / 1e6:.1f} M instr/s", f"{INSTRUCTIONS / 1e6:g} M/s",
        array["instructions"] / INSTRUCTIONS)
    for kind in ("dense", "concentrated"):
        r = found[kind]
        row(f"{kind} run, whole model with data", f"{r['macs_per_second'] / 1e9:.1f} GMAC/s", f"{NUMPY_SHARE:g} of numpy",
            r["macs_per_second"] / r["numpy_macs_per_second"] / NUMPY_SHARE)
        row(f"{kind} run, timing mode", f"{r['instructions_per_second'] / 1e6:.1f} M instr/s", f"{INSTRUCTIONS / 1e6:g} M/s",
            r["instructions_per_second"] / INSTRUCTIONS)
        row("  seconds with data, without", f"{r['functional_seconds']:.2f} s, {r['timing_seconds']:.3f} s")
        row("  peak memory of the run", f"{r['peak_bytes'] / 2**20:,.0f} MiB")
    console.print(table)
    slowest = sorted(compiled["concentrated"]["passes"].items(), key=lambda item: -item[1])[:5]
    console.print("slowest steps of the concentrated compilation: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest))
    console.print(f"written to {OUT / 'report.json'}")


if __name__ == "__main__":
    main()
