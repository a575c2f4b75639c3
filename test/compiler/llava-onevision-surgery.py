# The static prefill of LLaVA-OneVision computes what the unmodified model computes, at several sizes and with all weights random.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from common import random_video, surgery_difference

from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision


def check(name, decoder, vision, inputs, **config):
    model = llava_onevision(DecoderConfig(*decoder), vision, seed=3, **config)
    difference = surgery_difference(model, inputs(model))
    print(name, "ok" if difference < 1e-5 else difference)


tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, image_size=70)
# CHECK: odd grid of 5 x 5 ok
check("odd grid of 5 x 5", (64, 96, 2, 4, 2, 100), tower, lambda m: random_video(m, 3))
# CHECK-NEXT: even grid of 4 x 4 ok
check("even grid of 4 x 4", (96, 200, 3, 3, 1, 130), tower | dict(image_size=64, patch_size=16), lambda m: random_video(m, 2))
# CHECK-NEXT: two videos ok
check("two videos", (64, 96, 2, 4, 2, 100), tower, lambda m: random_video(m, 2, videos=2))
# CHECK-NEXT: one frame, one token of prompt ok
check("one frame, one token of prompt", (64, 96, 2, 4, 2, 100), tower, lambda m: random_video(m, 1, before=0, after=1))
# CHECK-NEXT: feature layer -2 and tied embeddings ok
check("feature layer -2 and tied embeddings", (64, 96, 2, 4, 2, 100), tower, lambda m: random_video(m, 2), vision_feature_layer=-2,
      tie_word_embeddings=True)
# CHECK-NEXT: Llama decoder ok
check("Llama decoder", (64, 96, 2, 4, 2, 100), tower, lambda m: random_video(m, 2), decoder_type="llama")
for act in ("gelu", "quick_gelu", "gelu_new", "relu"):
    # CHECK-NEXT: activation gelu ok
    # CHECK-NEXT: activation quick_gelu ok
    # CHECK-NEXT: activation gelu_new ok
    # CHECK-NEXT: activation relu ok
    check(f"activation {act}", (64, 96, 1, 2, 1, 100), tower | dict(hidden_act=act), lambda m: random_video(m, 1))
