"""What the report shows of a program and a run: its instructions, the time line, the counters, and what was concentrated.

In: an `Executable`, and what a run of it gave.  Out: `Ran.parts`, names and numbers as JSON and columns of numbers as arrays.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from focus.runtime.run.asm import format_instruction
from focus.runtime.run.executable import Executable
from focus.runtime.run.fxb import Binary
from focus.runtime.run.timeline import Timeline, occupancy
from focus.runtime.run.trace import Trace
from focus.runtime.spec.isa import TABLE, Space, Unit

Arrays = dict[str, np.ndarray]
STEPS = 2000            #: points of a memory's occupancy that are kept
MOST_LINES = 400_000    #: instructions whose text is kept
MOST_GROUPED = 8_000_000    #: vectors, of all sites together, of which it is kept which row stands for them: of each token, every n-th beyond that
PIXELS = 96             #: longest side of a picture of a frame


@dataclass
class Ran:
    """A program, and, if it was run, what came of it.  `inputs`: those of the run, for pictures of the frames.  `errors`, by module path: what was
    compared with PyTorch ("output of ..."), the relative L2 difference, and how much of it fp16 explains (`focus.check`)."""
    executable: Executable
    report: Mapping[str, Any] | None = None
    timeline: Timeline | None = None
    trace: Trace | None = None
    inputs: Mapping[str, Any] | None = None
    errors: Mapping[str, tuple[str, float, float]] | None = None

    def parts(self) -> tuple[dict[str, Any], Arrays, dict[str, str]]:
        """JSON, arrays, and texts."""
        binary = self.executable.binary
        out: dict[str, Any] = {"model": binary.model, "modules": list(binary.modules), "machine": _machine(binary),
                               "units": [u.name.lower() for u in Unit], "spaces": [s.name.lower() for s in Space],
                               "operands": {i.mnemonic: [f.name for f in i.fields if f.kind == "mem"] for i in TABLE.values()}}
        arrays: Arrays = {"source": binary.source.astype(np.int32), "words": binary.text.reshape(-1)}
        texts = {"assembly": _assembly(binary)}
        if self.report is not None:
            out["report"] = dict(self.report)
        if self.errors is not None:
            out["errors"] = {path: {"holds": holds, "error": error, "allowed": allowed} for path, (holds, error, allowed) in self.errors.items()}
        if self.timeline is not None and len(self.timeline):
            arrays |= _time_arrays(self.timeline)
            out["causes"] = list(self.timeline.causes)
            out["occupancy"] = _occupancy(binary, self.timeline, arrays)
        if binary.tokens is not None and self.trace is not None:
            out["tokens"] = _tokens(binary, self.trace, arrays)
            out["frames"] = _frames(self.inputs or {}, sum(g.frames for g in binary.tokens.grids), arrays)
        return out, arrays, texts


def _machine(binary: Binary) -> dict[str, Any]:
    m = binary.machine
    return {"name": m.name, "macs_per_cycle": m.array.rows * m.array.cols, "bytes_per_cycle": m.bytes_per_cycle, "hertz": m.frequency_hz,
            "array": [m.array.rows, m.array.cols], "buffers": {s.name.lower(): m.buffer_bytes(s.name.lower()) for s in Space if s != Space.DRAM
                                                              and s.name.lower() in m.buffers}}


def _assembly(binary: Binary) -> str:
    """A line for each instruction, indented by loop depth; the first `MOST_LINES` of a longer program."""
    lines, depth = [], 0
    for decoded in binary.program[:MOST_LINES]:
        name = decoded.instr.mnemonic
        depth -= name == "endloop" and depth > 0
        lines.append("  " * depth + format_instruction(decoded.instr, decoded.values))
        depth += name == "loop"
    return "\n".join(lines)


# ---- time --------------------------------------------------------------------------------------------------------------------
def _time_arrays(line: Timeline) -> Arrays:
    """Columns of the time line; cycles and addresses may be beyond 32 bits."""
    columns: Arrays = {"event_unit": line.events[:, 0].astype(np.uint8), "event_instruction": line.events[:, 1].astype(np.int32),
                       "event_start": line.events[:, 2].astype(np.float64), "event_cycles": (line.events[:, 3] - line.events[:, 2]).astype(np.int32),
                       "event_waited": line.waits[:, 0].astype(np.int32), "event_why": line.waits[:, 1].astype(np.uint8),
                       "event_by": line.waits[:, 2].astype(np.int32), "event_dram": line.waits[:, 3].astype(np.int32)}
    for i, (name, kind) in enumerate((("event", np.int32), ("operand", np.uint8), ("space", np.uint8), ("address", np.float64),
                                      ("pitch", np.int32), ("rows", np.int32), ("row_bytes", np.int32), ("access", np.uint8))):
        columns[f"touched_{name}"] = line.touched[:, i].astype(kind)
    return columns


def _occupancy(binary: Binary, line: Timeline, arrays: Arrays) -> dict[str, int]:
    """The largest occupancy of each on-chip memory that is used; its course goes to the arrays, as the largest in each of `STEPS` parts."""
    out = {}
    begin, end = int(line.events[:, 2].min()), int(line.events[:, 3].max())
    edges = np.linspace(begin, end, STEPS + 1)
    for space in Space:
        if space == Space.DRAM:
            continue
        times, full = occupancy(line, space, binary.machine.buffer_bytes(space.name.lower()))
        if not len(times):
            continue
        part = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, STEPS - 1)
        most = np.zeros(STEPS, np.int64)
        np.maximum.at(most, part, full)
        at_begin = np.r_[0, full][np.searchsorted(times, edges[:-1], side="right")]           # what is there as a part begins
        name = space.name.lower()
        arrays[f"occupancy_{name}"] = np.maximum(most, at_begin).astype(np.int32)
        out[name] = int(full.max())
    return out


# ---- concentration -------------------------------------------------------------------------------------------------------------
def _tokens(binary: Binary, trace: Trace, arrays: Arrays) -> dict[str, Any]:
    """Grids and, for each site, which tokens are left and which row stands for each vector."""
    assert binary.tokens is not None
    sites = []
    every = -(-sum(trace[key].size for key in trace if key.startswith("group/")) // MOST_GROUPED) or 1
    for key in trace:
        part, _, name = key.partition("/")
        if part != "retained":
            continue
        entry: dict[str, Any] = {"name": name, "kept": len(trace[key]), "merged": False}
        arrays[f"retained_{name}"] = trace[key].astype(np.int32)
        group = trace.get(f"group/{name}")
        if group is not None:
            some = group[:, ::every]
            arrays[f"group_{name}"] = some.astype(np.int32).reshape(-1)
            entry |= {"merged": True, "slices": int(some.shape[1]), "of": int(group.shape[1])}
        sites.append(entry)
    return {"V": binary.tokens.V, "T": binary.tokens.T, "grids": [g.model_dump() for g in binary.tokens.grids], "sites": sites,
            "layers": binary.layers}


def _frames(inputs: Mapping[str, Any], wanted: int, arrays: Arrays) -> dict[str, Any] | None:
    """Pictures of the frames in the inputs, [n, height, width] RGB bytes; None where the inputs hold none (patches in rows), or not one for each
    frame of the token grids (images cut into tiles)."""
    for name in ("pixel_values_videos", "pixel_values"):
        value = inputs.get(name)
        if value is None:
            continue
        value = value.detach().float().numpy() if hasattr(value, "detach") else np.asarray(value, np.float32)
        value = value.reshape(-1, *value.shape[-3:])
        if value.ndim != 4 or value.shape[1] != 3 or len(value) != wanted:
            continue
        step = -(-max(value.shape[2:]) // PIXELS)
        small = value[:, :, ::step, ::step]
        low, high = small.min(), small.max()
        rgb = ((small - low) / max(high - low, 1e-6) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
        arrays["frames"] = np.ascontiguousarray(rgb).reshape(-1)
        return {"count": int(rgb.shape[0]), "height": int(rgb.shape[1]), "width": int(rgb.shape[2])}
    return None
