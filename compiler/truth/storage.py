"""A model's values as a machine stores them: arithmetic in float32, but weights and whatever a module hands on rounded to fp16 (or bf16).

In: a model, inputs and the name of a storage.  Out: `as_stored`, the model with weights that the storage holds; `stored_outputs`, a context in
which its modules hand on such values; `check_storage`.

How far that is from float32 says what such storage alone does to a model, on any machine.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from focus.runtime.spec.errors import FocusError

#: storage -> what becomes of a value that is stored
STORED: dict[str, Callable[[Tensor], Tensor]] = {
    "float32": lambda x: x, "float16": lambda x: x.half().float(), "bfloat16": lambda x: x.bfloat16().float()}


def check_storage(storage: object) -> None:
    """Raise FocusError for what is no storage."""
    if not isinstance(storage, str) or storage not in STORED:
        raise FocusError(f"storage {repr(storage).splitlines()[0]}: one of {', '.join(STORED)} expected")


class _BetweenModules(TorchDispatchMode):
    """Sums and products that a module makes between those inside it (residuals, gated products), rounded to the storage."""

    def __init__(self, storage: str):
        super().__init__()
        self.stored, self.inside = STORED[storage], 0       # what is under way whose result is rounded as a whole

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Run the block, which rounds by itself what it hands on."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if self.inside == 0 and func in (torch.ops.aten.add.Tensor, torch.ops.aten.mul.Tensor) and result.dtype == torch.float32:
            return self.stored(result)
        return result


@contextmanager
def stored_outputs(modules: Iterable[nn.Module], storage: str, between: bool = False) -> Iterator[_BetweenModules]:
    """Run the block with the results of the innermost of `modules` rounded to the storage, and, if so asked, of what is `between` them."""
    mode = _BetweenModules(storage)

    def enter(_module, _inputs):
        mode.inside += 1

    def rounded(_module, _inputs, output):
        mode.inside -= 1
        return STORED[storage](output) if isinstance(output, Tensor) and output.is_floating_point() else output
    with ExitStack() as contexts:
        if storage != "float32":
            for module in modules:
                if not list(module.children()):
                    contexts.callback(module.register_forward_pre_hook(enter).remove)
                    contexts.callback(module.register_forward_hook(rounded).remove)
            if between:
                contexts.enter_context(mode)
        yield mode


def as_stored(model: nn.Module, inputs: Mapping[str, Any], storage: str) -> tuple[nn.Module, Mapping[str, Any]]:
    """Model and inputs in float32, with values that the storage holds: the model itself if it is so already, else a copy."""
    stored = STORED[storage]
    inputs = {k: stored(v.float()) if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in inputs.items()}
    if all(p.dtype == torch.float32 and torch.equal(p, stored(p)) for p in model.parameters()):
        return model, inputs
    model = copy.deepcopy(model).float()
    for parameter in model.parameters():
        parameter.data = stored(parameter.data)
    return model, inputs
