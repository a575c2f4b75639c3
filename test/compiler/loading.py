# The MODEL argument: a zoo name, a model folder, a function of a file; inputs from a file; and each way it can be wrong.
# RUN: mkdir -p %t && %python %s %t | filecheck %s
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, last_logits
from safetensors.torch import load_file, save_file

from focus.compiler.frontend import zoo
from focus.compiler.frontend.loading import load_model

folder = Path(sys.argv[1])
model, inputs = load_model("qwen2.5-vl-tiny")
print(type(model).__name__, sorted(inputs))
# CHECK: Qwen2_5_VLForConditionalGeneration ['input_ids', 'mm_token_type_ids', 'pixel_values_videos', 'video_grid_thw']

model.save_pretrained(folder / "model")
saved, request = load_model(str(folder / "model"))
print(type(saved).__name__, torch.equal(last_logits(saved, inputs), last_logits(model, inputs)), sorted(request))
# CHECK-NEXT: Qwen2_5_VLForConditionalGeneration True ['input_ids', 'mm_token_type_ids', 'pixel_values_videos', 'video_grid_thw']
save_file(inputs, folder / "inputs.safetensors")
_, given = load_model(str(folder / "model"), folder / "inputs.safetensors")
print("inputs from a file", all(torch.equal(given[name], inputs[name]) for name in inputs))
# CHECK-NEXT: inputs from a file True

(folder / "mine.py").write_text("""
from __future__ import annotations
from dataclasses import dataclass
from focus.compiler.frontend import zoo
from beside import NAME
@dataclass
class Request:
    name: str
def tiny():
    return zoo.build(Request(NAME).name)
def wrong():
    return 3
def failing():
    return 1 / 0
""")
(folder / "beside.py").write_text("NAME = 'llava-onevision-tiny'\n")
print(type(load_model(f"{folder}/mine.py:tiny")[0]).__name__)
# CHECK-NEXT: LlavaOnevisionForConditionalGeneration


def refuse(spec, *arguments):
    print(error(load_model, spec, *arguments).replace(str(folder), "FOLDER"))


