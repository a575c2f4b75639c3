"""Base class of the typed records that travel in configuration files and in `.fxb` metadata.

In: field values or JSON.  Out: `Record`, an immutable pydantic model whose complaints are one-line FocusErrors.
"""
from __future__ import annotations

import json
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError

from focus.runtime.spec.errors import FocusError

# Bounds of the numbers and names that files carry: far beyond any program, and such that sums and products of some of them fit 64 bits.
MOST_ADDRESS, MOST_SIZE = 2 ** 48, 2 ** 31
Address = Annotated[int, Field(ge=0, le=MOST_ADDRESS)]      #: a byte address, or a number of bytes
Size = Annotated[int, Field(gt=0, le=MOST_SIZE)]            #: of one dimension
Number = Annotated[int, Field(ge=0, le=MOST_SIZE)]          #: how many, or the number of something


def _shown(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"the name {name!r} has control characters")
    return name


Text = Annotated[str, Field(max_length=4096), AfterValidator(_shown)]     #: text that may be shown on a terminal
Name = Annotated[Text, Field(min_length=1)]                               #: of a tensor, a file, a module


T = TypeVar("T")
Many = Annotated[tuple[T, ...], FailFast()]                 #: any number of values; only the first wrong value is reported


class Record(BaseModel):
    """Frozen, with unknown fields forbidden; constructing or parsing a wrong one raises FocusError `<Class>: <field>: <what is wrong>`."""
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values):          # "self" is a key that a file may have
        try:
            super().__init__(**values)
        except ValidationError as e:
            raise FocusError(f"{type(self).__name__}: {explain(e)}") from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record a JSON object describes.  Raises FocusError."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as e:
            raise FocusError(f"{cls.__name__}: no JSON: {e}") from None
        if not isinstance(values, dict):
            raise FocusError(f"{cls.__name__}: a JSON object expected, not {type(values).__name__}")
        return cls(**values)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def explain(error: ValidationError) -> str:
    """The first complaint of a pydantic error as one line: where it is, what was expected, and what is there."""
    first = error.errors(include_url=False)[0]
    place, kind, given = ".".join(str(part) for part in first["loc"]), first["type"], repr(first.get("input"))
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should ", "must ", 1).replace("valid tuple", "list")
    if kind in ("missing", "extra_forbidden"):
        message = {"missing": "missing value", "extra_forbidden": "unknown key"}[kind]
    elif kind != "value_error":
        message += f", got {given if len(given) <= 60 else given[:60] + '...'}"
    message = message.replace("\n", " ")
    return f"{place}: {message}" if place else message
