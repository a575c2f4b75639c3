# RUN: %python %s | filecheck %s
"""Models whose attention is a function registered with transformers: softmax of scores bounded by tanh, in decoders, towers or both, with few tokens
after the request too; dense as the model itself computes it, concentrated as the reference decides, sanitized, and the same cycles without data."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import torch
from models import DENSE, Case, distance
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

import focus
from focus.compiler import zoo


def capped(module, q, k, v, attention_mask, scaling=None, dropout=0.0, **_):
    """Softmax attention of 0.5 tanh(score / 0.5)."""
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = 0.5 * torch.tanh(q @ k.transpose(2, 3) * scaling / 0.5)
    weights = (scores if attention_mask is None else scores + attention_mask[..., :k.shape[-2]]).softmax(-1)
    return (weights @ v).transpose(1, 2).contiguous(), weights


AttentionInterface.register("capped", capped)
AttentionMaskInterface.register("capped", eager_mask)


def model_of(name, parts):
    model, inputs = zoo.build(name)
    plain = model(**inputs).logits[:, -1].detach().numpy()
    for part in parts:
        model.get_submodule(f"model.{part}").set_attn_implementation("capped")
    return model, inputs, plain


for name, parts, settings in (("llava-tiny", ["language_model"], "full"), ("internvl-tiny", ["vision_tower"], "tower"),
                              ("qwen2.5-vl-tiny", ["visual", "language_model"], "full"), ("llava-onevision-tiny", ["vision_tower", "language_model"], "sec")):
    model, inputs, plain = model_of(name, parts)
    case = Case(model, inputs)
    dense = case.run()
    assert distance(case.logits(), plain) > 5 * DENSE, "the bound does nothing"
    concentrated = case.run(case.tower() if settings == "tower" else settings)
    print(name, dense.distance < DENSE, concentrated.agreement.holds)
# CHECK: llava-tiny True True
# CHECK-NEXT: internvl-tiny True True
# CHECK-NEXT: qwen2.5-vl-tiny True True
# CHECK-NEXT: llava-onevision-tiny True True

# Decode: 4 tokens as the model generates them greedily.
model, inputs, _ = model_of("qwen3-vl-tiny", ["language_model"])
want = model.generate(**inputs, max_new_tokens=4, do_sample=False, eos_token_id=None, pad_token_id=0)[0, -4:].tolist()
with focus.compile(model, inputs, "focus", "off", max_new_tokens=4).session(inputs) as session:
    got, = session.generate(4)
# CHECK-NEXT: tokens True
print("tokens", list(got) == want, list(got), want)
