# The reference runs the user's own modules: whatever compiles, replaced norms, biases, adapters and hooks included, it computes, and runs agree with it.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, last_logits, relative
from torch import nn

import focus
from focus.compiler.frontend import zoo

torch.manual_seed(0)


class Adapted(nn.Module):
    """A linear layer with a low-rank one beside it."""
    def __init__(self, base):
        super().__init__()
        self.base, self.out_features = base, base.out_features
        self.down, self.up = nn.Linear(base.in_features, 4, bias=False), nn.Linear(4, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def layers(model):
    return model.model.language_model.layers


def head_bias(model):
    model.lm_head.bias = nn.Parameter(torch.randn(model.lm_head.out_features))


def last_norm(model):
    model.model.language_model.norm = nn.LayerNorm(model.config.text_config.hidden_size)


def second_norm(model):
    layers(model)[1].post_attention_layernorm = nn.RMSNorm(model.config.text_config.hidden_size)


def adapters(model):
    for layer in layers(model):
        layer.self_attn.o_proj, layer.mlp.down_proj = Adapted(layer.self_attn.o_proj), Adapted(layer.mlp.down_proj)


def hooks(model):
    layers(model)[0].register_forward_pre_hook(lambda module, args: (args[0] + args[0], *args[1:]))
    layers(model)[1].register_forward_hook(lambda module, args, out: out + out)


def inner_hooks(model):
    layers(model)[1].mlp.register_forward_hook(lambda module, args, out: out + args[0])
    layers(model)[0].self_attn.register_forward_hook(lambda module, args, out: (out[0] + out[0], *out[1:]))


def no_norm(model):
    layers(model)[0].input_layernorm = nn.Identity()


def tower_norms(model):
    for layer in model.model.vision_tower.encoder.layers:
        layer.layer_norm1 = nn.RMSNorm(layer.layer_norm1.weight.shape[0])


def shared(model):
    layers(model)[1].mlp = layers(model)[0].mlp


for name, change in (("qwen3-vl-tiny", head_bias), ("llava-onevision-tiny", last_norm), ("qwen2.5-vl-tiny", second_norm), ("internvl-tiny", adapters),
                     ("qwen3-vl-tiny", hooks), ("llava-tiny", inner_hooks), ("qwen2-vl-tiny", no_norm), ("llava-next-video-tiny", shared),
                     ("llava-tiny", tower_norms)):
    model, inputs = zoo.build(name)
    plain = last_logits(model, inputs)
    change(model)
    right = last_logits(model, inputs)
    dense = relative(focus.reference(model, inputs, "off")[0], right)
    kind = "off" if change in (adapters, inner_hooks) else "full"      # they stand between what concentration looks for
    agreement = focus.agreement(model, inputs, focus.compile(model, inputs, "focus", kind).run(inputs), kind)
    print(change.__name__, relative(plain, right) > 0.01, dense if dense > 1e-5 else "exact", agreement if not agreement.explained else "agrees")
# CHECK: head_bias True exact agrees
# CHECK-NEXT: last_norm True exact agrees
# CHECK-NEXT: second_norm True exact agrees
# CHECK-NEXT: adapters True exact agrees
# CHECK-NEXT: hooks True exact agrees
# CHECK-NEXT: inner_hooks True exact agrees
# CHECK-NEXT: no_norm True exact agrees
# CHECK-NEXT: shared True exact agrees
# CHECK-NEXT: tower_norms True exact agrees

# What would be left out is refused, as it is by the compiler.
model, inputs = zoo.build("qwen2.5-vl-tiny")
model.model.language_model.register_forward_hook(lambda module, args, out: None)
print(error(focus.reference, model, inputs))
# CHECK-NEXT: model.language_model: a forward hook on this {{.*}} has no mapping
model, inputs = zoo.build("qwen2.5-vl-tiny")
layers(model)[0].mlp.down_proj = nn.Linear(5, 5)
print(error(focus.reference, model, inputs))
# CHECK-NEXT: the decoder's layers.0 fails: RuntimeError: mat1 and mat2 shapes cannot be multiplied
model, inputs = zoo.build("internvl-tiny")
layers(model)[0].mlp.gate_proj = nn.Identity()
print(error(focus.reference, model, inputs))
# CHECK-NEXT: model.language_model.layers.0.mlp.gate_proj: this Identity has no 'out_features', which a InternVLForConditionalGeneration has there
model.model.language_model.norm = None
print(error(focus.reference, model, inputs))
# CHECK-NEXT: model.language_model.norm: a module expected, got NoneType
model, inputs = zoo.build("qwen3-vl-tiny")
model.model.visual.deepstack_merger_list[0].linear_fc2 = nn.Identity()
print(error(focus.reference, model, inputs))
# CHECK-NEXT: the decoder's layers.0 has 64 features, but the vision tower adds {{[0-9]+}} to them
model, inputs = zoo.build("internvl-tiny")
result = focus.compile(model, inputs).run(inputs)
for other in (torch.zeros(3), "internvl-tiny", model.model):
    print(error(focus.agreement, other, inputs, result))
# CHECK-NEXT: unknown model Tensor; supported:
# CHECK-NEXT: unknown model str; supported:
# CHECK-NEXT: unknown model InternVLModel (model_type 'internvl'); supported:
for other in (3, "x", torch.zeros(())):
    print(error(focus.fidelity, model, other))
# CHECK-NEXT: inputs: a dictionary of names and tensors, or a list of such expected, got int
# CHECK-NEXT: inputs: a dictionary of names and tensors, or a list of such expected, got str
# CHECK-NEXT: inputs: a dictionary of names and tensors, or a list of such expected, got Tensor