# CHECK-NEXT: unknown model 'gpt'; expected a zoo name (llava-onevision-demo, {{.*}}), a model folder, or FILE.py:FUNCTION
refuse("gpt")
# CHECK-NEXT: FOLDER/mine.py: no function 'big'
refuse(f"{folder}/mine.py:big")
# CHECK-NEXT: FOLDER/mine.py:wrong: must return (model, inputs): a torch module and a dict of HF forward inputs
refuse(f"{folder}/mine.py:wrong")
# CHECK-NEXT: FOLDER/mine.py:failing: ZeroDivisionError: division by zero
refuse(f"{folder}/mine.py:failing")
# CHECK-NEXT: FOLDER/none.py: no such file
refuse(f"{folder}/none.py:tiny")
# CHECK-NEXT: FOLDER: no readable config.json
refuse(str(folder))
# CHECK-NEXT: FOLDER/none.safetensors: cannot read: No such file or directory
refuse("llava-onevision-tiny", folder / "none.safetensors")
weights, config = folder / "model" / "model.safetensors", folder / "model" / "config.json"
whole, tensors = weights.read_bytes(), {name: tensor.clone() for name, tensor in load_file(weights).items()}
weights.unlink()            # what is mapped stays as it is
weights.write_bytes(whole[:len(whole) // 2])
# CHECK-NEXT: FOLDER/model: cannot load the model: {{.*}}
refuse(str(folder / "model"))
save_file({name: tensor for name, tensor in tensors.items() if "up_proj" not in name}, weights, {"format": "pt"})
# CHECK-NEXT: FOLDER/model: 7 weights are missing, 'model.language_model.layers.0.mlp.up_proj.weight' first
refuse(str(folder / "model"))
save_file({name: tensor[:8] if name.endswith("merger.mlp.0.bias") else tensor for name, tensor in tensors.items()}, weights, {"format": "pt"})
# CHECK-NEXT: FOLDER/model: weight 'model.visual.merger.mlp.0.bias' has shape [8]; [192] expected from config.json
refuse(str(folder / "model"))
# Weights that the model has no place for: an adapter's, those of biases that config.json leaves out, layers beyond its depth.
save_file(tensors | {"lm_head.bias": torch.zeros(160)}, weights, {"format": "pt"})
# CHECK-NEXT: FOLDER/model: the model of config.json has no place for 1 of the weights, 'lm_head.bias' first
refuse(str(folder / "model"))
save_file(tensors | {f"visual.blocks.{i}.attn.qkv.lora_A.weight": torch.zeros(4, 8) for i in (0, 1)}, weights, {"format": "pt"})
# CHECK-NEXT: FOLDER/model: the model of config.json has no place for 2 of the weights, 'model.visual.blocks.0.attn.qkv.lora_A.weight' first
refuse(str(folder / "model"))
save_file(tensors, weights, {"format": "pt"})
as_saved = config.read_text()
config.write_text(as_saved.replace('"depth": ', '"depth": 1, "was": '))
# CHECK-NEXT: FOLDER/model: the model of config.json has no place for {{[0-9]+}} of the weights, 'model.visual.blocks.1.attn.proj.bias' first
refuse(str(folder / "model"))
config.write_text(as_saved.replace('"num_hidden_layers": ', '"num_hidden_layers": 1, "was": '))
# CHECK-NEXT: FOLDER/model: cannot load the model: {{.*}}`num_hidden_layers` (1) must be equal to the number of `layer_types` (3)
refuse(str(folder / "model"))
config.write_text(as_saved)
save_file(tensors, weights, {"format": "pt"})
right = config.read_text()
config.write_text(right.replace('"num_attention_heads": 2', '"num_attention_heads": 0'))
# CHECK-NEXT: FOLDER/model/config.json: text_config.num_attention_heads: a whole number from 1 to 16777216 expected, got 0
refuse(str(folder / "model"))
config.write_text(right.replace('"spatial_merge_size": 2', '"spatial_merge_size": "two"'))
# CHECK-NEXT: FOLDER/model/config.json: vision_config.spatial_merge_size: a whole number from 1 to 16777216 expected, got 'two'
refuse(str(folder / "model"))
# Numbers of which transformers would make as many modules, or as much room, before it looks at the files.
for old, new in (('"num_hidden_layers": 3', '"num_hidden_layers": 1000000000'), ('"depth": 2', '"depth": 1001'),
                 ('"vocab_size": 160', '"vocab_size": 10000000'), ('"intermediate_size": 80', '"intermediate_size": 3000000000'),
                 ('"intermediate_size": 80', '"intermediate_size": 16000000'), ('"num_attention_heads": 2', '"num_attention_heads": 96'),
                 ('"patch_size": 14', '"patch_size": 30000'), (right[right.index('"video_token_id"'):].split(",")[0], f'"video_token_id": {10 ** 30}')):
    assert old in right
    config.write_text(right.replace(old, new, 1))
    refuse(str(folder / "model"))
# CHECK-NEXT: FOLDER/model/config.json: text_config.num_hidden_layers: a whole number from 1 to 1000 expected, got 1000000000
# CHECK-NEXT: FOLDER/model/config.json: vision_config.depth: a whole number from 1 to 1000 expected, got 1001
# CHECK-NEXT: FOLDER/model: config.json describes 5,{{.*}} bytes of float32 parameters, but the files hold {{.*}}; the largest is '{{.*}}', [10000000, 64]
# CHECK-NEXT: FOLDER/model/config.json: vision_config.intermediate_size: a whole number from 1 to 16777216 expected, got 3000000000
# CHECK-NEXT: FOLDER/model: config.json describes {{.*}} bytes of float32 parameters, but the files hold {{.*}}; the largest is 'model.visual.blocks.0.mlp
# CHECK-NEXT: FOLDER/model/config.json: text_config.num_attention_heads: 96 does not go with hidden_size 64
# CHECK-NEXT: FOLDER/model: config.json describes {{.*}} bytes of float32 parameters, but the files hold {{.*}}; the largest is 'model.visual.patch_embed.proj.weight'
# CHECK-NEXT: FOLDER/model/config.json: video_token_id: a token id below 2147483648 expected, got 1000000000
config.write_text(right.replace('"model_type": "qwen2_5_vl"', '"model_type": "gemma3"'))
# CHECK-NEXT: FOLDER/model: model_type 'gemma3' is not supported; supported: llava_onevision, qwen2_5_vl
refuse(f"{folder}/model")
(folder / "model" / "model.safetensors").unlink()
config.write_text(config.read_text().replace('"model_type": "gemma3"', '"model_type": "qwen2_5_vl"'))
# CHECK-NEXT: FOLDER/model: cannot load the model:
refuse(f"{folder}/model")

# Of other families and other parts: a bias of a projection that the tower has none of, a class head, a decoder's norms of heads.
for name, stray in (("internvl-tiny", "model.vision_tower.encoder.layer.0.attention.q_norm.weight"), ("llava-tiny", "model.vision_tower.head.probe"),
                    ("qwen2-vl-tiny", "model.language_model.layers.0.self_attn.q_norm.weight")):
    zoo.build(name)[0].save_pretrained(folder / name)
    file = folder / name / "model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(file).items()}
    save_file(tensors | {stray: torch.ones(8)}, file, {"format": "pt"})
    refuse(str(folder / name))
# CHECK-NEXT: FOLDER/internvl-tiny: the model of config.json has no place for 1 of the weights, 'model.vision_tower.encoder.layer.0.attention.q_norm.weight' first
# CHECK-NEXT: FOLDER/llava-tiny: the model of config.json has no place for 1 of the weights, 'model.vision_tower.head.probe' first
# CHECK-NEXT: FOLDER/qwen2-vl-tiny: the model of config.json has no place for 1 of the weights, 'model.language_model.layers.0.self_attn.q_norm.weight' first

# A configuration for which no request can be made.
huge = folder / "huge"
zoo.build("llava-next-tiny")[0].save_pretrained(huge)
config = huge / "config.json"
right = json.loads(config.read_text())
config.write_text(json.dumps(right | {"image_grid_pinpoints": [[2**30, 2**30]]}))
# CHECK-NEXT: the model is shown 1 frames of 1073741824 x 1073741824 pixels; at most 134217728 pixels expected
refuse(f"{huge}")
