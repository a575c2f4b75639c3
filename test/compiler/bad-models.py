# A model or configuration without a mapping is one clear error that says where and what would do.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
import transformers
from common import error, random_video

from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.zoo import DecoderConfig, llava, llava_next, llava_next_video, llava_onevision, moving_pattern, video_request

tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70)
decoder = DecoderConfig(64, 96, 1, 2, 1, 100)


def refuse(model, **change):
    print(error(import_model, model, random_video(model, 1) | change))


# CHECK: unknown model Linear; supported: LlavaOnevisionForConditionalGeneration (model_type 'llava_onevision'), Qwen2_5_VL
print(error(import_model, torch.nn.Linear(2, 2), {}))
# CHECK-NEXT: unknown model Qwen2ForCausalLM (model_type 'qwen2'); supported:
sizes = dict(vocab_size=32, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
print(error(import_model, transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes)), {"input_ids": torch.zeros(1, 3).long()}))
# The base model has no head and gives no logits.
# CHECK-NEXT: unknown model LlavaOnevisionModel (model_type 'llava_onevision'); supported:
print(error(import_model, llava_onevision(decoder, tower).model, {}))
# CHECK-NEXT: model.vision_tower: vision tower 'dinov2' is not supported; supported: siglip_vision_model, clip_vision_model
refuse(llava_onevision(decoder, tower | dict(model_type="dinov2")))
# CHECK-NEXT: model.language_model: decoder 'mixtral' is not supported; supported: qwen2, qwen3, llama
refuse(llava_onevision(decoder, tower, decoder_type="mixtral"))
# CHECK-NEXT: config.vision_feature_layer: one layer expected, got [-1, -2]
refuse(llava_onevision(decoder, tower, vision_feature_layer=[-1, -2]))
# CHECK-NEXT: config.vision_feature_layer: 5 is outside a tower of 1 layers
refuse(llava_onevision(decoder, tower, vision_feature_layer=5))
# CHECK-NEXT: config.vision_feature_select_strategy: 'full' expected for 'siglip_vision_model', got 'default'
refuse(llava_onevision(decoder, tower, vision_feature_select_strategy="default"))
model = llava_onevision(decoder, tower)
model.model.language_model.layers[0].self_attn.sliding_window = 8
# CHECK-NEXT: model.language_model.layers.0.self_attn: sliding window of 8 in a sequence of 18
refuse(model)
model.model.language_model.layers[0].self_attn.sliding_window = 18
# CHECK-NEXT: ACCEPTED
refuse(model)
model.model.language_model.layers[0].mlp.act_fn = torch.nn.Mish()
# CHECK-NEXT: model.language_model.layers.0.mlp.act_fn: activation Mish has no mapping; supported: silu, relu, gelu
refuse(model)


model = llava_onevision(decoder, tower)
model.model.language_model.layers[0].input_layernorm.forward = lambda x: x
# CHECK-NEXT: model.language_model.layers.0.input_layernorm: this Qwen2RMSNorm has a forward of its own; only that of its class is mapped
refuse(model)


class Summed(torch.nn.Module):
    def forward(self, x):
        return torch.cumsum(x, -1)


model = llava_onevision(decoder, tower)
model.model.language_model.layers[0].post_attention_layernorm = Summed()
# CHECK-NEXT: model.language_model.layers.0.post_attention_layernorm: operator 'aten.cumsum' has no mapping to the accelerator
refuse(model)


def refuse_images(model, **change):
    print(error(import_model, model, video_request(model, moving_pattern(2, 70, 70)) | change))


