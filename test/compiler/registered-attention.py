# Attention functions registered with transformers under a name: softmax of scores, or of bounded scores, is compiled as what it is, in decoders and
# towers; any other is refused by one line.
# RUN: %python %s 2>/dev/null | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
import torch.nn.functional as F
from common import error
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from focus.compiler import zoo
from focus.compiler.frontend.families.base import decoder_cap
from focus.compiler.frontend.importer import import_model


def attention(of_scores, after=lambda weights: weights):
    """An attention function; `of_scores`: what becomes of scores before the softmax."""
    def function(module, q, k, v, mask, scaling=None, dropout=0.0, **_):
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
        scores = of_scores(q @ k.transpose(2, 3) * scaling)
        scores = scores if mask is None else scores + mask[..., :k.shape[-2]]
        weights = after(scores.softmax(-1, dtype=torch.float32).to(q.dtype))
        return (weights @ v).transpose(1, 2).contiguous(), weights
    return function


def capped(cap):
    return attention(lambda scores: cap * torch.tanh(scores / cap))


def of_torch(module, q, k, v, mask, scaling=None, dropout=0.0, **_):
    return F.scaled_dot_product_attention(q, k, v, mask, scale=scaling, enable_gqa=True).transpose(1, 2).contiguous(), None


def windowed(module, q, k, v, mask, scaling=None, dropout=0.0, **_):
    """Softmax attention, but for keys more than 8 before the query."""
    far = torch.arange(k.shape[2]) < torch.arange(k.shape[2] - q.shape[2], k.shape[2])[:, None] - 8
    return of_torch(module, q, k, v, mask.masked_fill(far, -torch.inf), scaling)


FUNCTIONS = {
    "cap-half": capped(0.5), "cap-50": capped(50.0), "cap-300": capped(300.0), "softmax": attention(lambda s: s), "of-torch": of_torch,
    "linear": lambda module, q, k, v, mask, scaling=None, **_: ((q * scaling).transpose(1, 2).contiguous(), None),
    "clipped": attention(lambda s: s.clamp(-5, 5)), "root": attention(lambda s: s.sign() * s.abs().sqrt()), "shifted": attention(lambda s: s + torch.arange(s.shape[-1])),
    "weakened": attention(lambda s: s, lambda w: w * 0.9), "halved": attention(lambda s: s / 2), "lopsided": attention(lambda s: torch.where(s > 0, s, 2 * s)),
    "flat": attention(lambda s: s * 0), "failing": lambda *a, **k: 1 / 0, "windowed": windowed,
}
for name, function in FUNCTIONS.items():
    AttentionInterface.register(name, function)
    AttentionMaskInterface.register(name, eager_mask)


def model_with(entry, name, parts):
    model, inputs = zoo.build(entry)
    for part in parts:
        model.get_submodule(part).set_attn_implementation(name)
    return model, inputs


# ---- what a function does to scores
# CHECK: cap-half 0.5
# CHECK-NEXT: cap-50 50.0
# CHECK-NEXT: cap-300 300.0
# CHECK-NEXT: softmax 0.0
# CHECK-NEXT: of-torch 0.0
for name in list(FUNCTIONS)[:5]:
    model, _ = model_with("llava-tiny", name, ["model.language_model"])
    print(name, decoder_cap(model.model.language_model.layers[1].self_attn))

# ---- refused: in decoders with few and as many heads of keys, and in towers
# CHECK-NEXT: model.language_model.layers.0.self_attn: the attention 'linear' is a function of '__main__' that is not softmax attention of scores
# CHECK-NEXT: model.language_model.layers.0.self_attn: the attention 'clipped' is
# CHECK-NEXT: model.visual.blocks.0.attn: the attention 'root' is
# CHECK-NEXT: model.vision_tower.encoder.layers.0.self_attn: the attention 'shifted' is
# CHECK-NEXT: model.language_model.layers.0.self_attn: the attention 'weakened' is
# CHECK-NEXT: model.language_model.layers.0.self_attn: the attention 'halved' is
# CHECK-NEXT: model.visual.blocks.0.attn: the attention 'lopsided' is
# CHECK-NEXT: model.vision_tower.encoder.layer.0.attention: the attention 'flat' is
# CHECK-NEXT: model.language_model.layers.0.self_attn: the attention 'failing' is
for entry, name, part in (("llava-tiny", "linear", "language_model"), ("qwen2-vl-tiny", "clipped", "language_model"),
                          ("qwen3-vl-tiny", "root", "visual"), ("llava-onevision-tiny", "shifted", "vision_tower"),
                          ("internvl-tiny", "weakened", "language_model"), ("qwen3-vl-tiny", "halved", "language_model"),
                          ("qwen2.5-vl-tiny", "lopsided", "visual"), ("internvl-tiny", "flat", "vision_tower"), ("llava-tiny", "failing", "language_model")):
    print(error(import_model, *model_with(entry, name, [f"model.{part}"])))
# softmax attention of two keys, but not of many: the model's own forward tells
# CHECK-NEXT: model.language_model.layers.0.self_attn: this LlamaAttention computes something else in the model's own forward than in the program
print(error(import_model, *model_with("llava-tiny", "windowed", ["model.language_model"])))
# a layer that has a function of its own
model, inputs = zoo.build("llava-onevision-tiny")
last = model.model.language_model.layers[-1].self_attn
last.config = type(last.config).from_dict(last.config.to_dict())
last.config._attn_implementation = "clipped"
# CHECK-NEXT: model.language_model.layers.2.self_attn: the attention 'clipped' is
print(error(import_model, model, inputs))
