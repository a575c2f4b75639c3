# Identical layers share code: routines, their IR and their instructions are as many with 8 layers as with 4; one layer more costs its buffers and
# calls.  Layers that differ in tokens have routines of their own.  A routine is what emitting each op that calls it anew would give.
# RUN: %python %s | filecheck %s
import re

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend.backbone import Backbone, backbone_module
from focus.dialects.support import get_attr, ir, to_text, walk
from focus.passes import manager
from focus.passes.pipeline import pipeline
from focus.passes.tile import tile
from focus.passes.tile.routines import Routines
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid


def backbone(layers: int) -> Backbone:
    sizes = DecoderSizes(layers=layers, hidden=64, heads=4, kv_heads=2, head_dim=16, intermediate=96)
    return Backbone.of_grids("small", sizes, 96, (Grid.dense(0, 6, 4, 4),), prompt=3)


def routines(module: ir.Module) -> list:
    """Private functions, or what they became."""
    return [op for op in module.body.operations if op.operation.name == "fisa.routine" or get_attr(op, "sym_visibility") == "private"]


def levels(layers: int, concentration: Concentration) -> list[tuple]:
    """At each level from tile on: its pass, how many routines, ops in them, lines of the whole IR."""
    module, out = backbone_module(backbone(layers)), []
    steps = pipeline("focus", concentration)[1:]
    for number, step in enumerate(steps):
        manager.run(module, [step])
        if number >= [s.name for s in steps].index("tile"):
            shared = routines(module)
            out.append((step.name, len(shared), sum(len(walk(r)) for r in shared), len(to_text(module, locations=False).splitlines())))
    return out


off, sic = Concentration(similarity=False), Concentration()
for name, concentration in (("off", off), ("sic", sic)):
    for (a, *four, lines4), (b, *eight, lines8) in zip(levels(4, concentration), levels(8, concentration)):
        print(name, a, *four, four == eight, "lines per layer", (lines8 - lines4) / 4)
    words = [len(compile_model(backbone(n), {}, "focus", concentration).binary.text) for n in (4, 8, 12)]
    print(name, "words grow evenly", words[2] - words[1] == words[1] - words[0] > 0)
# CHECK: off tile [[#OFF:]] {{[0-9]+}} True lines per layer [[A:.*]]
# CHECK-NEXT: off schedule [[#OFF]] {{[0-9]+}} True lines per layer [[A]]
# CHECK-NEXT: off allocate [[#OFF]] {{[0-9]+}} True lines per layer [[A]]
# CHECK-NEXT: off lower-to-fisa [[#OFF]] {{[0-9]+}} True lines per layer [[A]]
# CHECK-NEXT: off words grow evenly True

# One pruning makes three forms of layer: before, at and after it.  How many there are of each does not matter.
forms = [levels(n, Concentration(layers=(at,), alphas=(0.5,), similarity=False))[0][1:3] for n, at in ((6, 2), (8, 2), (8, 4))]
print("sec", forms[0] == forms[1] == forms[2], forms[0][0] > levels(6, off)[0][1])
# CHECK: sec True True


class Alone(Routines):
    """Emits a routine for every call."""

    def call(self, *args) -> None:
        self.known.clear()
        super().call(*args)


def tiled(concentration: Concentration, kind: type) -> tuple[int, list[str]]:
    """Number of routines, and the text of the routine of every call, names left out."""
    module = backbone_module(backbone(4))
    tile.Routines = kind
    manager.run(module, pipeline("focus", concentration)[1:11])
    texts = {get_attr(f, "sym_name"): re.sub(r'@\w+|name = "[\w.]*"', "", f.operation.get_asm(use_local_scope=True)) for f in routines(module)}
    return len(texts), [texts[call.callee.value] for call in walk(module, "func.call")]


for concentration in (off, sic, Concentration(layers=(1,), alphas=(0.5,), m_tile=32)):
    (few, shared), (many, alone) = tiled(concentration, Routines), tiled(concentration, Alone)
    print("anew", few < many == len(alone), shared == alone, few == len(set(alone)))
# CHECK-COUNT-3: anew True True True
