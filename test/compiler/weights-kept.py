# A program has the weights of the moment it was compiled: whatever becomes of the model, it runs and is saved with those, or says that it cannot.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from common import error, last_logits, relative

import focus
from focus.compiler.backend import binary
from focus.compiler.backend.compile import compile_model, resume
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import Parameter

folder = Path(sys.argv[1])


@torch.no_grad()
def halved(model):
    for parameter in model.parameters():
        parameter.mul_(0.5)


def unseen(model):
    """By a way that no version counter sees."""
    for parameter in model.parameters():
        parameter.data.view(-1).numpy()[:] *= 0.5


def replaced(model):
    model.load_state_dict({name: value * 0.5 for name, value in model.state_dict().items()})


def folded(model):
    model.half()


for name, change in (("qwen3-vl-tiny", halved), ("internvl-tiny", unseen), ("llava-next-tiny", replaced), ("qwen2.5-vl-tiny", folded)):
    model, inputs = zoo.build(name)
    right = last_logits(model, inputs)
    program = focus.compile(model, inputs, "focus", "off")
    change(model)
    first = program.run(inputs).outputs["logits"]
    program.save(folder / "kept.fxb")
    loaded = focus.load(folder / "kept.fxb").run(inputs).outputs["logits"]
    print(change.__name__, relative(first, right) < 2e-3, np.array_equal(first, loaded))
# CHECK: halved True True
# CHECK-NEXT: unseen True True
# CHECK-NEXT: replaced True True
# CHECK-NEXT: folded True True

# Of weights too large to copy a digest is kept: what has changed is an error, by name, when it is asked for; what has not, is not.
model, inputs = zoo.build("qwen2-vl-tiny")
whole, binary.SNAPSHOT = binary.SNAPSHOT, 0
program = focus.compile(model, inputs, "focus", "off")
program.save(folder / "whole.fxb")
weight = model.model.language_model.layers[1].mlp.down_proj.weight
weight.data[3, 5] += 0.25
print(error(program.run, inputs))
# CHECK-NEXT: parameter 'model.language_model.layers.1.mlp.down_proj.weight' has changed since the program was compiled; compile again, or save the program before
print(error(program.save, folder / "none.fxb").split(" has changed")[0], (folder / "none.fxb").exists())
# CHECK-NEXT: parameter 'model.language_model.layers.1.mlp.down_proj.weight' False
weight.data[3, 5] -= 0.25
print(np.array_equal(program.run(inputs).outputs["logits"], focus.load(folder / "whole.fxb").run(inputs).outputs["logits"]))
# CHECK-NEXT: True

# So it is with a binary that `compile_model` makes, and with one that goes on from a file of IR.
model, inputs = zoo.build("llava-tiny")
for limit in (whole, 0):
    binary.SNAPSHOT = limit
    made = compile_model(model, inputs, "focus", "off", dump_ir=folder / "ir").binary
    resumed = resume(folder / "ir" / "05-assign-layout.mlir", model).binary
    before = {name: made.params[name].copy() for name in made.params}
    model.lm_head.weight.data[1, 2] += 1
    for program in (made, resumed):
        print(all(np.array_equal(program.params[name], value) for name, value in before.items()) if limit else
              error(program.params.__getitem__, "lm_head.weight"))
# CHECK-NEXT: True
# CHECK-NEXT: True
# CHECK-NEXT: parameter 'lm_head.weight' has changed since the program was compiled
# CHECK-NEXT: parameter 'lm_head.weight' has changed since the program was compiled

# The digest sees one element of any type, and that two have changed places.
for dtype in (torch.float32, torch.bfloat16):
    for shape in ((3,), (1024, 9), (4096, 3)):
        tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
        flat, before = tensor.view(-1), Parameter("x", tensor).digest()
        seen = []
        for at in (0, len(flat) // 2, len(flat) - 1):
            kept = flat[at].item()
            flat[at] = kept + 1
            seen.append(Parameter("x", tensor).digest() != before)
            flat[at] = kept
        flat[[0, -1]] = flat[[-1, 0]]
        seen.append(Parameter("x", tensor).digest() != before)
        flat[[0, -1]] = flat[[-1, 0]]
        assert all(seen) and Parameter("x", tensor).digest() == before, (dtype, shape, seen)
print("digest ok")
# CHECK-NEXT: digest ok
