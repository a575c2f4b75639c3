"""How far concentration moves a model's answers from those of the same model dense in float32.

In: a model, one or several requests, a concentration.  Out: `fidelity` -> `Fidelity`: distances between next-token distributions at every position of
the prompt (the text after the last visual token), tokens of a greedy continuation, and features of the vision tower.  Beside it stands what
storage in fp16 alone does, dense: a machine that holds fp16 can do no better.

All is computed by the reference (docs/algorithm.md), whose concentrated runs a compiled model's runs are compared with.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from focus.compiler.truth.reference import DecoderRun, Front, Tower
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line

MOST_TOKENS = 1 << 16            #: that a continuation may have
TOP = 5         #: most probable tokens that are compared as a set


@dataclass(frozen=True)
class Distance:
    """How far runs are from the dense model in float32.

    Means over the positions of the prompt: `kl`, the divergence KL(dense || run) of the next-token distributions in nats; `variation`, their total
    variation distance (0..1); `top1`, the share of positions with the same most probable token; `top5`, the share of the dense model's five most
    probable tokens that are among the run's.  `last`: `kl` at the last position alone, where the answer begins.
    `generated`: share of the greedily generated tokens in front of the first that differs; None where none were generated.
    `features`: cosine of the visual rows that the decoder gets, mean over tokens.
    """
    kl: float
    variation: float
    top1: float
    top5: float
    last: float
    generated: float | None
    features: float

    @classmethod
    def mean(cls, several: Sequence[Distance]) -> Distance:
        """The mean of several requests, each of which counts the same."""
        columns = {f.name: [getattr(d, f.name) for d in several] for f in fields(cls)}
        means: dict[str, Any] = {name: None if None in values else sum(values) / len(values) for name, values in columns.items()}
        return cls(**means)

    def __str__(self) -> str:
        generated = "" if self.generated is None else f"; {self.generated:.0%} of the generated tokens in front of the first that differs"
        return (f"KL {self.kl:.3g}, at the last position {self.last:.3g}; total variation {self.variation:.3g}; top token {self.top1:.1%} alike, "
                f"top {TOP} {self.top5:.1%}{generated}; features {self.features:.5f}")


@dataclass(frozen=True)
class Fidelity:
    """The distances of each request, concentrated, and dense with storage in fp16 alone (none where that was not asked for)."""
    requests: tuple[Distance, ...]
    storage: tuple[Distance, ...] = ()

    @property
    def mean(self) -> Distance:
        """Concentrated, over all requests."""
        return Distance.mean(self.requests)

    @property
    def storage_mean(self) -> Distance | None:
        """With storage in fp16 alone, over all requests."""
        return Distance.mean(self.storage) if self.storage else None

    def as_dict(self) -> dict[str, Any]:
        """Everything as numbers, lists and dictionaries, as JSON takes them."""
        means = {"mean": asdict(self.mean)} | ({"storage_mean": asdict(Distance.mean(self.storage))} if self.storage else {})
        return means | {"requests": [asdict(d) for d in self.requests], "storage": [asdict(d) for d in self.storage]}

    def __str__(self) -> str:
        return str(self.mean) + (f"\nfp16 storage alone: {self.storage_mean}" if self.storage else "")


@one_line
def fidelity(model: nn.Module, inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]], concentration: Concentration | str = "full",
             generate: int = 16, storage: bool = True) -> Fidelity:
    """How far a concentration moves a model's answers to one or several requests.

    inputs: those of the model's forward, or a list of such.  generate: tokens of the greedy continuation to compare, 0 for none.  storage: measure
    what fp16 storage alone does, too.  Raises FocusError as `reference` does, and for a request without text after its visual tokens.
    """
    if not isinstance(inputs, (Mapping, list, tuple)):
        raise FocusError(f"inputs: a dictionary of names and tensors, or a list of such expected, got {type(inputs).__name__}")
    requests = [inputs] if isinstance(inputs, Mapping) else list(inputs)
    if not requests:
        raise FocusError("inputs: at least one request expected, got none")
    if not isinstance(generate, int) or isinstance(generate, bool) or not 0 <= generate <= MOST_TOKENS:
        raise FocusError(f"generate: a number of tokens from 0 to {MOST_TOKENS} expected, got {generate!r}")
    measured = []
    for request in requests:
        dense = Dense.of(model, request, generate)
        wanted = Concentration.resolve(concentration, dense.front.depth)
        front = Front.of(model, request, more=generate, tower=Tower(wanted)) if wanted.vision else dense.front
        concentrated = dense.distance(front.run(wanted))
        measured.append((concentrated, dense.distance(Front.of(model, request, "float16", generate).run("off")) if storage else None))
    return Fidelity(tuple(c for c, _ in measured), tuple(s for _, s in measured if s is not None))


@dataclass(frozen=True)
class Dense:
    """What the dense model in float32 makes of a request: log probabilities float64 [positions of the prompt, vocabulary], and the tokens that
    it goes on with."""
    front: Front
    log_probabilities: Tensor
    generated: tuple[int, ...]

    @classmethod
    def of(cls, model: nn.Module, inputs: Mapping[str, Any], generate: int = 0) -> Dense:
        """Raises FocusError as `reference` does, and for a request without text after its visual tokens."""
        front = Front.of(model, inputs, more=generate)
        if not front.tokens.prompt_rows:
            raise FocusError("input_ids: no text after the visual tokens; at its positions answers are compared")
        run = front.run("off")
        return cls(front, log_probabilities(run), tuple(run.generate(generate)) if generate else ())

    def distance(self, run: DecoderRun, generate: bool = True) -> Distance:
        """How far a run of the same request is; generate: the run goes on as far as the dense one did."""
        ours, theirs = log_probabilities(run), self.log_probabilities
        kl = (theirs.exp() * (theirs - ours)).sum(-1)
        top = (theirs.topk(TOP).indices[:, :, None] == ours.topk(TOP).indices[:, None]).any(-1)
        alike = None
        if generate and self.generated:
            same = [a == b for a, b in zip(run.generate(len(self.generated)), self.generated)]
            alike = [*same, False].index(False) / len(same)
        return Distance(float(kl.mean()), float((theirs.exp() - ours.exp()).abs().sum(-1).mean() / 2),
                        float((theirs.argmax(-1) == ours.argmax(-1)).double().mean()), float(top.double().mean()), float(kl[-1]), alike,
                        float(cosine_similarity(run.front.features.double(), self.front.features.double(), dim=-1).mean()))


def log_probabilities(run: DecoderRun) -> Tensor:
    """float64 [positions of the prompt, vocabulary]: of the token that follows each position."""
    return run.logits(run.tokens.prompt_rows).double().log_softmax(-1)
