"""The plain statement of the concentration algorithm (docs/algorithm.md) in PyTorch, float32: what a compiled model must compute.

In: an unmodified Hugging Face model, the inputs of its forward, and a concentration.  Out: logits and the trace; `Front`, for those who run one
request several times, or go on from it token by token.

The model's own modules do all that is not concentration: vision tower and embeddings, the decoder's layers with their norms, MLPs and
projections, the head, hooks that stand on them included.  Written out here is the decoder's attention, because importance comes of it; what is done
to rows at the concentration sites is in `similarity`, and how it comes into the vision tower in `tower`.  Nothing is shared with the passes or the
simulator but the layouts, which say where visual tokens and rows of the tower stand.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from focus.compiler.frontend.families.base import decoder_cap, decoder_of
from focus.compiler.frontend.surgery import patched, skeleton, untouched
from focus.compiler.frontend.wrapper import foreseen, prefill_of
from focus.compiler.truth.similarity import Record
from focus.compiler.truth.storage import STORED, as_stored, check_storage, stored_outputs
from focus.compiler.truth.tower import concentrated_tower
from focus.runtime.run.trace import arrays_of
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, first_line, one_line
from focus.runtime.spec.tokens import TokenLayout


@one_line
def reference(model: nn.Module, inputs: Mapping[str, Any], concentration: Concentration | str = "full",
              decisions: Mapping[str, np.ndarray] | None = None, storage: str = "float32") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits float32 [1, vocabulary] of the last token, and the trace.

    The trace has `retained/{layer}/{site}` (int32 [n], original visual indices) for every layer and site of the decoder, and where vectors are merged
    `group/{layer}/{site}` (int32 [n, slices], row number of each vector's representative) and `zero/{layer}/{site}` (uint8 [n, slices]).
    `decisions`, the trace of another run, says which tokens to keep and which vectors to merge.  Then the logits are those of these decisions,
    and the trace is what would be decided here for each vector, all choices before it having gone as `decisions` says: a close choice that
    fell otherwise counts once, where it was made, and does not change what comes after it.
    `storage` "float16" (or "bfloat16") rounds weights and the values between modules to it; arithmetic stays in float32.
    Raises FocusError for what `import_model` would refuse, when tokens shall be pruned but no text follows the visual tokens, and when
    `decisions` are not of this model and concentration.
    """
    decisions = arrays_of({} if decisions is None else decisions)
    run = Front.of(model, inputs, storage, tower=Tower(concentration, decisions)).run(concentration, decisions)
    return run.logits().numpy(), run.trace


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
    decisions = arrays_of({} if decisions is None else decisions)
    run = Front.of(model, inputs, storage, tower=Tower(concentration, decisions, values)).run(concentration, decisions, values)
    return run.logits().numpy(), run.trace, run.details


def _as_decided(settings: Concentration, decisions: Mapping[str, np.ndarray]) -> Concentration:
    """The settings; where they leave open whether layers prune before their queries, as the trace of another run says."""
    for layer in settings.layers if settings.hoist == "auto" else ():
        seen, asked, kept = (len(decisions.get(f"retained/{layer}/{site}", ())) for site in ("q_proj", "query", "gate_proj"))
        if seen > kept:
            return settings.model_copy(update={"hoist": asked == kept})
    return settings


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block with PyTorch on one thread: many short operations, in which threads of a busy machine wait for each other far longer than
    they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---- the model's own front: up to the first decoder layer ------------------------------------------------------------------------
class _Captured(Exception):
    """Ends the model's forward once the first decoder layer's inputs are known."""


