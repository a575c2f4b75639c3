"""Whether the program computes what the model does: the graph that is compiled, run in PyTorch beside the model's own forward.

In: the user's model and inputs, and the wrapped prefill with its arguments and exported graph.  Out: nothing, or a FocusError that names the
first module whose output differs.  The same of a step of decode, on the keys and values of the model's own prefill.

Both run in float32, whatever the model is stored in: what is compiled is the model's weights, not the rounding of its arithmetic.  That takes
two forwards.  Only when the logits differ, both run in float64, which tells a difference of rounding from one of what is computed.  When they differ
still, the prefill's modules and the model run once more with a hook on every module, and the outputs of a module are compared by its path; where
those agree, a module became something else when it was exported.  Their layouts differ ([1, S, D] and [S, D]), their elements' order does not; so
some elements of each are kept, not the whole.
"""
from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import GraphModule, Interpreter, Node
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from focus.compiler.frontend.steps import Shape, Step
from focus.compiler.frontend.surgery import untouched
from focus.compiler.frontend.wrapper import Prefill
from focus.runtime.run.executable import FLAGS
from focus.runtime.run.fxb import Cache
from focus.runtime.spec.errors import FocusError, first_line

#: Largest relative L2 difference of the last token's logits.  Float32 in another order of sums gives some 1e-6; storage in fp16, which every
#: program has, 8192 times the rounding of float32, and agreement with the reference allows it 2e-2.  A model that differs by less than this
#: differs by less than its storage.
LIMIT = 1e-4
KEPT = 4096             #: elements that are kept of an output to compare it
_HALF = (torch.float16, torch.bfloat16)
_FLOATS = (*_HALF, torch.float32, torch.float64)


def check_program(model: nn.Module, inputs: Mapping[str, Any], prefill: Prefill, arguments: tuple[Tensor, ...], exported: ExportedProgram) -> None:
    """Raise FocusError unless the exported graph of `prefill`, on `arguments`, gives the logits of `model(**inputs)`'s last token.

    Called under the prefill's surgery."""
    pair = _Pair(model, _own_inputs(model, inputs), prefill, arguments, exported)
    if difference(pair.compiled(), pair.own()) <= LIMIT:
        return
    pair.precision = torch.float64
    own = pair.own()
    found = difference(pair.compiled(), own)
    if found > LIMIT:
        culprit = _culprit(pair) if difference(pair.program(), own) > LIMIT else _export_culprit(pair)
        raise FocusError(f"{culprit}: the logits differ by {found:.1e} "
                         f"(relative L2 difference, at most {LIMIT:.0e} expected)" + ("; the model is in training mode" if model.training else ""))


def check_step(model: nn.Module, inputs: Mapping[str, Any], prefill: Prefill, new: int = 1) -> None:
    """Raise FocusError unless a step of decode gives the logits that the model's own forward gives for `new` more tokens after its own prefill, whose
    keys and values both have.  It takes one forward, and two of the new tokens."""
    pair = _Pair(model, _own_inputs(model, inputs) | {"use_cache": True}, prefill, (), None)
    found = math.inf
    for pair.precision in (torch.float32, torch.float64):       # a difference of rounding is told from one of what is computed
        found = _step_difference(pair, new)
        if found <= LIMIT:
            return
    what, program = ("a token", "decode") if new == 1 else (f"{new} tokens", "follow-ups")
    raise FocusError(f"{type(model).__name__}: it computes something else for {what} after the request than the program for {program}: the logits "
                     f"differ by {found:.1e} (relative L2 difference, at most {LIMIT:.0e} expected)")


def _step_difference(pair: _Pair, new: int) -> float:
    """How far the logits of a step are from those of the model's own forward for the same `new` tokens: those most probable after the request."""
    with pair._exact(), untouched(pair.model):
        try:
            first = pair.model(**pair.inputs)
            tokens, held = first.logits[:, -1].topk(new).indices, first.past_key_values
            kept = {f"layers.{number}.{what}": x[0].transpose(0, 1).flatten(1).clone() for number, layer in enumerate(held.layers)
                    for what, x in (("keys", layer.keys), ("values", layer.values))}
            own = pair.model(input_ids=tokens, past_key_values=held, use_cache=True).logits[0]
        except Exception as e:
            raise FocusError(f"{type(pair.model).__name__}: the model's own forward fails on tokens after these inputs, so decode cannot be checked "
                             f"against it: {type(e).__name__}: {first_line(e)}") from e
    caches = {name: Cache(name=name, stored="f16", shape=(len(x) + new, x.shape[1]), address=0, requests=1, lead=0, held=len(x), room=new)
              for name, x in kept.items()}
    step = Step(pair.prefill, caches, Shape(1, new))
    for name, x in kept.items():
        step.fill(name, x)
    for tables in (step.const, step.cache):
        tables.to(tokens.device)
    with pair._exact(), step.surgery(), pair._running():
        return difference(step(tokens), own)


