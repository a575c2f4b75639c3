"""The shape of a machine: the sizes that cut a matrix into the tiles its units work on, and the bytes of those tiles.

In: array rows and columns, and the longest vector.  Out: `Geometry`, an immutable value; `Machine.geometry` is that of a machine.

A GEMM [m, k] x [k, n] is made of passes.  One pass streams rows of an m-tile through one weight tile: `rows` of k (a k-slice) by `cols` of n
(an n sub-tile), and leaves a row of `cols` partial sums for each row streamed.  The similarity concentrator compares vectors: pieces of a
row, at most `vector` elements long, whatever the array's shape.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from focus.runtime.spec.types import BYTES, DType

Side = Literal[8, 16, 32, 64, 128]          #: possible rows and columns of an array, and lengths of a vector
SIDES: tuple[Side, ...] = get_args(Side)
PUBLISHED_SIDE: Side = 32           #: rows and columns of the published array

_VALUE, _SUM = BYTES[DType.F16], BYTES[DType.F32]       # of a streamed or stationary element, and of a partial sum


@dataclass(frozen=True)
class Geometry:
    """rows: array rows, the k-slice of a pass.  cols: array columns, the n sub-tile of a pass.  vector: most elements of a vector of the
    similarity concentrator; how long a request's vectors are, its concentration says (`Concentration.vector`)."""
    rows: int
    cols: int
    vector: int

    @property
    def pes(self) -> int:
        """Processing elements: multiply-accumulates per cycle."""
        return self.rows * self.cols

    @property
    def weight_tile_bytes(self) -> int:
        """Of the fp16 weights of one pass, rows x cols."""
        return self.pes * _VALUE

    @property
    def slice_row_bytes(self) -> int:
        """Of one row of a k-slice: `rows` fp16 values."""
        return self.rows * _VALUE

    @property
    def sum_row_bytes(self) -> int:
        """Of one row of partial sums: `cols` fp32 values."""
        return self.cols * _SUM

    @property
    def result_row_bytes(self) -> int:
        """Of one row of an n sub-tile's results: `cols` fp16 values."""
        return self.cols * _VALUE

    @property
    def vector_bytes(self) -> int:
        """Of the longest vector, fp16."""
        return self.vector * _VALUE

    def k_slices(self, k: int) -> int:
        """k-slices of a reduction of `k` elements, the last perhaps narrower."""
        return -(-k // self.rows)

    def n_tiles(self, n: int) -> int:
        """n sub-tiles of `n` columns, the last perhaps narrower."""
        return -(-n // self.cols)

    def passes(self, k: int, n: int) -> int:
        """Passes for each m-tile of a GEMM."""
        return self.k_slices(k) * self.n_tiles(n)
