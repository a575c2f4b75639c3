"""The interpreter of the tests with the choices of a run: where two values are nearly alike, rounding may choose either.

In: a function, its values, and what a run of it gave.  Out: the relative error of the run against the interpreter that keeps the tokens and forms the
groups that the run did.  Raises Finding for a choice that was not close.
"""
from __future__ import annotations

import numpy as np
from damage import Finding
from harness import Outcome
from interp import Interpreter

from focus.dialects.context import make_context, parse_text

CLOSE = 1e-2            #: of similarities, and of importance as a share: what fp16 in what they are computed of can move


class Following(Interpreter):
    """Interprets with `given`: the trace of a run, by its sites."""
    given: dict[str, dict]

    def topk(self, op, get, values):
        importance, ids = get("importance"), values[op.importance.owner.opview.ids]
        kept = [t["retained"] for t in self.given.values() if len(t["retained"]) == op.k]
        sel = np.flatnonzero(np.isin(ids, kept[0])) if kept else super().topk(op, get, values)
        if len(sel) != op.k:
            raise Finding(f"{op.k} tokens are kept, but {len(sel)} of them are there")
        left = np.delete(importance, sel)
        if len(left) and left.max() > importance[sel].min() * (1 + CLOSE) + 1e-6:
            raise Finding(f"a token of importance {left.max():.4g} is left out, one of {importance[sel].min():.4g} kept")
        return sel.astype(np.int32)

    def gather(self, op, get, values):
        x, ids = get("x"), get("ids")
        found = self.given[f"{op.layer}/{op.site}"]
        group, (visual, _, _) = np.asarray(found["group"]), self.places(len(x), ids)
        parts = np.zeros((len(visual), group.shape[1] * op.vector), np.float32)
        parts[:, :x.shape[1]] = x[visual]
        parts = parts.reshape(len(visual), -1, op.vector)
        for r, near in self.neighbours(op, ids):
            self.judge(op, group, r, np.array(near, int), parts)
        out, merged = x.copy(), parts.copy()
        for s in range(group.shape[1]):
            for g in np.unique(group[:, s]):
                merged[group[:, s] == g, s] = parts[group[:, s] == g, s].mean(0)
        out[visual] = self.stored(merged.reshape(len(visual), -1)[:, :x.shape[1]])
        return out

    def neighbours(self, op, ids):
        """(row, rows of its neighbours) of the visual rows."""
        row_of, grid_of = {int(t): r for r, t in enumerate(ids)}, self.tokens.grid_numbers()
        for r, t in enumerate(map(int, ids)):
            grid = self.tokens.grids[grid_of[t]]
            cells = (t - df * grid.frame_stride - dh * grid.height_stride - dw * grid.width_stride for df, dh, dw in np.ndindex(*op.block))
            yield r, [row_of[c] for c in cells if grid.first <= c != t and c in row_of and row_of[c] // op.m_tile == r // op.m_tile]

    def judge(self, op, group, r, near, parts):
        """A row joins the group of a neighbour that is about the most similar one, or of none that is clearly similar enough."""
        norms = np.linalg.norm(parts, axis=2)
        scale = norms[near] * norms[r] if len(near) else np.zeros((0, group.shape[1]))
        cosine = np.where(scale > 0, (parts[near] * parts[r]).sum(2) / np.where(scale > 0, scale, 1), 0)
        best = cosine.max(0, initial=-1)
        for s in range(group.shape[1]):
            joined = cosine[group[near, s] == group[r, s], s] if len(near) else cosine[:, s]
            alone = group[r, s] == r and best[s] <= op.threshold + CLOSE
            if not alone and not (len(joined) and joined.max() > max(op.threshold, best[s]) - CLOSE):
                raise Finding(f"{op.layer}/{op.site}: row {r}, slice {s} is in the group of {group[r, s]}; its most similar neighbour has {best[s]:.4f}")


def error_with_choices(text: str, inputs: dict, params: dict, outcome: Outcome) -> float:
    """Relative L2 difference of a run to the interpreter that makes the run's choices."""
    rounded = lambda v: v.astype(np.float16).astype(np.float32) if v.dtype.kind == "f" else v.astype(np.int32)
    follower = Following({k: rounded(v) for k, v in params.items()}, half=True)
    follower.given = {f"{site.layer}/{site.site}": found for site, found in zip(outcome.binary.sites, outcome.trace)}
    module = parse_text(text, context=make_context())
    want = follower.run(module.body.operations[0], {k: rounded(v) for k, v in inputs.items()})[0]
    return float(np.linalg.norm(outcome.got - want) / max(np.linalg.norm(want), 1e-30))
