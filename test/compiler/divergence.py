# `focus.check` compares what modules take and give in a run with PyTorch's modules, and names the first that a wrong weight changes; `focus-sim --check`
# prints a table and fails.
# RUN: %python %s %t | filecheck %s
# RUN: focus-sim %t.fxb --check %S/Inputs/wrong_weight.py:right --html %t.html | filecheck %s --check-prefix RIGHT
# RIGHT: Module
# RIGHT: model.vision_tower.encoder.layers.1.mlp.fc1 {{ *}} input
# RIGHT: model.language_model.layers.1.self_attn.q_proj {{ *}} output
# RIGHT-NOT: differs
# RIGHT: values compared; 0 have no counterpart
# RUN: not focus-sim %t.fxb --check %S/Inputs/wrong_weight.py:wrong 2>&1 | filecheck %s --check-prefix WRONG
# WRONG: model.language_model.layers.1.self_attn.q_proj {{ *}} output {{ *}}[[Q:[0-9.e-]+]] {{ *}}[[A:[0-9.e-]+]]{{ *$}}
# WRONG-NEXT: model.language_model.layers.1.self_attn.k_proj {{.*}} differs
# WRONG: error: model.language_model.layers.1.self_attn.k_proj is the first that differs: the output of model.language_model.layers.1.self_attn.k_proj
# RUN: not focus-sim %t.fxb --check llava-tiny 2>&1 | filecheck %s --check-prefix OTHER
# OTHER: error: input
# RUN: not focus-sim %t.fxb --check llava-tiny --timing-only 2>&1 | filecheck %s --check-prefix USAGE
# USAGE: error: --check compares a run with a model
import sys
from dataclasses import replace

import torch

import focus
from focus.compiler.frontend import zoo
from focus.runtime.run.executable import Executable

torch.set_num_threads(1)
model, inputs = zoo.build("llava-onevision-tiny")


def seeded(exe, path: str):
    """What check says when one row of the weight of `path` is negated in the model after it was compiled."""
    weight = model.get_submodule(path).weight
    with torch.no_grad():
        weight[0].neg_()
        found = focus.check(exe, model, inputs)
        weight[0].neg_()
    return found.first.module.removeprefix("model."), sum(v.differs for v in found.values) > 3


for concentration in ("off", "full"):
    exe = focus.compile(model, inputs, concentration=concentration)
    exe.save(f"{sys.argv[1]}.fxb")
    found = focus.check(exe, model, inputs)
    # Every value has a counterpart, in the vision tower and in all layers, and none is far from the bound.
    # CHECK: off 0 True True True None
    # CHECK: full 0 True True True None
    paths = {v.module for v in found.values}
    print(concentration, found.skipped, len(found.values) > 35, all(f"model.language_model.layers.{i}.mlp.down_proj" in paths for i in range(2)),
          max(v.error / v.allowed for v in found.values) < 0.6, found.first)
    # CHECK: ('vision_tower.encoder.layers.1.mlp.fc1', True)
    # CHECK: ('multi_modal_projector.linear_2', True)
    # CHECK: ('language_model.layers.0.self_attn.o_proj', True)
    # CHECK: ('language_model.layers.1.mlp.down_proj', True)
    for path in ("vision_tower.encoder.layers.1.mlp.fc1", "multi_modal_projector.linear_2", "language_model.layers.0.self_attn.o_proj",
                 "language_model.layers.1.mlp.down_proj"):
        print(seeded(exe, f"model.{path}"))

# The model is as it was: no hook is left.
# CHECK: hooks 0
print("hooks", sum(len(m._forward_hooks) for m in model.modules()))

# A program that does not say what its values are, and one without parameter values.
# CHECK: says of no value what it is in the model; compile it anew
try:
    focus.check(Executable(replace(exe.binary, memory_map=exe.binary.memory_map.model_copy(update={"values": ()}))), model, inputs)
except focus.FocusError as e:
    print(e)
