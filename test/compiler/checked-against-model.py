# A model that is not quite the one its family says is refused, by the first module that differs, or compiled as it is.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error
from transformers import AttentionInterface
from transformers.models.llama import modeling_llama
from transformers.models.llava import modeling_llava
from transformers.models.llava_onevision import modeling_llava_onevision
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import import_model


def tried(name, change):
    """What becomes of a model of the zoo after `change`."""
    model, inputs = zoo.build(name)
    change(model)
    print(error(import_model, model, inputs))


def become(module, forward, name=None):
    """Make a module one of a subclass with another forward, perhaps of another name."""
    module.__class__ = type(name or "Mine", (type(module),), {"forward": forward})


def halved(self, *args, **kwargs):
    out = super(type(self), self).forward(*args, **kwargs)
    return (out[0] / 2, *out[1:]) if isinstance(out, tuple) else out / 2


# ---- attention of another kind, by name
def linear_attention(module, q, k, v, mask, scaling=None, **_):
    return (q * scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register("mine", linear_attention)
# CHECK: model.language_model.layers.0.self_attn: the attention 'mine' is a function of '__main__' that is not softmax attention
tried("qwen3-vl-tiny", lambda m: m.model.language_model.set_attn_implementation("mine"))
# CHECK-NEXT: model.vision_tower.encoder.layers.0.self_attn: the attention 'mine' is a function of '__main__' that is not softmax attention
tried("llava-onevision-tiny", lambda m: m.model.vision_tower.set_attn_implementation("mine"))
# CHECK-NEXT: model.visual.blocks.0.attn: the attention 'mine' is a function of '__main__' that is not softmax attention
tried("qwen2.5-vl-tiny", lambda m: m.model.visual.set_attn_implementation("mine"))


def eager(m):
    m.set_attn_implementation("eager")


# Nothing but running it tells that the function that a name of transformers' own stands for is another one.
before, modeling_llama.eager_attention_forward = modeling_llama.eager_attention_forward, \
    lambda *a, **k: (before(*a, **k)[0] * 0.5, None)
# CHECK-NEXT: model.language_model.layers.0.self_attn: this LlamaAttention computes something else in the model's own forward than in the program: the logits differ by
tried("llava-tiny", eager)
modeling_llama.eager_attention_forward = before
# CHECK-NEXT: ACCEPTED
tried("llava-tiny", eager)
before = modeling_qwen2_5_vl.apply_rotary_pos_emb_vision
modeling_qwen2_5_vl.apply_rotary_pos_emb_vision = lambda q, k, cos, sin: (q, k)
# CHECK-NEXT: model.visual.blocks.0.attn: this Qwen2_5_VLVisionAttention computes something else
tried("qwen2.5-vl-tiny", lambda m: None)
modeling_qwen2_5_vl.apply_rotary_pos_emb_vision = before

# ---- classes: a subclass, another class of the same name, a forward put on the class
# CHECK-NEXT: model.visual.blocks.1.attn: this Mine is no attention whose forward is mapped; supported: Qwen2_5_VLVisionAttention of transformers, unchanged
tried("qwen2.5-vl-tiny", lambda m: become(m.model.visual.blocks[1].attn, halved))
# CHECK-NEXT: model.vision_tower.encoder.layer.0.attention: this InternVLVisionAttention is no attention whose forward is mapped
tried("internvl-tiny", lambda m: become(m.model.vision_tower.encoder.layer[0].attention, halved, "InternVLVisionAttention"))
# CHECK-NEXT: model.vision_tower.embeddings: this Mine is no embedding of patches whose forward is mapped; supported: SiglipVisionEmbeddings
tried("llava-onevision-tiny", lambda m: become(m.model.vision_tower.embeddings, halved))
# CHECK-NEXT: model.language_model.layers.0.self_attn.q_norm: this Qwen3VLTextRMSNorm is no RMS norm whose forward is mapped
tried("qwen3-vl-tiny", lambda m: become(m.model.language_model.layers[0].self_attn.q_norm, halved, "Qwen3VLTextRMSNorm"))
# CHECK-NEXT: model.language_model.layers.1.mlp.act_fn: activation SiLUActivation has no mapping
tried("llava-tiny", lambda m: become(m.model.language_model.layers[1].mlp.act_fn, lambda self, x: x.sin(), "SiLUActivation"))


def zero_centred(self, x):
    return super(type(self), self).forward(x) + x * torch.rsqrt(x.square().mean(-1, keepdim=True))


# Norms of the name of the one that was there: in two decoders and two towers.
# CHECK-NEXT: model.language_model.layers.1.input_layernorm: operator 'aten.{{.*}}' has no mapping to the accelerator
# CHECK-NEXT: model.language_model.norm: operator 'aten.{{.*}}' has no mapping to the accelerator
# CHECK-NEXT: model.vision_tower.encoder.layer.1.layernorm_before: operator 'aten.{{.*}}' has no mapping to the accelerator
# CHECK-NEXT: model.visual.blocks.0.norm2: operator 'aten.{{.*}}' has no mapping to the accelerator
for name, path in (("llava-next-tiny", "model.language_model.layers.1.input_layernorm"), ("qwen2.5-vl-tiny", "model.language_model.norm"),
                   ("internvl-tiny", "model.vision_tower.encoder.layer.1.layernorm_before"), ("qwen2-vl-tiny", "model.visual.blocks.0.norm2")):
    tried(name, lambda m: become(m.get_submodule(path), zero_centred, type(m.get_submodule(path)).__name__))
before, modeling_qwen2.Qwen2RMSNorm.forward = modeling_qwen2.Qwen2RMSNorm.forward, lambda self, x: x * self.weight.cumsum(0)
# CHECK-NEXT: operator 'aten.cumsum' has no mapping
tried("llava-onevision-tiny", lambda m: None)
modeling_qwen2.Qwen2RMSNorm.forward = before
# A forward of one's own that has a mapping is compiled as it is.
# CHECK-NEXT: ACCEPTED
tried("qwen2-vl-tiny", lambda m: become(m.model.language_model.norm, lambda self, x: x * self.weight))

# ---- modules that are something else when they are exported, or whose weights are more than numbers
class Exported(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) if torch.compiler.is_exporting() else super().forward(x).relu()


class Doubled(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        out = super().__torch_function__(func, types, args, kwargs or {})
        return out * 2 if func is torch.nn.functional.linear else out


def weight(path, change):
    def changed(m):
        module = m.get_submodule(path)
        module.weight = torch.nn.Parameter(change(module.weight.detach()), requires_grad=False)
    return changed


# CHECK-NEXT: model.language_model.layers.0.mlp.up_proj: this Exported computes something else when it is exported than when it runs: the logits differ by
tried("internvl-tiny", lambda m: setattr(m.model.language_model.layers[0].mlp.up_proj, "__class__", Exported))
# CHECK-NEXT: model.visual.blocks.1.mlp.linear_fc1: this Exported computes something else when it is exported
tried("qwen3-vl-tiny", lambda m: setattr(m.model.visual.blocks[1].mlp.linear_fc1, "__class__", Exported))
# CHECK-NEXT: model.vision_tower.encoder.layers.0.mlp.fc1.weight: a Doubled has no mapping; a plain tensor expected
tried("llava-tiny", weight("model.vision_tower.encoder.layers.0.mlp.fc1", lambda w: w.as_subclass(Doubled)))
# CHECK-NEXT: lm_head.weight: a dense tensor of real numbers expected, got torch.float32, torch.sparse_csr
tried("qwen2-vl-tiny", weight("lm_head", lambda w: w.to_sparse_csr()))
# CHECK-NEXT: model.language_model.layers.0.mlp: this module is compiled by torch.compile; the module itself expected
tried("llava-tiny", lambda m: m.model.language_model.layers[0].mlp.compile(backend="eager"))
# CHECK-NEXT: model.language_model.layers.1.mlp.down_proj: operator 'aten._weight_norm' has no mapping
tried("llava-tiny", lambda m: torch.nn.utils.weight_norm(m.model.language_model.layers[1].mlp.down_proj))

# ---- modules with something around them
class Around(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


# CHECK-NEXT: model.language_model.layers.1: this Around has no 'self_attn', which a LlavaForConditionalGeneration has there
tried("llava-tiny", lambda m: m.model.language_model.layers.__setitem__(1, Around(m.model.language_model.layers[1])))
# CHECK-NEXT: model.visual: this Around has no '{{.*}}', which a Qwen2_5_VLForConditionalGeneration has there
tried("qwen2.5-vl-tiny", lambda m: setattr(m.model, "visual", Around(m.model.visual)))
# CHECK-NEXT: model.vision_tower: this Around has no '{{.*}}', which a InternVLForConditionalGeneration has there
tried("internvl-tiny", lambda m: setattr(m.model, "vision_tower", Around(m.model.vision_tower)))

# ---- hooks: where the program goes round a module they are refused, elsewhere they are compiled
double = lambda module, args, out: out + out
for name, path in (("internvl-tiny", "model.vision_tower.encoder"), ("qwen2-vl-tiny", "model.visual"), ("qwen3-vl-tiny", "model.visual.pos_embed"),
                   ("llava-onevision-tiny", "model.vision_tower.embeddings.patch_embedding"), ("llava-next-video-tiny", "model.vision_resampler"),
                   ("qwen3-vl-tiny", "model.language_model.layers.0.self_attn.k_norm")):
    tried(name, lambda m: m.get_submodule(path).register_forward_hook(double))
# CHECK-NEXT: model.vision_tower.encoder: a forward hook on this InternVLVisionEncoder has no mapping
# CHECK-NEXT: model.visual: a forward hook on this
# CHECK-NEXT: model.visual.pos_embed: a forward hook on this Embedding
# CHECK-NEXT: model.vision_tower.embeddings.patch_embedding: a forward hook on this Conv2d
# CHECK-NEXT: model.vision_resampler: a forward hook on this
# CHECK-NEXT: model.language_model.layers.0.self_attn.k_norm: a forward hook on this
# CHECK-NEXT: ACCEPTED
tried("qwen3-vl-tiny", lambda m: m.model.language_model.layers[1].mlp.register_forward_hook(double))
# CHECK-NEXT: ACCEPTED
tried("internvl-tiny", lambda m: m.model.multi_modal_projector.register_forward_hook(double))
# CHECK-NEXT: ACCEPTED
tried("llava-tiny", lambda m: m.model.language_model.layers[0].register_forward_pre_hook(lambda module, args: (args[0] + args[0], *args[1:])))



def counting(m):
    module = m.model.visual.blocks[0].mlp
    module.register_buffer("seen", torch.zeros(()))
    module.register_forward_hook(lambda module, args, out: out + module.seen.add_(1))


def weighing(m):
    weights = torch.linspace(0, 1, 64)
    m.model.language_model.layers[1].mlp.register_forward_hook(lambda module, args, out: out * weights)


# CHECK-NEXT: the model changes 'model.visual.blocks.0.mlp.seen' while it runs; it has no mapping
tried("qwen2-vl-tiny", counting)
# CHECK-NEXT: the model makes the constant tensor 'model.language_model.layers.1.mlp.lifted_tensor_0' while it runs
tried("llava-next-tiny", weighing)
sys.stderr = sys.stdout                                     # of a failing export nothing is printed but the error
# CHECK-NEXT: InternVLForConditionalGeneration: torch.export failed: Could not guard on data-dependent expression
tried("internvl-tiny", lambda m: m.model.vision_tower.encoder.layer[0].mlp.register_forward_hook(lambda module, args, out: out if out.sum() > 0 else -out))

# ---- methods
class Features(modeling_llava.LlavaModel):
    def get_image_features(self, *args, **kwargs):
        out = super().get_image_features(*args, **kwargs)
        out.pooler_output = [x * 1.5 for x in out.pooler_output]
        return out


class Pooled(modeling_llava_onevision.LlavaOnevisionModel):
    def apply_pooling(self, image_features):
        return super().apply_pooling(image_features).flip(1)


class Head(type(zoo.build("qwen2-vl-tiny")[0])):
    def forward(self, *args, **kwargs):
        out = super().forward(*args, **kwargs)
        out.logits = out.logits.tanh()
        return out


# CHECK-NEXT: model: this Features computes something else in the model's own forward
tried("llava-tiny", lambda m: setattr(m.model, "__class__", Features))
# CHECK-NEXT: model: this Pooled computes something else
tried("llava-onevision-tiny", lambda m: setattr(m.model, "__class__", Pooled))
# CHECK-NEXT: Head: it computes something else
tried("qwen2-vl-tiny", lambda m: setattr(m, "__class__", Head))

# ---- masks
def window(m):
    config = m.model.language_model.config
    config.sliding_window, config.layer_types = 8, ["sliding_attention"] * len(m.model.language_model.layers)


# CHECK-NEXT: config.text_config.is_causal: causal attention expected, got False
tried("internvl-tiny", lambda m: setattr(m.model.language_model.config, "is_causal", False))
# CHECK-NEXT: model.language_model.layers.1.self_attn: is_causal is False
tried("qwen2.5-vl-tiny", lambda m: setattr(m.model.language_model.layers[1].self_attn, "is_causal", False))
# CHECK-NEXT: model.vision_tower.encoder.layers.0.self_attn: is_causal is True
tried("llava-onevision-tiny", lambda m: setattr(m.model.vision_tower.encoder.layers[0].self_attn, "is_causal", True))
# CHECK-NEXT: model.visual.blocks.0.attn: is_causal is True
tried("qwen3-vl-tiny", lambda m: setattr(m.model.visual.blocks[0].attn, "is_causal", True))
# CHECK-NEXT: model.language_model.layers.0.self_attn: sliding window of 8 in a sequence of
tried("llava-onevision-tiny", window)


# ---- training mode, and models of 16 bits, whose rounding is no difference, or of 64
def training(m):
    m.train()
    for layer in m.model.language_model.layers:
        layer.self_attn.attention_dropout = 0.5


# CHECK-NEXT: model.language_model.layers.0.self_attn: this LlamaAttention computes something else {{.*}}; the model is in training mode
tried("llava-tiny", training)
for name in ("internvl-tiny", "llava-next-video-tiny"):
    tried(name, lambda m: m.bfloat16())
tried("qwen2.5-vl-tiny", lambda m: m.double())
# CHECK-NEXT: ACCEPTED
# CHECK-NEXT: ACCEPTED
# CHECK-NEXT: ACCEPTED

# ---- shared modules
def share(m, path, a, b):
    m.get_submodule(path)[b] = m.get_submodule(path)[a]


# CHECK-NEXT: ACCEPTED
tried("qwen3-vl-tiny", lambda m: share(m, "model.visual.blocks", 0, 1))
# CHECK-NEXT: ACCEPTED
tried("internvl-tiny", lambda m: share(m, "model.vision_tower.encoder.layer", 0, 1))
# The model's own cache of keys, which goes by layer numbers, mixes up two layers that are one; without it they compile.
# CHECK-NEXT: model.language_model.layers.0.self_attn: this Qwen2Attention computes something else
tried("llava-onevision-tiny", lambda m: share(m, "model.language_model.layers", 0, 1))
model, inputs = zoo.build("llava-onevision-tiny")
share(model, "model.language_model.layers", 0, 1)
# CHECK-NEXT: ACCEPTED
print(error(import_model, model, inputs | {"use_cache": False}))

# ---- only where keys and values are kept already: for one token after the request, or for several at once
def cached(many):
    def halve(module, args, kwargs, out):
        rows, held = out[0].shape[1], kwargs["past_key_values"].get_seq_length(module.layer_idx) if kwargs.get("past_key_values") is not None else 0
        return (out[0] / 2, *out[1:]) if held > rows and (rows > 1) == many else None
    return halve


for many, steps in ((False, (1,)), (True, (1,)), (True, (1, 8)), (None, (1, 8))):
    model, inputs = zoo.build("qwen2.5-vl-tiny")
    model.model.language_model.layers[1].self_attn.register_forward_hook(cached(many), with_kwargs=True)
    print(error(import_model, model, inputs, steps=steps))
# CHECK-NEXT: Qwen2_5_VLForConditionalGeneration: it computes something else for a token after the request than the program for decode: the logits differ
# CHECK-NEXT: ACCEPTED
# CHECK-NEXT: Qwen2_5_VLForConditionalGeneration: it computes something else for 8 tokens after the request than the program for follow-ups: the logits differ
# CHECK-NEXT: ACCEPTED

# ---- without the check
model, inputs = zoo.build("llava-tiny")
model.model.__class__ = Features
sys.stderr = sys.stdout
# CHECK-NEXT: warning: the program is not checked against the model's own forward
# CHECK-NEXT: compiled
print("compiled" if compile_model(model, inputs, concentration="off", stop="torch", check=False).module else "")