# The other families' towers, decoders and inputs.
# CHECK-NEXT: config.vision_feature_select_strategy: 'default' expected for 'clip_vision_model', got 'full'
refuse_images(llava(decoder, tower, vision_feature_select_strategy="full"))
model = llava(decoder, tower, decoder_type="mistral")
# CHECK-NEXT: ACCEPTED
refuse_images(model)
# CHECK-NEXT: pixel_values: [images, channels, height, width] expected, got [2, 1, 3, 70, 70]
refuse_images(model, pixel_values=torch.zeros(2, 1, 3, 70, 70))
# CHECK-NEXT: input_ids: 50 image tokens (id 99), but the image inputs make 75
refuse_images(model, pixel_values=torch.zeros(3, 3, 70, 70))
# CHECK-NEXT: input 'image_sizes' is not supported for llava; supported: input_ids, pixel_values, attention_mask of ones
refuse_images(model, image_sizes=torch.tensor([[70, 70]]))
model.model.language_model.config.sliding_window = 7
# CHECK-NEXT: model.language_model.layers.0.self_attn: sliding window of 7 in a sequence of 66; only full causal attention maps
refuse_images(model)

model = llava_next(decoder, tower)
# CHECK-NEXT: ACCEPTED
refuse_images(model)
# CHECK-NEXT: input 'image_sizes' is missing; it goes with pixel_values
refuse_images(model, image_sizes=None)
# CHECK-NEXT: pixel_values: image_sizes make 2 images of up to 3 patches, got [2, 2, 3, 70, 70]
refuse_images(model, pixel_values=torch.zeros(2, 2, 3, 70, 70))
# CHECK-NEXT: pixel_values: 6 patches expected from image_sizes, got [5, 3, 70, 70]
refuse_images(model, pixel_values=torch.zeros(5, 3, 70, 70))
# CHECK-NEXT: pixel_values: image_sizes make 1 images of up to 5 patches, got [2, 3, 3, 70, 70]
refuse_images(model, image_sizes=torch.tensor([[140, 140]]))
# CHECK-NEXT: pixel_values: 4 or 5 dimensions expected, got [3, 70, 70]
refuse_images(model, pixel_values=torch.zeros(3, 70, 70))
# CHECK-NEXT: input_ids: 120 image tokens (id 99), but the image inputs make 100
refuse_images(model, image_sizes=torch.tensor([[70, 70], [70, 20]]))
# CHECK-NEXT: input 'batch_num_images' is not supported for llava_next; supported: input_ids, pixel_values, image_sizes,
refuse_images(model, batch_num_images=torch.tensor([2]))
# CHECK-NEXT: config.image_grid_pinpoints: multiples of the tower's image_size expected; the one of image 0 is none
print(error(import_model, llava_next(decoder, tower, image_grid_pinpoints=[[70, 100]]), video_request(model, moving_pattern(1, 70, 70))))
# CHECK-NEXT: config.image_grid_pinpoints: multiples of the tower's image_size 70 expected, got [70, 100]
print(error(video_request, llava_next(decoder, tower, image_grid_pinpoints=[[70, 100]]), moving_pattern(1, 70, 70)))

# CHECK-NEXT: model.vision_resampler.pool: MaxPool2d has no mapping; config.spatial_pool_mode 'average' or 'conv' expected
refuse_images(llava_next_video(decoder, tower, spatial_pool_mode="max"))
# CHECK-NEXT: config.spatial_pool_stride: 6 is more than the 5 patches on a side of a frame
refuse_images(llava_next_video(decoder, tower, spatial_pool_stride=6))
model = llava_next_video(decoder, tower)
# CHECK-NEXT: ACCEPTED
refuse_images(model)
# CHECK-NEXT: pixel_values_videos: [videos, frames, channels, height, width] expected, got [2, 3, 70, 70]
refuse_images(model, pixel_values_videos=torch.zeros(2, 3, 70, 70))
# CHECK-NEXT: input_ids: 8 video tokens (id 99), but the video inputs make 12
refuse_images(model, pixel_values_videos=torch.zeros(1, 3, 3, 70, 70))
# CHECK-NEXT: input 'image_sizes' is missing; it goes with pixel_values
refuse_images(model, pixel_values=torch.zeros(1, 3, 3, 70, 70))
