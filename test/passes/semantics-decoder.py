# RUN: %python %s | filecheck %s
"""On a small decoder with random weights, one and two runs of visual tokens: fusing and laying out keep results; concentration gives the
same result and trace in sequence order and in storage order; removing SIC leaves what SEC alone computes, and hoisting the pruning changes nothing of that."""
import os

import numpy as np
from interp import Interpreter

from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir
from focus.passes import manager

text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs", "decoder.mlir")).read()
CONCAT = next(line for line in text.splitlines() if "tensor.concat" in line)
half = "(tensor<8x64xf16>) -> tensor<4x64xf16>"
two_runs = text.replace("12, array<i64: 2, 8>", "12, array<i64: 0, 4, 6, 4>").replace(CONCAT, f'''
    %first = "focus.slice"(%visual) {{offsets = array<i64: 0, 0>, sizes = array<i64: 4, 64>}} : {half}
    %second = "focus.slice"(%visual) {{offsets = array<i64: 4, 0>, sizes = array<i64: 4, 64>}} : {half}
    %sequence = tensor.concat dim(0) %first, %text0, %second, %text1 : (tensor<4x64xf16>, tensor<2x64xf16>, tensor<4x64xf16>,
                                                                        tensor<2x64xf16>) -> tensor<12x64xf16>''')

rng = np.random.default_rng(3)
base = rng.normal(size=(2, 64)).repeat(4, 0)
inputs = {"visual": base + 0.4 * rng.normal(size=(8, 64)), "input_ids": rng.integers(0, 40, (1, 12))}


class Weights(dict):
    """Random values for any parameter, the same for the same name."""

    def __missing__(self, name):
        shape = self.shapes[name]
        seed = np.random.default_rng(sum(map(ord, name)))
        value = seed.normal(size=shape) / (1 if len(shape) == 1 or name.startswith("const") else shape[1] ** 0.5)
        self[name] = value + (name.endswith(("norm1.weight", "norm2.weight")) or name == "norm.weight")
        return self[name]


def run(source, pipeline):
    with make_context(), ir.Location.unknown():
        module = parse_text(source)
        manager.run(module, pipeline)
        function = module.body.operations[0]
        weights = Weights()
        operations = function.regions[0].blocks[0].operations
        weights.shapes = {op.name: op.result.type.shape for op in operations if op.operation.name == "focus.param"}
        interpreter = Interpreter(weights)
        return interpreter.run(function, inputs)[0], interpreter.trace


def same(a, b):
    return np.abs(a[0] - b[0]).max() < 1e-4 and a[1].keys() == b[1].keys() and all((a[1][k] == b[1][k]).all() for k in a[1])


for name, source in (("one run", text), ("two runs", two_runs)):
    plain = run(source, "annotate-tokens")
    fused = "annotate-tokens,fuse"
    print(name, "dense", *(same(run(source, p), plain) for p in (fused, f"{fused},assign-layout", "annotate-tokens,assign-layout")))
    for options in ("layers=0,2 alphas=0.6,0.3 threshold=0.3", "layers=1 alphas=0.5 threshold=0.3 m-tile=3",
                    "sec=false threshold=0.2 block=2,1,2"):
        insert = f"insert-concentration{{{options}}}"
        wanted = run(source, f"{fused},{insert}")
        merged = sum((wanted[1][k] != np.arange(len(wanted[1][k]))[:, None]).sum() for k in wanted[1] if k.startswith("group"))
        others = f"{fused},{insert},assign-layout", f"annotate-tokens,{insert}", f"annotate-tokens,{insert},assign-layout"
        changed = not same(wanted, (plain[0], wanted[1]))
        print(options, "|", *(same(run(source, p), wanted) for p in others), "changed", changed, "merged", merged > 5)
        alone = f"insert-concentration{{{options} sic=false}}"
        removed, sec = f"{fused},{insert},remove-concentration", f"{fused},{alone}"
        print("removed", same(run(source, removed), run(source, sec)), same(run(source, f"{removed},assign-layout"), run(source, sec)))
        # hoisted pruning reads what the sequence's dropped tokens do not change: without merging, results are those of SEC
        out, _ = run(source, sec)
        print("hoisted", *(np.abs(run(source, f"{p},{alone},assign-layout,hoist-pruning")[0] - out).max() < 1e-4 for p in (fused, "annotate-tokens")))
# CHECK: one run dense True True True
# CHECK-NEXT: layers=0,2{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
# CHECK-NEXT: layers=1{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
# CHECK-NEXT: sec=false{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
# CHECK: two runs dense True True True
# CHECK-NEXT: layers=0,2{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
# CHECK-NEXT: layers=1{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
# CHECK-NEXT: sec=false{{.*}} | True True True changed True merged True
# CHECK-NEXT: removed True True
# CHECK-NEXT: hoisted True True
