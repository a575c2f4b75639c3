# Weights that fp16 cannot hold: the model compiles and runs, and one warning for each parameter says so when it is packed, once.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t 2>&1 | filecheck %s
import os
import sys
from pathlib import Path

import numpy as np
import torch

import focus
from focus.compiler.backend.binary import lost
from focus.compiler.frontend import zoo
from focus.compiler.tools import focusc


def loud():
    """A model with weights of every kind."""
    model, inputs = zoo.build("llava-onevision-image-tiny")
    layer = model.model.language_model.layers[1]
    with torch.no_grad():
        layer.mlp.down_proj.weight[0, :3] = torch.tensor([1e5, -7e4, 3.0])
        layer.self_attn.o_proj.weight[1, 1] = torch.nan
        layer.self_attn.k_proj.bias.mul_(0).add_(1e-9)
    return model, inputs


if __name__ == "__main__":              # focusc reads this file, too
    sys.stdout.reconfigure(line_buffering=True)             # in order with standard error
    # What is stored as float32 may be large; what only rounds, is a subnormal, or is all zeros loses nothing worth a word.
    for values, stored in (([65519.0, -1.0], "f16"), ([1e5, 0.0], "f32"), ([0.0, 0.0], "f16"), ([1e-7, 0.0], "f16"), ([1e-30, 1.0], "f16"),
                           ([1e-30], "f32"), ([7, 8], "i32"), ([], "f16")):
        assert lost(np.array(values, np.int32 if stored == "i32" else np.float32), stored) == "", values
    # CHECK: 1 of 3 values are beyond fp16 and become infinite, the largest is 6.55e+04
    print(lost(np.float32([0, -65520, 65519]), "f16"))
    # CHECK-NEXT: 1 of 4 values are beyond fp16 and become infinite, the largest is 1e+05; 2 of 4 values are NaN or infinite
    print(lost(np.float32([1e5, np.nan, -np.inf, 1]), "f16"))
    # CHECK-NEXT: 1 of 2 values are NaN or infinite
    print(lost(np.float32([1e5, np.nan]), "f32"))
    # CHECK-NEXT: all of its 2 values round to zero in fp16, the largest is 2.98e-08
    print(lost(np.float32([2.0 ** -25, 1e-12]), "f16"))

    os.chdir(sys.argv[1])
    print("focusc", focusc.main([f"{Path(__file__)}:loud", "-o", "loud.fxb", "-q"]))
    # CHECK-NEXT: warning: parameter 'model.language_model.layers.1.self_attn.k_proj.bias': all of its {{[0-9,]+}} values round to zero in fp16,
    # CHECK-NEXT: warning: parameter 'model.language_model.layers.1.self_attn.o_proj.weight': 1 of {{[0-9,]+}} values are NaN or infinite
    # CHECK-NEXT: warning: parameter 'model.language_model.layers.1.mlp.down_proj.weight': 2 of {{[0-9,]+}} values are beyond
    # CHECK-SAME: fp16 and become infinite, the largest is 1e+05
    # CHECK-NEXT: focusc 0
    model, inputs = loud()
    exe = focus.compile(model, inputs)
    print(exe.run(inputs).report["nonfinite"] > 0)
    # CHECK-COUNT-3: warning: parameter
    # CHECK-NEXT: True
    exe.save("again.fxb")
    print(Path("again.fxb").read_bytes() == Path("loud.fxb").read_bytes())
    # CHECK-NEXT: True
