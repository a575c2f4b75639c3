"""What to concentrate: the configuration of SEC (which tokens matter) and SIC (which vectors are new).

In: a preset name ("off", "sec", "sic", "full"), a TOML file, or field values.  Out: `Concentration`, checked against a model's depth.
The algorithm it configures is stated in docs/algorithm.md.
"""
from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import read_toml
from focus.runtime.spec.geometry import SIDES
from focus.runtime.spec.isa import MAX_BLOCK_SIDE
from focus.runtime.spec.schema import Record

PRESETS = ("off", "sec", "sic", "full")
LARGEST_M_TILE = 1024
PUBLISHED_VECTOR = 32               #: elements of a vector in the authors' implementation

# Default schedule (authors' implementation, any model without a schedule of its own), for a decoder of 28 layers.
_DEFAULT_DEPTH = 28
_DEFAULT_LAYERS = (2, 5, 8, 16, 25)
_DEFAULT_ALPHAS = (0.4, 0.3, 0.2, 0.15, 0.1)


def _number(value: Any) -> Any:
    """The value, if it is no text and no boolean, which would convert to numbers (those of numpy may)."""
    if isinstance(value, (str, bool)):
        raise ValueError(f"must be a number, got {value!r}")
    return value


def _flag(value: Any) -> Any:
    """The value, if it is no text and no number, which would convert to booleans (those of numpy may)."""
    if isinstance(value, (str, float, int)) and not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r}")
    return value


Integer = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
Side = Annotated[Integer, Field(ge=1, le=MAX_BLOCK_SIDE)]


class Concentration(Record):
    """One request's concentration.

    At each of `layers` (decoder layers, ascending) SEC keeps `int(V * alpha)` of the original V visual tokens, alpha from `alphas`.  With
    `similarity`, SIC merges vectors, pieces of `vector` elements of a row, whose cosine similarity with a neighbour in a `block` (frames, rows,
    columns) is above `threshold`, within tiles of `m_tile` retained visual tokens.  Raises FocusError for a value out of range.
    """
    layers: tuple[Annotated[Integer, Field(ge=0)], ...] = ()
    alphas: tuple[Annotated[Real, Field(gt=0, le=1)], ...] = ()
    threshold: Annotated[Real, Field(ge=0, le=1)] = 0.9
    block: tuple[Side, Side, Side] = (2, 2, 2)
    vector: Integer = PUBLISHED_VECTOR
    m_tile: Annotated[Integer, Field(ge=1, le=LARGEST_M_TILE)] = LARGEST_M_TILE
    similarity: Annotated[bool, BeforeValidator(_flag)] = True

    @model_validator(mode="after")
    def _check(self) -> Concentration:
        if len(self.layers) != len(self.alphas):
            raise ValueError(f"{len(self.layers)} layers but {len(self.alphas)} alphas; one alpha for each layer expected")
        if any(a >= b for a, b in zip(self.layers, self.layers[1:])):
            raise ValueError(f"layers {list(self.layers)} must be ascending, each layer once")
        if self.vector not in SIDES:
            raise ValueError(f"vector is {self.vector}; {', '.join(map(str, SIDES[:-1]))} or {SIDES[-1]} elements expected")
        return self

    @property
    def sec(self) -> bool:
        """Whether tokens are pruned."""
        return bool(self.layers)

    @property
    def sic(self) -> bool:
        """Whether similar vectors are merged."""
        return self.similarity

    def alpha(self, layer: int) -> float | None:
        """The ratio of a selected layer; None where nothing is pruned."""
        return dict(zip(self.layers, self.alphas)).get(layer)

    def keep(self, layer: int, original: int, retained: int) -> int:
        """How many of `retained` visual tokens are left after `layer`, of `original` in the request."""
        alpha = self.alpha(layer)
        return retained if alpha is None or not retained else max(1, min(int(original * alpha), retained))

    def retained(self, depth: int, visual: int) -> list[int]:
        """Visual tokens seen by each of `depth` layers' attention, and last those that reach the end."""
        counts = [visual]
        for layer in range(depth):
            counts.append(self.keep(layer, visual, counts[-1]))
        return counts

    def check_depth(self, depth: int) -> Concentration:
        """Itself, if the selected layers exist in a decoder of `depth` layers.  Raises FocusError."""
        if self.layers and self.layers[-1] >= depth:
            raise FocusError(f"Concentration: layer {self.layers[-1]} is selected, but the decoder has layers 0..{depth - 1}")
        return self

    @classmethod
    def preset(cls, name: str, depth: int) -> Concentration:
        """"off", "sec" (default schedule), "sic" (threshold 0.9) or "full" (both) for a decoder of `depth` layers.  Raises FocusError."""
        if name not in PRESETS:
            raise FocusError(f"concentration '{name}' is none of {', '.join(PRESETS)}")
        layers, alphas = default_schedule(depth) if name in ("sec", "full") else ((), ())
        return cls(layers=layers, alphas=alphas, similarity=name in ("sic", "full"))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Concentration:
        """From a TOML file with the fields of this class; fields left out keep their defaults.  Raises FocusError naming the file."""
        values = read_toml(path)
        try:
            return cls(**values)
        except FocusError as e:
            raise FocusError(f"{path}: {e}") from None

    @classmethod
    def resolve(cls, spec: Concentration | str | os.PathLike, depth: int) -> Concentration:
        """The configuration meant by a preset name, the path of a TOML file, or a Concentration, checked against the model's depth.

        Raises FocusError when it is none of these or does not fit.
        """
        if isinstance(spec, Concentration):
            return spec.check_depth(depth)
        if not isinstance(spec, (str, os.PathLike)):
            raise FocusError(f"concentration is a {type(spec).__name__}; a preset name, a file or a focus.Concentration expected")
        if str(spec) in PRESETS:
            return cls.preset(str(spec), depth)
        if not Path(spec).suffix and not Path(spec).exists():
            raise FocusError(f"concentration '{spec}' is neither one of {', '.join(PRESETS)} nor a file")
        loaded = cls.load(spec)
        try:
            return loaded.check_depth(depth)
        except FocusError as e:
            raise FocusError(f"{spec}: {e}") from None


def default_schedule(depth: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Selected layers and ratios of the default schedule, scaled from 28 layers to `depth` and rounded to the nearest layer.

    In a decoder so shallow that two selected layers coincide, that layer prunes at once to the smaller of the two ratios.
    """
    if depth < 1:
        raise FocusError(f"Concentration: a decoder of {depth} layers has none to select")
    schedule: dict[int, float] = {}
    for layer, alpha in zip(_DEFAULT_LAYERS, _DEFAULT_ALPHAS):
        schedule[min(math.floor(layer * depth / _DEFAULT_DEPTH + 0.5), depth - 1)] = alpha
    return tuple(schedule), tuple(schedule.values())
