# focus-trace: synthetic traces drive a program as written; the published format; ratios; each mistake is one clear error.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
# RUN: focus-trace synth %t/small.fxb --ratio 1.25 --ratio down_proj=1.5 --spread 0.1 --seed 4 -o %t/a.safetensors
# RUN: focus-trace synth %t/small.fxb --ratio 1.25 --ratio down_proj=1.5 --spread 0.1 --seed 4 --counts -o %t/b.safetensors
# RUN: focus-trace show %t/a.safetensors | filecheck --check-prefix=SHOW %s
# RUN: focus-trace show %t/b.safetensors | filecheck --check-prefix=SHOW %s
# SHOW: model: small
# SHOW: layer  tokens    q_proj     query    o_proj gate_proj down_proj       all   retained tokens per unique vector
# SHOW-NEXT:   0      72     1.2{{.*}}     1.500
# SHOW-NEXT:   1      36     1.2{{[0-9]+}}
# SHOW-NEXT: all
# RUN: focus-sim %t/small.fxb --timing-only --trace %t/a.safetensors --report %t/a.json
# RUN: focus-sim %t/small.fxb --timing-only --trace %t/b.safetensors --report %t/b.json
# RUN: cmp %t/a.json %t/b.json
# RUN: focus-trace import %t/published.pth %t/small.fxb -o %t/c.safetensors
# RUN: focus-sim %t/small.fxb --timing-only --trace %t/c.safetensors --json | filecheck --check-prefix=SIM %s
# SIM: "cycles":
# RUN: not focus-trace synth %t/small.fxb --ratio 400 -o %t/d.safetensors 2>&1 | filecheck --check-prefix=HIGH %s
# HIGH: error: site 0/q_proj: a ratio of 400 is impossible; with these tokens, tiles and block at most
# RUN: not focus-trace synth %t/small.fxb --ratio much -o %t/d.safetensors 2>&1 | filecheck --check-prefix=TEXT %s
# TEXT: error: --ratio much: a number, or SITE=number, expected
# RUN: not focus-trace synth %t/small.fxb --ratio =2 -o %t/d.safetensors 2>&1 | filecheck --check-prefix=SITE %s
# SITE: error: --ratio =2: a number, or SITE=number, expected
# RUN: not focus-trace synth %t/small.fxb --concentration sic -o %t/d.safetensors 2>&1 | filecheck --check-prefix=OWN %s
# OWN: error: {{.*}}small.fxb: a program has the concentration it was compiled with; --concentration is for an entry at full size
# RUN: not focus-trace import %t/small.fxb %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=ZIP %s
# ZIP: error: {{.*}}small.fxb: no file of torch.save (a zip archive)
# RUN: not focus-trace import %t/half.pth %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=TYPE %s
# TYPE: error: {{.*}}half.pth: 'mask_zero' of site 'q_proj' is torch.bfloat16; booleans or integers expected
# RUN: not focus-trace synth nothing -o %t/d.safetensors 2>&1 | filecheck --check-prefix=NAME %s
# NAME: error: 'nothing' is neither an .fxb file nor one of llava-video-7b
# RUN: not focus-trace import %t/code.pth %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=CODE %s
# CODE: error: {{.*}}code.pth: no trace of tensors alone:
# RUN: not focus-trace import %t/forward.pth %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=FORWARD %s
# FORWARD: error: {{.*}}forward.pth: trace 'group/0/q_proj' [0, 0] is 5, which is no representative before it in its m-tile
# RUN: not focus-trace import %t/torn.pth %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=TORN %s
# TORN: error: {{.*}}torn.pth: trace 'retained/{{[01]/(q|down)_proj}}' has token {{[0-9]+}}, which 'retained/{{[01]/(q|down)_proj}}' has not;
# RUN: not focus-trace import %t/other.pth %t/small.fxb -o %t/d.safetensors 2>&1 | filecheck --check-prefix=OTHER %s
# OTHER: error: {{.*}}other.pth: 'mask_zero' of site 'q_proj' has shape [2, 1, 71, 3]; [2 layers, 1, 72 tokens, 3 vectors] expected
# RUN: not focus-trace show %t/small.fxb 2>&1 | filecheck --check-prefix=NONE %s
# NONE: error: {{.*}}small.fxb: no trace: it has no keys group/<layer>/<site> or counts/<layer>/<site>
# RUN: not focus-sim %t/small.fxb --timing-only --trace %t/wrong.safetensors 2>&1 | filecheck --check-prefix=COUNT %s
# COUNT: error: {{.*}}wrong.safetensors: trace 'counts/0/q_proj' [0, 0] is 33; 0..32 expected
"""Writes a small program without parameter values, and files in the published format: good, with code, pointing forward, of other
sizes, with a layer that has a token back."""
import os
import sys
from pathlib import Path

import numpy as np
import torch

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend.backbone import Backbone
from focus.runtime.evaluate import synth
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid

folder = Path(sys.argv[1])
backbone = Backbone.of_grids("small", DecoderSizes(2, 96, 3, 1, 32, 160), 72, (Grid.dense(0, 3, 4, 6),))
binary = compile_model(backbone, {}, "focus", Concentration(layers=(0,), alphas=(0.5,), m_tile=32)).binary
binary.save(folder / "small.fxb")
plan = synth.TracePlan.of_binary(binary)
synth_trace = synth.synth(plan, synth.Recipe(1.2))
compact = synth.synth(plan, synth.Recipe(1.2), compact=True)
compact["counts/0/q_proj"] = compact["counts/0/q_proj"].copy()
compact["counts/0/q_proj"][0, 0] = 33
compact.save(folder / "wrong.safetensors")


def published(tokens=72):
    out = {"mask_zero": {}, "mask_similar": {}, "group_idx": {}}
    for site in plan.sites:
        shape = (2, 1, tokens, site.slices)
        arrays = [out[name].setdefault(site.site, np.zeros(shape, kind)) for name, kind in zip(out, (bool, bool, np.int64))]
        zero, similar, index = (a[site.layer, 0] for a in arrays)
        if tokens == 72:
            ids, group = (synth_trace[f"{part}/{site.name}"] for part in ("retained", "group"))
            zero[:] = True
            zero[ids] = False
            similar[ids] = group != np.arange(len(ids))[:, None]
            index[:] = np.arange(tokens)[:, None] * site.slices + np.arange(site.slices)
            index[ids] = ids[group] * site.slices + np.arange(site.slices)
    return {name: {s: torch.from_numpy(a) for s, a in sites.items()} for name, sites in out.items()}


class Code:
    def __reduce__(self):
        return os.system, ("echo code ran",)


torch.save(published(), folder / "published.pth")
torch.save({"mask_zero": Code()}, folder / "code.pth")
torch.save({name: {s: a.bfloat16() for s, a in sites.items()} for name, sites in published().items()}, folder / "half.pth")
torch.save(published(71), folder / "other.pth")
forward = published()
forward["mask_similar"]["q_proj"][0, 0, 0, 0] = True
forward["group_idx"]["q_proj"][0, 0, 0, 0] = 5 * 3
torch.save(forward, folder / "forward.pth")
torn = published()
zero = torn["mask_zero"]["q_proj"][1, 0]
kept, gone = (int(np.flatnonzero(zero.all(1) == pruned)[0]) for pruned in (False, True))
zero[kept], zero[gone] = True, False
torn["mask_similar"]["q_proj"][1] = False
torch.save(torn, folder / "torn.pth")
print("written")
# CHECK: written
