"""Forms: what a kernel computes, without how.  A mapping is chosen for a form; equal forms have equal mappings.

In: sizes and properties of an op's kernels.  Out: frozen values, which are the keys of every cache of mappings.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GemmForm:
    """out = act(x W^T) for `weights` matrices [n, k] at once (2 for SwiGLU), `rows` rows of x, and what else is done with the result.

    visual: how many of the rows are visual tokens of an m-tile whose input or result is concentrated, `tiles` of them alike (None: all rows
    are dense, and may be cut anywhere).  unique: whether the input is concentrated.  half: "gate" or "product" where SwiGLU is done in halves,
    else "whole".
    residual: another matrix is added to the result or multiplies it; moments: those of its rows are collected; gathered: it is concentrated;
    slow: the activation needs a reciprocal for each element; aside: it works on results that have left the accumulators.  biases: how many.
    turn: "across" is the layer with tokens as the stationary operand and the weights' rows streaming, `rows` of them for `n` tokens, so that the
    result comes out transposed; "back" transposes that through the array (k is 0).  added: a transposed matrix is added on the way, of "across" the
    residual.
    resample: a constant over tokens times a matrix of tokens, which is the stationary operand.
    repeat: how often the form is computed, on other rows with the same weights (batched resampling, repeated residuals).
    """
    rows: int
    n: int
    k: int
    weights: int = 1
    visual: int | None = None
    tiles: int = 1
    unique: bool = False
    half: Literal["whole", "gate", "product"] = "whole"
    residual: bool = False
    moments: bool = False
    gathered: bool = False
    slow: bool = False
    aside: bool = False
    biases: int = 0
    turn: Literal["none", "across", "back"] = "none"
    added: bool = False
    resample: bool = False
    repeat: int = 1


@dataclass(frozen=True)
class AttentionForm:
    """Attention of `rows` queries of each head over `regions` of key columns.

    ahead: unless None, causal: row r sees the first `ahead` + r + 1 columns of the region.  heads: query heads; kv_heads: key/value heads.
    fixed: rows that concentration has fixed (0: dense queries, cut anywhere), `identity` of them text rows, `first` the number of rows before
    the tile, `tiles` alike tiles in a loop.  scores_only: no values (importance); masked: positions are compared; capped: scores are bounded.
    repeat: segments alike.
    """
    rows: int
    regions: tuple[tuple[int, int | None], ...]
    head_dim: int
    heads: int
    kv_heads: int
    fixed: int = 0
    visual: int = 0
    first: int = 0
    tiles: int = 1
    scores_only: bool = False
    masked: bool = False
    repeat: int = 1
    capped: bool = False

    @property
    def keys(self) -> int:
        """Key columns of all regions; of importance, which goes over the visual ones twice, all that it sees."""
        return self.regions[0][0] if self.scores_only else sum(count for count, _ in self.regions)

    @property
    def causal(self) -> bool:
        return any(ahead is not None for _, ahead in self.regions)

    @property
    def group(self) -> int:
        """Query heads that share the keys and values of one head."""
        return self.heads // self.kv_heads


@dataclass(frozen=True)
class SpillForm:
    """Causal attention of `visual` concentrated queries in m-tiles of `m_tile` visual rows, `tiles` of them as (rows, how many),
    over `keys` keys, whose probabilities go through DRAM; capped: scores are bounded."""
    tiles: tuple[tuple[int, int], ...]
    visual: int
    keys: int
    head_dim: int
    heads: int
    kv_heads: int
    m_tile: int
    capped: bool = False


@dataclass(frozen=True)
class RowsForm:
    """A sweep over `rows` rows of `cols` columns or their movement.

    what: "norm", "rope", "elementwise", "copy", "take", "gather", "gather_norm", or "cut": the m-tiles of a value that the kernel which makes it
    gathers, so that there is no kernel of its own; dtype: of an element; moments: those of the rows are known;
    bias: there is one; second: there is a second operand, or rows are picked by ids; head: columns of a head; visual: visual rows of a tile that
    is concentrated; repeat: how often the form is computed.
    """
    what: str
    rows: int
    cols: int
    dtype: str = "f16"
    moments: bool = False
    bias: bool = False
    second: bool = False
    head: int = 0
    visual: int = 0
    repeat: int = 1


Form = GemmForm | AttentionForm | SpillForm | RowsForm
