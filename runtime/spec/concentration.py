"""What to concentrate: the configuration of SEC (which tokens matter) and SIC (which vectors are new).

In: a preset name ("off", "sec", "sic", "full"), a TOML file, or field values.  Out: `Concentration`, checked against a model's depth; what it says
of one layer and site (`SiteSettings`); the same as a TOML file.  The algorithm it configures is stated in docs/algorithm.md.
"""
from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, read_toml
from focus.runtime.spec.geometry import SIDES
from focus.runtime.spec.isa import MAX_BLOCK_SIDE
from focus.runtime.spec.schema import Record
from focus.runtime.spec.sites import ALL_SITES, LARGEST_M_TILE, PUBLISHED_VECTOR, SITES, VISION_SITES, sees_all

PRESETS = ("off", "sec", "sic", "full")


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


def _choice(value: Any) -> Any:
    """A flag, or "auto"."""
    if isinstance(value, str) and value != "auto":
        raise ValueError(f"must be true, false or \"auto\", got {value!r}")
    return value if value == "auto" else _flag(value)


def _site(value: str) -> str:
    if value not in ALL_SITES:
        raise ValueError(f"no site of that name; {', '.join(ALL_SITES)} expected, got {value!r}")
    return value


def _m_tile(value: Any) -> Any:
    """A number of tokens, or "auto"."""
    if value == "auto":
        return value
    if isinstance(value, (str, bool)):
        raise ValueError(f"must be a number or \"auto\", got {value!r}")
    if not isinstance(value, (int, float, np.number)) or value != int(value) or not 1 <= value <= LARGEST_M_TILE:
        raise ValueError(f"must be a whole number from 1 to {LARGEST_M_TILE} or \"auto\", got {value!r}")
    return int(value)


Integer = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Side = Annotated[Integer, Field(ge=1, le=MAX_BLOCK_SIDE)]
Block = tuple[Side, Side, Side]
Threshold = Annotated[Real, Field(ge=0, le=1)]
LayerNumber = Annotated[Integer, Field(ge=0)]
MTile = Annotated[int | Literal["auto"], BeforeValidator(_m_tile)]
Choice = Annotated[bool | Literal["auto"], BeforeValidator(_choice)]


class SiteSettings(NamedTuple):
    """What SIC does at one site of one layer: whether it merges vectors, above which similarity, among which neighbours."""
    similarity: bool
    threshold: float
    block: tuple[int, int, int]


class Override(Record):
    """Other settings for some sites in the layers `first` to `last`, both included (None: the last layer); `sites` left out are all sites of the
    decoder.  Layers are those of the decoder, for sites of the vision tower those of the tower.  None keeps what holds without the override.
    Raises FocusError for an unknown site, an empty range, or one that sets nothing."""
    first: LayerNumber = 0
    last: LayerNumber | None = None
    sites: tuple[Annotated[str, AfterValidator(_site)], ...] = SITES
    threshold: Threshold | None = None
    block: Block | None = None
    similarity: Flag | None = None

    @model_validator(mode="after")
    def _check(self) -> Override:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"layers {self.first} to {self.last} are none; the first of a range comes first")
        if not self.sites or len(set(self.sites)) < len(self.sites):
            raise ValueError(f"sites {list(self.sites)}: one at least, and each once, expected")
        if not self.values():
            raise ValueError(f"sets nothing; one of {', '.join(SiteSettings._fields)} expected")
        return self

    def values(self) -> dict[str, Any]:
        """The settings that it changes, by their names."""
        return {name: getattr(self, name) for name in SiteSettings._fields if getattr(self, name) is not None}

    def check_depth(self, depth: int, tower: int | None) -> None:
        """Raise FocusError where its layers are none of a decoder of `depth` layers, or of a vision tower of `tower` layers (None: not known)."""
        for what, sites, layers in (("decoder", SITES, depth), ("vision tower", VISION_SITES, tower)):
            last = self.first if self.last is None else self.last
            if layers is not None and not set(sites).isdisjoint(self.sites) and last >= layers:
                has = f"the {what} has layers 0..{layers - 1}" if layers else f"there is no {what} to concentrate"
                raise FocusError(f"is about layer {last}, but {has}")

    def applies(self, layer: int, site: str) -> bool:
        """Whether it is about this site of this layer."""
        return site in self.sites and self.first <= layer and (self.last is None or layer <= self.last)


def _override(value: Any) -> Any:
    """A table as an override.  An error in it is reported with its place in the list."""
    try:
        return Override(**value) if isinstance(value, Mapping) else value
    except FocusError as e:
        raise ValueError(str(e).removeprefix("Override: ")) from None


