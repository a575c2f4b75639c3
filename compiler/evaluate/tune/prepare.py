"""What is computed once for each request, in parallel: what its model hands to the decoder, and what the dense model makes of it.

In: a model, requests.  Out: `prepared` -> `Prepared`: a `Dense` for each, and how far storage in fp16 alone goes; `identity`, sums that tell them
from others.
"""
from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from focus.compiler.evaluate.tune.pool import processes
from focus.compiler.truth.fidelity import Dense, Distance
from focus.compiler.truth.reference import Front
from focus.runtime.spec.errors import FocusError

Requests = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """The dense model on each request; the distance of the dense model with storage in fp16, of those requests for which it was asked."""
    dense: dict[str, Dense]
    storage: dict[str, Distance]


def prepared(model: nn.Module, requests: Requests, stored: frozenset[str], options: tuple[int, int], tell: Callable[[int, int], None]) -> Prepared:
    """Run the dense model on all requests, with storage in fp16 too on those `stored`.

    options: tokens to generate; processes.  tell: told how many requests are done, of how many.  Raises FocusError naming the request.
    """
    generate, jobs = options
    _shared.update(model=model, requests=requests, generate=generate)
    out = Prepared({}, {})
    executor = processes(jobs)
    with executor or contextlib.nullcontext():
        results = {name: executor.submit(_prepare, name, name in stored).result if executor else partial(_prepare, name, name in stored)
                   for name in requests}
        for done, (name, result) in enumerate(results.items()):
            tell(done, len(results))
            arrays, tokens, distance = result()
            hidden, cos, sin, likely, generated, *deep = map(torch.from_numpy, arrays)
            out.dense[name] = Dense(Front(model, tokens, "float32", hidden, cos, sin, tuple(deep)), likely, tuple(generated.tolist()))
            if distance is not None:
                out.storage[name] = distance
    return out


_shared: dict[str, Any] = {}                    #: what processes are forked with


def _prepare(name: str, stored: bool) -> tuple[list[np.ndarray], Any, Distance | None]:
    model, inputs, generate = _shared["model"], _shared["requests"][name], _shared["generate"]
    try:
        dense = Dense.of(model, inputs, generate)
        distance = dense.distance(Front.of(model, inputs, "float16", generate).run("off")) if stored else None
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
