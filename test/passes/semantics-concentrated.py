# RUN: %python %s | filecheck %s
"""With concentration inserted the interpreted IR gives logits and trace of `focus.reference`, in sequence order and in storage order; and with the
pruning hoisted those of the reference that prunes before the queries."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import Imported, distance

import focus

BEFORE = "convert-torch-to-focus,annotate-tokens,fuse,"
MODES = {"llava-onevision-tiny": ("sec", "sic", "full"), "llava-onevision-image-tiny": ("full",), "qwen2.5-vl-tiny": ("sec", "full"),
         "qwen3-vl-tiny": ("sec", "full")}

for name, modes in MODES.items():
    imported = Imported(name)
    depth = imported.model.config.get_text_config().num_hidden_layers
    for mode in modes:
        hoisted = focus.Concentration.preset(mode, depth)
        later, first = (focus.reference(imported.model, imported.inputs, c) for c in (hoisted.model_copy(update={"hoist": False}), hoisted))
        verdicts = []
        runs = imported.run(f"{BEFORE}insert-concentration{{mode={mode}}}", "assign-layout", "hoist-pruning")
        for (logits, found), (wanted, trace) in zip(runs, (later, later, first)):
            entries = sum((found[k] == trace[k]).all() for k in found)
            verdicts.append(f"{'same' if distance(logits, wanted) < 1e-4 else distance(logits, wanted)} {entries} of {len(found)}")
        print(name, mode, "|", *verdicts)
# CHECK: llava-onevision-tiny sec | same 0 of 0 same 0 of 0 same 0 of 0
# CHECK: llava-onevision-tiny sic | same 45 of 45 same 45 of 45 same 45 of 45
# CHECK: llava-onevision-tiny full | same 45 of 45 same 45 of 45 same 45 of 45
# CHECK: llava-onevision-image-tiny full | same 45 of 45 same 45 of 45 same 45 of 45
# CHECK: qwen2.5-vl-tiny sec | same 0 of 0 same 0 of 0 same 0 of 0
# CHECK: qwen2.5-vl-tiny full | same 45 of 45 same 45 of 45 same 45 of 45
# CHECK: qwen3-vl-tiny sec | same 0 of 0 same 0 of 0 same 0 of 0
# CHECK: qwen3-vl-tiny full | same 45 of 45 same 45 of 45 same 45 of 45

# A small m-tile, a block without frames, and pruning in the first and the last layer.
config = focus.Concentration(layers=(0, 2), alphas=(0.6, 0.3), threshold=0.7, block=(1, 2, 2), m_tile=16, hoist=False)
wanted, trace = focus.reference(imported.model, imported.inputs, config)
options = "layers=0,2 alphas=0.6,0.3 threshold=0.7 block=1,2,2 m-tile=16"
(logits, found), = imported.run(f"{BEFORE}insert-concentration{{{options}}},assign-layout")
# CHECK: options True True
print("options", distance(logits, wanted) < 1e-4, all((found[k] == trace[k]).all() for k in found))
