# Frames that are all the same: at the first site every frame merges with the one before, and merging equal vectors changes nothing there.
# RUN: %python %s | filecheck %s
import numpy as np

import focus
from focus.compiler.frontend import zoo
from focus.compiler.frontend.video import moving_pattern
from focus.runtime.spec.concentration import Concentration

model, _ = zoo.build("llava-onevision-tiny")
inputs = zoo.video_request(model, moving_pattern(5, 70, 70, speed=0.0))
logits, trace = focus.reference(model, inputs, Concentration(threshold=0.99999, block=(2, 1, 1)))
group = trace["group/0/q_proj"]
# 5 frames of 3 x 3 tokens and a newline: the representative of every token is the one of the first frame at its place.
print("first frame", np.array_equal(group[:45], np.tile(np.arange(9), 5)[:, None].repeat(2, 1)), group[45].tolist())
# CHECK: first frame True [45, 45]
later = [np.mean(trace[f"group/{layer}/q_proj"] == np.arange(46)[:, None]) for layer in range(3)]
print("unique", [f"{u:.2f}" for u in later])
# CHECK-NEXT: unique ['0.22', '{{.*}}', '{{.*}}']
moving = zoo.video_request(model, moving_pattern(5, 70, 70, speed=20.0))
_, other = focus.reference(model, moving, "sic")
_, still = focus.reference(model, inputs, "sic")
count = lambda t: sum(int((g == np.arange(len(g))[:, None]).sum()) for key, g in t.items() if key.startswith("group/"))
print("stillness merges more", count(still) < count(other))
# CHECK-NEXT: stillness merges more True
