"""From a PyTorch model to the torch dialect: `torch.export`, torch-mlir's import, and its lowering to backend form.

In: a Hugging Face model and the inputs of its forward.  Out: `Imported`: a module in the `torch` dialect whose function `@main` takes the
inputs that carry numbers and returns the last token's logits; parameters by name; the token layout.

Weights stay out of the IR: a parameter is a `torch.operator "torch.vlm.param"` whose attribute `vlm.name` is its full name; its value is
read from `Imported.params` when the binary is packed.  Tables computed from positions and grids are parameters named `const.*`.
Locations carry module paths (`model.language_model.layers.3.self_attn.q_proj`).
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import operator
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export.graph_signature import InputKind
from torch_mlir import ir
from torch_mlir.extras.fx_importer import ContextCache, FxImporter, FxImporterHooks
from torch_mlir.passmanager import PassManager

from focus.compiler.frontend.backbone import Backbone
from focus.compiler.frontend.check import check_program, check_step
from focus.compiler.frontend.families.base import decoder_of
from focus.compiler.frontend.layout import TowerRows
from focus.compiler.frontend.steps import CACHE, NUMBER, STEP_OPERATORS, Shape, Step, step_inputs, step_params
from focus.compiler.frontend.surgery import OPERATORS, weightless
from focus.compiler.frontend.wrapper import Prefill, prefill_of
from focus.dialects.context import make_context
from focus.dialects.support import collect, path_of, to_attr
from focus.passes.tensor.convert_torch_to_focus import RULES, rule_name
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.run.fxb import Cache
from focus.runtime.spec.errors import FocusError, first_line
from focus.runtime.spec.tokens import TokenLayout

#: Operators that torch-mlir must leave whole: all of PyTorch's that the conversion has a rule for.
_KEPT = tuple(name.removeprefix("torch.") for name in RULES if name.startswith("torch.aten."))
_DIGEST_WIDTH = 1024        #: 64-bit words in a row of the table that is summed
_SCAFFOLDING = ("torch.constant.", "torch.prim.ListConstruct", "func.")


@dataclass
class Imported:
    """What the front end hands to the passes.

    `module`: in backend form.  `params`: name -> function that gives the value as a numpy array (float32, or int32 for index lists), to be
    read row-major in the shape the IR states.  `inputs`: (name, dtype, shape) of each argument of `@main`, as HF's forward takes them.
    `params` is None for a model on the meta device, whose parameters have shapes but no values.
    `static_inputs`: numpy values of the inputs that the compiled program depends on but does not read (grids, image sizes).  `towers`: as
    `Prefill.towers`.
    `model_info`: family and sizes.  `prefill`: what was exported, from which steps of decode go on (None of a step itself).
    """
    module: ir.Module
    params: dict[str, Callable[[], np.ndarray]] | None
    tokens: TokenLayout | None
    inputs: list[tuple[str, str, tuple[int, ...]]]
    static_inputs: dict[str, np.ndarray] = field(default_factory=dict)
    towers: dict[str, TowerRows] = field(default_factory=dict)
    model_info: dict[str, Any] = field(default_factory=dict)
    prefill: Prefill | None = None


def import_model(model: nn.Module, inputs: Mapping[str, Any], check: bool = True, steps: Sequence[int] = ()) -> Imported:
    """Import a prefill of `model` for inputs of these shapes and, where they fix the layout, values.

    `inputs`: the HF forward's (batch 1).  The model is left as it was.  `check`: compare the prefill with the model's own forward on these
    inputs, where model and inputs have values; and steps of decode, of as many new tokens as each of `steps`.  Raises FocusError for an unknown
    model, an unsupported configuration or operator (named with its module path), inputs that do not fit the model, and a model
    that computes something else than the program would.
    """
    prefill, tokens, tensors = prefill_of(model, inputs)
    family, names = prefill.family, prefill.plan.input_names
    arguments = tuple(tensors[n].to(torch.int64 if n == "input_ids" else torch.float32).contiguous() for n in names)
    with torch.no_grad(), prefill.surgery():
        with weightless(prefill.user) as tied:
            program = exported(prefill, arguments, family.class_name)
            module = to_backend_form(import_graph(program, names, parameter_names(prefill, tied)))
        check_operators(module)
        if check and has_values(model) and not any(a.is_meta for a in arguments):
            check_program(model, inputs, prefill, arguments, program)
    if check and has_values(model) and not any(a.is_meta for a in arguments):
        for new in steps:
            check_step(model, inputs, prefill, new)
    return Imported(module=module, params=parameters(model, prefill, module) if has_values(model) else None, tokens=tokens,
                    inputs=[(n, dtype_name(a), tuple(a.shape)) for n, a in zip(names, arguments)],
                    towers=dict(prefill.towers),
                    static_inputs={n: (t.float() if t.is_floating_point() else t).numpy() for n, t in tensors.items() if n not in names},
                    model_info={"family": family.model_type, "class": family.class_name, **family.info(model)}, prefill=prefill)


def import_step(prefill: Prefill, caches: Mapping[str, Cache], shape: Shape) -> Imported:
    """Import a step of decode of the model of a prefill, against the caches that its program leaves.  Raises FocusError as `import_model` does."""
    step = Step(prefill, caches, shape)
    with torch.no_grad(), step.surgery():
        with weightless(step.user) as tied:
            names = parameter_names(step, tied)
            program = exported(step, step_inputs(shape), prefill.family.class_name)
            module = to_backend_form(import_graph(program, ("input_ids",), names, Caches(names, step)))
        check_operators(module)
    values = None
    if has_values(step.user):
        used = [op.attributes["vlm.name"].value for name, op in operators(module) if name == "vlm.param"]
        sources = {name: Parameter(name, p) for name, p in step.user.named_parameters()}
        sources |= {name: Parameter(name, p) for name, p in step.user.named_buffers(remove_duplicate=False)}
        values = step_params(step, sources, [name for name in dict.fromkeys(used) if name != NUMBER])
    return Imported(module=module, params=values, tokens=None, inputs=[("input_ids", "int64", (shape.requests, shape.new))])


def has_values(model: nn.Module) -> bool:
    """Whether every parameter has data; a model on the meta device can be compiled, and its program timed."""
    return not any(p.is_meta for p in model.parameters())


def backbone_of(model: nn.Module, inputs: Mapping[str, Any]) -> Backbone:
    """The decoder of a model, on the visual tokens of a request.  Raises FocusError as `import_model` does."""
    prefill, tokens, _ = prefill_of(model, inputs)
    info = prefill.family.info(model)
    sizes = DecoderSizes(info["depth"], info["hidden"], info["heads"], info["kv_heads"], info["head_dim"], info["intermediate"])
    attention = decoder_of(model).layers[0].self_attn
    plain = Backbone.of_grids(prefill.family.class_name, sizes, tokens.V, tokens.grids)
    return replace(plain, bias=attention.q_proj.bias is not None, head_norms=hasattr(attention, "q_norm"), levels=prefill.family.levels(model))


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


# ---- export --------------------------------------------------------------------------------------------------------------------
def exported(module: nn.Module, arguments: tuple[torch.Tensor, ...], name: str) -> torch.export.ExportedProgram:
    """The graph of a prefill or step of the model class `name`, functional, composite operators kept whole."""
    try:
        with quiet():
            program = torch.export.export(module, arguments, strict=False)
            return program if _is_functional(program.graph) else program.run_decompositions({})     # this takes longer than the export
    except FocusError:
        raise
    except Exception as e:
        raise FocusError(f"{name}: torch.export failed: {first_line(e)}") from e


def _is_functional(graph: torch.fx.Graph) -> bool:
    """Whether no operator of a graph writes to what it is given, and none holds a graph of its own."""
    targets = [node.target for node in graph.nodes if node.op not in ("placeholder", "output")]
    return all(target is operator.getitem or (isinstance(target, torch._ops.OpOverload) and not target._schema.is_mutable) for target in targets)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the graphs a failing export logs and prints (its exception says enough) and PyTorch's warnings about its own code."""
    before, said = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore", FutureWarning)
            yield
        sys.stderr.write(said.getvalue())                   # the model's own
    finally:
        logging.disable(before)


