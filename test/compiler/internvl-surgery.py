# The static prefill of InternVL computes what the unmodified model computes, whatever the tower has and however tiles stand in the sequence; what
# has no mapping is one line.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from common import error, surgery_difference

from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, internvl, request

DECODER = DecoderConfig(64, 96, 2, 2, 1, 100)
TOWER = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=2, image_size=56)


def tiles(model, *runs, before=3, after=5, cells=4):
    """A request of noise whose runs of tokens have so many tiles each."""
    vision = model.config.vision_config
    pixels = np.random.default_rng(1).standard_normal((sum(runs), 3, *vision.image_size), np.float32)
    return request(model, before, after, [(model.config.image_token_id, n * cells) for n in runs], {"pixel_values": pixels})


def check(name, model, inputs):
    difference = surgery_difference(model, inputs)
    print(name, "ok" if difference < 1e-5 else difference, prefill_of(model, inputs)[1].flat_grids())


# Frames with text between are one grid; the tiles of an image are grids of their own.
model = internvl(DECODER, TOWER, seed=4)
# CHECK: one tile ok [0, 1, 2, 2, 4, 2, 1]
check("one tile", model, tiles(model, 1, before=0, after=1))
# CHECK-NEXT: frames ok [0, 3, 2, 2, 4, 2, 1]
check("frames", model, tiles(model, 1, 1, 1))
# CHECK-NEXT: frames and tiles ok [0, 2, 2, 2, 4, 2, 1, 8, 1, 2, 2, 4, 2, 1, 12, 1, 2, 2, 4, 2, 1, 16, 1, 2, 2, 4, 2, 1, 20, 2, 2, 2, 4, 2, 1]
check("frames and tiles", model, tiles(model, 1, 1, 3, 1, 1))


def other(name, cells=4, decoder_type="qwen2", tower=None, **config):
    model = internvl(DECODER, TOWER | (tower or {}), seed=5, decoder_type=decoder_type, **config)
    check(name, model, tiles(model, 1, 1, cells=cells))


# CHECK-NEXT: norms of queries and keys ok
other("norms of queries and keys", tower=dict(use_qk_norm=True, norm_type="rms_norm", attention_bias=True))
# CHECK-NEXT: a norm after the tower ok
other("a norm after the tower", tower=dict(use_mean_pooling=False))
# CHECK-NEXT: an inner layer, in front of that norm ok
other("an inner layer, in front of that norm", tower=dict(use_mean_pooling=False), vision_feature_layer=-2)
# CHECK-NEXT: the last layer by its number ok
other("the last layer by its number", tower=dict(use_mean_pooling=False), vision_feature_layer=3)
# CHECK-NEXT: no positions, a mask token ok
other("no positions, a mask token", tower=dict(use_absolute_position_embeddings=False, use_mask_token=True))
# CHECK-NEXT: squares of 4 x 4 ok [0, 2, 1, 1, 1, 1, 1]
other("squares of 4 x 4", cells=1, downsample_ratio=0.25)
# CHECK-NEXT: no pixel shuffle ok [0, 2, 4, 4, 16, 4, 1]
other("no pixel shuffle", cells=16, decoder_type="llama", downsample_ratio=1.0)
# CHECK-NEXT: odd sizes ok [0, 2, 3, 3, 9, 3, 1]
other("odd sizes", cells=9, decoder_type="mistral", tower=dict(hidden_size=60, num_attention_heads=5, image_size=[70, 70], patch_size=[11, 11]))


# CHECK-NEXT: norms of the decoder's heads ok
other("norms of the decoder's heads", decoder_type="qwen3")


def refuse(model, inputs, **change):
    print(error(prefill_of, model, {k: v for k, v in (inputs | change).items() if v is not None}))


def refuse_model(**options):
    tower = TOWER | options.pop("tower", {})
    refuse(internvl(DECODER, tower, **options), tiles(model, 1))


inputs = tiles(model, 1, 2)
# CHECK-NEXT: input_ids: 12 image tokens (id 99), but the image inputs make 8
refuse(model, inputs, pixel_values=torch.zeros(2, 3, 56, 56))
# CHECK-NEXT: input_ids: 12 image tokens (id 99), but the image inputs make 0
refuse(model, inputs, pixel_values=None)
# CHECK-NEXT: pixel_values: [images, channels, height, width] expected, got [1, 3, 3, 56, 56]
refuse(model, inputs, pixel_values=torch.zeros(1, 3, 3, 56, 56))
# CHECK-NEXT: pixel_values: the last three dimensions must be [3, 56, 56], got [3, 3, 70, 70]
refuse(model, inputs, pixel_values=torch.zeros(3, 3, 70, 70))
ids = inputs["input_ids"].clone()
ids[0, 8], ids[0, -1] = 1, 99
# CHECK-NEXT: input_ids: runs of whole tiles of 4 image tokens expected, got runs of [4, 7, 1]
refuse(model, inputs, input_ids=torch.where(torch.arange(ids.shape[1]) == 10, 1, ids))
# CHECK-NEXT: input 'image_sizes' is not supported for internvl; supported: input_ids, pixel_values, attention_mask of ones
refuse(model, inputs, image_sizes=torch.tensor([[56, 56]]))
# CHECK-NEXT: model.vision_tower: vision tower 'siglip_vision_model' is not supported; supported: internvl_vision
refuse_model(tower=dict(model_type="siglip_vision_model"))
# CHECK-NEXT: model.language_model: decoder 'olmo2' is not supported; supported: qwen2, qwen3, llama, mistral,
refuse_model(decoder_type="olmo2")
# CHECK-NEXT: config.downsample_ratio: 1 / n expected, where n divides the 4 patches on a side of a tile; got 0.4
refuse_model(downsample_ratio=0.4)
# CHECK-NEXT: config.downsample_ratio: 1 / n expected, where n divides the 5 patches on a side of a tile; got 0.5
refuse_model(tower=dict(image_size=70))
# CHECK-NEXT: config.vision_config.image_size: height and width must be equal, got [56, 112]
refuse_model(tower=dict(image_size=[56, 112]))
# CHECK-NEXT: config.vision_feature_select_strategy: 'default' expected for 'internvl_vision', got 'full'
refuse_model(vision_feature_select_strategy="full")
# CHECK-NEXT: model.vision_tower.encoder.layer.0.mlp.activation_fn: activation MishActivation has no mapping; supported: silu,
refuse_model(tower=dict(hidden_act="mish"))
