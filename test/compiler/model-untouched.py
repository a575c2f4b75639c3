# Compiling, the reference and what they refuse leave the user's model as it was: a property of every family, also when something fails.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error
from torch import nn

import focus
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import import_model


def plain(value):
    """What can be compared of an attribute."""
    if isinstance(value, torch.Tensor):
        return id(value), value.data_ptr(), value.requires_grad, value.detach().clone().flatten().tolist() if value.numel() < 4096 else value._version
    if isinstance(value, dict):
        return [(k, plain(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    return value if isinstance(value, (int, float, str, type(None))) else id(value)


def state(model):
    """All that one can see of a model: every attribute of every module, its parameters, buffers, hooks and mode, and the configuration."""
    return [(name, type(module), plain(module.__dict__)) for name, module in model.named_modules()], str(model.config)


class Failing(nn.Module):
    def forward(self, *args, **kwargs):
        raise RuntimeError("not today")


class Untimely(nn.Module):
    """Fails in the second forward: the export succeeds, the check does not."""
    times = 0

    def forward(self, x):
        Untimely.times += 1
        if Untimely.times > 1:
            raise RuntimeError("not again")
        return x


def changes(model):
    """(what, function) that make the model one whose compilation fails, in another place each."""
    layers = model.model.language_model.layers
    yield "nothing", lambda: None
    yield "export", lambda: setattr(layers[1], "input_layernorm", Failing())
    yield "check", lambda: (setattr(Untimely, "times", 0), setattr(layers[1], "post_attention_layernorm", Untimely()))
    yield "operator", lambda: setattr(layers[0].mlp.up_proj, "forward", lambda x: x.cumsum(-1)[:, :1].expand(-1, 96))
    yield "forward", lambda: setattr(layers[0].input_layernorm, "forward", lambda x: x)
    yield "training", lambda: (model.train(), model.requires_grad_(True))


for name in ("llava-onevision-tiny", "llava-next-tiny", "internvl-tiny", "qwen2.5-vl-tiny", "qwen3-vl-tiny"):
    model, inputs = zoo.build(name)
    done = []
    for what, change in changes(model):
        if what != "nothing" and not name.startswith(("llava-one", "qwen3")):
            continue
        model, inputs = zoo.build(name)
        list(changes(model))
        dict(changes(model))[what]()
        before = state(model)
        said = error(import_model, model, inputs)
        done.append(f"{what}: {said.split(': ')[-1] if what in ('export', 'check') else 'accepted' if said == 'ACCEPTED' else 'refused'}"
                    f"{'' if state(model) == before else ', CHANGED'}")
        error(focus.reference, model, inputs, "full")
        if state(model) != before:
            done.append("reference CHANGED")
    print(name, *done, sep="; ")
# CHECK: llava-onevision-tiny; nothing: accepted; export: not today; check: not again; operator: refused; forward: refused; training: accepted
# CHECK-NEXT: llava-next-tiny; nothing: accepted
# CHECK-NEXT: internvl-tiny; nothing: accepted
# CHECK-NEXT: qwen2.5-vl-tiny; nothing: accepted
# CHECK-NEXT: qwen3-vl-tiny; nothing: accepted; export: not today; check: not again; operator: refused; forward: refused; training: accepted

# Rope frequencies that a forward changes as it goes: longer sequences than the model was trained for.
model, inputs = zoo.build("llava-tiny")
config = model.model.language_model.config
config.rope_parameters = dict(rope_type="dynamic", factor=4.0, rope_theta=10000.0)
config.max_position_embeddings = 16
rotary = type(model.model.language_model.rotary_emb)(config)
model.model.language_model.rotary_emb = rotary
before = state(model)
print("dynamic", error(import_model, model, inputs), state(model) == before)
# CHECK-NEXT: dynamic ACCEPTED True
focus.reference(model, inputs, "off")
print("reference", state(model) == before)
# CHECK-NEXT: reference True
frequencies = rotary.inv_freq
with torch.no_grad():
    model(**inputs)
print("its own forward changes them", rotary.inv_freq is not frequencies)
# CHECK-NEXT: its own forward changes them True

# Modules that stand in two places, refused or not.
model, inputs = zoo.build("llava-next-video-tiny")
layers = model.model.language_model.layers
layers[1].self_attn = layers[0].self_attn
model.model.vision_tower.encoder.layers[1] = model.model.vision_tower.encoder.layers[0]
before = state(model)
print("shared", error(import_model, model, inputs | {"use_cache": False}), state(model) == before)
# CHECK-NEXT: shared ACCEPTED True
layers[1].mlp.act_fn = nn.Mish()
before = state(model)
print("shared and refused", error(import_model, model, inputs) != "ACCEPTED", state(model) == before)
# CHECK-NEXT: shared and refused True True