def difference(a: Tensor, b: Tensor) -> float:
    """Relative L2 difference of two tensors of equally many elements; values that are equal, or NaN in both, do not differ."""
    a, b = a.reshape(-1).double(), b.reshape(-1).double()
    if a.shape != b.shape:
        return math.inf
    alike = (a == b) | (a.isnan() & b.isnan())
    distance, size = torch.where(alike, 0, a - b).norm().item(), b[b.isfinite()].norm().item()
    return 0.0 if distance == 0 else math.inf if math.isnan(distance) else distance / max(size, torch.finfo(torch.float32).tiny)


# ---- the two forwards ------------------------------------------------------------------------------------------------------------
class InPrecision(TorchDispatchMode):
    """Every operation on floating values in one type: arguments are converted when they are used, and nothing is rounded to fewer bits again."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func._schema.is_mutable:
            args, kwargs = tree_map(self._converted, (args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _converted(self, value: Any) -> Any:
        return self.dtype if isinstance(value, torch.dtype) and value in _FLOATS else _to(self.dtype, value)


class ConvolutionsInPrecision(TorchFunctionMode):
    """Convolutions compare the types of their arguments before they are dispatched."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.conv2d, torch.conv3d):
            args, kwargs = tree_map(lambda value: _to(self.dtype, value), (args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def _to(dtype: torch.dtype, value: Any) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.dtype in _FLOATS and value.dtype != dtype else value


@dataclass
class _Pair:
    """The model with its inputs, and the program's prefill with its arguments and its graph."""
    model: nn.Module
    inputs: dict[str, Any]
    prefill: Prefill
    arguments: tuple[Tensor, ...]
    exported: ExportedProgram | None
    precision: torch.dtype = torch.float32

    def own(self, record: Record | None = None) -> Tensor:
        """Logits of the model's last token; `record` is called with each module's output."""
        with untouched(self.model), self._exact(), _hooked(self.model, record):
            try:
                result = self.model(**self.inputs)
            except Exception as e:
                raise FocusError(f"{type(self.model).__name__}: the model's own forward fails on these inputs, so the program cannot be checked "
                                 f"against it: {type(e).__name__}: {first_line(e)}") from e
        logits = result[0] if isinstance(result, tuple) else getattr(result, "logits", None)
        if not isinstance(logits, Tensor) or logits.ndim != 3:
            raise FocusError(f"{type(self.model).__name__}: the model's own forward gives no logits [1, S, vocabulary]; the program cannot be "
                             "checked")
        return logits[:, -1]

    def program(self, record: Record | None = None) -> Tensor:
        """Logits of the prefill's modules."""
        with self._exact(), _hooked(self.prefill.user, record), self._running():
            return self.prefill(*self._given())

    def compiled(self, record: Callable[[Node, Any], None] | None = None) -> Tensor:
        """Logits of the graph that is compiled, with the model's parameters; `record` is told of each node and its value."""
        state = dict(self.prefill.named_parameters(remove_duplicate=False)) | dict(self.prefill.named_buffers(remove_duplicate=False))
        assert self.exported is not None
        signature, given = self.exported.graph_signature, iter(self._given())
        values = [next(given) if spec.kind == InputKind.USER_INPUT else state[str(spec.target)] for spec in signature.input_specs]
        with self._exact(), self._running():
            results = _Graph(self.exported.graph_module, record).run(*values)
        return results[[spec.kind for spec in signature.output_specs].index(OutputKind.USER_OUTPUT)]

    def _given(self) -> list[Tensor]:
        """The arguments where the model is, and the tables with them."""
        device = next(self.prefill.user.parameters()).device
        self.prefill.const.to(device)
        return [a.to(device) for a in self.arguments]

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            raise FocusError(f"{self.prefill.family.class_name}: the prefill that is compiled fails on these inputs: {first_line(e)}") from e

    @contextlib.contextmanager
    def _exact(self) -> Iterator[None]:
        """No gradients, everything in `precision`, and random numbers left as they are."""
        other = any(t.dtype in _FLOATS and t.dtype != self.precision for t in (*self.model.parameters(), *self.model.buffers()))
        with contextlib.ExitStack() as modes:
            modes.enter_context(torch.no_grad())
            modes.enter_context(torch.random.fork_rng(devices=[]))
            for mode in (ConvolutionsInPrecision(self.precision), InPrecision(self.precision)) if other else ():
                modes.enter_context(mode)
            yield


class _Graph(Interpreter):
    """Runs a graph; `record` is told of each node and its value."""

    def __init__(self, module: GraphModule, record: Callable[[Node, Any], None] | None):
        super().__init__(module)
        self.record = record

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if self.record:
            self.record(n, value)
        return value


def _own_inputs(model: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's own forward is called with: the inputs as tensors, and no more work than the last token's logits take."""
    device = next(model.parameters()).device
    given = {k: torch.as_tensor(v).to(device) for k, v in inputs.items() if v is not None and k not in FLAGS}
    given = {k: v.float() if v.dtype in _HALF else v for k, v in given.items()}
    cache = {k: inputs[k] for k in ("use_cache",) if k in inputs}
    return given | cache | ({"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {})


# ---- which module ----------------------------------------------------------------------------------------------------------------
@dataclass
class Fingerprint:
    """Of a tensor: its size, its last row, and `KEPT` of its elements spread over it."""
    size: int
    last: Tensor
    some: Tensor

    @classmethod
    def of(cls, value: Any) -> Fingerprint | None:
        """Of the first floating tensor found in a module's arguments or result; None when there is none."""
        tensor = _first_tensor(value)
        if tensor is None or not tensor.numel():
            return None
        flat = tensor.detach().reshape(-1)
        return cls(len(flat), flat[-tensor.shape[-1]:].clone() if tensor.ndim else flat.clone(), flat[::-(-len(flat) // KEPT)].clone())

    def differs(self, own: Fingerprint) -> bool:
        """Whether it is another value than the model's own.  One row of many is compared with the last one."""
        if self.size == own.size:
            return difference(self.some, own.some) > LIMIT
        return self.size == len(self.last) == len(own.last) and difference(self.last, own.last) > LIMIT

    def comparable(self, own: Fingerprint) -> bool:
        return self.size == own.size or self.size == len(self.last) == len(own.last)


@dataclass
class Call:
    """One call of a module."""
    path: str
    module: nn.Module
    taken: Fingerprint | None
    given: Fingerprint | None


Record = Callable[[Call], None]


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return next((found for part in parts if (found := _first_tensor(part)) is not None), None)


@contextlib.contextmanager
def _hooked(model: nn.Module, record: Record | None) -> Iterator[None]:
    """Run the block with `record` called for each call of a module of `model`, in the order in which they end."""
    with contextlib.ExitStack() as handles:
        for path, module in model.named_modules() if record else ():
            def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any, path: str = path) -> None:
                assert record is not None
                record(Call(path, module, Fingerprint.of((args, kwargs)), Fingerprint.of(output)))
            handles.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def compared(pair: _Pair) -> Iterator[tuple[Call, Call | None]]:
    """Each call of the model's own forward, in the order in which they end, with the same call of the program, or None."""
    ours: dict[str, list[Call]] = {}
    own: list[Call] = []
    pair.program(lambda call: ours.setdefault(call.path, []).append(call))
    pair.own(own.append)
    places: dict[nn.Module, list[str]] = {}                 # a module of the model that stands in several is one module for each in the prefill
    for path, module in pair.model.named_modules(remove_duplicate=False):
        places.setdefault(module, []).append(path)
    times: dict[str, int] = {}
    for call in own:
        number = times[call.path] = times.get(call.path, -1) + 1
        round_, place = divmod(number, len(places.get(call.module, [call.path])))
        calls = ours.get(places[call.module][place], []) if call.module in places else []
        yield call, calls[round_] if round_ < len(calls) else None


def _culprit(pair: _Pair) -> str:
    """The first module whose output differs, and what it is, as the start of an error message."""
    between: list[Call] = []                                # calls without a counterpart since the last that agreed
    last = ""
    for own, ours in compared(pair):
        if ours is None or own.given is None or ours.given is None or not ours.given.comparable(own.given):
            between.append(own)
            continue
        if ours.given.differs(own.given):
            if own.taken is None or ours.taken is None or not ours.taken.differs(own.taken):
                return _named(own.path, own.module)
            # Its input differs already: made by a module that the program does not call, or by one that contains both it and the last that agreed.
            round_ = [call.path for call in between if _changed(call.module)]
            above = [path for path in _above(own.path) if _changed(pair.model.get_submodule(path))]
            path = [*round_, *above, _common(last, own.path)][0]
            return _named(path, pair.model.get_submodule(path))
        between, last = [], own.path
    return _named("", pair.model)


def _export_culprit(pair: _Pair) -> str:
    """The first module whose last value in the graph is not what the same module gives when it runs."""
    made: dict[str, Fingerprint | None] = {}
    calls: list[Call] = []

    def record(node: Node, value: Any) -> None:
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            made[path] = Fingerprint.of(value)              # the last one stays

    pair.compiled(record)
    pair.program(calls.append)
    for call in calls:
        graph = made.get(f"user.{call.path}")
        if graph and call.given and graph.size == call.given.size and graph.differs(call.given):
            return _named(call.path, call.module, "when it is exported than when it runs")
    return _named("", pair.model, "when it is exported than when it runs")


def _changed(module: nn.Module) -> bool:
    """Whether a module is not what transformers or PyTorch made it."""
    made_by = type(module).__module__.partition(".")[0]
    return bool(module._forward_hooks or module._forward_pre_hooks) or "forward" in module.__dict__ or made_by not in ("transformers", "torch")


def _above(path: str) -> list[str]:
    """Paths of the modules that hold another, the innermost first."""
    names = path.split(".")
    return [".".join(names[:n]) for n in range(len(names) - 1, -1, -1)]


def _common(before: str, after: str) -> str:
    """Path of the innermost module that contains both; what runs between the two is part of it."""
    whole = []
    for a, b in zip(before.split(".")[:-1], after.split(".")[:-1]):
        if a != b:
            break
        whole.append(a)
    return ".".join(whole)


def _named(path: str, module: nn.Module, where: str = "in the model's own forward than in the program") -> str:
    kind = type(module).__name__
    return f"{path}: this {kind} computes something else {where}" if path else f"{kind}: it computes something else {where}"
