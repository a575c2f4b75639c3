"""Kernels that move rows: copies, row gathers, embedding look-up, patches of images, and the semantic concentrator's list work.

In: operands as `Mat`.  Out: one `focus.kernel` each.  All of it is DMA through the output buffer (rows) or the id memory (lists).
"""
from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from focus.passes.tile.builder import BYTES, Mat, TileBuilder
from focus.runtime.spec.machine import Machine


def _rows_per_tile(machine: Machine, row_bytes: int) -> int:
    """Rows that fit half the output buffer, so that two tiles can be under way."""
    return max(1, min(1024, machine.buffer_bytes("output") // 2 // row_bytes))


def emit_copy(b: TileBuilder, machine: Machine, name: str, src: Mat, dst: Mat, loc: ir.Location) -> None:
    """dst = src, the same shape."""
    with b.kernel(name, loc):
        copy_rows(b, machine, src, dst)


def copy_rows(b: TileBuilder, machine: Machine, src: Mat, dst: Mat) -> None:
    """Copy inside an open kernel."""
    columns = min(src.cols, 4096)
    step = _rows_per_tile(machine, columns * BYTES[src.dtype])
    with b.loop(src.rows, step) as r, b.loop(src.cols, columns) as c:
        part = b.buffer("output", min(step, src.rows), columns, src.dtype, "rows")
        b.load(b.window(src, r, c, part.rows, columns), part, "activation")
        b.store(part, b.window(dst, r, c, part.rows, columns), "result")


def emit_take_rows(b: TileBuilder, machine: Machine, name: str, src: Mat, ids: Mat, dst: Mat, loc: ir.Location, stream: str = "activation",
                   tails: Sequence[tuple[Mat, Mat]] = ()) -> None:
    """dst[r] = src[ids[0, r]] for the ids [1, n]; `tails` are (source, target) rows copied as they are, in the same kernel."""
    with b.kernel(name, loc):
        dst = b.window(dst, 0, 0, ids.cols, dst.cols)       # what follows is for the tails
        columns = min(src.cols, 4096)
        step = min(ids.cols, _rows_per_tile(machine, columns * BYTES[src.dtype]))
        with b.loop(ids.cols, step) as r:
            picked = b.buffer("ids", 1, step, "i32", "rows")
            b.load(b.window(ids, 0, r, 1, step), picked, "ids")
            with b.loop(src.cols, columns) as c:
                part = b.buffer("output", step, columns, src.dtype, "taken")
                b.load_rows(b.window(src, 0, c, src.rows, columns), part, picked, stream)
                b.store(part, b.window(dst, r, c, step, columns), "result")
        for tail in tails:
            copy_rows(b, machine, *tail)


def emit_im2col(b: TileBuilder, name: str, pixels: Mat, shape: tuple[int, int, int, int], patch: int, out: Mat, loc: ir.Location) -> None:
    """out[(f, ph, pw), (c, i, j)] = pixels[f, c, ph * patch + i, pw * patch + j]: patches of images as rows.

    pixels: the image tensor [F, C, H, W] seen as [F * C * H, W]; out: [F * (H // patch) * (W // patch), C * patch * patch].
    """
    frames, channels, height, width = shape
    across, down = width // patch, height // patch
    with b.kernel(name, loc), b.loop(frames, 1) as f, b.loop(down, 1) as p:
        rows = b.buffer("output", across, out.cols, "f16", "patches")
        with b.loop(channels, 1) as c, b.loop(patch, 1) as i:
            line = b.window(pixels, f * (channels * height) + c * height + p * patch + i, 0, 1, across * patch)
            b.load(b.view(line, across, patch), b.window(rows, 0, c * (patch * patch) + i * patch, across, patch), "activation")
        b.store(rows, b.window(out, f * (down * across) + p * across, 0, across, out.cols), "result")


def emit_topk(b: TileBuilder, name: str, importance: Mat, sel: Mat, loc: ir.Location) -> None:
    """sel [1, k] = row numbers of the k most important of importance [1, n], ascending."""
    with b.kernel(name, loc):
        values = b.buffer("importance", 1, importance.cols, "f32", "importance")
        kept = b.buffer("ids", 1, sel.cols, "i32", "kept")
        b.load(importance, values, "ids")
        b.op("sec.topk", values, kept)
        b.store(kept, sel, "ids")


def emit_select(b: TileBuilder, name: str, ids: Mat, sel: Mat, out: Mat, loc: ir.Location) -> None:
    """out [1, k] = ids[sel]."""
    with b.kernel(name, loc):
        before, kept, after = (b.buffer("ids", 1, m.cols, "i32", label) for m, label in ((ids, "ids"), (sel, "kept"), (out, "selected")))
        b.load(ids, before, "ids")
        b.load(sel, kept, "ids")
        b.op("sec.select", before, kept, after)
        b.store(after, out, "ids")
