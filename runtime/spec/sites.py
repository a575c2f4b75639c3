"""The sites of a decoder layer at which values are concentrated, and the default sizes of their vectors and m-tiles.

In: nothing.  Out: these names and numbers.  They are apart from the configuration (`concentration.py`) because the dialects need them and load
without pydantic.
"""
from typing import Literal, get_args

SiteName = Literal["q_proj", "query", "o_proj", "gate_proj", "down_proj"]      #: the values SIC concentrates in a decoder layer, in execution order
SITES: tuple[str, ...] = get_args(SiteName)
ATTENTION_SITES = SITES[:3]         #: of them, those that see the tokens from before the layer prunes
PUBLISHED_VECTOR = 32               #: elements of a vector in the authors' implementation
LARGEST_M_TILE = 1024               #: most retained visual tokens of a tile
