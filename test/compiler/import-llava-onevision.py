# What the import hands to the passes for a LLaVA-OneVision video: operators on rows, named inputs, parameters and locations.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from common import random_video

from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision

model = llava_onevision(DecoderConfig(64, 96, 1, 2, 1, 100),
                        dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70))
imported = import_model(model, random_video(model, 2))
print(imported.module.operation.get_asm(enable_debug_info=True))
print("inputs", imported.inputs)
print("info", imported.model_info)
print("tokens", imported.tokens)

# CHECK: func.func @main
# CHECK-SAME: !torch.vtensor<[1,2,3,70,70],f32> {focus.name = "pixel_values_videos"}
# CHECK-SAME: !torch.vtensor<[1,27],si64> {focus.name = "input_ids"}
# CHECK-SAME: -> !torch.vtensor<[1,100],f32>
# CHECK: "torch.vlm.param"() {vlm.name = "model.vision_tower.embeddings.patch_embedding.weight"}
# CHECK: "torch.vlm.patch_embed"({{.*}} -> !torch.vtensor<[50,48],f32>
# Each frame's 25 patches see only themselves.
# CHECK: ListConstruct %int25, %int25
# CHECK: "torch.vlm.attention"(
# CHECK: torch.aten.gelu {{.*}} -> !torch.vtensor<[50,80],f32>
# Bilinear pooling is two linear maps, 5 -> 3 along columns and 5 -> 3 along rows.
# CHECK: "torch.vlm.resample"{{.*}}(!torch.vtensor<[10,5,64],f32>, !torch.vtensor<[3,5],f32>) -> !torch.vtensor<[10,3,64],f32>
# CHECK: "torch.vlm.resample"{{.*}}(!torch.vtensor<[2,5,192],f32>, !torch.vtensor<[3,5],f32>) -> !torch.vtensor<[2,3,192],f32>
# Text is looked up before and after the visual tokens only.
# CHECK: torch.aten.embedding {{.*}} -> !torch.vtensor<[3,64],f32>
# CHECK: torch.aten.embedding {{.*}} -> !torch.vtensor<[5,64],f32>
# CHECK: torch.aten.cat {{.*}} -> !torch.vtensor<[27,64],f32>
# CHECK: torch.aten.rms_norm {{.*}} -> !torch.vtensor<[27,64],f32>
# CHECK: torch.aten.linear {{.*}} !torch.vtensor<[27,64],f32> loc([[Q:#loc[0-9]+]])
# CHECK: "torch.vlm.rope"
# CHECK: "torch.vlm.attention"{{.*}} %true{{.*}} -> !torch.vtensor<[27,64],f32>
# CHECK: torch.aten.silu
# Only the last token reaches the final norm and the head.
# CHECK: torch.aten.rms_norm {{.*}} -> !torch.vtensor<[1,64],f32>
# CHECK: torch.aten.linear {{.*}} -> !torch.vtensor<[1,100],f32>
# CHECK: [[Q]] = loc("model.language_model.layers.0.self_attn.q_proj")
# CHECK: inputs [('pixel_values_videos', 'float32', (1, 2, 3, 70, 70)), ('input_ids', 'int64', (1, 27))]
# CHECK: info {'family': 'llava_onevision', {{.*}}'depth': 1, 'hidden': 64, 'heads': 2, 'kv_heads': 1, 'head_dim': 32
# CHECK: tokens V=19 S=27 runs=(Run(start=3, length=19),)
# CHECK-SAME: Grid(first=0, frames=2, height=3, width=3, frame_stride=9, height_stride=3, width_stride=1)
