"""Element types, stated once: what each is called here and in MLIR, how many bytes an element has, and how numpy reads it.

In: nothing.  Out: `DType` (the number an instruction word carries), `ELEMENTS` and the tables made from it.  Imports nothing but the standard
library, as the build reads it before the package is installed.
"""
from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class DType(IntEnum):
    """Element type of an address generator."""
    F16 = 0
    F32 = 1
    I32 = 2
    U16 = 3


class Element(NamedTuple):
    """One element type.  `numpy` is a dtype's text, little-endian; `mlir` the type's spelling there, where integers have no sign."""
    dtype: DType
    name: str
    mlir: str
    bytes: int
    numpy: str


ELEMENTS: dict[DType, Element] = {e.dtype: e for e in (
    Element(DType.F16, "f16", "f16", 2, "<f2"),
    Element(DType.F32, "f32", "f32", 4, "<f4"),
    Element(DType.I32, "i32", "i32", 4, "<i4"),
    Element(DType.U16, "u16", "i16", 2, "<u2"),
)}
BY_NAME: dict[str, Element] = {e.name: e for e in ELEMENTS.values()}        #: "u16" -> its element type
BY_MLIR: dict[str, Element] = {e.mlir: e for e in ELEMENTS.values()}        #: "i16" -> its element type
BYTES: dict[DType, int] = {d: e.bytes for d, e in ELEMENTS.items()}         #: of an element
MLIR_BYTES: dict[str, int] = {e.mlir: e.bytes for e in ELEMENTS.values()}   #: of an element, by its spelling in MLIR

assert set(ELEMENTS) == set(DType) and len(BY_MLIR) == len(DType), "each element type once"
