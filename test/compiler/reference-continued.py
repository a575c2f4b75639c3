# The reference goes on after the prefill: dense, token by token as Hugging Face generates greedily, for every family; concentrated, as a longer
# prompt would be read with the same tokens kept and the same vectors merged.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import relative

from focus.compiler.frontend import zoo
from focus.compiler.truth.reference import Front, continued
from focus.runtime.spec.concentration import Concentration

COUNT = 5
for name in ("llava-onevision-tiny", "llava-tiny", "llava-next-tiny", "llava-next-video-tiny", "internvl-tiny", "qwen2-vl-tiny", "qwen2.5-vl-tiny",
             "qwen3-vl-tiny", "qwen3-vl-image-tiny"):
    model, inputs = zoo.build(name)
    front = Front.of(model, inputs, more=COUNT)
    with torch.no_grad():
        logits = model(**inputs).logits[0]
        theirs = model.generate(**inputs, max_new_tokens=COUNT, do_sample=False, eos_token_id=None, pad_token_id=0)[0, -COUNT:].tolist()
    rows = front.tokens.prompt_rows
    dense = front.run("off")
    alike = relative(dense.logits(rows), logits[-rows:])
    prune = Concentration(layers=(0, 2), alphas=(0.5, 0.3), threshold=0.8, overrides=[dict(sites=["query"], similarity=False)])
    run = front.run(prune)
    ours = run.generate(COUNT)
    longer = continued(inputs, 0, COUNT - 1)
    longer["input_ids"][0, -COUNT + 1:] = torch.tensor(ours[:-1])
    again = Front.of(model, longer).run(prune, run.trace)
    print(name, dense.generate(COUNT) == theirs, alike if alike > 1e-5 else "exact", relative(run.logits(), again.logits()) < 1e-5,
          again.logits(COUNT).argmax(-1).tolist() == ours)
# CHECK: llava-onevision-tiny True exact True True
# CHECK-NEXT: llava-tiny True exact True True
# CHECK-NEXT: llava-next-tiny True exact True True
# CHECK-NEXT: llava-next-video-tiny True exact True True
# CHECK-NEXT: internvl-tiny True exact True True
# CHECK-NEXT: qwen2-vl-tiny True exact True True
# CHECK-NEXT: qwen2.5-vl-tiny True exact True True
# CHECK-NEXT: qwen3-vl-tiny True exact True True
# CHECK-NEXT: qwen3-vl-image-tiny True exact True True
