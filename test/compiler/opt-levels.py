# Every pass on IR of every level, and on IR of none: it runs, or one line says what was expected.
# RUN: mkdir -p %t && %python %s %t | filecheck %s
import contextlib
import io
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "end2end" / "Inputs"))
from functions import Function
from strategies import repetitive, video

from focus.compiler.tools import opt
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import to_text
from focus.passes import manager
from focus.passes.pipeline import pipeline

f = Function(0, video(25, 4, 6, side=5))
ids = f.token_ids()
x = f.gather(f.norm("rms", repetitive(f, 40, 0)), ids)
y = f.linear(f.attention(f.linear(x, 40), f.linear(x, 40), f.linear(x, 40), 2, 2, True, ids=ids), 50, "swiglu", bias=True)
text = f.text(y)
module, levels = parse_text(text, context=make_context()), {"concentrated": text}
for step in pipeline()[[s.name for s in pipeline()].index("fuse-concentration"):]:
    manager.run(module, [step])
    levels[f"after {step.name}"] = to_text(module)
plain = Function(0)
levels |= {
    "tensors": plain.text(plain.linear(plain.rows(40, 40), 50)),
    "torch": (ROOT / "test/passes/convert-linear.mlir").read_text().split("// -----")[0],
    "nothing": "module {}",
    "arith": "func.func @main(%a: i32) -> i32 {\n  %b = arith.addi %a, %a : i32\n  return %b : i32\n}",
    "no result": "func.func @main() {\n  return\n}",
    "dynamic": "func.func @main(%a: tensor<?x4xf16>) -> tensor<?x4xf16> {\n  return %a : tensor<?x4xf16>\n}",
    "unranked": "func.func @main(%a: tensor<*xf16>) -> tensor<*xf16> {\n  return %a : tensor<*xf16>\n}",
    "scalar": "func.func @main(%a: tensor<f16>) -> tensor<f16> {\n  return %a : tensor<f16>\n}",
    "declared": "func.func private @f(tensor<4x4xf16>) -> tensor<4x4xf16>",
    "no function": "module {\n  %a = arith.constant 1 : i32\n}",
    "blocks": "func.func @main(%a: tensor<4x4xf16>) -> tensor<4x4xf16> {\n  cf.br ^b(%a : tensor<4x4xf16>)\n^b(%c: tensor<4x4xf16>):\n  return %c : tensor<4x4xf16>\n}",
    "many": text + "\n" + text.replace("@main", "@other"),
}
path, counts, said = Path(sys.argv[1]) / "in.mlir", Counter(), {}
for name in manager.load_passes():
    for level, source in levels.items():
        path.write_text(source)
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), contextlib.redirect_stderr(io.StringIO()) as err:
            code = opt.main([str(path), f"--{name}"])
        first = err.getvalue().partition("\n")[0]
        assert code in (0, 1) and bool(code) == bool(first) and "raised" not in err.getvalue() and "left IR" not in err.getvalue(), (name, level, err.getvalue())
        counts[code] += 1
        said[name, level] = first.partition("error: ")[2]
# CHECK: True True
print(counts[0] > 30, counts[1] > 60, dict(counts))
for where in (("tile", "torch"), ("schedule", "tensors"), ("convert-torch-to-focus", "after allocate"), ("fuse", "after lower-to-fisa"), ("allocate", "declared"),
              ("tile", "arith")):
    print(*where, "-", said[where])
# CHECK-NEXT: tile torch - 'torch.{{.*}}' op is nothing for pass 'tile': ops of the focus dialect on tensors expected, found ops of the torch dialect
# CHECK-NEXT: schedule tensors - 'focus.param' op is nothing for pass 'schedule': kernels, which the pass tile makes expected, found ops of the focus
# CHECK-NEXT: convert-torch-to-focus after allocate - 'focus.buffer' op is nothing for pass 'convert-torch-to-focus': ops of the torch dialect expected
# CHECK-NEXT: fuse after lower-to-fisa - 'focus.buffer' op is nothing for pass 'fuse': ops of the focus dialect on tensors expected, found kernels
# CHECK-NEXT: allocate declared - 'func.func' op has 0 blocks; pass 'allocate' needs functions with a body of one
# CHECK-NEXT: tile arith - 'func.func' op has an argument of type i32; tensors of static shape expected
