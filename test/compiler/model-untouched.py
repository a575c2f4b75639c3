# Import and reference leave the user's model as it was, also when they fail half way.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import torch
from common import error, last_logits, random_grids
import focus
from focus.compiler.frontend.importer import import_model
from focus.compiler.frontend.zoo import Decoder, qwen2_5_vl

model = qwen2_5_vl(Decoder(64, 96, 2, 2, 1, 100),
                   dict(depth=2, hidden_size=48, intermediate_size=80, num_heads=2, window_size=56, fullatt_block_indexes=[1]))
inputs = random_grids(model, videos=[(2, 4, 6)])


def state():
    """All that one can see of a model: parameters and buffers by identity, each module's own attributes, configuration, position cache."""
    tensors = (*model.named_parameters(), *model.named_buffers())
    modules = [(n, sorted(m.__dict__), len(m._forward_pre_hooks)) for n, m in model.named_modules()]
    return [(n, id(t), t.data_ptr()) for n, t in tensors], modules, str(model.config), model.model.rope_deltas


before = state()
import_model(model, inputs)
print("import", state() == before)
# CHECK: import True
focus.reference(model, inputs, "full")
print("reference", state() == before)
# CHECK-NEXT: reference True

norm = model.model.language_model.layers[1].input_layernorm
norm.forward = mine = lambda x: x
print(error(import_model, model, inputs) != "ACCEPTED", norm.forward is mine)
# CHECK-NEXT: True True
del norm.forward
print("refused import", state() == before)
# CHECK-NEXT: refused import True


class Failing(torch.nn.Module):
    def forward(self, x):
        raise RuntimeError("not today")


model.model.language_model.layers[1].input_layernorm = Failing()
changed = state()
print(error(import_model, model, inputs))
# CHECK-NEXT: Qwen2_5_VLForConditionalGeneration: torch.export failed: not today
print("failed import", state() == changed)
# CHECK-NEXT: failed import True
model.model.language_model.layers[1].input_layernorm = norm
print("after all", state() == before, last_logits(model, inputs).shape)
# CHECK-NEXT: after all True torch.Size([1, 100])
