# The reference follows the tokens and groups of another trace: its own give the same logits, others give what they say.
# RUN: %python %s | filecheck %s
import numpy as np

import focus
from focus.compiler.frontend import zoo

model, inputs = zoo.build("llava-onevision-tiny")
logits, trace = focus.reference(model, inputs, "full")
again, followed = focus.reference(model, inputs, "full", decisions=trace)
print(np.array_equal(again, logits), all(np.array_equal(followed[key], trace[key]) for key in trace))
# CHECK: True True

# Every vector its own representative: what is pruned stays pruned, and nothing is merged.
alone = {k: np.arange(len(v))[:, None].repeat(v.shape[1], 1) if k.startswith("group/") else v for k, v in trace.items()}
separate, _ = focus.reference(model, inputs, "full", decisions=alone)
pruned, _ = focus.reference(model, inputs, focus.Concentration.preset("sec", 3), decisions=trace)
print(np.abs(separate - pruned).max() < 1e-5 * np.abs(pruned).max(), np.abs(separate - logits).max() > 1e-3)
# CHECK-NEXT: True True
first = {key: np.arange(len(trace[key]), dtype=np.int32) for key in trace if key.startswith("retained/") and key.endswith("/gate_proj")}
other = trace | first
_, kept = focus.reference(model, inputs, "sec", decisions=other)
print(kept["retained/1/q_proj"].tolist() == list(range(14)))
# CHECK-NEXT: True
