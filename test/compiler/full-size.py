# Entries at full size: what there is, without storage for weights; the published schedules that presets stand for; LLaVA-Video's pooling.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from common import error, surgery_difference

from focus.compiler.frontend import full_size, zoo
from focus.compiler.frontend.families.llava_onevision import as_llava_video
from focus.compiler.frontend.importer import backbone_of, has_values
from focus.compiler.frontend.loading import concentration_of, load_model

for name in ("llava-video-7b", "llava-video-7b/mvbench", "llava-onevision-7b", "minicpm-v-2.6", "qwen2.5-vl-7b", "llava-1.5-7b", "internvl3-8b"):
    backbone, _ = load_model(name, scope="backbone")
    c = concentration_of(name, "full")
    print(name, backbone.decoder.layers, backbone.tokens.V, backbone.tokens.S, c.layers, c.alphas, c.threshold)
# CHECK: llava-video-7b 28 11648 11649 (3, 6, 9, 18, 26) (0.4, 0.3, 0.2, 0.15, 0.1) 0.9
# CHECK-NEXT: llava-video-7b/mvbench 28 2366 2367 (3, 6, 9, 18, 26)
# CHECK-NEXT: llava-onevision-7b 28 6272 6273 (2, 5, 8, 16, 25)
# CHECK-NEXT: minicpm-v-2.6 28 12736 12737 (2, 5, 8, 16, 25) (0.4, 0.3, 0.2, 0.15, 0.1) 0.95
# CHECK-NEXT: qwen2.5-vl-7b 28 1472 1473 (10, 15, 20) (0.3, 0.2, 0.1) 0.9
# CHECK-NEXT: llava-1.5-7b 32 576 577 (2, 6, 9, 18, 29) (0.4, 0.3, 0.2, 0.15, 0.1) 0.9
# CHECK-NEXT: internvl3-8b 28 4096 4097 (2, 5, 8, 16, 25) (0.4, 0.3, 0.2, 0.15, 0.1) 0.9
print(concentration_of("llava-video-7b", "off").sec, concentration_of("llava-video-7b", "sic").layers,
      concentration_of("llava-onevision-tiny", "sec"))
# CHECK-NEXT: False () sec
print(error(load_model, "minicpm-v-2.6"))
# CHECK-NEXT: minicpm-v-2.6: only its backbone can be compiled (--scope=backbone)

# The whole model: shapes as published, parameters without data, tables with data.
model, inputs = load_model("llava-video-7b/mvbench")
print(sum(p.numel() for p in model.parameters()) // 10**6, "M parameters", has_values(model), all(not b.is_meta for b in model.buffers()))
# CHECK-NEXT: {{80[0-9][0-9]}} M parameters False True
b = backbone_of(model, inputs)
print(b.tokens.V, b.tokens.grids[0].strides, b.decoder == full_size.baselines.QWEN2_7B)
# CHECK-NEXT: 2367 (182, 14, 1) True


# Parameters as many as published; the backbone of the entry is that of the model.
for name in ("llava-1.5-7b", "qwen2-vl-7b", "qwen2.5-vl-7b", "qwen3-vl-8b", "internvl3-8b"):
    model, inputs = load_model(name)
    own, found = load_model(name, scope="backbone")[0], backbone_of(model, inputs)
    same = all(getattr(own, f) == getattr(found, f) for f in ("decoder", "bias", "head_norms", "levels")) and own.tokens.V == found.tokens.V
    print(name, f"{sum(p.numel() for p in model.parameters()) / 1e9:.2f} G parameters", has_values(model), same)
# CHECK-NEXT: llava-1.5-7b 7.06 G parameters False True
# CHECK-NEXT: qwen2-vl-7b 8.29 G parameters False True
# CHECK-NEXT: qwen2.5-vl-7b 8.29 G parameters False True
# CHECK-NEXT: qwen3-vl-8b 8.77 G parameters False True
# CHECK-NEXT: internvl3-8b 7.95 G parameters False True


# LLaVA-Video in small, with numbers: averages of 2 x 2 cells and a newline after each row of cells.
def small(image_size):
    tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, image_size=image_size)
    model = as_llava_video(zoo.llava_onevision(zoo.DecoderConfig(64, 96, 2, 4, 2, 100), tower, seed=3))
    side = image_size // 14 // 2
    pixels = np.random.default_rng(0).standard_normal((1, 3, 3, image_size, image_size), np.float32)
    return model, zoo.request(model, 3, 5, [(model.config.video_token_id, 3 * side * (side + 1) + 1)], {"pixel_values_videos": pixels})


for size in (70, 84):
    difference = surgery_difference(*small(size))
    # CHECK-NEXT: pooled by averages ok
    # CHECK-NEXT: pooled by averages ok
    print("pooled by averages", "ok" if difference < 1e-5 else difference)
