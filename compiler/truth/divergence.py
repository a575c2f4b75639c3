"""Where a run begins to differ from the model: what modules take and give in the middle of it, compared with PyTorch's modules of the same paths.

In: a program, the model, and inputs.  Out: `check` -> `Divergence`.

The binary lists which values in DRAM are just what a module of the model takes or gives (`memory_map.values`); the others are parts of modules, or
fused.  PyTorch's are those of the reference, which follows the run's own choices of tokens and vectors, so that only arithmetic is compared.
How much fp16 explains depends on the model and on the place in it: the reference runs with fp16 storage too, and `ROOM` times what that
moves a value, but at least `LEAST`, is allowed.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from focus.compiler.frontend.families.base import decoder_of
from focus.compiler.truth.agreement import ROOM
from focus.compiler.truth.reference import Front
from focus.runtime.run.executable import Executable
from focus.runtime.run.fxb import HeldValue
from focus.runtime.spec.errors import FocusError, one_line

#: Least relative L2 difference that means anything: the reference rounds between modules, the accelerator at other places too (attention's
#: probabilities, the halves of a SwiGLU), each by 2^-12 of a value on average.
LEAST = 1e-3
_LAYER = re.compile(r"\.layers\.(\d+)\.")


@dataclass(frozen=True)
class Compared:
    """One value of the run: the module path it was computed for, what it is in the model ("output of <path>", "input of <path>"), its
    relative L2 difference to PyTorch's, and how much fp16 explains."""
    module: str
    holds: str
    error: float
    allowed: float

    @property
    def differs(self) -> bool:
        return not self.error <= self.allowed               # NaN differs


@dataclass(frozen=True)
class Divergence:
    """All values that could be compared, in the order in which the program makes them, and how many could not."""
    values: tuple[Compared, ...]
    skipped: int

    @property
    def first(self) -> Compared | None:
        """The first value that differs more than fp16 explains, or None."""
        return next((v for v in self.values if v.differs), None)

    def modules(self) -> dict[str, Compared]:
        """The value with the largest share of its allowance, by module path, in program order."""
        worst: dict[str, Compared] = {}
        for v in self.values:
            if v.module not in worst or not v.error / v.allowed <= worst[v.module].error / worst[v.module].allowed:
                worst[v.module] = v
        return worst

    def __str__(self) -> str:
        if self.first is None:
            return f"{len(self.values)} values of modules are PyTorch's, as far as fp16 tells"
        return (f"{self.first.module} is the first that differs: the {self.first.holds} by {self.first.error:.1e} (relative L2 difference), of which "
                f"fp16 explains {self.first.allowed:.1e}")


