# Whatever a configuration, an input, a module or a trace holds: FocusError, of one line, or a result.  Seeded; nothing may say "unexpected".
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import os
import random
import sys
from collections import Counter

import numpy as np
import torch
from torch import nn

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.frontend.wrapper import prefill_of
from focus.runtime.spec.errors import FocusError

os.chdir(sys.argv[1])
rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 11)
NAMES = ("llava-onevision-tiny", "llava-onevision-image-tiny", "llava-tiny", "llava-next-tiny", "llava-next-video-tiny", "internvl-tiny",
         "qwen2-vl-tiny", "qwen2.5-vl-tiny", "qwen3-vl-tiny")
WRONG = (None, "x", -1, 0, 3, 10**9, 2.5, [], [1], [[1, 2], [3]], {}, True, float("nan"), float("inf"), b"x", object())
TENSORS = (torch.zeros(0), torch.zeros(1, 5), torch.ones(1, 5).long(), torch.zeros(1, 1, 1, 1, 1), torch.full((1, 5), -1), torch.full((1, 3), 2**40),
           torch.zeros(0, 3).long(), torch.zeros(1, 3).long(), torch.tensor(3), torch.zeros(2, 3).bool(), torch.zeros(1, 3).to_sparse(),
           torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8), torch.zeros(1, 3, dtype=torch.complex64), np.array(["a"]),
           np.array([None]), np.zeros((1, 3), np.uint64), np.full((1, 40), np.nan), np.zeros((1, 3), "f2"))
counts = Counter()


def tried(what, function, *args, key=None):
    """Count what becomes of a call, and print it where it is not what is promised."""
    try:
        function(*args)
        said = None
    except FocusError as e:
        said = str(e)
    except Exception as e:
        said = f"unexpected {type(e).__name__}: {e}"
    counts[what, "accepted" if said is None else "refused"] += 1
    if said is not None and ("unexpected" in said or "\n" in said or (key and "no mapping: " in said)):
        print(what, key, said)


# Configurations: one key of one of the three parts at a time; the error names what nobody looked at by no type of exception.
models = {name: zoo.build(name) for name in NAMES}
for name, (model, inputs) in models.items():
    parts = (model.config, model.config.text_config, model.config.vision_config)
    keys = [(part, key) for part in parts for key in part.to_dict() if key not in ("text_config", "vision_config", "transformers_version")]
    for part, key in rng.sample(keys, 30):
        before = getattr(part, key, None)
        for value in rng.sample(WRONG, 3):
            try:
                setattr(part, key, value)
            except Exception:                       # transformers itself refuses
                continue
            tried("configuration", prefill_of, model, inputs, key=f"{name} {key}={value!r}")
            object.__setattr__(part, key, before)

# Inputs: one at a time is another thing, is left out, or is one too many.
for name, (model, inputs) in models.items():
    for key in (*inputs, "attention_mask", "image_sizes", "second_per_grid_ts", "more", 3):
        for value in rng.sample(WRONG + TENSORS, 6):
            tried("input", prefill_of, model, dict(inputs) | {key: value}, key=f"{name} {key}={value!r}")
for what in (None, 3, "x", [], [("input_ids", 1)]):
    tried("input", prefill_of, *models["llava-tiny"][:1], what)

# Modules: one is nothing, or another thing.
for name in ("llava-tiny", "qwen2.5-vl-tiny"):
    model, inputs = models[name]
    for path in rng.sample([path for path, _ in model.named_modules() if path], 6):
        where, _, leaf = path.rpartition(".")
        modules = model.get_submodule(where)._modules
        before = modules[leaf]
        modules[leaf] = rng.choice((None, nn.Identity(), nn.Linear(3, 3), nn.ReLU()))
        tried("module", lambda: compile_model(model, inputs, "focus", "off", stop="torch"))
        tried("module in the reference", focus.reference, model, inputs, "off")
        modules[leaf] = before

# A program: inputs, traces, results and files that are none.
model, inputs = models["internvl-tiny"]
program = focus.compile(model, inputs)
result = program.run(inputs)
for key in (*inputs, "attention_mask", "use_cache", "more", 3):
    for value in rng.sample(WRONG + TENSORS, 12):
        tried("run", program.run, dict(inputs) | {key: value}, key=f"{key}={value!r}")
for key in rng.sample(sorted(result.trace), 20):
    for value in rng.sample(WRONG + TENSORS, 3):
        damaged = dict(result.trace) | {key: value}
        tried("time", program.time, damaged, key=f"{key}={value!r}")
        if rng.random() < 0.2:
            tried("reference", focus.reference, model, inputs, "full", damaged, key=f"{key}={value!r}")
for value in rng.sample(WRONG + TENSORS, 20):
    tried("time", program.time, value)
    tried("load", focus.load, value)
    tried("run", program.run, value)
    tried("agreement", focus.agreement, model, inputs, value)
    tried("compile", focus.compile, model, inputs, value)
    tried("compile", focus.compile, value, inputs)
    tried("reference", focus.reference, model, inputs, "off", None, value)
    tried("save", program.save, value)
for value in rng.sample(WRONG + TENSORS, 4):
    tried("compile", focus.compile, model, inputs, "focus", value)
    tried("reference", focus.reference, model, inputs, value)
print({what for what, _ in counts}, sum(counts.values()) > 900, min(n for (what, done), n in counts.items() if done == "refused") > 0)
# CHECK-NOT: unexpected
# CHECK-NOT: no mapping:
# CHECK: {{.*}} True True
print(*(f"{what} {done} {n}" for (what, done), n in sorted(counts.items())), sep="; ", file=sys.stderr)
