# The backbone scope: the same decoder from sizes and from a model; its functional run agrees with an interpreter of the same IR before the
# passes, and with a timing run of its trace to the cycle, for every unit and every module.
# RUN: %python %s | filecheck %s
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
sys.path.insert(0, str(Path(__file__).parents[1] / "passes"))
import numpy as np
from common import error
from interp import Interpreter

from focus.compiler.backend.binary import build_binary
from focus.compiler.backend.compile import compile_model
from focus.compiler.backend.interface import Interface
from focus.compiler.frontend.backbone import Backbone, backbone_module
from focus.dialects.support import ir
from focus.passes import manager
from focus.passes.pipeline import pipeline
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.run.executable import Executable
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import Grid

SIZES = DecoderSizes(layers=2, hidden=96, heads=3, kv_heads=1, head_dim=32, intermediate=160)
BACKBONE = Backbone.of_grids("small", SIZES, 72, (Grid.dense(0, 3, 4, 5, row_gap=1),), prompt=2)
DEEP = replace(BACKBONE, bias=False, head_norms=True, levels=2)          # as Qwen3-VL's
CONFIGS = {"off": Concentration(similarity=False), "sec": Concentration(layers=(0,), alphas=(0.5,), similarity=False),
           "full": Concentration(layers=(0,), alphas=(0.5,), m_tile=32)}


class Weights(dict):
    """Random values for any parameter, the same for the same name; norms around 1."""

    def __missing__(self, name):
        shape = self.shapes[name]
        value = np.random.default_rng(sum(map(ord, name))).normal(size=shape) / (1 if len(shape) == 1 or "rope" in name else shape[1] ** 0.5)
        self[name] = (0.2 * value + 1 if name.endswith("layernorm.weight") else value).astype(np.float16).astype(np.float32)
        return self[name]


def inputs(backbone):
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=(24, 96)).repeat(3, 0) + 0.15 * rng.normal(size=(72, 96)) for _ in range(1 + backbone.levels)]
    features = {f"features.{i}": x.astype(np.float32) for i, x in enumerate(rows[1:])}
    return {"visual": rows[0].astype(np.float32), "input_ids": rng.integers(0, 32, (1, 2))} | features


def run(name, machine, backbone):
    """Relative difference from the interpreter; the report of the functional run and of the timing run."""
    module, target, config = backbone_module(backbone), Machine.load(machine), CONFIGS[name]
    with module.context, ir.Location.unknown():
        Interface(backbone.ports, {}, "small", backbone.decoder.layers, tokens=backbone.tokens).attach(module.body.operations[0])
    steps = pipeline(target, config)[1:]
    weights = Weights()
    manager.run(module, steps[:6])                  # in storage order, concentrated and hoisted, before the first loop
    function = module.body.operations[0]
    ops = function.regions[0].blocks[0].operations
    weights.shapes = {op.name: op.result.type.shape for op in ops if op.operation.name == "focus.param"}
    interpreter = Interpreter(weights, half=True)
    # the interpreter takes tables in storage order, which with the visual tokens first is the order of the sequence
    want = interpreter.run(function, inputs(backbone))[0]
    manager.run(module, steps[6:])
    binary = build_binary(module, target, {n: (lambda n=n: weights[n]) for n in weights.shapes})
    exe = Executable(binary)
    result = exe.run(inputs(backbone), sanitize=True)
    got = next(iter(result.outputs.values())).astype(float)
    assert result.report["sanitizer"]["total"] == 0
    return np.linalg.norm(got - want) / np.linalg.norm(want), result.report, exe.time(result.trace)


for machine, name, backbone in (("focus", "off", BACKBONE), ("focus", "sec", BACKBONE), ("focus", "full", BACKBONE),
                                ("focus-published", "full", BACKBONE),
                                ("dense-published", "off", BACKBONE), ("focus", "off", DEEP), ("focus", "full", DEEP)):
    difference, functional, timing = run(name, machine, backbone)
    same = all(functional[key] == timing[key] for key in ("cycles", "units", "modules", "dram", "sites", "instructions", "energy_j"))
    print(machine, name, "result" if difference < 5e-3 else difference, "times" if same else "differ")
# CHECK: focus off result times
# CHECK-NEXT: focus sec result times
# CHECK-NEXT: focus full result times
# CHECK-NEXT: focus-published full result times
# CHECK-NEXT: dense-published off result times
# CHECK-NEXT: focus off result times
# CHECK-NEXT: focus full result times

# Module paths, and parameters that have places but no values.
binary = compile_model(BACKBONE, {}, "focus", "off").binary
print([m for m in binary.modules if m.startswith("layers.1")])
# CHECK-NEXT: ['layers.1.input_layernorm', 'layers.1.self_attn.q_proj', {{.*}}'layers.1.mlp.down_proj']
print(error(Executable(binary).run, {}))
# CHECK-NEXT: small was compiled without parameter values and can only be timed (focus-sim --timing-only, Executable.time)
print(error(compile_model, BACKBONE, {}, "focus", "off", scope="half"))
# CHECK-NEXT: scope 'half' is none of whole, backbone
print(error(compile_model, BACKBONE, {}, "focus", "off", stop="torch"))
# CHECK-NEXT: small: a backbone is written in the focus dialect; there is no torch level to stop at
print(error(Backbone.of_grids, "x", SIZES, 4, (Grid.dense(0, 1, 2, 2),), prompt=0))
# CHECK-NEXT: x: a backbone needs a prompt token, whose attention semantic concentration reads; got 0

# Identical layers: the same instructions, but for addresses; growth of the program with depth is even.
sizes = {}
for layers in (2, 3, 4):
    b = Backbone.of_grids("small", DecoderSizes(layers, 96, 3, 1, 32, 160), 72, (Grid.dense(0, 3, 4, 5, row_gap=1),))
    sizes[layers] = len(compile_model(b, {}, "focus", "off").binary.text)
print(abs((sizes[4] - sizes[3]) - (sizes[3] - sizes[2])) <= 8)
# CHECK-NEXT: True

# The backbone of a model has its decoder's sizes and its visual tokens.
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import backbone_of

model, request = zoo.build("llava-onevision-tiny")
b = backbone_of(model, request)
print(b.decoder, b.tokens.V, b.tokens.T)
# CHECK-NEXT: DecoderSizes(layers=3, hidden=64, heads=2, kv_heads=1, head_dim=32, intermediate=96) 37 1