@one_line
def check(exe: Executable, model: nn.Module, inputs: Mapping[str, Any]) -> Divergence:
    """Run a program and compare what its modules take and give with PyTorch's.

    exe: compiled of `model`, or of what should be the same.  inputs: those of the model's forward.  Raises FocusError for a program that was compiled
    without parameter values, one that says nothing of its values, and a model that the program is not of.
    """
    if not isinstance(exe, Executable):
        raise FocusError(f"exe: an Executable expected, got {type(exe).__name__}")
    values = exe.binary.memory_map.values
    if not values:
        raise FocusError(f"{exe.binary.model or 'the program'} says of no value what it is in the model; compile it anew")
    result, found = exe.run_with_values(inputs)
    exact = _Recorded.of(model, inputs, exe, result.trace, "float32")
    stored = _Recorded.of(model, inputs, exe, result.trace, "float16")
    compared = []
    for value, ours in zip(values, found):
        wanted, rounded = exact.value(value), stored.value(value)
        if wanted is not None and rounded is not None:
            error, moved = _distance(ours, wanted), _distance(rounded, wanted)
            compared.append(Compared(value.name, value.holds, error, max(LEAST, ROOM * moved)))
    if not compared:
        raise FocusError(f"no value of the program is one of the model {type(model).__name__}; is it compiled of another model?")
    logits = _distance(result.outputs["logits"], exact.logits), _distance(stored.logits, exact.logits)
    compared.append(Compared("logits", "output of the model", logits[0], max(LEAST, ROOM * logits[1])))
    return Divergence(tuple(compared), len(values) + 1 - len(compared))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative L2 difference of two arrays of equally many elements; infinite values that are equal do not differ."""
    a, b = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0, a - b)
    size = np.linalg.norm(b[np.isfinite(b)])
    return float(np.linalg.norm(difference) / max(size, np.finfo(np.float32).tiny))


# ---- PyTorch's values ------------------------------------------------------------------------------------------------------------
@dataclass
class _Call:
    """What a module took and gave, flattened to rows."""
    taken: Tensor | None
    given: Tensor | None


@dataclass
class _Recorded:
    """What each module of the reference took and gave, by path; the logits; and which rows the decoder's layers had."""
    calls: dict[str, _Call]
    logits: np.ndarray
    trace: Mapping[str, np.ndarray]
    visual: np.ndarray              #: places of the visual tokens in the sequence
    text: np.ndarray                #: of the others
    decoder: str                    #: path of the decoder

    @classmethod
    def of(cls, model: nn.Module, inputs: Mapping[str, Any], exe: Executable, trace: Mapping[str, np.ndarray], storage: str) -> _Recorded:
        with _recording() as calls:
            front = Front.of(model, inputs, storage)
            run = front.run(exe.concentration, trace)
            logits = run.logits().numpy()
        decoder = _path_of(front.model, decoder_of(front.model))
        head = _path_of(front.model, front.model.get_submodule("lm_head"))
        roots = [("", front.model), (decoder, run.decoder), (head, run.head)]
        by_path = {".".join(filter(None, (root, path))): calls[module] for root, tree in roots for path, module in tree.named_modules()
                   if module in calls}
        mask = front.tokens.visual_mask()
        return cls(by_path, logits, run.trace, np.flatnonzero(mask), np.flatnonzero(~mask), decoder)

    def value(self, value: HeldValue) -> np.ndarray | None:
        """PyTorch's values of one in the program, its rows in the program's order; None where it has no counterpart of this size."""
        what, path = value.holds.split(" of ", 1)
        call = self.calls.get(path)
        tensor = (call.taken if what == "input" else call.given) if call else None
        if tensor is None:
            return None
        rows, columns = value.shape
        theirs = tensor.reshape(-1, tensor.shape[-1]).float().numpy()
        layer = _LAYER.match(path[len(self.decoder):]) if path.startswith(f"{self.decoder}.") else None
        if layer is None:
            return theirs if theirs.size == rows * columns else None
        before, after = (self.trace[f"retained/{layer[1]}/{site}"] for site in ("q_proj", "gate_proj"))
        had = next((ids for ids in (before, after) if len(ids) + len(self.text) == len(theirs)), None)
        has = next((ids for ids in (before, after) if len(ids) + len(self.text) == rows), None)
        if had is None or has is None or theirs.shape[1] != columns:
            return None
        places = np.sort(np.concatenate((self.visual[had], self.text)))
        return theirs[np.searchsorted(places, np.concatenate((self.visual[has], self.text)))]


def _path_of(root: nn.Module, module: nn.Module) -> str:
    return next(path for path, other in root.named_modules() if other is module)


@contextmanager
def _recording() -> Iterator[dict[nn.Module, _Call]]:
    """What each module that runs in the block takes and gives, of its last call."""
    calls: dict[nn.Module, _Call] = {}

    def hook(module: nn.Module, args: tuple, output: Any) -> None:
        taken, given = args[0] if args else None, output[0] if isinstance(output, tuple) else output
        calls[module] = _Call(*(x.detach() if isinstance(x, Tensor) and x.is_floating_point() and x.ndim else None for x in (taken, given)))

    handle = register_module_forward_hook(hook)
    try:
        with torch.no_grad():
            yield calls
    finally:
        handle.remove()
