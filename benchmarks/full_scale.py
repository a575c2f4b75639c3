"""Full-size workloads: wall time, memory and speed of compiling and timing them, and how both grow with layers and tokens.

In: nothing (options choose less).  Out: tables on standard output; each measurement runs in a process of its own, whose peak memory it is.

    python benchmarks/full_scale.py [--quick]
"""
from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

#: (name, entry, scope, machine, preset) of the whole workloads
WORKLOADS = (
    ("videomme, Focus", "llava-video-7b/videomme", "backbone", "focus", "full"),
    ("videomme, dense", "llava-video-7b/videomme", "backbone", "dense", "off"),
    ("videomme, Focus, whole model", "llava-video-7b/videomme", "whole", "focus", "full"),
)
LIMITS = {"videomme, Focus": "at most 10 s, under 1 GB", "videomme, dense": "at most 30 s",
          "videomme, Focus, whole model": "compile at most 30 s, under 3 GB"}
RATIO = 1.709


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compile_entry(entry: str, scope: str, machine: str, preset: str, path: str) -> dict:
    """Compile an entry at full size and write the program and, if it merges vectors, a compact trace beside it."""
    start = time.perf_counter()
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.frontend import full_size
    model, inputs = full_size.build(entry, scope)
    return _finish(compile_model(model, inputs, machine, full_size.preset(entry, preset), scope=scope).binary, path, start)


def compile_grid(layers: int, frames: int, machine: str, preset: str, path: str) -> dict:
    """The same for a backbone of `layers` layers on `frames` frames of 13 x 14 tokens."""
    start = time.perf_counter()
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.frontend.backbone import Backbone
    from focus.runtime.evaluate.baselines import DecoderSizes
    from focus.runtime.spec.concentration import Concentration
    from focus.runtime.spec.tokens import Grid
    backbone = Backbone.of_grids("grid", DecoderSizes(layers), frames * 182, (Grid.dense(0, frames, 13, 13, row_gap=1),))
    return _finish(compile_model(backbone, {}, machine, Concentration.preset(preset, layers)).binary, path, start)


def _finish(binary, path: str, start: float) -> dict:
    seconds = time.perf_counter() - start
    binary.save(path)
    if binary.sites:
        from focus.runtime.evaluate import synth
        synth.write(path + ".trace", synth.TracePlan.of_binary(binary), synth.Recipe(RATIO), compact=True)
    return {"seconds": seconds, "mb": peak_mb(), "program": len(binary.text)}


def simulate(path: str) -> dict:
    """Load a program and time it."""
    start = time.perf_counter()
    from pathlib import Path

    from focus.runtime.run.executable import Executable
    from focus.runtime.run.trace import Trace
    exe = Executable.load(path)
    trace = Trace.load(path + ".trace") if Path(path + ".trace").exists() else None
    loaded = time.perf_counter()
    report = exe.time(trace)
    end = time.perf_counter()
    return {"seconds": end - start, "run": end - loaded, "mb": peak_mb(), "instructions": report["instructions"], "cycles": report["cycles"]}


def measure(function, *arguments) -> dict:
    """A function of this file in a fresh process."""
    out = subprocess.run([sys.executable, "-P", __file__, "--call", json.dumps([function.__name__, *arguments])], capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(out.stderr)
    return json.loads(out.stdout.splitlines()[-1])


def row(name: str, c: dict, s: dict, note: str = "") -> None:
    print(f"{name:<30} {c['seconds']:8.1f} {c['mb']:8.0f} {c['program']:9,} {s['seconds']:8.1f} {s['mb']:8.0f} {s['instructions'] / 1e6:10.1f} "
          f"{s['instructions'] / s['run'] / 1e6:9.1f} {s['cycles'] / 1e9:9.3f} {s['cycles'] / s['run'] / 1e9:9.2f}  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="growth only, at the smaller sizes")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.call:
        name, *arguments = json.loads(args.call)
        print(json.dumps(globals()[name](*arguments)))
        return
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':<30} {'compile':>8} {'MB':>8} {'program':>9} {'time':>8} {'MB':>8} {'executed':>10} {'executed':>9} "
              f"{'cycles':>9} {'cycles a':>9}")
        print(f"{'':<30} {'s':>8} {'':>8} {'words':>9} {'s':>8} {'':>8} {'million':>10} {'M/s':>9} {'10^9':>9} {'s, 10^9':>9}")
        for i, (name, *rest) in enumerate(() if args.quick else WORKLOADS):
            path = f"{folder}/{i}.fxb"
            row(name, measure(compile_entry, *rest, path), measure(simulate, path), LIMITS[name])
        for layers in (1, 4) if args.quick else (1, 4, 28):
            path = f"{folder}/layers{layers}.fxb"
            row(f"{layers} layers, 4k tokens, full", measure(compile_grid, layers, 22, "focus", "full", path), measure(simulate, path))
        for frames in (6, 22) if args.quick else (6, 22, 66):
            path = f"{folder}/frames{frames}.fxb"
            row(f"4 layers, {frames * 182} tokens, full", measure(compile_grid, 4, frames, "focus", "full", path), measure(simulate, path))


if __name__ == "__main__":
    main()
