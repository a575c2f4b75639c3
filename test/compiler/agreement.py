# focus.agreement: a run against the reference, choice by choice; what is wrong shows where it is wrong.
# RUN: %python %s | filecheck %s
from dataclasses import replace

import numpy as np

import focus
from focus.compiler.frontend import zoo

model, inputs = zoo.build("llava-onevision-tiny")
exe = focus.compile(model, inputs, "focus", "full")
result = exe.run(inputs)
good = focus.agreement(model, inputs, result)
print(good)
# CHECK: logits differ by {{.*}}e-0{{[34]}}; layer 0 kept 14 of 14 alike (gap {{.*}}%); layer 1 kept 7 of 7 alike
# CHECK-SAME: groups alike, {{.*}} clear ones
print(good.holds, good.clear_alike == good.clear > 100, good.groups > 0.99, [c.exchanged for c in good.cuts])
# CHECK-NEXT: True True True [0, 0, 0]
print(good.explained, good.unexplained, good.rounding.holds, 1e-5 < good.rounding.logits < 5e-3, good.rounding.rounding)
# CHECK-NEXT: True 0 True True None


def changed(key: str, value: np.ndarray):
    """The agreement of the run with one array of its trace replaced."""
    return focus.agreement(model, inputs, replace(result, trace=dict(result.trace) | {key: value}))


# One vector of the last site in another group: one entry that is not alike, and it was a clear one.
group = result.trace["group/2/down_proj"].copy()
alone = int(np.flatnonzero((group[:, 0] == np.arange(len(group))) & (np.bincount(group[:, 0], minlength=len(group)) == 1))[-1])
group[alone, 0] = group[0, 0]
wrong = changed("group/2/down_proj", group)
print(wrong.holds, wrong.entries - wrong.alike - (good.entries - good.alike), wrong.clear - wrong.clear_alike, wrong.explained)
# CHECK-NEXT: False 1 1 False
print(str(wrong).endswith("; 1 choices that rounding does not explain"))
# CHECK-NEXT: True

# Another token kept at a cut that was clear, in the place of one that the next cut drops.
kept = result.trace["retained/0/gate_proj"]
other, gone = np.setdiff1d(np.arange(37), kept)[0], np.setdiff1d(kept, result.trace["retained/1/gate_proj"])[0]
swapped = np.sort(np.where(kept == gone, other, kept)).astype(np.int32)
cuts = changed("retained/0/gate_proj", swapped).cuts
print(cuts[0].exchanged, cuts[0].gap > 0.005, cuts[0].unexplained)
# CHECK-NEXT: 1 True 2

# Wrong logits.
far = replace(result, outputs={"logits": result.outputs["logits"] * 1.05})
print(focus.agreement(model, inputs, far).explained)
# CHECK-NEXT: False

try:
    focus.agreement(model, inputs, result, "sec")
except focus.FocusError as e:
    print(e)
# CHECK-NEXT: the run's trace has other sites than this model with this concentration: group/0/{{.*}}

# A layer that asks for as many tokens as the one before cuts nothing.
same = focus.Concentration(layers=(0, 1), alphas=(0.4, 0.4), similarity=False)
twice = focus.agreement(model, inputs, focus.compile(model, inputs, "focus", same).run(inputs), same)
print(twice)
# CHECK-NEXT: logits differ by {{.*}}; layer 0 kept 14 of 14 alike (gap {{[0-9.]+}}%); layer 1 kept 14 of 14 alike (none dropped)

# A trace of another model.
for key, value in (("retained/0/gate_proj", kept[:-1]), ("group/0/q_proj", result.trace["group/0/q_proj"][1:])):
    try:
        changed(key, value)
    except focus.FocusError as e:
        print(e)
# CHECK-NEXT: retained/0/gate_proj: expected 14 of the 37 visual tokens left before it, got 13, of which 13 are left
# CHECK-NEXT: group/0/q_proj: expected the shape [37, 2] of this model's tokens and vectors, got [36, 2]