# ---- import --------------------------------------------------------------------------------------------------------------------
class ModulePathLocations(ContextCache):
    """Gives every operation the path of the innermost module it was traced in as its location."""
    __slots__: list[str] = []

    def get_node_location(self, node):
        stack = node.meta.get("nn_module_stack")
        path = user_path(list(stack.values())[-1][0]) if stack else ""
        return ir.Location.name(path or "prefill", context=self._c)


class NamedParameters(FxImporterHooks):
    """Turns each parameter or buffer of the graph into a `torch.vlm.param` with its name."""
    def __init__(self, names: dict[str, str]):
        self.names = names

    def resolve_input(self, gni, value, info):
        name = self.names[info.input_spec.target]
        attributes = {"name": ir.StringAttr.get("torch.vlm.param"), "vlm.name": ir.StringAttr.get(name)}
        return ir.Operation.create("torch.operator", results=[info.ir_type], attributes=attributes, loc=ir.Location.name(name)).result


class Caches(NamedParameters):
    """Turns each cache of a step into a `torch.vlm.cache` with its name and how its rows are divided, and any other parameter or buffer as above."""
    def __init__(self, names: dict[str, str], step: Step):
        super().__init__(names)
        self.places = {f"{CACHE}{name.replace('.', '_')}": (name, cache) for name, cache in step.places.items()}

    def resolve_input(self, gni, value, info):
        if info.input_spec.target not in self.places:
            return super().resolve_input(gni, value, info)
        name, cache = self.places[info.input_spec.target]
        attributes = {"name": ir.StringAttr.get("torch.vlm.cache"), "vlm.name": ir.StringAttr.get(name)}
        attributes |= {f"vlm.{key}": to_attr(getattr(cache, key)) for key in ("requests", "lead", "held", "room")}
        return ir.Operation.create("torch.operator", results=[info.ir_type], attributes=attributes, loc=ir.Location.name(name)).result


