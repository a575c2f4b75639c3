"""Kernels that move rows: copies, row gathers, embedding look-up, patches of images, and the semantic concentrator's list work.

In: operands as `Mat`.  Out: one `focus.kernel` each.  All of it is DMA through the output buffer (rows) or the id memory (lists).
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from torch_mlir import ir

from focus.dialects.mapping import RowsMapping
from focus.passes.kernels.builder import Mat, TileBuilder
from focus.passes.kernels.forms import RowsForm
from focus.passes.kernels.places import Places


def move_places(form: RowsForm, mapping: RowsMapping) -> Places:
    """What moving rows takes on chip; form.second: they are picked by ids."""
    p = Places()
    p.add("rows", "output", (min(mapping.m, form.rows), min(mapping.n, form.cols)), form.dtype)
    p.add("ids", "ids", (1, min(mapping.m, form.rows)), "i32", int(form.second))
    return p


def emit_copy(b: TileBuilder, name: str, src: Mat, dst: Mat, mapping: RowsMapping, loc: ir.Location) -> None:
    """dst = src, the same shape."""
    with b.kernel(name, loc, mapping.slots):
        copy_rows(b, src, dst, mapping)


def copy_rows(b: TileBuilder, src: Mat, dst: Mat, mapping: RowsMapping) -> None:
    """Copy inside an open kernel."""
    places = move_places(RowsForm("copy", src.rows, src.cols, dtype=src.dtype), mapping)
    columns = min(src.cols, mapping.n)
    with b.loop(src.rows, mapping.m) as r, b.loop(src.cols, columns) as c:
        part = places.make(b, "rows")
        b.load(b.window(src, r, c, part.rows, columns), part, "activation")
        b.store(part, b.window(dst, r, c, part.rows, columns), "result")


@dataclass(frozen=True)
class Take:
    """dst[r] = src[ids[0, r]] for the ids [1, n]; `tails` are (source, target) rows copied as they are, in the same kernel."""
    src: Mat
    ids: Mat
    dst: Mat
    stream: str = "activation"
    tails: tuple[tuple[Mat, Mat], ...] = ()


def emit_take_rows(b: TileBuilder, name: str, take: Take, mapping: RowsMapping, loc: ir.Location) -> None:
    """Emit a gather of rows by ids."""
    src, ids = take.src, take.ids
    places = move_places(RowsForm("take", ids.cols, src.cols, dtype=src.dtype, second=True), mapping)
    with b.kernel(name, loc, mapping.slots):
        dst = b.window(take.dst, 0, 0, ids.cols, take.dst.cols)     # what follows is for the tails
        columns, step = min(src.cols, mapping.n), min(ids.cols, mapping.m)
        with b.loop(ids.cols, step) as r:
            picked = places.make(b, "ids")
            b.load(b.window(ids, 0, r, 1, step), picked, "ids")
            with b.loop(src.cols, columns) as c:
                part = places.make(b, "rows")
                b.load_rows(b.window(src, 0, c, src.rows, columns), part, picked, take.stream)
                b.store(part, b.window(dst, r, c, step, columns), "result")
        for tail in take.tails:         # one long row has as many columns as a tile of single elements has rows
            copy_rows(b, *tail, replace(mapping, n=max(mapping.m, mapping.n)) if tail[0].rows == 1 and src.cols == 1 else mapping)


@dataclass(frozen=True)
class CacheRows:
    """Rows of a cache [requests * (lead + held + room), width]: for each request `lead` copied rows, `held` of the prefill, `room` for new tokens."""
    cache: Mat
    requests: int
    lead: int
    held: int
    room: int

    @property
    def capacity(self) -> int:
        """Rows of a request."""
        return self.lead + self.held + self.room

    def steps(self, new: int) -> int:
        """How many steps there are for `new` tokens at a time."""
        return self.room - new + 1


def emit_cache_append(b: TileBuilder, name: str, rows: Mat, at: CacheRows, mapping: RowsMapping, loc: ir.Location) -> None:
    """The rows of new tokens [requests * new, width] into the cache, from the row on that the step says."""
    new = rows.rows // at.requests
    with b.kernel(name, loc, mapping.slots), b.loop(at.requests, 1) as i:
        first = i * at.capacity + b.step(at.steps(new)) + (at.lead + at.held)
        copy_rows(b, b.window(rows, i * new, 0, new, rows.cols), b.window(at.cache, first, 0, new, rows.cols), mapping)


def emit_cache_fill(b: TileBuilder, name: str, rows: Mat, at: CacheRows, mapping: RowsMapping, loc: ir.Location) -> None:
    """The rows of a prefill, copied ones first, into the cache of the request that the step says."""
    with b.kernel(name, loc, mapping.slots):
        copy_rows(b, rows, b.window(at.cache, b.step(at.requests) * at.capacity, 0, rows.rows, rows.cols), mapping)


@dataclass(frozen=True)
class Patches:
    """out[(f, ph, pw), (c, i, j)] = pixels[f, c, ph * patch + i, pw * patch + j]: patches of images as rows.

    pixels: the image tensor [F, C, H, W] (`shape`) seen as [F * C * H, W]; out: [F * (H // patch) * (W // patch), C * patch * patch].
    """
    pixels: Mat
    shape: tuple[int, int, int, int]
    patch: int
    out: Mat


def emit_im2col(b: TileBuilder, name: str, patches: Patches, loc: ir.Location) -> None:
    """Emit the patches of images."""
    pixels, patch, out = patches.pixels, patches.patch, patches.out
    frames, channels, height, width = patches.shape
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