@torch.no_grad()
def decoder_inputs(model: nn.Module, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """What the model hands to its decoder: embeddings [S, D] with visual features in place, cos and sin [S, head_dim], and, for each of the first
    layers after which features are added to the visual rows, those features [V, D]."""
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
            model(**inputs)
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


def continued(inputs: Mapping[str, Any], filler: int, more: int) -> dict[str, Any]:
    """The inputs of a request with `more` tokens of text at its end.  Its position and what is beside it say nothing of its value."""
    beside = {"input_ids": filler, "attention_mask": 1, "mm_token_type_ids": 0}
    tensors = {k: torch.as_tensor(v) if isinstance(v, np.ndarray | list) else v for k, v in inputs.items()}
    return {k: F.pad(v, (0, more), value=beside[k]) if k in beside and isinstance(v, Tensor) else v for k, v in tensors.items()}


@dataclass(frozen=True)
class Tower:
    """How the vision tower is to be concentrated: what `Front.run` and `reference_details` take."""
    concentration: Concentration | str
    decisions: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: bool = False


@dataclass(frozen=True)
class Front:
    """One request up to its decoder, which may run any number of times, each with another concentration.

    `model` and what follows are as stored in `storage`.  `hidden` [S + more, D], `cos`, `sin` [S + more, head_dim]: of the request and of `more`
    tokens of text that may follow it; of those, only positions mean anything.  `deep`: features [V, D] added to the visual rows after the
    first layers.  `found`: what was found in the vision tower, where that is concentrated.
    """
    model: nn.Module
    tokens: TokenLayout
    storage: str
    hidden: Tensor
    cos: Tensor
    sin: Tensor
    deep: tuple[Tensor, ...]
    found: Record | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, model: nn.Module, inputs: Mapping[str, Any], storage: str = "float32", more: int = 0, tower: Tower | None = None) -> Front:
        """Run the model's own modules up to its decoder, the vision tower dense or concentrated.  Raises FocusError as `reference` does."""
        check_storage(storage)
        prefill, tokens, checked = prefill_of(model, inputs)
        text = int(checked["input_ids"][0, int(np.flatnonzero(~tokens.visual_mask())[0])])
        model, inputs = as_stored(model, inputs, storage)
        stored, record, wanted = STORED[storage], None, None
        if tower is not None:
            with foreseen(prefill.family, model):
                layers = prefill.family.info(model)["vision_depth"]
            wanted = Concentration.resolve(tower.concentration, len(decoder_of(model).layers), layers)
            record = Record(tower.decisions, tower.values, stored) if wanted.vision else None
        with ExitStack() as contexts:
            contexts.enter_context(stored_outputs(model.modules(), storage))
            if wanted is not None and record is not None:
                contexts.enter_context(concentrated_tower(prefill.family.vision_sites(model), list(prefill.towers.values()), wanted, record))
            hidden, cos, sin, deep = decoder_inputs(model, continued(inputs, text, more))
        return cls(model, tokens, storage, stored(hidden), stored(cos), stored(sin), tuple(map(stored, deep)), record)

    @property
    def depth(self) -> int:
        """Layers of the decoder."""
        return len(decoder_of(self.model).layers)

    @property
    def features(self) -> Tensor:
        """What the vision tower and what is after it hand to the decoder: rows [V, D] of the visual tokens."""
        return self.hidden[torch.from_numpy(self.tokens.visual_positions())]

    def run(self, concentration: Concentration | str, decisions: Mapping[str, np.ndarray] | None = None, values: bool = False,
            stages: bool = False, after: DecoderRun | None = None) -> DecoderRun:
        """The decoder on all rows of the request.  `stages`: keep what each layer takes, so that another run may come `after` this one: it goes on
        where the two concentrations first differ.  Raises FocusError as `reference` does."""
        settings = _as_decided(Concentration.resolve(concentration, self.depth), decisions or {})
        if settings.sec and not self.tokens.prompt_rows:
            raise FocusError("input_ids: no text after the visual tokens; importance is what the prompt attends to")
        if settings.vision and self.found is None:
            raise FocusError("concentration: the vision tower has run dense already, but is to be concentrated")
        return DecoderRun(self, settings, Record(decisions or {}, values, STORED[self.storage]), stages, after)


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


class Stage(NamedTuple):
    """What a layer takes: rows [n, D], their places in the sequence, their visual indices (-1 for text)."""
    hidden: Tensor
    positions: np.ndarray
    original: np.ndarray


