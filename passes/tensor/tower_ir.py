"""The vision tower in a focus function: its attentions, and the values of its layers that may be concentrated.

In: a function that says what runs of a vision tower it has (`focus.towers`).  Out: `tower_attentions`, `tower_sites`.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.contracts import towers_of
from focus.dialects.support import OpError
from focus.passes.tensor.tensor_ir import NORMS, body, one_linear, projection_of, rows, users

_PASSED = (d.RopeOp, d.SliceOp, d.ReshapeOp, *NORMS)        #: between a projection and an attention
_SUMMED = (d.MulOp, d.AddOp)                                #: between a projection and the norm after it


def tower_attentions(function: ir.OpView) -> Iterator[tuple[int, Any, ir.OpView]]:
    """(layer, run, attention) of each layer of each run of the tower; layers of a second run are numbered on from those of the first.

    Attentions outside the decoder are those of the tower, run after run.  Raises OpError where they are others than the runs say.
    """
    found = [op for op in body(function) if isinstance(op, d.AttentionOp) and not op.causal]
    runs = [tower for tower in towers_of(function) for _ in range(tower.layers)]
    if len(found) != len(runs):
        raise OpError(function, f"has {len(found)} attentions outside the decoder, but its towers have {len(runs)} layers")
    for number, (tower, attention) in enumerate(zip(runs, found)):
        if rows(attention.result) != tower.rows:
            raise OpError(attention, f"has {rows(attention.result)} rows, but its tower has {tower.rows}")
        yield number, tower, attention


def tower_sites(attention: ir.OpView) -> dict[str, ir.Value]:
    """The value at each site of the layer around an attention.  Raises OpError for a layer of another structure."""
    projections = [projection_of(attention, v, _PASSED) for v in (attention.q, attention.k, attention.v)]
    if any(p.x != projections[0].x for p in projections):
        raise OpError(attention, "has q, k and v from projections of different values; one shared input expected")
    out = one_linear(attention, attention.result, "the attention's result")
    stream = out.y
    while not (norms := [u for u in users(stream) if isinstance(u, NORMS) and u.x == stream]):
        following = [u for u in users(stream) if isinstance(u, _SUMMED)]
        if len(following) != 1:
            raise OpError(attention, "is in a layer where no norm follows the projection of its result")
        stream = following[0].result
    wide = norms[0].result
    first = [u for u in users(wide) if isinstance(u, d.LinearOp)]
    if len(norms) != 1 or not first or len(first) != len(users(wide)):
        raise OpError(attention, "is followed by a norm that does not lead to the MLP's linear layers")
    middle = first[0].y
    while len(users(middle)) == 1 and isinstance(users(middle)[0], (d.ActivationOp, d.MulOp)):
        middle = users(middle)[0].result
    one_linear(attention, middle, "the MLP's product")
    return {"vision.q_proj": projections[0].x, "vision.query": attention.q, "vision.o_proj": attention.result, "vision.fc1": wide,
            "vision.fc2": middle}
