# Semantic concentration: how many tokens are kept where, which ones, and what pruning must not change.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from common import error, last_logits, random_video, relative

import focus
from focus.compiler.frontend import zoo
from focus.compiler.truth.reference import most_important, reference_details
from focus.runtime.spec.concentration import Concentration

model, inputs = zoo.build("llava-onevision-small")
settings = Concentration(layers=(0, 2), alphas=(0.4, 0.1), similarity=False)
logits, trace, details = reference_details(model, inputs, settings)

# Keys and values of a pruning layer are still of all tokens, what follows of those that are left; alpha is of the original 129.
# CHECK: 0 [129, 51, 51, 51, 51]
# CHECK-NEXT: 1 [51, 51, 51, 51, 51]
# CHECK-NEXT: 2 [51, 12, 12, 12, 12]
# CHECK-NEXT: 3 [12, 12, 12, 12, 12]
sites = ("q_proj", "query", "o_proj", "gate_proj", "down_proj")
for layer in range(4):
    print(layer, [len(trace[f"retained/{layer}/{site}"]) for site in sites])
# Without `hoist` all of its attention sees all tokens; logits are the same, and the tokens kept too.
# CHECK-NEXT: 0 [129, 129, 129, 51, 51]
# CHECK-NEXT: later True True
later, seen = focus.reference(model, inputs, settings.model_copy(update={"hoist": False}))
print(0, [len(seen[f"retained/0/{site}"]) for site in sites])
print("later", relative(later, logits) < 1e-6, all((seen[f"retained/{i}/down_proj"] == trace[f"retained/{i}/down_proj"]).all() for i in range(4)))
# Where the request leaves it open, following a run's choices follows that one too.
# CHECK-NEXT: followed True True
for_run = settings.model_copy(update={"hoist": "auto"})
print("followed", *(all(np.array_equal(found[key], run[key]) for key in run)
                    for run in (seen, trace) for found in (focus.reference(model, inputs, for_run, run)[1],)))
# CHECK-NEXT: keys ['retained']
print("keys", sorted({key.split("/")[0] for key in trace}))

# The kept ones are the most important of those seen, in their original order.
for layer in (0, 2):
    seen, kept = trace[f"retained/{layer}/q_proj"], trace[f"retained/{layer}/gate_proj"]
    importance = dict(zip(seen.tolist(), details[f"importance/{layer}"].tolist()))
    dropped = set(seen.tolist()) - set(kept.tolist())
    print(layer, np.all(np.diff(kept) > 0), min(importance[t] for t in kept.tolist()) > max(importance[t] for t in dropped),
          0 < details[f"importance_gap/{layer}"] < 1)
# CHECK-NEXT: 0 True True True
# CHECK-NEXT: 2 True True True

# CHECK-NEXT: ties (array([0, 1, 3]), 0.0)
print("ties", most_important(np.array([0.5, 0.2, 0.2, 0.3, 0.2]), 3))
# CHECK-NEXT: NaN first [1 2]
print("NaN first", most_important(np.array([0.5, 0.6, np.nan, 0.3]), 2)[0])
# CHECK-NEXT: keeps all (array([0, 1]), inf)
print("keeps all", most_important(np.array([0.5, 0.2]), 2))

# Pruning that keeps everything, or comes when no later row is computed from the dropped ones, changes nothing.
everything, _ = focus.reference(model, inputs, Concentration(layers=(1,), alphas=(1.0,), similarity=False))
at_the_end, _ = focus.reference(model, inputs, Concentration(layers=(3,), alphas=(0.1,), similarity=False))
dense = last_logits(model, inputs)
print("unchanged", relative(everything, dense) < 1e-5, relative(at_the_end, dense) < 1e-5, "changed", relative(logits, dense) > 1e-3)
# CHECK-NEXT: unchanged True True changed True

# One token of prompt is enough; without any there is nothing to be important to.
one = random_video(model, 1, before=2, after=1)
print("one token", focus.reference(model, one, "full")[0].shape)
# CHECK-NEXT: one token (1, 500)
none = random_video(model, 1, before=2, after=0)
print(error(focus.reference, model, none, "sec"))
# CHECK-NEXT: input_ids: no text after the visual tokens; importance is what the prompt attends to
print("no prompt, not pruned", relative(focus.reference(model, none, "off")[0], last_logits(model, none)) < 1e-5)
# CHECK-NEXT: no prompt, not pruned True
print(error(focus.reference, model, inputs, Concentration(layers=(4,), alphas=(0.1,))))
# CHECK-NEXT: Concentration: layer 4 is selected, but the decoder has layers 0..3
