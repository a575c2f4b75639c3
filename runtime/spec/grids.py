"""What follows from the numbers of a grid of visual tokens.  Needs no pydantic, so that the dialects can use it.

In: a class with the numbers as fields.  Out: `GridNumbers`, its base class.
"""
from __future__ import annotations

from typing import TYPE_CHECKING


class GridNumbers:
    """One video or image: its visual tokens as a box of frames x height x width cells.

    Token (f, h, w) has visual index first + f * frame_stride + h * height_stride + w * width_stride.
    """
    if TYPE_CHECKING:
        @property
        def first(self) -> int: ...
        @property
        def frames(self) -> int: ...
        @property
        def height(self) -> int: ...
        @property
        def width(self) -> int: ...
        @property
        def frame_stride(self) -> int: ...
        @property
        def height_stride(self) -> int: ...
        @property
        def width_stride(self) -> int: ...

    @property
    def sides(self) -> tuple[int, int, int]:
        return self.frames, self.height, self.width

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.frame_stride, self.height_stride, self.width_stride

    @property
    def last(self) -> int:
        """Visual index of the last cell."""
        return self.first + sum((n - 1) * stride for n, stride in zip(self.sides, self.strides))

    def offset(self, frames: int, height: int, width: int) -> int:
        """How many visual indices a token lies before the one so many frames, rows and columns further."""
        return frames * self.frame_stride + height * self.height_stride + width * self.width_stride
