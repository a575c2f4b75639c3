"""The sites of a decoder layer at which values are concentrated, and the default sizes of their vectors and m-tiles.

In: nothing.  Out: these names and numbers.  They are apart from the configuration (`concentration.py`) because the dialects need them and load
without pydantic.
"""
from typing import Literal, get_args

SiteName = Literal["q_proj", "query", "o_proj", "gate_proj", "down_proj"]      #: the values SIC concentrates in a decoder layer, in execution order
SITES: tuple[str, ...] = get_args(SiteName)
ATTENTION_SITES = SITES[:3]         #: of them, those before the MLP
KEY_SITES = SITES[:1]               #: of them, those that keys and values are made from
PUBLISHED_VECTOR = 32               #: elements of a vector in the authors' implementation
LARGEST_M_TILE = 1024               #: most retained visual tokens of a tile


def sees_all(site: str, hoist: bool) -> bool:
    """Whether a site of a layer that prunes has the tokens from before: all before the MLP, or with `hoist` only what keys and values read."""
    return site in (KEY_SITES if hoist else ATTENTION_SITES)
