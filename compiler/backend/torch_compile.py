"""`torch.compile(model, backend="focus")`: a model's prefill on the simulated accelerator, compiled for each shape and layout of its inputs.

In: PyTorch, which finds `backend` by the entry point in pyproject.toml.  Out: `backend`, and models that `torch.compile` returned for it, whose
forward gives what the model's own does: logits of the last token, as a tensor.

The accelerator runs whole models, and a prefill's layout depends on the values of its inputs; a graph that Dynamo cuts out of the forward has
neither the modules nor the values.  So Dynamo is shown one operator, `focus::prefill`, in place of the forward, which it guards by shape; what
reaches the backend in other graphs is refused with the reason.
"""
from __future__ import annotations

import functools
import inspect
import itertools
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.eval_frame import OptimizedModule, innermost_backend
from torch.fx import GraphModule
from transformers.modeling_outputs import CausalLMOutputWithPast

from focus.compiler.backend.compile import compile as compiled
from focus.compiler.frontend.families import family_of
from focus.runtime.run.executable import Executable
from focus.runtime.spec.errors import FocusError, one_line

OPTIONS = ("machine", "concentration", "check", "search", "mappings")       #: of `torch.compile(..., options=...)`, as those of `focus.compile`
MOST_PROGRAMS = 16                      #: of one model that are kept, those of the last runs
_OPERATOR = "focus.prefill"


class Prefill:
    """The forward of one compiled model.

    Called with the arguments of the model's forward, of which `logits_to_keep` must be 1 and `use_cache` False, since that is what is computed.
    Gives what the model's forward gives: an output with `logits` [1, 1, vocabulary] in the model's type, or a tuple of it (`return_dict=False`).
    Programs have the weights of now: changed ones are compiled anew (a change that leaves no trace in a parameter's version, as by `.data`, is
    not seen).  Raises FocusError for what cannot be compiled.
    """
    _numbers = itertools.count()

    def __init__(self, model: nn.Module, through_dynamo: Any, options: Mapping[str, Any]):
        """Raises FocusError for a model of no family, and for unknown options."""
        family_of(model)
        for name in options:
            if name not in OPTIONS:
                raise FocusError(f"backend 'focus' has no option '{name}' (options: {', '.join(OPTIONS)})")
        self.model, self.options = model, dict(options)
        self.signature = inspect.signature(model.forward)
        self.number = str(next(self._numbers))
        self.programs: list[tuple[object, Executable]] = []         # the shapes of the inputs, the last used one at the end
        self.weights: list[tuple[int, int]] = []
        self.lock = threading.Lock()
        self.through_dynamo = through_dynamo(_shown_to_dynamo)
        _PREFILLS[self.number] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self._arguments(args, kwargs)
        as_tuple = given.pop("return_dict", None) is False
        for name, wanted in (("logits_to_keep", 1), ("use_cache", False)):
            value = given.pop(name, None)
            if isinstance(value, Tensor) or value != wanted:
                raise FocusError(f"{name}={wanted} expected of a forward that backend 'focus' compiles, got {value!r}: it computes the logits of the "
                                 "last token, and keeps no keys and values")
        values = {name: value if isinstance(value, Tensor) else torch.as_tensor(value) for name, value in given.items()}
        logits = self.through_dynamo(self.number, ",".join(values), list(values.values()))
        return (logits,) if as_tuple else CausalLMOutputWithPast(logits=logits)

    def _arguments(self, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name, without those that are None.  Raises TypeError as a call of the forward does."""
        bound = self.signature.bind(*args, **kwargs).arguments
        for parameter in self.signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                bound |= bound.pop(parameter.name, {})
        return {name: value for name, value in bound.items() if value is not None}

    def result(self, values: Tensor) -> Tensor:
        """An empty tensor like the logits of these inputs."""
        return values.new_empty((1, 1, self.model.lm_head.out_features), dtype=self.model.lm_head.weight.dtype)

    @one_line
    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits [1, 1, vocabulary] of the last token."""
        found = torch.from_numpy(self.program(inputs).run(inputs).outputs["logits"])
        like = self.result(next(iter(inputs.values())))
        return found.view(like.shape).to(like)

    def program(self, inputs: Mapping[str, Tensor]) -> Executable:
        """The program for inputs of these shapes and of this layout, compiled if there is none yet."""
        shapes = tuple((name, tuple(value.shape), value.dtype) for name, value in inputs.items())
        with self.lock:
            weights = [(value.data_ptr(), _version(value)) for value in (*self.model.parameters(), *self.model.buffers())]
            if weights != self.weights:
                self.programs, self.weights = [], weights
            known = next((entry for entry in self.programs if entry[0] == shapes and entry[1].takes(inputs)), None)
            if known:
                self.programs.remove(known)
            entry = known or (shapes, compiled(self.model, dict(inputs), **self.options))
            self.programs = [*self.programs, entry][-MOST_PROGRAMS:]
            return entry[1]


_PREFILLS: weakref.WeakValueDictionary[str, Prefill] = weakref.WeakValueDictionary()


def _version(value: Tensor) -> int:
    return 0 if value.is_inference() else value._version


@torch.library.custom_op(_OPERATOR.replace(".", "::"), mutates_args=())
def _prefill(model: str, names: str, values: Sequence[Tensor]) -> Tensor:
    """A model's prefill: the number of its `Prefill`, the names of the inputs with commas between, and their values."""
    return _PREFILLS[model].logits(dict(zip(names.split(","), values)))


@_prefill.register_fake
def _(model: str, names: str, values: Sequence[Tensor]) -> Tensor:
    return _PREFILLS[model].result(values[0])


def _shown_to_dynamo(model: str, names: str, values: Sequence[Tensor]) -> Tensor:
    return torch.ops.focus.prefill(model, names, values)


def backend(graph: GraphModule, example_inputs: Sequence[Any], **_options: Any) -> Any:
    """What Dynamo calls with a graph: it runs as it is if all it does is `focus::prefill`.  Raises FocusError, which says what else it has."""
    operators = [node for node in graph.graph.nodes if node.op not in ("placeholder", "output", "get_attr")]
    other = next((node for node in operators if not str(node.target).startswith(_OPERATOR)), None)
    if other is not None:
        frames = other.meta.get("stack_trace", "").strip().splitlines()
        where = next((f" ({line.strip()})" for line in reversed(frames) if line.strip().startswith("File")), "")
        name = getattr(other.target, "__name__", other.target)
        raise FocusError(f"backend 'focus' compiles whole models, not a graph of {len(operators)} operators that begins with '{name}'{where}: "
                         "call torch.compile with the model itself, not with a function or a module around it, and not model.compile")
    return graph.forward


_initialize = OptimizedModule._initialize


@functools.wraps(_initialize)
def _with_prefill(self: OptimizedModule) -> None:
    """What `torch.compile(module)` returns for this backend goes to Dynamo by `Prefill`.  Backends are told of graphs alone."""
    _initialize(self)
    callback = getattr(self.dynamo_ctx, "callback", None)
    chosen = innermost_backend(callback) if callable(callback) else None
    if getattr(chosen, "compiler_fn", chosen) is backend:
        further = getattr(chosen, "kwargs", {})
        if "mode" in further:
            raise FocusError(f"backend 'focus' has no mode '{further['mode']}'")
        self.forward = Prefill(self._orig_mod, self.dynamo_ctx, further.get("options", {}))


OptimizedModule._initialize = _with_prefill
