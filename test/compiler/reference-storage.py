# focus.reference with fp16 and bf16 storage: close to float32 and not equal to it; for a model whose weights fp16 does not
# hold, too; the model is left as it was.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, relative

import focus
from focus.compiler.frontend import zoo
from focus.compiler.truth.reference import reference_details


def hooks(model):
    return sum(len(m._forward_hooks) for m in model.modules())


for name in ("llava-onevision-tiny", "llava-tiny", "qwen2.5-vl-tiny"):
    model, inputs = zoo.build(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.0003                     # no longer fp16 numbers
    focus.reference(model, inputs, "off")           # Hugging Face leaves hooks of its own
    before = hooks(model)
    weights = [p.clone() for p in model.parameters()]
    exact, _, details = reference_details(model, inputs, "sic", values=True)
    stored, _, rounded = reference_details(model, inputs, "sic", storage="float16", values=True)
    values = [torch.from_numpy(v) for key, v in rounded.items() if key.startswith("value/")]
    print(name, 1e-5 < relative(stored, exact) < 5e-3, len(values), all(torch.equal(v, v.half().float()) for v in values),
          details["value/0/q_proj"].shape == rounded["value/0/q_proj"].shape,
          all(torch.equal(a, b) for a, b in zip(weights, model.parameters())), hooks(model) == before)
# CHECK: llava-onevision-tiny True 15 True True True True
# CHECK-NEXT: llava-tiny True 15 True True True True
# CHECK-NEXT: qwen2.5-vl-tiny True 15 True True True True
coarse, _ = focus.reference(model, inputs, "sic", storage="bfloat16")
print(relative(stored, exact) < relative(coarse, exact) < 5e-2)
# CHECK-NEXT: True
print(error(focus.reference, model, inputs, storage="int8"))
# CHECK-NEXT: storage 'int8': one of float32, float16, bfloat16 expected
