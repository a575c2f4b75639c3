"""What an attention function registered with transformers does to scores before the softmax.

In: an attention module.  Out: `score_cap`, the bound c of scores where the function is softmax attention of c * tanh(score / c), 0.0 where it is of
the scores themselves; a FocusError for any other function.

Nothing is read from the function's text.  It is asked for the attention of one query over two keys in float64: the quotient of the two
probabilities is e to the difference of what became of two scores.  That says what the function does to a score; whether it does no more than that,
the comparison of the whole program with the model says (`check`).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from focus.runtime.spec.errors import FocusError

_PROBES = (-40.0, -3.0, -0.5, 0.0, 0.25, 1.0, 7.0, 80.0)       #: scores that are asked for: e^-80 is still a number of float32
_FAR = 60.0             #: the score whose value tells the bound
_CLOSE = 2e-6           #: relative, of what became of a score: float32 inside the function
_SMALLEST, _LARGEST = 1e-3, 1e6         #: bounds


class Sizes(NamedTuple):
    """Of an attention: query heads, key/value heads, width of a head, the factor of scores."""
    heads: int
    kv_heads: int
    dim: int
    scale: float


def score_cap(module: nn.Module, path: str, sizes: Callable[[nn.Module], Sizes]) -> float:
    """What bounds the scores of the attention `module` at `path`: c of c * tanh(score / c), 0.0 for nothing.  `sizes`: what tells those of a module.

    Raises FocusError for a registered function that is not softmax attention of scores, bounded or not.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
    name = getattr(getattr(module, "config", None), "_attn_implementation", None)
    function = ALL_ATTENTION_FUNCTIONS.get(name) if name not in (None, "eager") else None
    origin = getattr(function, "__module__", None) or type(function).__module__
    if function is None or origin.startswith("transformers."):
        return 0.0
    try:
        asked = _Asked(function, module, sizes(module))
        with torch.no_grad():
            cap = _bound(asked.became(_FAR))
            if all(math.isclose(asked.became(s), cap * math.tanh(s / cap) if cap else s, rel_tol=_CLOSE, abs_tol=_CLOSE) for s in _PROBES):
                return cap
    except Exception:       # whatever a function of the user's raises when it is called in another way than its model calls it
        pass
    raise FocusError(f"{path}: the attention '{name}' is a function of '{origin}' that is not softmax attention of scores, or of "
                     "c * tanh(score / c), and has no mapping; set_attn_implementation with one of transformers' own expected")


def _bound(far: float) -> float:
    """The c of which c * tanh(_FAR / c) is `far`, to six digits; 0.0 where scores stay as they are."""
    if math.isclose(far, _FAR, rel_tol=_CLOSE):
        return 0.0
    low, high = 0.0, _LARGEST       # c * tanh(s / c) grows with c
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.tanh(_FAR / middle) < far else (low, middle)
    if high < _SMALLEST:
        raise ValueError("scores that count expected")
    return float(f"{high:.6g}")


@dataclass(frozen=True)
class _Asked:
    """An attention function, and what it is called with."""
    function: Callable
    module: nn.Module
    sizes: Sizes

    def became(self, score: float) -> float:
        """What the function makes of a score, by its probability beside that of a score of 0, which stays 0."""
        ours, other = (self._probability(score, key) for key in (0, 1))
        if not math.isclose(ours + other, 1, rel_tol=_CLOSE):
            raise ValueError("probabilities expected")
        return math.log(ours / other)

    def _probability(self, score: float, key: int) -> float:
        """The probability that a query gives to one of two keys, whose scores are `score` and 0."""
        heads, kv_heads, dim, scale = self.sizes
        q, k, v = (torch.zeros(1, n, rows, dim, dtype=torch.float64) for n, rows in ((heads, 1), (kv_heads, 2), (kv_heads, 2)))
        q[..., 0], k[:, :, 0, 0], v[:, :, key] = score / scale, 1, 1
        visible: Tensor = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
        out = self.function(self.module, q, k, v, visible, scaling=scale, dropout=0.0)[0]
        one: Tensor = out[0, 0, 0, 0]
        if out.shape != (1, 1, heads, dim) or not bool((out == one).all()):
            raise ValueError("a probability for each head expected")
        return one.item()