class Concentration(Record):
    """One request's concentration.

    At each of `layers` (decoder layers, ascending) SEC keeps `int(V * alpha)` of the original V visual tokens, alpha from `alphas`.  With
    `similarity`, SIC merges vectors, pieces of `vector` elements of a row, whose cosine similarity with a neighbour in a `block` (frames, rows,
    columns) is above `threshold`, within tiles of `m_tile` retained visual tokens ("auto": the compiler chooses it).  `overrides` change
    `similarity`, `threshold` and `block` for some layers and sites; of several that are about the same, the last one counts.  In the vision tower
    vectors are merged only where an override says so.  With `hoist`, a layer that prunes does so before its queries: only keys and values are made
    of all tokens; without, after its attention ("auto": the compiler takes what costs less).  Raises FocusError for a value out of range.
    """
    layers: tuple[LayerNumber, ...] = ()
    alphas: tuple[Annotated[Real, Field(gt=0, le=1)], ...] = ()
    threshold: Threshold = 0.9
    block: Block = (2, 2, 2)
    vector: Integer = PUBLISHED_VECTOR
    m_tile: MTile = "auto"
    similarity: Flag = True
    hoist: Choice = "auto"
    overrides: tuple[Annotated[Override, BeforeValidator(_override)], ...] = ()

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
        """Whether similar vectors are merged, at one site at least."""
        return self.similarity or any(o.similarity for o in self.overrides)

    @property
    def rows_of_tile(self) -> int:
        """The m-tile; of one that is left open, the largest."""
        return LARGEST_M_TILE if self.m_tile == "auto" else self.m_tile

    @property
    def hoists(self) -> bool:
        """Whether a layer prunes before its queries; where that is left open, it does."""
        return self.hoist is not False

    def fixed(self, m_tile: int | None = None, hoist: bool = True) -> Concentration:
        """Itself with nothing left open: an open m-tile is this one or, without one, the largest; an open `hoist` is this one."""
        return self.model_copy(update={"m_tile": (m_tile or LARGEST_M_TILE) if self.m_tile == "auto" else self.m_tile,
                                       "hoist": hoist if self.hoist == "auto" else self.hoist})

    @property
    def vision(self) -> bool:
        """Whether similar vectors are merged in the vision tower."""
        return any(o.similarity and not set(VISION_SITES).isdisjoint(o.sites) for o in self.overrides)

    def at(self, layer: int, site: str) -> SiteSettings:
        """What SIC does at a site of a layer, of the decoder or of the vision tower."""
        settings = SiteSettings(self.similarity and site in SITES, self.threshold, self.block)
        for override in self.overrides:
            if override.applies(layer, site):
                settings = settings._replace(**override.values())
        return settings

    def everywhere(self, layer: int, site: str) -> Concentration:
        """The concentration that merges at all sites as this one does at a site of a layer."""
        return self.model_copy(update={**self.at(layer, site)._asdict(), "overrides": ()})

    def sees_all(self, site: str) -> bool:
        """Whether a site of a layer that prunes has the tokens from before."""
        return sees_all(site, self.hoists)

    def alike(self, other: Concentration, depth: int) -> int:
        """How many of the first of `depth` decoder layers this and another concentration do the same in, the vision tower being dense in both."""
        if (self.vector, self.m_tile, self.hoists) != (other.vector, other.m_tile, other.hoists) or self.vision or other.vision:
            return 0
        same = (self.alpha(layer) == other.alpha(layer) and all(self.at(layer, s) == other.at(layer, s) or not (
            self.at(layer, s).similarity or other.at(layer, s).similarity) for s in SITES) for layer in range(depth))
        return next((layer for layer, one in enumerate(same) if not one), depth)

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

    def check_depth(self, depth: int, tower: int | None = None) -> Concentration:
        """Itself, if the layers it names exist in a decoder of `depth` layers, and in a vision tower of `tower` layers (None: not known).  Raises
        FocusError."""
        if self.layers and self.layers[-1] >= depth:
            raise FocusError(f"Concentration: layer {self.layers[-1]} is selected, but the decoder has layers 0..{depth - 1}")
        for number, override in enumerate(self.overrides):
            try:
                override.check_depth(depth, tower)
            except FocusError as e:
                raise FocusError(f"Concentration: overrides.{number}: {e}") from None
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

    def save(self, path: str | os.PathLike) -> None:
        """Write a TOML file that `load` reads: fields that are not as they are by default, then a table an override.  Raises FocusError."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.to_toml(), encoding="utf-8")

    def to_toml(self) -> str:
        """The text of such a file."""
        lines = [f"{name} = {_toml(value)}" for name, value in self.model_dump(exclude_defaults=True, exclude={"overrides"}).items()]
        for override in self.overrides:
            lines += ["", "[[overrides]]", *(f"{name} = {_toml(value)}" for name, value in override.model_dump(exclude_defaults=True).items())]
        return "\n".join(lines).lstrip("\n") + "\n"

    @classmethod
    def resolve(cls, spec: Concentration | str | os.PathLike, depth: int, tower: int | None = None) -> Concentration:
        """The configuration meant by a preset name, the path of a TOML file, or a Concentration, checked against the depth of the model's decoder
        and of its vision tower (None: not known).

        Raises FocusError when it is none of these or does not fit.
        """
        if isinstance(spec, Concentration):
            return spec.check_depth(depth, tower)
        if not isinstance(spec, (str, os.PathLike)):
            raise FocusError(f"concentration is a {type(spec).__name__}; a preset name, a file or a focus.Concentration expected")
        if str(spec) in PRESETS:
            return cls.preset(str(spec), depth)
        if not Path(spec).suffix and not Path(spec).exists():
            raise FocusError(f"concentration '{spec}' is neither one of {', '.join(PRESETS)} nor a file")
        loaded = cls.load(spec)
        try:
            return loaded.check_depth(depth, tower)
        except FocusError as e:
            raise FocusError(f"{spec}: {e}") from None


def _toml(value: Any) -> str:
    """A number, a flag, a site or a list of these in TOML, which writes them as JSON does."""
    return json.dumps(value)


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
