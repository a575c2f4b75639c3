"""Similarity concentration in the model's own vision tower: hooks that merge the rows that its modules read.

In: the modules of each layer (`Family.vision_sites`), where the rows of each run of the tower are in their pictures, settings.  Out:
`concentrated_tower`, a context in which the model's own forward computes with a concentrated tower, and a `Record` of what was found.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from focus.compiler.frontend.families.base import VisionModules
from focus.compiler.frontend.layout import TowerRows
from focus.compiler.truth.similarity import Record
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError

ROTATION = "apply_rotary_pos_emb_vision"        #: function of a module of transformers that rotates queries and keys inside an attention


class _Sites:
    """Merges rows as the forward comes to them.  Runs of the tower follow one another, each beginning with the first layer's attention; layers of a
    second run are numbered on."""

    def __init__(self, layers: int, towers: Sequence[TowerRows], settings: Concentration, record: Record):
        self.layers, self.towers, self.settings, self.record = layers, towers, settings, record
        self.run, self.layer = -1, 0

    def begin(self, layer: int) -> None:
        self.run, self.layer = self.run + (layer == 0), layer

    def merged(self, site: str, x: Tensor) -> Tensor:
        """Rows x [..., width] of the layer under way."""
        if not self.settings.at(self.layer, site).similarity:
            return x
        rows = x.reshape(-1, x.shape[-1])
        if self.run >= len(self.towers) or len(rows) != len(self.towers[self.run].ids):
            raise FocusError(f"the vision tower: {len(rows)} rows in layer {self.layer}, which its pictures do not make")
        tower = self.towers[self.run]
        settings = self.settings.everywhere(self.layer, site)
        return self.record.merge(f"{self.run * self.layers + self.layer}/{site}", rows, tower.ids, tower.tokens, settings).view(x.shape)


@contextmanager
def concentrated_tower(layers: Sequence[VisionModules], towers: Sequence[TowerRows], settings: Concentration, record: Record) -> Iterator[None]:
    """Run the block with hooks on the tower's modules.  Raises FocusError for rows that are not those of the pictures."""
    sites = _Sites(len(layers), towers, settings, record)
    with ExitStack() as contexts:
        for number, layer in enumerate(layers):
            contexts.callback(layer.attention.register_forward_pre_hook(_attention(sites, number), with_kwargs=True).remove)
            for site, module in (("vision.o_proj", layer.output), ("vision.fc1", layer.mlp), ("vision.fc2", layer.last)):
                contexts.callback(module.register_forward_pre_hook(_input(sites, site)).remove)
            if layer.query is not None:
                contexts.callback(layer.query.register_forward_hook(lambda _module, _args, output: sites.merged("vision.query", output)).remove)
        if layers and layers[0].query is None:
            contexts.enter_context(_rotated(layers[0].attention, sites))
        yield


def _attention(sites: _Sites, number: int) -> Callable:
    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        sites.begin(number)
        if args:
            return (sites.merged("vision.q_proj", args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": sites.merged("vision.q_proj", kwargs["hidden_states"])}
    return hook


def _input(sites: _Sites, site: str) -> Callable:
    return lambda _module, args: (sites.merged(site, args[0]), *args[1:])


@contextmanager
def _rotated(attention: nn.Module, sites: _Sites) -> Iterator[None]:
    """Run the block with queries merged after the attention's own module of transformers has rotated them: q and k [rows, heads, d]."""
    spaces = [vars(sys.modules[kind.__module__]) for kind in type(attention).__mro__]
    space = next(names for names in spaces if ROTATION in names)
    rotate = space[ROTATION]

    def rotated(q: Tensor, k: Tensor, *tables: Tensor) -> tuple[Tensor, Tensor]:
        q, k = rotate(q, k, *tables)
        return sites.merged("vision.query", sites.record.stored(q).flatten(1)).view(q.shape), k
    space[ROTATION] = rotated
    try:
        yield
    finally:
        space[ROTATION] = rotate
