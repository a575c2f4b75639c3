"""The sites of a layer at which values are concentrated, and the default sizes of their vectors and m-tiles.

In: nothing.  Out: these names and numbers.  They are apart from the configuration (`concentration.py`) because the dialects need them and load
without pydantic.
"""
from typing import Literal, get_args

DecoderSite = Literal["q_proj", "query", "o_proj", "gate_proj", "down_proj"]
VisionSite = Literal["vision.q_proj", "vision.query", "vision.o_proj", "vision.fc1", "vision.fc2"]
SiteName = Literal[DecoderSite, VisionSite]
SITES: tuple[str, ...] = get_args(DecoderSite)          #: the values SIC concentrates in a decoder layer, in execution order
VISION_SITES: tuple[str, ...] = get_args(VisionSite)    #: those of a layer of the vision tower, where a request asks for it
ALL_SITES = SITES + VISION_SITES
ATTENTION_SITES = SITES[:3]         #: of the decoder's, those before the MLP
KEY_SITES = SITES[:1]               #: of the decoder's, those that keys and values are made from
PUBLISHED_VECTOR = 32               #: elements of a vector in the authors' implementation
PUBLISHED_M_TILE = 1024             #: retained visual tokens of a tile there (docs/machine.md)
LARGEST_M_TILE = 1024               #: most retained visual tokens of a tile


def sees_all(site: str, hoist: bool) -> bool:
    """Whether a site of a layer that prunes has the tokens from before: all before the MLP, or with `hoist` only what keys and values read."""
    return site in (KEY_SITES if hoist else ATTENTION_SITES)
