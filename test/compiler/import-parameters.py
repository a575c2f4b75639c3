# Parameters: values by full name in the shapes of the IR, tied ones under one name, any floating type as float32, none in the IR.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import re

import numpy as np
import torch
from common import random_video

from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision


def build(**config):
    tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70)
    return llava_onevision(DecoderConfig(64, 96, 1, 2, 1, 100), tower, **config)


def shapes(imported):
    pattern = r'"torch.vlm.param"\(\) \{vlm.name = "([^"]+)"\} : \(\) -> !torch.vtensor<\[([\d,]*)\]'
    return {name: tuple(map(int, dims.split(","))) for name, dims in re.findall(pattern, str(imported.module))}


model = build()
imported = import_model(model, random_video(model, 1))
values = {name: value() for name, value in imported.params.items()}
# (the table of a tower's cells is wanted only where the tower is concentrated)
print("same shapes", {n: v.shape for n, v in values.items() if not n.endswith("_cells")} == shapes(imported))
# CHECK: same shapes True
own = dict(model.named_parameters())
print("same values", all(np.array_equal(v, own[n].numpy()) for n, v in values.items() if not n.startswith("const.")))
# CHECK-NEXT: same values True
print("not copied", np.shares_memory(values["lm_head.weight"], model.lm_head.weight.numpy()))
# CHECK-NEXT: not copied True
# What lies after the layer whose features are read is not needed.
print("unused", sorted(own.keys() - values.keys()))
# CHECK-NEXT: unused ['model.vision_tower.post_layernorm.bias', 'model.vision_tower.post_layernorm.weight']
print("literals", "dense" in str(imported.module))
# CHECK-NEXT: literals False

tied = build(tie_word_embeddings=True)
print([n for n in import_model(tied, random_video(tied, 1)).params if "lm_head" in n or "embed_tokens" in n])
# CHECK-NEXT: ['model.language_model.embed_tokens.weight']

half = build().to(torch.bfloat16)
imported = import_model(half, random_video(half, 1))
print(imported.inputs[0], {v().dtype.name for n, v in imported.params.items() if not n.endswith("_cells")}, half.lm_head.weight.dtype)
# CHECK-NEXT: ('pixel_values_videos', 'float32', (1, 1, 3, 70, 70)) {'float32'} torch.bfloat16
