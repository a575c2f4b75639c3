# Norms of rows whose mean is far above their spread, RMS norms without an epsilon, and prompts with no or hardly any text: right, or one clear line.
# RUN: %python %s | filecheck %s
import copy

import torch
from torch import nn

import focus
from focus.compiler.frontend import zoo


def relative(found, right):
    return float(((found - right) ** 2).sum() ** 0.5 / (right ** 2).sum() ** 0.5)


@torch.no_grad()
def distance(model, inputs, storage=False):
    """Whether the compiled logits are the model's, or as near to them as PyTorch's own are when it stores the model in 16 bits; or the error."""
    right, room = model(**inputs).logits[:, -1].double().numpy(), 2e-3
    if storage:
        half = copy.deepcopy(model).half()
        room = 1.5 * relative(half(**{k: v.half() if v.is_floating_point() else v for k, v in inputs.items()}).logits[:, -1].double().numpy(), right)
    try:
        found = focus.compile(model, inputs, "focus", "off").run(inputs).outputs["logits"]
    except focus.FocusError as e:
        return str(e)
    far = relative(found, right)
    return "right" if far < room else f"WRONG by {far:.1e}, {room:.1e} allowed"


# A common offset of all features in front of a LayerNorm, 300 times and more their spread, in towers of four kinds.
def patch_bias(model):
    tower = getattr(model.model, "vision_tower", None) or model.model.visual
    return next(m for m in tower.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d)))


for name, offset in (("llava-onevision-image-tiny", 2000), ("llava-next-tiny", 1000), ("internvl-tiny", 500), ("qwen3-vl-tiny", 300)):
    model, inputs = zoo.build(name)
    convolution = patch_bias(model)
    with torch.no_grad():
        if convolution.bias is None:
            convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels), requires_grad=False)
        convolution.bias += offset
    print(name, offset, distance(model, inputs, storage=True))
# CHECK: llava-onevision-image-tiny 2000 right
# CHECK-NEXT: llava-next-tiny 1000 right
# CHECK-NEXT: internvl-tiny 500 right
# CHECK-NEXT: qwen3-vl-tiny 300 right

# So in decoders with LayerNorms, where the offset comes with the embedding, from one of text or with a bias of the projector.
def offset_everywhere(model, offset):
    decoder = model.model.language_model
    for layer in decoder.layers:
        layer.input_layernorm = nn.LayerNorm(decoder.config.hidden_size)
    decoder.norm = nn.LayerNorm(decoder.config.hidden_size)
    with torch.no_grad():
        decoder.embed_tokens.weight += offset
        [m for m in model.model.modules() if isinstance(m, nn.Linear) and m.out_features == decoder.config.hidden_size and m.bias is not None
         and not any(m is inner for inner in decoder.modules())][-1].bias += offset


for name, offset in (("internvl-tiny", 400), ("llava-tiny", 1000), ("qwen2-vl-tiny", 2000)):
    model, inputs = zoo.build(name)
    offset_everywhere(model, offset)
    print(name, offset, distance(model, inputs, storage=True))
# CHECK-NEXT: internvl-tiny 400 right
# CHECK-NEXT: llava-tiny 1000 right
# CHECK-NEXT: qwen2-vl-tiny 2000 right

# No epsilon is the machine epsilon.
for name, path in (("qwen2-vl-tiny", "model.language_model.norm"), ("qwen2.5-vl-tiny", "model.visual.blocks.0.norm1"),
                   ("llava-next-video-tiny", "model.vision_tower.encoder.layers.0.layer_norm1")):
    model, inputs = zoo.build(name)
    where, _, leaf = path.rpartition(".")
    width = next(iter(getattr(model.get_submodule(where), leaf).parameters())).numel()
    setattr(model.get_submodule(where), leaf, nn.RMSNorm(width))
    print(path, distance(model, inputs))
# CHECK-NEXT: model.language_model.norm right
# CHECK-NEXT: model.visual.blocks.0.norm1 right
# CHECK-NEXT: model.vision_tower.encoder.layers.0.layer_norm1 right

# Visual tokens and nothing else, and text before them.
for name in ("internvl-tiny", "llava-onevision-tiny", "qwen2.5-vl-tiny"):
    model, _ = zoo.build(name)
    for before, after in ((0, 0), (1, 0)):
        inputs = zoo.video_request(model, zoo.moving_pattern(1, 70, 70), before=before, after=after)
        print(name, before, after, distance(model, inputs))
# CHECK-NEXT: internvl-tiny 0 0 input_ids: nothing but the visual tokens of one input; at least one token of text expected
# CHECK-NEXT: internvl-tiny 1 0 right
# CHECK-NEXT: llava-onevision-tiny 0 0 right
# CHECK-NEXT: llava-onevision-tiny 1 0 right
# CHECK-NEXT: qwen2.5-vl-tiny 0 0 input_ids: nothing but the visual tokens of one input; at least one token of text expected
# CHECK-NEXT: qwen2.5-vl-tiny 1 0 right
