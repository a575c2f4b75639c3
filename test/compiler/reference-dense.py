# Without concentration the reference is the unmodified model: every kind of family, videos and images.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from common import last_logits, random_grids, random_video, relative

import focus
from focus.compiler.frontend import zoo


def check(name, model, inputs):
    logits, trace = focus.reference(model, inputs, "off")
    difference = relative(logits, last_logits(model, inputs))
    print(name, "ok" if difference < 1e-5 else difference, logits.dtype, logits.shape, len(trace) // 5, "layers")


# CHECK: llava-onevision-tiny ok float32 (1, 160) 3 layers
# CHECK-NEXT: llava-onevision-small ok float32 (1, 500) 4 layers
# CHECK-NEXT: llava-onevision-image-tiny ok
# CHECK-NEXT: qwen2.5-vl-tiny ok
# CHECK-NEXT: qwen2.5-vl-small ok
# CHECK-NEXT: qwen2.5-vl-image-tiny ok
# CHECK-NEXT: qwen2-vl-tiny ok
# CHECK-NEXT: qwen2-vl-image-tiny ok
# CHECK-NEXT: qwen3-vl-tiny ok
# CHECK-NEXT: qwen3-vl-image-tiny ok
# CHECK-NEXT: internvl-small ok
# CHECK-NEXT: internvl-image-tiny ok
for name in ("llava-onevision-tiny", "llava-onevision-small", "llava-onevision-image-tiny",
             "qwen2.5-vl-tiny", "qwen2.5-vl-small", "qwen2.5-vl-image-tiny", "qwen2-vl-tiny", "qwen2-vl-image-tiny", "qwen3-vl-tiny",
             "qwen3-vl-image-tiny", "internvl-small", "internvl-image-tiny"):
    check(name, *zoo.build(name))

tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, image_size=64, patch_size=16)
model = zoo.llava_onevision(zoo.DecoderConfig(96, 200, 2, 3, 3, 100), tower, decoder_type="llama", vision_feature_layer=-2)
# CHECK-NEXT: two videos, Llama decoder ok
check("two videos, Llama decoder", model, random_video(model, 2, videos=2))
model = zoo.qwen2_5_vl(zoo.DecoderConfig(128, 96, 2, 8, 2, 100),
                       dict(depth=2, hidden_size=48, intermediate_size=80, num_heads=2, window_size=56, fullatt_block_indexes=[0]))
# CHECK-NEXT: images and video ok
check("images and video", model, random_grids(model, images=[(1, 4, 6), (1, 2, 2)], videos=[(2, 4, 4)]))
