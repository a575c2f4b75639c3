"""The plain statement of the concentration algorithm (docs/algorithm.md) in PyTorch, float32: what a compiled model must compute.

In: an unmodified Hugging Face model, the inputs of its forward, and a concentration.  Out: the last token's logits and the trace.

The model's own modules do all that is not concentration: vision tower and embeddings, the decoder's layers with their norms, MLPs and
projections, the head, hooks that stand on them included.  Written out here are attention, because importance comes of it, and what is done
to rows at the concentration sites.  Nothing is shared with the passes or the simulator but the token layout, which says where visual tokens
stand.

The same in other storage: arithmetic in float32, but weights and whatever a module hands on rounded to fp16 (or bf16).  How far that is from
float32 says what such storage alone does to a model, whoever computes it.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from focus.compiler.frontend.families.base import decoder_of
from focus.compiler.frontend.surgery import patched, skeleton, untouched
from focus.compiler.frontend.wrapper import prefill_of
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, first_line, one_line
from focus.runtime.spec.tokens import TokenLayout


@one_line
def reference(model: nn.Module, inputs: Mapping[str, Any], concentration: Concentration | str = "full",
              decisions: Mapping[str, np.ndarray] | None = None, storage: str = "float32") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits float32 [1, vocabulary] of the last token, and the trace.

    The trace has `retained/{layer}/{site}` (int32 [n], original visual indices) for every layer and site, and with similarity concentration
    `group/{layer}/{site}` (int32 [n, slices], row number of each vector's representative) and `zero/{layer}/{site}` (uint8 [n, slices]).
    `decisions`, the trace of another run, says which tokens to keep and which vectors to merge.  Then the logits are those of these decisions,
    and the trace is what would be decided here for each vector, all choices before it having gone as `decisions` says: a close choice that
    fell otherwise counts once, where it was made, and does not change what comes after it.
    `storage` "float16" (or "bfloat16") rounds weights and the values between modules to it; arithmetic stays in float32.
    Raises FocusError for what `import_model` would refuse, when tokens shall be pruned but no text follows the visual tokens, and when
    `decisions` are not of this model and concentration.
    """
    logits, trace, _ = reference_details(model, inputs, concentration, decisions, storage)
    return logits, trace


