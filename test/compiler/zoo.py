# Every zoo entry makes a model and inputs that run, the same numbers each time, norms and biases random too.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, last_logits

from focus.compiler.frontend import zoo
from focus.compiler.frontend.families import family_of

for name in zoo.names():
    model, inputs = zoo.build(name)
    again, _ = zoo.build(name)
    same = all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters()))
    plain = [n for n, p in model.named_parameters() if p.float().std() < 1e-3]
    print(name, family_of(model).model_type, bool(last_logits(model, inputs).isfinite().all()), same, plain, inputs["input_ids"].shape[1])
# CHECK: llava-onevision-demo llava_onevision True True [] 801
# CHECK: llava-onevision-tiny llava_onevision True True []
# CHECK: llava-onevision-image-tiny llava_onevision True True [] 194
# CHECK: llava-small llava True True [] 163
# CHECK: llava-tiny llava True True [] 66
# CHECK: llava-next-tiny llava_next True True [] 217
# CHECK-NEXT: llava-next-video-tiny llava_next_video True True [] 70
# CHECK-NEXT: internvl-small internvl True True [] 109
# CHECK-NEXT: internvl-tiny internvl True True [] 41
# CHECK-NEXT: internvl-image-tiny internvl True True [] 44
# CHECK-NEXT: qwen2-vl-small qwen2_vl True True [] 112
# CHECK-NEXT: qwen2-vl-tiny qwen2_vl True True [] 40
# CHECK-NEXT: qwen2-vl-image-tiny qwen2_vl True True [] 34
# CHECK-NEXT: qwen3-vl-small qwen3_vl True True [] 85
# CHECK-NEXT: qwen3-vl-tiny qwen3_vl True True [] 31
# CHECK-NEXT: qwen3-vl-image-tiny qwen3_vl True True [] 26
# CHECK-NEXT: qwen2.5-vl-demo qwen2_5_vl True True []
# CHECK: qwen2.5-vl-image-tiny qwen2_5_vl True True []
print(error(zoo.build, "llava"))
# CHECK: unknown model 'llava'; the zoo has: llava-onevision-demo,