def user_path(path: str) -> str:
    """A path inside `Prefill` as a path inside the user's model."""
    return path.removeprefix("user").removeprefix(".")


def parameter_names(prefill: Prefill | Step, tied: dict[int, str]) -> dict[str, str]:
    """Name in the exported graph -> name in `Imported.params`: the user's own name, the first one where parameters are tied."""
    names = {full: tied[id(p)] for full, p in prefill.named_parameters(remove_duplicate=False)}
    return names | {full: user_path(full) for full, _ in prefill.named_buffers(remove_duplicate=False)}


def import_graph(program: torch.export.ExportedProgram, inputs: tuple[str, ...], names: dict[str, str],
                 hooks: NamedParameters | None = None) -> ir.Module:
    """The exported graph in the torch dialect, in a fresh context."""
    constants = [s.target for s in program.graph_signature.input_specs if s.kind == InputKind.CONSTANT_TENSOR]
    if constants:
        raise FocusError(f"the model makes the constant tensor '{user_path(constants[0])}' while it runs; it has no mapping")
    changed = [*program.graph_signature.buffers_to_mutate.values(), *program.graph_signature.user_inputs_to_mutate.values()]
    if changed:
        raise FocusError(f"the model changes '{user_path(changed[0])}' while it runs; it has no mapping")
    context = make_context()
    importer = FxImporter(context=context, hooks=hooks or NamedParameters(names))
    importer._cc = ModulePathLocations(context, py_attr_tracker=importer._py_attr_tracker)
    importer.import_program(program, func_name="main")
    with context:
        function = importer.module.body.operations[0]
        function.arg_attrs = ir.ArrayAttr.get([ir.DictAttr.get({"focus.name": ir.StringAttr.get(n)}) for n in inputs])
    return importer.module


