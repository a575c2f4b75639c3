# RUN: %python %s | filecheck %s
# RUN: focusc llava-onevision-tiny -q -o %t.fxb --explain-mapping 2>&1 | filecheck %s --check-prefix=TABLE
# RUN: not focusc llava-onevision-tiny -q --emit tiled -o %t.mlir --explain-mapping 2>&1 | filecheck %s --check-prefix=EARLY
"""Every module that takes cycles is explained: its mapping, what is predicted and what is simulated, and what bounds it."""
from dataclasses import replace

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend.backbone import Backbone
from focus.compiler.report.explain import Predictions, explain, waits_of
from focus.runtime.evaluate import baselines
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.run.executable import Executable

row = replace(baselines.row("llava_vid/mvbench"), grid=(4, 8, 8), schedule=((1,), (0.5,)), ratio=1.2)
decoder = DecoderSizes(layers=2, hidden=512, heads=4, kv_heads=1, head_dim=128, intermediate=1024)
for name, sic in (("focus", True), ("focus-unified", True), ("focus", False)):
    predictions = Predictions()
    binary = compile_model(Backbone.of_row(row, decoder), {}, name, row.concentration(sic=sic), watchers=[predictions]).binary
    found = explain(predictions, binary)
    linear = {path: e for path, e in found.items() if path.endswith(("_proj", "mlp"))}
    assert len(linear) == 2 * 6 and all(e["predicted"] and any("gemm" in text for text in e["mapping"]) for e in linear.values()), linear
    near = lambda key, most: all(abs(e["predicted"][key] / e["simulated"][key] - 1) < most for e in linear.values())
    print(name, near("dram_bytes", 0.02), near("cycles", 0.1), round(sum(e["share"] for e in found.values()), 2),
          {e["bound"]["by"] for path, e in found.items() if path.endswith("mlp")}, all(e["bound"]["share"] < 1.1 for e in linear.values()))
# CHECK: focus True True 1.0 {'array'} True
# CHECK-NEXT: focus-unified True True 1.0 {'array'} True
# CHECK-NEXT: focus True True 1.0 {'array'} True

# The report of any run says what bounds a module; what that is, and what it waits for, follows from its counters.
report = Executable(binary).time()
m, bound = report["modules"]["layers.0.mlp"], report["bounds"]["layers.0.mlp"]
print(bound["by"], bound["cycles"] == m["busy_array"] and bound["share"] == m["busy_array"] / m["cycles"],
      sum(bound["waits"].values()) == sum(n for key, n in m.items() if key.startswith("array_waits_")))
# CHECK-NEXT: array True True
slow = {"bound": {"by": "array", "share": 0.5, "waits": {"sfu": 10, "dram": 40}}, "simulated": {"cycles": 100, "dram_bytes": 0}, "share": 0.1}
print([waits_of(slow | changed) for changed in ({}, {"share": 0.01}, {"bound": slow["bound"] | {"share": 0.9}},
                                                {"bound": slow["bound"] | {"waits": {}}})])
# CHECK-NEXT: ['dram 40%, sfu 10%', '', '', 'units that take turns']

# TABLE: module {{.*}} mapping {{.*}} cycles {{.*}} predicted {{.*}} DRAM {{.*}} predicted {{.*}} bound {{.*}} of it {{.*}} waits for
# TABLE: model.vision_tower.encoder.layers.0.self_attn {{.*}} attention
# EARLY: --explain-mapping needs a program to time, not --emit tiled
