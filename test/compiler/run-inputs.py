# A compiled model takes the inputs it was compiled with, those that a processor adds included, and refuses ids it cannot look up.
# RUN: %python -W ignore %s | filecheck %s
import torch

import focus
from focus.compiler.frontend import zoo

for name in ("llava-onevision-tiny", "qwen2.5-vl-tiny"):
    model, inputs = zoo.build(name)
    inputs |= {"attention_mask": torch.ones_like(inputs["input_ids"]), "use_cache": False, "return_dict": True}
    if "video_grid_thw" in inputs:
        inputs["second_per_grid_ts"] = [0.1]
    exe = focus.compile(model, inputs)
    # CHECK: agrees True
    # CHECK: agrees True
    print("agrees", focus.agreement(model, inputs, exe.run(inputs)).holds)

vocabulary = model.config.text_config.vocab_size
# CHECK-NEXT: input 'input_ids' [0, 1] is 160; 0..159 expected
# CHECK-NEXT: input 'input_ids' [0, 1] is -1; 0..159 expected
for wrong in (vocabulary, -1):
    ids = inputs["input_ids"].clone()
    ids[0, 1] = wrong
    try:
        exe.run(inputs | {"input_ids": ids})
    except focus.FocusError as e:
        print(e)
