"""What is computed once for each request, in parallel: what its model hands to the decoder, and what the dense model makes of it.

In: a model, requests.  Out: `prepared` -> `Prepared`: a `Dense` for each, and how far storage in fp16 alone goes; `identity`, sums that tell them
from others.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from focus.compiler.evaluate.workers import Workers, computed
from focus.compiler.truth.fidelity import Dense, Distance
from focus.compiler.truth.reference import Front
from focus.runtime.spec.errors import FocusError

Requests = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """The dense model on each request; the distance of the dense model with storage in fp16, of those requests for which it was asked."""
    dense: dict[str, Dense]
    storage: dict[str, Distance]


def prepared(model: nn.Module, requests: Requests, stored: frozenset[str], options: tuple[int, Workers],
             tell: Callable[[int, int], None]) -> Prepared:
    """Run the dense model on all requests, with storage in fp16 too on those `stored`.

    options: tokens to generate; who computes.  tell: told how many requests are done, of how many.  Raises FocusError naming the request.
    """
    generate, workers = options
    torch.set_num_threads(1)            # processes that are forked must not use threads of their parent's
    results = computed(partial(_prepare, model, requests, stored, generate), {name: name for name in requests}, workers, None,
                       lambda done, of, who: tell(done, of))
    out = Prepared({}, {})
    for name, (arrays, tokens, distance) in zip(requests, results):
        hidden, cos, sin, likely, generated, *deep = map(torch.from_numpy, arrays)
        out.dense[name] = Dense(Front(model, tokens, "float32", hidden, cos, sin, tuple(deep)), likely, tuple(generated.tolist()))
        if distance is not None:
            out.storage[name] = distance
    return out


def _prepare(model: nn.Module, requests: Requests, stored: frozenset[str], generate: int, name: str) -> tuple[list[np.ndarray], Any, Distance | None]:
    try:
        dense = Dense.of(model, requests[name], generate)
        distance = dense.distance(Front.of(model, requests[name], "float16", generate).run("off")) if name in stored else None
    except FocusError as e:
        raise FocusError(f"{name}: {e}") from None
    front = dense.front
    tensors = front.hidden, front.cos, front.sin, dense.log_probabilities, torch.tensor(dense.generated, dtype=torch.int64), *front.deep
    return [t.contiguous().numpy() for t in tensors], front.tokens, distance


def identity(model: nn.Module, requests: Requests) -> dict[str, str]:
    """A sum over the parameters of a model, and one over the inputs of each request."""
    sums = {"model": _sum(dict(model.named_parameters()))}
    return sums | {name: _sum({k: torch.as_tensor(v) for k, v in inputs.items() if v is not None}) for name, inputs in requests.items()}


def _sum(tensors: Mapping[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