# ---- backend form --------------------------------------------------------------------------------------------------------------
def to_backend_form(module: ir.Module) -> ir.Module:
    """Run torch-mlir's lowering to value semantics and a closed set of operators, keeping ours and `_KEPT` whole."""
    kept = (*OPERATORS, *STEP_OPERATORS, "param", "cache")
    library = "\n".join(f'func.func private @"__torch_mlir_has_value_semantics_fn.torch.vlm.{name}"()' for name in kept)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vlm.mlir"
        path.write_text(f"module {{\n{library}\n}}\n")
        options = f"backend-legal-ops={','.join(_KEPT)} extra-library={path}"
        pipeline = f"builtin.module(func.func(torch-match-quantized-custom-ops),torchdynamo-export-to-torch-backend-pipeline{{{options}}})"
        with module.context, collect(module.context) as found:
            try:
                PassManager.parse(pipeline).run(module.operation)
            except ir.MLIRError as e:
                where, said = next(((d.path, d.message) for d in found if d.severity == "error"), ("", first_line(e)))
                if found_name := re.search(r"torch\.(aten\.[\w.]+)", said):
                    raise FocusError(_without_mapping(where, found_name[1])) from None
                raise FocusError(f"torch-mlir cannot lower the model: {where}: {said.splitlines()[0]}") from None
    return module


def operators(module: ir.Module) -> Iterator[tuple[str, ir.Operation]]:
    """Name ("vlm.rope" for our own operators) and op of everything in `@main`, constants left out."""
    for op in module.body.operations[0].regions[0].blocks[0].operations:
        name = op.operation.name
        if name == "torch.operator":
            name = op.operation.attributes["name"].value.removeprefix("torch.")
        if not name.startswith(_SCAFFOLDING):
            yield name, op.operation


def check_operators(module: ir.Module) -> None:
    """Raise FocusError for the first operator that the conversion has no rule for."""
    for name, op in operators(module):
        if rule_name(op) not in RULES:
            raise FocusError(_without_mapping(path_of(op), name.removeprefix("torch.")))


def _without_mapping(path: str, operator: str) -> str:
    return f"{path or 'the model'}: operator '{operator}' has no mapping to the accelerator"


# ---- parameters ----------------------------------------------------------------------------------------------------------------
def parameters(model: nn.Module, prefill: Prefill, module: ir.Module) -> dict[str, Callable[[], np.ndarray]]:
    """Name -> value of every parameter the module uses, and of those that it needs where its vision tower is concentrated."""
    sources = (dict(model.named_parameters()) | dict(prefill.user.named_buffers(remove_duplicate=False))
               | {f"const.{n}": t for n, t in prefill.const.named_buffers()})
    used = dict.fromkeys(op.attributes["vlm.name"].value for name, op in operators(module) if name == "vlm.param")
    sources |= {name: torch.from_numpy(tower.ids) for name, tower in prefill.towers.items()}
    return {name: Parameter(name, sources[name]) for name in (*used, *prefill.towers)}


@dataclass(frozen=True)
class Parameter:
    """A parameter of the model: calling it gives its current value, as numpy."""
    name: str
    tensor: torch.Tensor

    def __call__(self) -> np.ndarray:
        return as_numpy(self.name, self.tensor)

    def digest(self) -> bytes:
        """A digest of the current bytes.  Rows and columns of a table of them, as 64-bit words, are summed, and the sums are hashed: as fast
        as memory is read.  A changed, or moved, word changes it; only changes that cancel in rows and in columns do not."""
        raw = self.tensor.detach().contiguous().view(-1).view(torch.uint8).cpu()
        whole = len(raw) // (8 * _DIGEST_WIDTH) * 8 * _DIGEST_WIDTH
        table = raw[:whole].view(torch.int64).view(-1, _DIGEST_WIDTH)
        found = hashlib.blake2b(raw[whole:].numpy().tobytes(), digest_size=16)
        for axis in (0, 1):
            found.update(table.sum(axis).numpy().tobytes())
        return found.digest()


def as_numpy(name: str, tensor: torch.Tensor) -> np.ndarray:
    """float32 (int32 for integers) numpy value of a parameter; a view of its memory where possible."""
    if tensor.is_meta:
        raise FocusError(f"parameter '{name}' has no data (meta device)")
    kind = torch.float32 if tensor.is_floating_point() else torch.int32
    return tensor.detach().to("cpu", kind).numpy()
