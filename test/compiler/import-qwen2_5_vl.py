# What the import hands to the passes for a Qwen2.5-VL video: window order as row lists, windows and frames as attention segments.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from common import random_grids

from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.zoo import DecoderConfig, qwen2_5_vl

model = qwen2_5_vl(DecoderConfig(64, 96, 1, 2, 1, 100),
                   dict(depth=2, hidden_size=48, intermediate_size=80, num_heads=2, window_size=56, fullatt_block_indexes=[1]))
imported = import_model(model, random_grids(model, videos=[(2, 4, 6)]))
print(imported.module)

# The convolution over whole patches is a projection of pixel rows.
# CHECK: torch.aten.view {{.*}} !torch.vtensor<[48,3,2,14,14],f32>{{.*}} -> !torch.vtensor<[48,1176],f32>
# CHECK: torch.aten.linear %arg0,
# CHECK: {vlm.name = "const.video_window_rows"}
# CHECK: "torch.vlm.take_rows"
# Windows of 4 x 4 patches, the right ones 2 wide, in each of two frames; then whole frames of 24.
# CHECK: ListConstruct %int16, %int8, %int16, %int8 :
# CHECK: "torch.vlm.attention"
# CHECK: ListConstruct %int24, %int24 :
# CHECK: "torch.vlm.attention"
# Four patches merge into one row.
# CHECK: torch.aten.view {{.*}} -> !torch.vtensor<[12,192],f32>
# CHECK: {vlm.name = "const.video_merge_rows"}
# CHECK: "torch.vlm.take_rows"{{.*}} -> !torch.vtensor<[12,64],f32>
# CHECK-NOT: torch.aten.conv
# CHECK: return

tables = {name: value() for name, value in imported.params.items() if name.startswith("const.")}
for name, table in sorted(tables.items()):
    print(name, table.dtype, table.shape)
# CHECK: const.rope_cos float32 (20, 32)
# CHECK-NEXT: const.rope_sin float32 (20, 32)
# CHECK-NEXT: const.video_cells int32 (48,)
# CHECK-NEXT: const.video_merge_rows int32 (12,)
# CHECK-NEXT: const.video_rope_cos float32 (48, 24)
# CHECK-NEXT: const.video_rope_sin float32 (48, 24)
# CHECK-NEXT: const.video_window_rows int32 (48,)

# Window rows list every patch once; undoing them after the merge restores the order of merged patches.
rows = tables["const.video_window_rows"]
merged = rows[::4][tables["const.video_merge_rows"]] // 4
print("permutation", sorted(rows) == list(range(48)), "inverse", np.array_equal(merged, np.arange(12)))
# CHECK-NEXT: permutation True inverse True
# The first column turns by one a position: text 0, 1, 2, the video from 3 on, then text from 6, which is 3 and the longer side of the grid.
angles = np.arctan2(tables["const.rope_sin"], tables["const.rope_cos"])[[0, 1, 2, 3, 15], 0]
print("positions", [f"{a % (2 * np.pi):.2f}" for a in angles])
# CHECK-NEXT: positions ['0.00', '1.00', '2.00', '3.00', '6.00']
