# focus.fidelity against a direct computation from logits of Hugging Face models: the dense one, and one whose modules get merged rows from hooks.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
# RUN: not focus-fidelity llava-onevision-tiny --inputs %t/one.safetensors %t/one.safetensors 2>&1 | filecheck %s --check-prefix=NAMES
# RUN: not focus-fidelity llava-onevision-tiny --concentration ful 2>&1 | filecheck %s --check-prefix=PRESET
# RUN: not focus-fidelity llava-video-7b 2>&1 | filecheck %s --check-prefix=VALUES
# RUN: not focus-fidelity llava-onevision-tiny -o %t/x.csv 2>&1 | filecheck %s --check-prefix=FILE
# NAMES: error: --inputs {{.*}}: files of different names expected
# PRESET: error: concentration 'ful' is neither one of off, sec, sic, full nor a file
# VALUES: error: llava-video-7b: the model has no values, and so no answers
# FILE: error: {{.*}}x.csv: a .json file expected
import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from common import error
from safetensors.torch import save_file

import focus
from focus.compiler.evaluate import fidelity as tool
from focus.compiler.frontend import zoo
from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.truth.fidelity import Distance

folder = Path(sys.argv[1])
COUNT = 4
# The sites whose inputs Hugging Face's modules take as they are.
settings = focus.Concentration(similarity=False, overrides=[dict(sites=["o_proj", "gate_proj", "down_proj"], similarity=True, threshold=0.7)])


@contextlib.contextmanager
def merged(model, layout, trace):
    """The model with hooks that merge the visual rows of a whole prefill as the trace says."""
    handles, rows = [], torch.from_numpy(layout.visual_positions())

    def hook(key):
        group = torch.from_numpy(trace[f"group/{key}"]).long()

        def merge(_module, args):
            x = args[0].clone()
            if x.shape[1] > len(rows):
                for j, column in enumerate(group.T):
                    piece = x[0, rows, 32 * j:32 * j + 32]
                    x[0, rows, 32 * j:32 * j + 32] = torch.stack([piece[column == g].mean(0) for g in column])
            return (x, *args[1:])
        return merge
    for number, layer in enumerate(model.model.language_model.layers):
        for site, module in (("o_proj", layer.self_attn.o_proj), ("gate_proj", layer.mlp), ("down_proj", layer.mlp.down_proj)):
            handles.append(module.register_forward_pre_hook(hook(f"{number}/{site}")))
    yield
    for handle in handles:
        handle.remove()


def theirs(model, inputs, rows):
    """Logits of the prompt's positions, and greedily generated tokens."""
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=COUNT, do_sample=False, eos_token_id=None, pad_token_id=0)[0, -COUNT:].tolist()
        return model(**inputs).logits[0, -rows:].double().numpy(), tokens


def direct(dense, other):
    """The measures, position by position, from (logits, tokens)."""
    rows = []
    for p, q in zip(dense[0], other[0]):
        p, q = (np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in (p, q))
        rows.append((sum(a * np.log(a / b) for a, b in zip(p, q)), max(p @ s - q @ s for s in [(p > q).astype(float)]),
                     np.argmax(p) == np.argmax(q), len(set(np.argsort(-p)[:5]) & set(np.argsort(-q)[:5])) / 5))
    prefix = next((i for i, (a, b) in enumerate(zip(dense[1], other[1])) if a != b), COUNT)
    return Distance(*map(float, np.mean(rows, 0)), float(rows[-1][0]), prefix / COUNT, 1.0)


def close(a, b, room=1e-5):
    return all(abs(getattr(a, f) - getattr(b, f)) < room for f in Distance.__dataclass_fields__)


for name in ("llava-onevision-tiny", "qwen2.5-vl-tiny"):
    model, inputs = zoo.build(name)
    found = focus.fidelity(model, inputs, settings, COUNT)
    layout = prefill_of(model, inputs)[1]
    _, trace = focus.reference(model, inputs, settings)
    dense = theirs(model, inputs, layout.prompt_rows)
    with merged(model, layout, trace):
        wanted = direct(dense, theirs(model, inputs, layout.prompt_rows))
    print(name, close(found.requests[0], wanted) or (found.requests[0], wanted), found.requests[0].kl > 1e-3, 0 < found.requests[0].variation < 1)
    stored = found.storage[0]
    print("fp16", 0 < stored.kl < 1e-4 < found.mean.kl, 0.99 < stored.features < 1, stored.top1)
# CHECK: llava-onevision-tiny True True True
# CHECK-NEXT: fp16 True True 1.0
# CHECK-NEXT: qwen2.5-vl-tiny True True True
# CHECK-NEXT: fp16 True True 1.0

# Nothing concentrated, nothing changed; several requests count the same; the tool says the same.
model, inputs = zoo.build("llava-onevision-tiny")
same = focus.fidelity(model, inputs, "off", storage=False).mean
print(same.kl, same.variation, same.top1, same.top5, same.generated, round(same.features, 9))
# CHECK-NEXT: 0.0 0.0 1.0 1.0 1.0 1.0
other = dict(inputs) | {"input_ids": torch.cat((inputs["input_ids"][:, :-2], inputs["input_ids"][:, :3]), 1)}
both = focus.fidelity(model, [inputs, other], "full", 0, storage=False)
print(len(both.requests), both.mean.kl == (both.requests[0].kl + both.requests[1].kl) / 2, both.mean.generated, both.storage)
# CHECK-NEXT: 2 True None ()
for name, request in (("one", inputs), ("two", other)):
    save_file({k: v.contiguous() for k, v in request.items()}, folder / f"{name}.safetensors")
code = tool.main(["llava-onevision-tiny", "--inputs", f"{folder}/one.safetensors", f"{folder}/two.safetensors", "--generate", "0", "--each",
                  "--concentration", "off", "--concentration", "full", "-o", f"{folder}/f.json"])
# CHECK-NEXT: KL at the end variation top token top 5 generated features
# CHECK: off 0.0000 0.0000 0.0000 100.0% 100.0% 1.00000
# CHECK-NEXT: one
# CHECK-NEXT: two
# CHECK-NEXT: full 0.
# CHECK: dense, stored in fp16 0.0000
written = json.loads((folder / "f.json").read_text())
print(code, written["inputs"], written["concentrations"]["full"]["mean"]["kl"] == both.mean.kl)
# CHECK: 0 ['one', 'two'] True

print(error(focus.fidelity, model, []))
# CHECK-NEXT: inputs: at least one request expected, got none
print(error(focus.fidelity, model, inputs, generate=-1))
# CHECK-NEXT: generate: a number of tokens from 0 to 65536 expected, got -1
last = dict(inputs) | {"input_ids": inputs["input_ids"][:, :-prefill_of(model, inputs)[1].prompt_rows]}
print(error(focus.fidelity, model, last, "sic"))
# CHECK-NEXT: input_ids: no text after the visual tokens; at its positions answers are compared
