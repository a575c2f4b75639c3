# Synthetic traces: properties that hold for every layout and recipe, the two forms agree, and each recipe that cannot be is one clear error.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from hypothesis import given, settings, strategies as st
from small import error

from focus.runtime.evaluate import synth
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.evaluate.synth import Recipe, TracePlan
from focus.runtime.run import trace as traces
from focus.runtime.run.trace import Trace
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.sites import SITES
from focus.runtime.spec.tokens import Grid, TokenLayout

folder = Path(sys.argv[1])
SIZES = DecoderSizes(layers=4, hidden=96, heads=3, kv_heads=1, head_dim=32, intermediate=160)


def plan(frames=3, height=4, width=5, gap=0, m_tile=24, block=(2, 2, 2), sec=True):
    grid = Grid.dense(0, frames, height, width, row_gap=gap)
    V = frames * grid.frame_stride
    layers, alphas = ((1, 2), (0.6, 0.3)) if sec else ((), ())
    own = dict(sites=["query"], block=(1, 1, 2)), dict(first=3, sites=["gate_proj"], similarity=False)
    c = Concentration(layers=layers, alphas=alphas, m_tile=m_tile, block=block, overrides=own)
    return TracePlan.of_decoder("test", SIZES, TokenLayout(V=V, S=V + 1, runs=((0, V),), grids=(grid,)), c)


def obeys(p, trace):
    """The trace passes the checks of a timing run, and every joined vector joins the group of a candidate of its block."""
    binary = SimpleNamespace(sites=p.sites, tokens=p.tokens, layers=p.depth, model="test", concentration=Concentration(m_tile=1))
    trace.metadata = {}
    traces.check(trace, binary)
    strides = np.array([g.strides for g in p.tokens.grids])[0]
    before = None
    assert {site.name for site in p.sites} == {f"{layer}/{site}" for layer in range(4) for site in SITES} - {"3/gate_proj"}
    for site in p.sites:
        offsets = {int(strides @ step) for step in np.ndindex(*site.block) if any(step)}
        ids, group, zero = (trace[f"{part}/{site.name}"] for part in traces.PARTS)
        assert before is None or set(ids) <= before
        before = set(ids.tolist())
        for r, j in np.argwhere(group != np.arange(len(group))[:, None]):
            tile = next(t for t in site.tiles if t[0] <= r < t[0] + t[2])
            members = [s for s in range(tile[0], r) if group[s, j] == group[r, j] and ids[r] - ids[s] in offsets and not zero[s, j]]
            assert members, (site.name, r, j)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6), st.integers(0, 1), st.sampled_from([8, 24, 1024]), st.floats(1, 1.3),
       st.floats(0, 0.5), st.integers(0, 99), st.booleans(), st.sampled_from([(2, 2, 2), (1, 2, 2), (2, 1, 1)]))
def properties(frames, height, width, gap, m_tile, ratio, spread, seed, sec, block):
    p, recipe = plan(frames, height, width, gap, m_tile, block, sec), Recipe(ratio, spread, seed=seed)
    try:
        trace = synth.synth(p, recipe)
    except Exception as e:
        assert "is impossible" in str(e), e
        return
    obeys(p, trace)
    compact = synth.synth(p, recipe, compact=True)
    again = synth.synth(p, recipe)
    for site in p.sites:
        assert (traces.unique_counts(trace, site) == traces.unique_counts(compact, site)).all()
        assert (again[f"group/{site.name}"] == trace[f"group/{site.name}"]).all()
    for vectors, unique in synth.ratios(trace).values():
        assert unique == round(vectors / ratio), (vectors, unique, ratio)
    assert synth.ratios(trace) == synth.ratios(compact)


properties()
# CHECK: properties hold
print("properties hold")

p = plan(8, 6, 6, m_tile=64)
other = synth.synth(p, Recipe(1.5, seed=1)), synth.synth(p, Recipe(1.5, seed=2))
# CHECK-NEXT: seeds differ True
print("seeds differ", any((other[0][k] != other[1][k]).any() for k in other[0]))

# By site, with a ramp over the depth; a site that is not named merges nothing.
found = synth.ratios(synth.synth(p, Recipe({"q_proj": 2.0, "down_proj": 1.5}, ramp=(0.5, 1.5))))
shown = {k: round(v / u, 2) for k, (v, u) in found.items() if k[0] in "03"}
# CHECK-NEXT: {'0/down_proj': 1.25, '0/gate_proj': 1.0, '0/o_proj': 1.0, '0/q_proj': 1.5, '0/query': 1.0, '3/down_proj': 1.75,
print(shown)

# Spread: the counts of tiles differ, their sum does not.
even, wide = (synth.synth(p, Recipe(1.5, s), compact=True)["counts/0/q_proj"] for s in (0, 0.3))
# CHECK-NEXT: True True
print(even.sum() == wide.sum(), np.std(wide[:-1]) > 3 + np.std(even[:-1]))

zeros = synth.synth(p, Recipe(1.5, zeros=0.1))
obeys(p, zeros)
# CHECK-NEXT: zero rows 0.09 ratio 1.5
z, (v, u) = zeros["zero/0/q_proj"], synth.ratios(zeros)["0/q_proj"]
print("zero rows", round(float(z.mean()), 2), "ratio", round(v / u, 3))

