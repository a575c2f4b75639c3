"""The tiny LLaVA-OneVision, and the same with a wrong weight."""
import torch

from focus.compiler.frontend import zoo


def right():
    return zoo.build("llava-onevision-tiny")


def wrong():
    model, inputs = right()
    with torch.no_grad():
        model.model.language_model.layers[1].self_attn.k_proj.weight.mul_(1.02)
    return model, inputs
