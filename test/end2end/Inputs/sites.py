"""Random settings for every layer and site.

In: a random generator, layers of a decoder and of a vision tower.  Out: `random_sites`, a Concentration that prunes at some layers and has settings of
its own, or none, at every site of every layer.
"""
from __future__ import annotations

import numpy as np

from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.sites import SITES, VISION_SITES

BLOCKS = [(2, 2, 2), (2, 1, 1), (1, 2, 2), (1, 1, 2), (1, 2, 1), (2, 2, 1)]


def random_sites(rng: np.random.Generator, depth: int, tower: int = 0) -> Concentration:
    """A third of the sites merge nothing, the others above a similarity of .7 to .98 in blocks of six kinds; m-tiles of 16 to 1024 tokens.  `depth`, `tower`:
    layers of the decoder and of the vision tower that have sites."""
    layers = [layer for layer in range(depth) if rng.random() < 0.5]
    alphas = sorted(rng.uniform(0.15, 0.8, len(layers)), reverse=True)
    overrides = [dict(first=layer, last=layer, sites=[site], similarity=bool(rng.random() < 0.67), threshold=float(rng.uniform(0.7, 0.98)),
                      block=BLOCKS[rng.integers(len(BLOCKS))]) for layers_, sites in ((depth, SITES), (tower, VISION_SITES)) for layer in range(layers_) for site in sites]
    return Concentration(layers=layers, alphas=alphas, similarity=False, m_tile=int(rng.choice([16, 48, 1024])), overrides=overrides)