class DecoderRun:
    """The decoder on one request: the prefill, then any number of tokens after it.

    `trace` and `details`: as in `reference_details`.  `positions` and `original` are of the rows under way: their places in the sequence, and their
    visual indices, -1 for text.  In the layer that prunes, after its importance is known, `kept` says which of the rows that
    the layer runs on these are: the layer's own forward goes on with all of them, and those that are not left are dropped at its end.
    """

    @torch.no_grad()
    def __init__(self, front: Front, settings: Concentration, record: Record, stages: bool = False, after: DecoderRun | None = None):
        self.front, self.settings, self.decisions, self.tokens = front, settings, record.decisions, front.tokens
        self.stored, self.record = record.stored, record
        self.trace, self.details = self.record.trace, self.record.details
        if front.found is not None:
            self.trace |= front.found.trace
            self.details |= front.found.details
        self.kept: np.ndarray | None = None
        self.cache: dict[int, tuple[Tensor, Tensor, np.ndarray]] = {}       # of each layer: keys and values [heads, n, d], positions [n]
        self.decoder, self.head = skeleton(decoder_of(front.model)), skeleton(front.model.lm_head)   # their attention and their hooks are changed
        self.patches = [self.operated(number, layer) for number, layer in enumerate(self.decoder.layers)]
        self.prefilling = True
        self.followed = 0                   # tokens after the request
        self.positions = np.arange(self.tokens.S)
        self.original = np.full(self.tokens.S, -1)
        self.original[self.tokens.visual_positions()] = np.arange(self.tokens.V)
        self.stages: list[Stage] | None = [] if stages else None
        first, hidden = 0, front.hidden[:self.tokens.S]
        if after is not None and after.stages:
            first = min(settings.alike(after.settings, front.depth), front.depth - 1)
            hidden, self.positions, self.original = after.stages[first]
            self.cache = {number: after.cache[number] for number in range(first)}
            for ours, theirs in ((self.trace, after.trace), (self.details, after.details)):
                ours |= {key: value for key, value in theirs.items() if key not in ours and int(key.split("/")[1]) < first}
        self.hidden = self.through(hidden, first)
        self.prefilling = False

    @torch.no_grad()
    def logits(self, rows: int = 1) -> Tensor:
        """Logits float32 [rows, vocabulary] of the last `rows` rows under way."""
        with stored_outputs(self.decoder.norm.modules(), self.front.storage, between=True):
            last = self.called("norm", self.decoder.norm, self.hidden[-rows:])
        return self.called("lm_head", self.head, last).float()

    @torch.no_grad()
    def generate(self, count: int) -> list[int]:
        """The next `count` tokens, each the most probable one (of several, the first).  After the prefill nothing is concentrated: a token sees, in
        each layer, whatever tokens that layer's attention saw.  For a run whose front has at least `count - 1` more tokens."""
        out: list[int] = []
        while True:
            out.append(int(self.logits()[0].argmax()))
            if len(out) == count:
                return out
            self.go_on(out[-1:])

    @torch.no_grad()
    def go_on(self, ids: Sequence[int]) -> None:
        """Put tokens of text that follow the request, and those before them, through the decoder.  Each sees, in each layer, whatever tokens that
        layer's attention saw, the tokens that followed, and itself.  For a run whose front has as many more tokens."""
        if self.tokens.S + self.followed + len(ids) > len(self.front.cos):
            raise FocusError(f"{len(ids)} tokens after {self.followed}: the front was made for {len(self.front.cos) - self.tokens.S} more (more=)")
        self.positions = np.arange(len(ids)) + self.tokens.S + self.followed
        self.original = np.full(len(ids), -1)
        self.followed += len(ids)
        self.hidden = self.through(self.stored(self.decoder.embed_tokens(torch.tensor(list(ids)))))

    def through(self, hidden: Tensor, first: int = 0) -> Tensor:
        """The rows that are left of `hidden` [n, D], after all layers from the first on."""
        with one_thread(), patched(self.patches), stored_outputs(self.decoder.modules(), self.front.storage, between=True) as self.storing:
            for number, layer in list(enumerate(self.decoder.layers))[first:]:
                if self.prefilling and self.stages is not None:
                    self.stages.append(Stage(hidden, self.positions, self.original))
                hidden = self.called(f"layers.{number}", layer, hidden, attention_mask=None, position_embeddings=(self.front.cos, self.front.sin))
                if self.kept is not None:
                    hidden, self.kept = hidden[self.kept], None
                if number < len(self.front.deep):
                    if self.front.deep[number].shape[1] != hidden.shape[1]:
                        raise FocusError(f"the decoder's layers.{number} has {hidden.shape[1]} features, but the vision tower adds "
                                         f"{self.front.deep[number].shape[1]} to them")
                    visual = self.original >= 0
                    hidden[visual] = self.stored(hidden[visual] + self.front.deep[number][self.original[visual]])
        return hidden

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
                return self.attention(number, layer.self_attn, hidden_states), None

        def concentrated(site: str, x: Tensor) -> Tensor:
            with self.storing.whole():
                return self.site(number, site, x)
        layer.mlp.register_forward_pre_hook(lambda _module, args: (concentrated("gate_proj", args[0]), *args[1:]))
        layer.mlp.down_proj.register_forward_pre_hook(lambda _module, args: (concentrated("down_proj", args[0]), *args[1:]))
        return layer.self_attn, attention

    def rotated(self, x: Tensor) -> Tensor:
        at = torch.from_numpy(self.positions)
        return self.stored(rotated(x, self.front.cos[at], self.front.sin[at]))

    def attention(self, number: int, module: nn.Module, x: Tensor) -> Tensor:
        """The attention block's output before the residual.  In a layer that prunes, the rows that are left are chosen on the way: before the queries
        merge with one another (`hoist`), or at the end."""
        count = int((self.original >= 0).sum())
        prunes = self.prefilling and self.settings.alpha(number) is not None
        hoisted = prunes and self.settings.hoists and self.settings.keep(number, self.tokens.V, count) < count
        merged, positions, size = self.site(number, "q_proj", x), self.positions, self.front.cos.shape[1]
        queries, keys = module.q_proj(x if hoisted else merged), module.k_proj(merged)
        if hasattr(module, "q_norm"):
            queries, keys = (norm(y.view(-1, size)).view(y.shape) for y, norm in ((queries, module.q_norm), (keys, module.k_norm)))
        query, k, v = (self.heads(y) for y in (self.rotated(queries), self.rotated(keys), module.v_proj(merged)))
        k, v, at = self.cached(number, k, v)
        later = torch.from_numpy(at > positions[:, None])
        if prunes:
            prompt = slice(-self.tokens.prompt_rows, None)
            weights = self.probabilities(module, query[:, prompt], k, later[prompt])
            importance = weights[..., torch.from_numpy(self.original >= 0)].amax((0, 1)).numpy()
        if hoisted:
            self.prune(number, importance)
        query = self.heads(self.site(number, "query", query.transpose(0, 1).flatten(1)))
        attended = self.stored(self.probabilities(module, query, k, later)) @ v.repeat_interleave(len(query) // len(k), 0)
        out = self.site(number, "o_proj", self.stored(attended.transpose(0, 1).flatten(1)))
        if prunes and not hoisted:
            self.prune(number, importance)
        return module.o_proj(out)

    def heads(self, x: Tensor) -> Tensor:
        """Rows [n, heads * d] as [heads, n, d]."""
        return x.view(len(x), -1, self.front.cos.shape[1]).transpose(0, 1)

    @staticmethod
    def probabilities(module: nn.Module, q: Tensor, k: Tensor, later: Tensor) -> Tensor:
        """softmax of q k^T for each query head [heads, rows, keys]; `later` [rows, keys]: what a row may not see.  An attention that was registered
        may bound scores before."""
        scores = q @ k.repeat_interleave(len(q) // len(k), 0).transpose(1, 2) * module.scaling
        if cap := decoder_cap(module):
            scores = cap * torch.tanh(scores / cap)
        return scores.masked_fill_(later, -torch.inf).softmax(-1)

    def cached(self, number: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, np.ndarray]:
        """Keys and values of a layer, those of the rows under way after earlier ones, and the positions of all."""
        before = self.cache.get(number, (k[:, :0], v[:, :0], self.positions[:0]))
        self.cache[number] = torch.cat((before[0], k), 1), torch.cat((before[1], v), 1), np.concatenate((before[2], self.positions))
        return self.cache[number]

    def prune(self, number: int, importance: np.ndarray) -> None:
        """Leave the rows of the most important visual tokens and of all text."""
        visual = np.flatnonzero(self.original >= 0)
        kept, gap = most_important(importance, self.settings.keep(number, self.tokens.V, len(visual)))
        self.details[f"importance/{number}"], self.details[f"importance_gap/{number}"] = importance, np.asarray(gap, np.float32)
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
        """Record a concentration site and, if similarity is concentrated there, replace the visual rows of x."""
        if not self.prefilling:
            return x
        visual = np.flatnonzero(self.original >= 0)
        ids, key = self.original[visual], f"{number}/{site}"
        rows = visual if self.kept is None else self.kept[visual]
        self.trace[f"retained/{key}"] = ids.astype(np.int32)
        settings = self.settings.everywhere(number, site)
        if not settings.similarity:
            return x
        merged = self.record.merge(key, x[rows], ids, self.tokens, settings)
        x = x.clone()
        x[rows] = merged
        return x
