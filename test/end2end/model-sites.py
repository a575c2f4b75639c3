# RUN: %python %s | filecheck %s
"""Random settings for every layer and site, of decoder and vision tower: each model as exact as with the same everywhere, choice by choice; sanitizer clean; timing as
functional (`Case.run` checks both).  Further seeds and models: `model-sites.py FIRST END NAME...`."""
import os
import sys

import numpy as np
import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case
from sites import random_sites

from focus.compiler.frontend.families import family_of
from focus.compiler.frontend.families.base import decoder_of

NAMES = ("llava-onevision-tiny", "qwen3-vl-tiny")
seeds = range(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else [1]
held = checked = merged = 0
for number, name in enumerate(sys.argv[3:] or NAMES):
    c = case(name)
    for seed in seeds:
        tower = family_of(c.model).info(c.model)["vision_depth"]
        settings = random_sites(np.random.default_rng([seed, number]), len(decoder_of(c.model).layers), tower)
        run = c.run(settings)
        assert {key[6:] for key in run.result.trace if key.startswith("group/")} == {
            f"{o.first}/{o.sites[0]}" for o in settings.overrides if o.similarity}
        held, checked = held + run.agreement.holds, checked + 1
        merged += sum(int((group != np.arange(len(group))[:, None]).sum()) for key, group in run.result.trace.items() if key.startswith("group/"))
        print(*[f"{name} {seed}: {run.agreement}\n"] * (not run.agreement.holds), end="")
print(f"{held} of {checked} hold, more than a hundred vectors merged: {merged > 100}")
# CHECK: {{^}}2 of 2 hold, more than a hundred vectors merged: True