# A file, site by site, is the trace in memory.
synth.write(folder / "t.safetensors", p, Recipe(1.5))
loaded = Trace.load(folder / "t.safetensors")
# CHECK-NEXT: True True
print(all((loaded[k] == v).all() for k, v in synth.synth(p, Recipe(1.5)).items()), loaded.metadata == dict(p.metadata))

# CHECK-NEXT: site 0/q_proj: a ratio of 500 is impossible; with these tokens, tiles and block at most 57.600
print(error(synth.synth, p, Recipe(500.0)))
# CHECK-NEXT: ratio is 0.5; retained tokens per unique vector are 1 or more
print(error(Recipe, 0.5))
# CHECK-NEXT: ratio of site 'gate': expected one of q_proj, query
print(error(Recipe, {"gate": 2.0}))
# CHECK-NEXT: spread is -1 and zeros 0.0; 0..1 expected
print(error(Recipe, 1.5, -1))
# CHECK-NEXT: ramp is nan, 1.0; factors of 0 or more expected
print(error(Recipe, 1.5, ramp=(float("nan"), 1.0)))
# CHECK-NEXT: ramp is 1.0, inf; factors of 0 or more expected
print(error(Recipe, 1.5, ramp=(1.0, float("inf"))))
# CHECK-NEXT: seed is -1; 0 or more expected
print(error(Recipe, 1.5, seed=-1))

# Ratios of what is no trace, or a broken one.
good = synth.synth(p, Recipe(1.5))
rows = {part: good[f"{part}/0/query"] for part in traces.PARTS}
for arrays in ({}, {"weight": rows["group"]}, {"group/x/query": rows["group"]}, {"group/0/up_proj": rows["group"]}, {"group/0/query": rows["group"]},
               {f"{part}/0/query": a for part, a in (rows | {"group": rows["group"].astype(np.float32)}).items()},
               {f"{part}/0/query": a for part, a in (rows | {"zero": rows["zero"][1:]}).items()},
               {"counts/0/query": np.zeros(3, np.int32), "retained/0/query": rows["retained"]}):
    print(error(synth.ratios, arrays))
# CHECK-NEXT: no trace: it has no keys group/<layer>/<site> or counts/<layer>/<site>
# CHECK-NEXT: no trace: it has no keys group/<layer>/<site> or counts/<layer>/<site>
# CHECK-NEXT: no trace: 'x/query' is no layer and site (q_proj, query, o_proj, gate_proj, down_proj, vision.q_proj,
# CHECK-NEXT: no trace: '0/up_proj' is no layer and site
# CHECK-NEXT: trace: it has no 'retained/0/query'
# CHECK-NEXT: trace 'group/0/query' is float32; int32 expected
# CHECK-NEXT: trace 'group/0/query' has shape [288, 3], 'zero/0/query' [287, 3]; both of 288 rows expected
# CHECK-NEXT: trace 'counts/0/query' has shape [3]; 2 dimensions expected

# ---- the authors' arrays -------------------------------------------------------------------------------------------------------
rng = np.random.default_rng(0)
p = plan(2, 2, 3, m_tile=12, sec=False)
V = p.tokens.V
published = {"mask_zero": {}, "mask_similar": {}, "group_idx": {}}
for s in SITES:
    slices = next(x.slices for x in p.sites if x.site == s)
    similar = rng.random((SIZES.layers, 1, V, slices)) < 0.4
    similar[:, :, 0] = False
    index = (np.where(similar, 0, np.arange(V)[:, None]) * slices + np.arange(slices)).astype(np.int64)
    published["mask_zero"][s] = np.zeros_like(similar)
    published["mask_similar"][s], published["group_idx"][s] = similar, index
trace = Trace(dict(synth.convert(published, p)))
for site in p.sites:
    traces.check_site(site, trace[f"group/{site.name}"], trace[f"zero/{site.name}"])
    assert (traces.unique_counts(trace, site)[0] == (~published["mask_similar"][site.site][site.layer, 0]).sum(0)).all()
# CHECK-NEXT: converted
print("converted")


def refuse(**changes):
    wrong = {name: dict(sites) for name, sites in published.items()} | changes
    print(error(lambda: dict(synth.convert(wrong, p))))


# CHECK-NEXT: 'group_idx' has no site 'q_proj'
refuse(group_idx={})
# CHECK-NEXT: 'mask_zero' of site 'q_proj' has shape [4, 1, 12, 9]; [4 layers, 1, 12 tokens, 3 vectors] expected
refuse(mask_zero=published["mask_zero"] | {"q_proj": np.zeros((4, 1, 12, 9))})
# CHECK-NEXT: 'mask_zero' of site 'q_proj' has shape [3, 1, 12, 3]; [4 layers, 1, 12 tokens, 3 vectors] expected
refuse(mask_zero=published["mask_zero"] | {"q_proj": published["mask_zero"]["q_proj"][:3]})
# CHECK-NEXT: group_idx of site 0/q_proj: token 0, slice 0 has 99; token * 3 + 0 expected
index = published["group_idx"]["q_proj"].copy()
index[0, 0, 0, 0] = 99
refuse(group_idx=published["group_idx"] | {"q_proj": index})