@one_line
def reference_details(model: nn.Module, inputs: Mapping[str, Any], concentration: Concentration | str = "full",
                      decisions: Mapping[str, np.ndarray] | None = None, storage: str = "float32", values: bool = False
                      ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """As `reference`, and how clear each decision was, for those who compare another implementation.

    The third result holds, for each pruning layer, `importance/{layer}` (float32 [n]), `kept/{layer}` (int32 [k], original visual indices of
    the most important) and `importance_gap/{layer}` (the relative distance between the least important kept and the most important dropped
    token, infinity when none is dropped); for each site
    `threshold_margin/{layer}/{site}` (float32 [n, slices]: how far the best similarity is from the threshold, infinity without a candidate)
    and `choice_margin/{layer}/{site}` (how far the best candidate is ahead of the second); with `values`, also
    `value/{layer}/{site}` (float32 [n, width]: the rows that are compared).
    """
    if not isinstance(storage, str) or storage not in STORED:
        raise FocusError(f"storage {repr(storage).splitlines()[0]}: one of {', '.join(STORED)} expected")
    return _Run(model, inputs, concentration, decisions or {}, storage, values).result()


# ---- storage -----------------------------------------------------------------------------------------------------------------------
#: storage -> what becomes of a value that is stored
STORED = {"float32": lambda x: x, "float16": lambda x: x.half().float(), "bfloat16": lambda x: x.bfloat16().float()}


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


# ---- the model's own front: up to the first decoder layer ------------------------------------------------------------------------
class _Captured(Exception):
    """Ends the model's forward once the first decoder layer's inputs are known."""


@torch.no_grad()
def decoder_inputs(model: nn.Module, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """What the model hands to its decoder: embeddings [S, D] with visual features in place, cos and sin [S, head_dim], and, for each of the first
    layers behind which features are added to the visual rows, those features [V, D]."""
    caught: dict[str, Any] = {}

    def of_decoder(_decoder, _args, kwargs):
        caught["deep"] = kwargs.get("deepstack_visual_embeds") or []

    def hook(_layer, args, kwargs):
        caught["hidden"] = args[0] if args else kwargs["hidden_states"]
        caught["cos"], caught["sin"] = kwargs["position_embeddings"]
        raise _Captured

    decoder = decoder_of(model)
    handles = [decoder.register_forward_pre_hook(of_decoder, with_kwargs=True),
               decoder.layers[0].register_forward_pre_hook(hook, with_kwargs=True, prepend=True)]
    try:
        with untouched(model):
            model(**{k: torch.as_tensor(v) if isinstance(v, (np.ndarray, list)) else v for k, v in inputs.items()})
    except _Captured:
        pass
    except Exception as e:
        raise FocusError(f"{type(model).__name__}: the model's own forward fails on these inputs: {type(e).__name__}: {first_line(e)}") from e
    finally:
        for handle in handles:
            handle.remove()
    if "hidden" not in caught:
        raise FocusError(f"{type(model).__name__}: the model's own forward does not come to its decoder's layers")
    return caught["hidden"][0], caught["cos"][0], caught["sin"][0], caught["deep"]


# ---- similarity concentration -----------------------------------------------------------------------------------------------------
@dataclass
class Concentrated:
    """Rows with each vector replaced by the mean of its group, and the groups found (shapes [n, slices])."""
    rows: Tensor
    group: np.ndarray
    zero: np.ndarray
    threshold_margin: np.ndarray
    choice_margin: np.ndarray


def candidate_rows(ids: np.ndarray, tokens: TokenLayout, settings: Concentration) -> list[np.ndarray]:
    """For each offset of the block, in order df, dh, dw: the row of every token's candidate, -1 where there is none.  `ids`: int [n]."""
    row_of = np.full(tokens.V, -1)
    row_of[ids] = np.arange(len(ids))
    number = tokens.grid_numbers()[ids]
    first = np.array([g.first for g in tokens.grids])[number]
    strides = np.array([g.strides for g in tokens.grids])[number]
    tile = np.arange(len(ids)) // settings.m_tile
    candidates = []
    for steps in product(*(range(side) for side in settings.block)):
        if not any(steps):
            continue
        at = ids - strides @ np.array(steps)
        rows = np.where(at >= first, row_of[np.maximum(at, 0)], -1)
        candidates.append(np.where((rows >= 0) & (tile[rows] == tile), rows, -1))
    return candidates


def concentrate(x: Tensor, ids: np.ndarray, tokens: TokenLayout, settings: Concentration,
                decided: np.ndarray | None = None) -> Concentrated:
    """Levels 2 and 3 on the rows x [n, width] of the retained tokens `ids`; means are over the groups `decided` [n, slices] if given."""
    n, width = x.shape
    vectors = F.pad(x, (0, -width % settings.vector)).view(n, -1, settings.vector)
    slices = vectors.shape[1]
    norms = vectors.square().sum(-1).sqrt()
    best, second = torch.full((n, slices), -torch.inf), torch.full((n, slices), -torch.inf)
    pointer = torch.arange(n)[:, None].repeat(1, slices)
    for rows in candidate_rows(ids, tokens, settings):
        t = torch.from_numpy(np.flatnonzero(rows >= 0))
        c = torch.from_numpy(rows[rows >= 0])
        scale = norms[t] * norms[c]
        similarity = torch.where(scale > 0, (vectors[t] * vectors[c]).sum(-1) / scale, 0).clamp(max=1)     # rounding alone exceeds 1
        wins = similarity > best[t]             # strictly: among equals the earlier offset stays
        second[t] = torch.where(wins, best[t], torch.maximum(second[t], similarity))
        pointer[t] = torch.where(wins, c[:, None], pointer[t])
        best[t] = torch.where(wins, similarity, best[t])
    own = torch.arange(n)[:, None]
    group = pointer = torch.where(best > settings.threshold, pointer, own)
    if decided is None:
        while not torch.equal(further := group.gather(0, group), group):
            group = further
        merged = group
    else:                   # where the candidate that a vector points to went is decided; what is found is where the vector goes from there
        merged = torch.from_numpy(decided.astype(np.int64))
        group = torch.where(pointer == own, own, merged.gather(0, pointer))
    return Concentrated(group_means(vectors, merged).view(n, -1)[:, :width], group.int().numpy(), (norms == 0).to(torch.uint8).numpy(),
                        (best - settings.threshold).abs().numpy(), (best - second).nan_to_num(posinf=torch.inf, nan=torch.inf).numpy())


def group_means(vectors: Tensor, group: Tensor) -> Tensor:
    """Each vector [n, slices, v] replaced by the mean over the vectors with the same representative in its slice."""
    n, slices, size = vectors.shape
    flat = (group * slices + torch.arange(slices)).view(-1)
    sums = torch.zeros(n * slices, size).index_add_(0, flat, vectors.reshape(-1, size))
    counts = torch.zeros(n * slices).index_add_(0, flat, torch.ones(n * slices))
    return (sums[flat] / counts[flat, None]).view(n, slices, size)


# ---- semantic concentration --------------------------------------------------------------------------------------------------------
def most_important(importance: np.ndarray, k: int) -> tuple[np.ndarray, float]:
    """Rows of the k largest values in ascending order, ties to the lower row, a NaN before all others, and the relative gap at the cut."""
    order = np.argsort(np.where(np.isnan(importance), -np.inf, -importance), kind="stable")
    if k == len(order):
        return np.sort(order), np.inf
    last, next_ = importance[order[k - 1]], importance[order[k]]
    return np.sort(order[:k]), float((last - next_) / max(last, np.finfo(np.float32).tiny))


# ---- the decoder -------------------------------------------------------------------------------------------------------------------
def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of every head: x [n, heads * d], cos and sin [n, d]."""
    x = x.view(len(x), -1, cos.shape[1])
    low, high = x.chunk(2, -1)
    return (x * cos[:, None] + torch.cat((-high, low), -1) * sin[:, None]).flatten(1)


@dataclass
class _Run:
    """State of one prefill: which tokens are left, and what was recorded.

    `positions` and `original` are of the rows that are left.  In the layer that prunes, after its attention, `kept` says which of the rows that
    the layer runs on these are: the layer's own forward goes on with all of them, and those that are not left are dropped at its end.
    """
    model: nn.Module
    inputs: Mapping[str, Any]
    concentration: Concentration | str
    decisions: Mapping[str, np.ndarray]
    storage: str
    values: bool
    trace: dict[str, np.ndarray] = field(default_factory=dict)
    details: dict[str, np.ndarray] = field(default_factory=dict)
    kept: np.ndarray | None = None

    @torch.no_grad()
    def result(self) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        _, self.tokens, _ = prefill_of(self.model, self.inputs)
        model, inputs = as_stored(self.model, self.inputs, self.storage)
        return self.prefill(model, inputs), self.trace, self.details

    def stored(self, x: Tensor) -> Tensor:
        """x as it is when it has been stored."""
        return STORED[self.storage](x)

    def prefill(self, model: nn.Module, inputs: Mapping[str, Any]) -> np.ndarray:
        """Logits of the last token."""
        self.settings = Concentration.resolve(self.concentration, len(decoder_of(model).layers))
        if self.settings.sec and not self.tokens.prompt_rows:
            raise FocusError("input_ids: no text after the visual tokens; importance is what the prompt attends to")
        with stored_outputs(model.modules(), self.storage):
            *first, deep = decoder_inputs(model, inputs)
        hidden, self.cos, self.sin = map(self.stored, first)
        self.positions = np.arange(self.tokens.S)           # of the rows that are left, in sequence order
        self.original = np.full(self.tokens.S, -1)          # visual index of each row, -1 for text
        self.original[self.tokens.visual_positions()] = np.arange(self.tokens.V)
        user = skeleton(model)                              # its attention and its hooks are changed
        decoder = decoder_of(user)
        with patched(self.operated(number, layer) for number, layer in enumerate(decoder.layers)), \
                stored_outputs(decoder.modules(), self.storage, between=True) as self.storing:
            for number, layer in enumerate(decoder.layers):
                hidden = self.called(f"layers.{number}", layer, hidden, attention_mask=None, position_embeddings=(self.cos, self.sin))
                if self.kept is not None:
                    hidden, self.kept = hidden[self.kept], None
                if number < len(deep):
                    visual = self.original >= 0
                    hidden[visual] = self.stored(hidden[visual] + self.stored(deep[number][self.original[visual]]))
            last = self.called("norm", decoder.norm, hidden[-1:])
        return self.called("lm_head", user.lm_head, last).float().numpy()

    @staticmethod
    def called(path: str, module: nn.Module, hidden: Tensor, **further: Any) -> Tensor:
        """A module of the decoder on rows.  Raises FocusError for what it raises."""
        try:
            return module(hidden, **further)
        except FocusError:
            raise
        except Exception as e:
            raise FocusError(f"the decoder's {path} fails: {type(e).__name__}: {first_line(e)}") from e

    def operated(self, number: int, layer: nn.Module) -> tuple[nn.Module, Callable]:
        """The forward of a layer's attention; the inputs of its MLP become concentration sites."""
        def attention(hidden_states: Tensor, **_unused) -> tuple[Tensor, None]:
            with self.storing.whole():
                attended, importance = self.attention(number, layer.self_attn, hidden_states)
            if importance is not None:
                self.prune(number, importance)
            return attended, None

        def concentrated(site: str, x: Tensor) -> Tensor:
            with self.storing.whole():
                return self.site(number, site, x)
        layer.mlp.register_forward_pre_hook(lambda _module, args: (concentrated("gate_proj", args[0]), *args[1:]))
        layer.mlp.down_proj.register_forward_pre_hook(lambda _module, args: (concentrated("down_proj", args[0]), *args[1:]))
        return layer.self_attn, attention

    def rotated(self, x: Tensor) -> Tensor:
        return self.stored(rotated(x, self.cos[self.positions], self.sin[self.positions]))

    def attention(self, number: int, module: nn.Module, x: Tensor) -> tuple[Tensor, np.ndarray | None]:
        """The attention block's output before the residual, and, in a pruning layer, the importance of the visual rows."""
        x = self.site(number, "q_proj", x)
        queries, keys = module.q_proj(x), module.k_proj(x)
        size = self.cos.shape[1]
        if hasattr(module, "q_norm"):
            queries, keys = (norm(y.view(-1, size)).view(y.shape) for y, norm in ((queries, module.q_norm), (keys, module.k_norm)))
        query = self.site(number, "query", self.rotated(queries))
        q, k, v = (y.view(len(x), -1, size).transpose(0, 1) for y in (query, self.rotated(keys), module.v_proj(x)))
        visual = torch.from_numpy(self.original >= 0)
        hidden_from = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        importance = None if self.settings.alpha(number) is None else torch.zeros(int(visual.sum()))
        outputs = []
        for head in range(len(q)):
            shared = head * len(k) // len(q)
            scores = (q[head] @ k[shared].T * module.scaling).masked_fill_(hidden_from, -torch.inf)
            probabilities = scores.softmax(-1)
            outputs.append(self.stored(probabilities) @ v[shared])
            if importance is not None:
                importance = torch.maximum(importance, probabilities[-self.tokens.prompt_rows:, visual].amax(0))
        out = self.site(number, "o_proj", self.stored(torch.cat(outputs, 1)))
        return module.o_proj(out), None if importance is None else importance.numpy()

    def prune(self, number: int, importance: np.ndarray) -> None:
        """Leave the rows of the most important visual tokens and of all text."""
        visual = np.flatnonzero(self.original >= 0)
        kept, gap = most_important(importance, self.settings.keep(number, self.tokens.V, len(visual)))
        self.details[f"importance/{number}"], self.details[f"importance_gap/{number}"] = importance, np.float32(gap)
        self.details[f"kept/{number}"] = self.original[visual[kept]].astype(np.int32)
        decided = self.decisions.get(f"retained/{number}/gate_proj")
        if decided is not None:
            chosen = np.flatnonzero(np.isin(self.original[visual], decided))
            if len(chosen) != len(kept) or len(decided) != len(kept):
                raise FocusError(f"retained/{number}/gate_proj: expected {len(kept)} of the {len(visual)} visual tokens left before it, "
                                 f"got {len(decided)}, of which {len(chosen)} are left")
            kept = chosen
        self.kept = np.sort(np.concatenate((visual[kept], np.flatnonzero(self.original < 0))))
        self.positions, self.original = self.positions[self.kept], self.original[self.kept]

    def site(self, number: int, site: str, x: Tensor) -> Tensor:
        """Record a concentration site and, if similarity is concentrated, replace the visual rows of x."""
        visual = np.flatnonzero(self.original >= 0)
        ids, key = self.original[visual], f"{number}/{site}"
        rows = visual if self.kept is None else self.kept[visual]
        self.trace[f"retained/{key}"] = ids.astype(np.int32)
        if not self.settings.sic:
            return x
        decided = self.decisions.get(f"group/{key}")
        expected = (len(rows), -(-x.shape[1] // self.settings.vector))
        if decided is not None and decided.shape != expected:
            raise FocusError(f"group/{key}: expected the shape {list(expected)} of this model's tokens and vectors, got {list(decided.shape)}")
        done = concentrate(x[rows], ids, self.tokens, self.settings, decided)
        self.trace[f"group/{key}"], self.trace[f"zero/{key}"] = done.group, done.zero
        self.details[f"threshold_margin/{key}"], self.details[f"choice_margin/{key}"] = done.threshold_margin, done.choice_margin
        if self.values:
            self.details[f"value/{key}"] = x[rows].numpy()
        x = x.clone()
        x[rows] = self.stored(done.rows)
        return x
