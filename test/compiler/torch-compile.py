# torch.compile(model, backend="focus"): found without an import, right against eager for towers and decoders of several families, compiled once for each
# shape, layout and set of weights; what it does not do it says.
# LONG: several families, several times each
# RUN: %python %s | filecheck %s
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import relative

import focus
from focus.compiler.frontend import zoo

FOUND = """import sys
from torch._dynamo.backends.registry import list_backends
print("focus" in list_backends(), "focus" in sys.modules)"""
print(subprocess.run([sys.executable, "-c", FOUND], capture_output=True, text=True).stdout.strip())
# CHECK: True False
LAST = dict(logits_to_keep=1, use_cache=False)


def distance(found, right):
    return relative(found.float().numpy(), right.float().numpy())


@torch.no_grad()
def compare(name, **changed):
    model, inputs = zoo.build(name)
    fast = torch.compile(model, backend="focus", options={"concentration": "off"}, **changed)
    found, right = fast(**inputs, **LAST).logits, model(**inputs, **LAST).logits
    print(name, list(found.shape) == list(right.shape), found.dtype == right.dtype, distance(found, right) < 2e-3)
    return model, fast, inputs


for name in ("internvl-tiny", "qwen3-vl-tiny"):
    compare(name)
# CHECK-NEXT: internvl-tiny True True True
# CHECK-NEXT: qwen3-vl-tiny True True True

# One operator is all that Dynamo sees.
model, fast, inputs = compare("llava-onevision-tiny", fullgraph=True)
# CHECK-NEXT: llava-onevision-tiny True True True
programs = lambda: len(fast.forward.programs)


@torch.no_grad()
def again(**given):
    wanted = model(**given, **LAST).logits
    return distance(fast(**given, **LAST).logits, wanted) < 2e-3


kept = fast.forward.programs[0][1]
print("other text", again(**inputs | {"input_ids": torch.where(inputs["input_ids"] == inputs["input_ids"][0, 0], 7, inputs["input_ids"])}), programs(),
      kept is fast.forward.programs[-1][1])
# CHECK-NEXT: other text True 1 True
pad = torch.full((1, 2), 5)
print("longer", again(**inputs | {"input_ids": torch.cat((inputs["input_ids"], pad), 1)}), programs())
# CHECK-NEXT: longer True 2
print("other layout", again(**inputs | {"input_ids": torch.cat((pad, inputs["input_ids"]), 1)}), programs())
# CHECK-NEXT: other layout True 3
print("first again", again(**inputs), programs(), kept is fast.forward.programs[-1][1])
# CHECK-NEXT: first again True 3 True
with torch.no_grad():
    model.lm_head.weight.mul_(2)
print("other weights", again(**inputs), programs())
# CHECK-NEXT: other weights True 1
print("tuple", type(fast(**inputs, **LAST, return_dict=False)).__name__, fast(inputs["input_ids"], pixel_values_videos=inputs["pixel_values_videos"], **LAST).logits.requires_grad)
# CHECK-NEXT: tuple tuple False

# In 16 bits, concentrated, on another machine: the same as compile and run.
half = model.bfloat16()
found = torch.compile(half, backend="focus", options={"machine": "dense", "concentration": "off"})(**inputs, **LAST).logits
print(found.dtype, distance(found, torch.from_numpy(focus.compile(half, inputs, "dense", "off").run(inputs).outputs["logits"]).to(found)) == 0)
# CHECK-NEXT: torch.bfloat16 True
concentrated = torch.compile(half, backend="focus")(**inputs, **LAST).logits
print(distance(concentrated, torch.from_numpy(focus.compile(half, inputs).run(inputs).outputs["logits"]).to(concentrated)) == 0, distance(concentrated, found) > 0)
# CHECK-NEXT: True True


# ---- what it does not do
def refused(function):
    try:
        print("ACCEPTED", function())
    except Exception as e:
        print(next(line for line in str(e).splitlines() if "raised:" not in line))


refused(lambda: fast(**inputs))
# CHECK-NEXT: logits_to_keep=1 expected of a forward that backend 'focus' compiles, got None: it computes the logits of the last token
refused(lambda: fast(**inputs, logits_to_keep=1, use_cache=True))
# CHECK-NEXT: use_cache=False expected of a forward that backend 'focus' compiles, got True
refused(lambda: fast(**inputs, **LAST, labels=inputs["input_ids"]))
# CHECK-NEXT: input 'labels' is not supported for llava_onevision
refused(lambda: fast(**inputs, **LAST, nonsense=[1]))
# CHECK-NEXT: input 'nonsense' is not supported for llava_onevision
refused(lambda: fast(**inputs | {"input_ids": torch.full((1, 4), 3)}, **LAST))
# CHECK-NEXT: input_ids: 0 video tokens (id 159), but the video inputs make 37
refused(lambda: torch.compile(torch.nn.Linear(2, 2), backend="focus"))
# CHECK-NEXT: unknown model Linear; supported: LlavaOnevisionForConditionalGeneration
refused(lambda: torch.compile(model, backend="focus", options={"machina": "focus"}))
# CHECK-NEXT: backend 'focus' has no option 'machina' (options: machine, concentration
refused(lambda: torch.compile(model, backend="focus", mode="max-autotune"))
# CHECK-NEXT: backend 'focus' has no mode 'max-autotune'
refused(lambda: torch.compile(lambda x: x.sin() + 1, backend="focus")(torch.ones(3)))
# CHECK-NEXT: FocusError: backend 'focus' compiles whole models, not a graph of 2 operators that begins with {{.*}} ({{.*}}torch-compile.py", line {{[0-9]+}}, in {{.*}}): call torch.compile with the model itself
model.compile(backend="focus")
refused(lambda: model(**inputs, **LAST))
# CHECK-NEXT: FocusError: backend 'focus' compiles whole models, not a graph of {{.*}} and not model.compile
# Other backends are as they were.
print(torch.compile(torch.nn.Linear(2, 2), backend="eager")(torch.ones(2)).shape)
# CHECK-NEXT: torch.Size([2])
