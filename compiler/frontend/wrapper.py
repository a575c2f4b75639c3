"""The static prefill: from pixels and input ids to the logits of the last token, every position known before the run.

In: a model, its family and the plan of a request.  Out: `Prefill`, a module whose arguments are the plan's `input_names` and whose result
is float [1, vocabulary].  A copy of the model's modules, with its own parameters, is a submodule; run it under `Prefill.surgery()`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from focus.compiler.frontend.families import Family, Plan, family_of
from focus.compiler.frontend.families.base import check_compiled, check_hooks, check_parameters, checked_inputs, decoder_of
from focus.compiler.frontend.layout import PlacedRun, TowerRows, token_layout
from focus.compiler.frontend.surgery import add_visual, check_patchable, patched, skeleton
from focus.runtime.spec.errors import FocusError, first_line
from focus.runtime.spec.tokens import TokenLayout


class ConstantTables(nn.Module):
    """The plan's tables as buffers, so that the export sees them as named inputs."""
    def __init__(self, tables: dict[str, Tensor]):
        super().__init__()
        for name, table in tables.items():
            self.register_buffer(name, table)


class Stage(nn.Module):
    """Calls a function as a module, so that operators outside the user's modules carry the stage's name as their location."""
    def forward(self, function: Callable, *arguments):
        return function(*arguments)


class Prefill(nn.Module):
    """Prefill of one request.

    forward(*pixels, input_ids): pixel inputs in the order of `plan.input_names`, then input_ids int64 [1, S].
    """
    def __init__(self, model: nn.Module, family: Family, plan: Plan, runs: list[PlacedRun], tokens: TokenLayout):
        super().__init__()
        self.user = model
        self.const = ConstantTables(plan.constants)
        self.visual_tokens, self.token_sequence, self.visual_features, self.last_token = Stage(), Stage(), Stage(), Stage()
        self.family, self.plan, self.runs, self.tokens = family, plan, runs, tokens

    @property
    def towers(self) -> dict[str, TowerRows]:
        """Where the rows of the vision tower are in the pictures of each kind, by the names of the tables that hold their `ids`, in the order in
        which the kinds are computed."""
        return {f"const.{kind}_cells": self.plan.towers[kind] for kind in self.plan.pixels}

    def surgery(self) -> AbstractContextManager[None]:
        """The context in which `forward` may be called or exported.  Raises FocusError when a module was patched already."""
        with foreseen(self.family, self.user):
            patches = self.family.patches(self.user, self.plan, self.table)
            check_patchable(self.user, patches)
        return patched(patches)

    def table(self, name: str) -> Tensor:
        return getattr(self.const, name)

    def forward(self, *arguments: Tensor) -> Tensor:
        *pixels, input_ids = arguments
        levels = {kind: self.visual_tokens(self.family.visual_levels, self.user, self.plan, self.table, kind, x)
                  for kind, x in zip(self.plan.pixels, pixels)}
        first, *deeper = [dict(zip(levels, rows)) for rows in zip(*levels.values())]
        hidden = self.token_sequence(self.sequence, input_ids, first)
        tables = self.table("rope_cos"), self.table("rope_sin")
        decoder = decoder_of(self.user)
        for number, layer in enumerate(decoder.layers):
            hidden = layer(hidden, attention_mask=None, position_embeddings=tables)
            if number < len(deeper):
                hidden = self.visual_features(self.with_features, hidden, deeper[number])
        last = self.last_token(torch.narrow, hidden, 0, hidden.shape[0] - 1, 1)
        return self.user.lm_head(decoder.norm(last))

    def sequence(self, input_ids: Tensor, visual: dict[str, list[Tensor]]) -> Tensor:
        """Embeddings [S, D] of the whole sequence: text looked up run by run, visual rows between."""
        embed, ids = decoder_of(self.user).embed_tokens, input_ids.view(-1)
        pieces: list[Tensor] = []
        at = 0
        for run in self.runs:
            if run.start > at:
                pieces.append(embed(ids.narrow(0, at, run.start - at)))
            pieces += taken(visual[run.kind], run.length)
            at = run.start + run.length
        if at < len(ids):
            pieces.append(embed(ids.narrow(0, at, len(ids) - at)))
        if len(pieces) == 1:
            raise FocusError("input_ids: nothing but the visual tokens of one input; at least one token of text expected")
        return torch.cat(pieces)

    def with_features(self, hidden: Tensor, features: dict[str, list[Tensor]]) -> Tensor:
        """The sequence [S, D] with features of a deeper level added to its visual rows."""
        pieces = [piece for run in self.runs for piece in taken(features[run.kind], run.length)]
        return add_visual(hidden, pieces[0] if len(pieces) == 1 else torch.cat(pieces), self.tokens.flat_runs())


def prefill_of(model: nn.Module, inputs: Mapping[str, Any]) -> tuple[Prefill, TokenLayout, dict[str, Tensor]]:
    """The static prefill of a request, its token layout, and its inputs as checked tensors.

    `model` itself is not changed: the plan is made of a copy of its modules, which is what the prefill holds.
    Raises FocusError for an unknown model, a configuration without a mapping, and inputs that do not fit.
    """
    family = family_of(model)
    tensors = checked_inputs(family, inputs)
    with foreseen(family, model):
        user = skeleton(model)
    with foreseen(family, user):
        check_compiled(user)
        check_parameters(user)
        plan = family.plan(user, tensors)
        check_hooks(family, user)
        tokens, runs = token_layout(plan.ids, plan.token_ids, plan.items)
    return Prefill(user, family, plan, runs, tokens), tokens, tensors


@contextmanager
def foreseen(family: Family, model: nn.Module) -> Iterator[None]:
    """Run the block; what it raises is a FocusError: a module of `model` that is not what its configuration says, or a value of an
    unexpected kind."""
    try:
        yield
    except FocusError:
        raise
    except AttributeError as e:
        path = next((path for path, module in model.named_modules() if module is e.obj), None)
        if path is None:
            raise FocusError(f"{family.class_name}: model and inputs have no mapping: {type(e).__name__}: {first_line(e)}") from e
        raise FocusError(f"{path or family.class_name}: this {type(e.obj).__name__} has no '{e.name}', which a {family.class_name} has there") from e
    except Exception as e:
        raise FocusError(f"{family.class_name}: model and inputs have no mapping: {type(e).__name__}: {first_line(e)}") from e


def taken(pieces: list[Tensor], rows: int) -> list[Tensor]:
    """Remove the first `rows` rows from a list of row blocks and return them as blocks; a block is cut only when it has to be."""
    out: list[Tensor] = []
    while rows:
        block = pieces.pop(0)
        if block.shape[0] > rows:
            pieces.insert(0, block.narrow(0, rows, block.shape[0] - rows))
            block = block.narrow(0, 0, rows)
        out.append(block)
        rows -= block.shape[0]
    return out
