# The reference follows the tokens and groups of another trace: its own give the same logits, others give what they say.
# RUN: %python %s | filecheck %s
import numpy as np
import torch

import focus
from focus.compiler.frontend import zoo
from focus.runtime.spec.errors import FocusError

model, inputs = zoo.build("llava-onevision-tiny")
logits, trace = focus.reference(model, inputs, "full")
again, followed = focus.reference(model, inputs, "full", decisions=trace)
print(np.array_equal(again, logits), all(np.array_equal(followed[key], trace[key]) for key in trace))
# CHECK: True True

# Every vector its own representative: what is pruned stays pruned, and nothing is merged.
alone = {k: np.arange(len(v), dtype=np.int32)[:, None].repeat(v.shape[1], 1) if k.startswith("group/") else v for k, v in trace.items()}
separate, _ = focus.reference(model, inputs, "full", decisions=alone)
pruned, _ = focus.reference(model, inputs, focus.Concentration.preset("sec", 3), decisions=trace)
print(np.abs(separate - pruned).max() < 1e-5 * np.abs(pruned).max(), np.abs(separate - logits).max() > 1e-3)
# CHECK-NEXT: True True
first = {key: np.arange(len(trace[key]), dtype=np.int32) for key in trace if key.startswith("retained/") and key.endswith("/gate_proj")}
other = trace | first
_, kept = focus.reference(model, inputs, "sec", decisions=other)
print(kept["retained/1/q_proj"].tolist() == list(range(14)))
# CHECK-NEXT: True


# What are no decisions is refused in one line.
def refused(decisions) -> None:
    try:
        focus.reference(model, inputs, "full", decisions)
        print("not refused")
    except FocusError as e:
        print(e)


group = next(key for key in trace if key.startswith("group/"))
refused(trace | {"retained/1/gate_proj": torch.zeros(1, 3).to_sparse()})
# CHECK-NEXT: trace 'retained/1/gate_proj' is no array, but Tensor
refused(trace | {"retained/1/gate_proj": 2.5})
# CHECK-NEXT: trace 'retained/1/gate_proj' has shape []; 1 dimension expected
refused(trace | {group: trace[group] + 10**9})
# CHECK-NEXT: group/{{.*}}: every vector's representative is expected at its row or before it
refused(trace | {group: trace[group].astype(np.float32)})
# CHECK-NEXT: trace 'group/{{.*}}' is float32; int32 expected
refused(trace | {"more": trace[group]})
# CHECK-NEXT: trace: unexpected 'more'; names that begin with retained/, group/, zero/ expected
refused(np.zeros(3))
# CHECK-NEXT: trace: ndarray given; a mapping of names to arrays expected
refused([1])
# CHECK-NEXT: trace: list given; a mapping of names to arrays expected
