# The best concentration by an estimate, against all schedules there are; overrides that say the same as a table; what a bench measures is what
# fidelity says, and what timing the compiled decoder says.
# RUN: %python %s | filecheck %s
from itertools import combinations_with_replacement, product

import numpy as np

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.evaluate.tune.bench import Bench
from focus.compiler.evaluate.tune.costs import RATIOS, SHARES, LayerCosts
from focus.compiler.evaluate.tune.estimate import OFF, Effects, SiteEffect, Weights, best, with_sites
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import backbone_of
from focus.compiler.truth.fidelity import Dense, log_probabilities
from focus.runtime.run.executable import Executable
from focus.runtime.spec.concentration import Concentration, SiteSettings
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.sites import ATTENTION_SITES, SITES

rng = np.random.default_rng(0)
levels, depth = len(SHARES), 3
WAYS = [SiteSettings(True, 0.9, (2, 2, 2)), SiteSettings(True, 0.8, (1, 2, 2))]


def price(config, effects, costs, weights):
    """Cycles and weighted loss of a concentration, layer by layer."""
    total, level, slope = 0.0, 0, np.geomspace(weights.first, weights.last, depth)
    for layer in range(depth):
        alpha = config.alpha(layer)
        after = level if alpha is None else SHARES.index(alpha)
        total += costs.attention[level] + costs.mlp[after]
        total += weights.price * slope[layer] * (effects.pruning[layer, after] - effects.pruning[layer, level])
        for site in SITES:
            chosen = config.at(layer, site)
            if chosen.similarity:
                effect = next(e for e in effects.merging[layer, site] if e.settings == chosen)
                total -= costs.saving(site, np.array(effect.unique))[level if site in ATTENTION_SITES else after]
                total += weights.price * weights.sites.get(site, 1.0) * effect.loss
        level = after
    return total


worse = 0
for _ in range(4):
    costs = LayerCosts(np.array(SHARES) * 3 + 0.1, np.array(SHARES) * 5 + 0.1, rng.uniform(-0.1, 0.3, (levels, len(SITES), len(RATIOS))))
    pruning = np.cumsum(rng.uniform(0, 0.2, (depth, levels)), 1)
    pruning[:, 0] = 0
    merging = {(layer, site): [SiteEffect(s, *rng.uniform(0, 0.4, 2)) for s in WAYS] for layer in range(depth) for site in SITES if site != "query"}
    effects, weights = Effects(pruning, merging), Weights(2.0, 0.5, 3.0, {"o_proj": 0.3})
    found = best(effects, costs, weights)
    least = price(found, effects, costs, weights)
    for path in combinations_with_replacement(range(levels), depth):
        before = (0, *path)
        schedule = Concentration(layers=[i for i in range(depth) if path[i] != before[i]], alphas=[SHARES[path[i]] for i in range(depth) if path[i] != before[i]],
                                 similarity=False)
        worse += price(schedule, effects, costs, weights) < least - 1e-9                                # nothing merged
        table = {key: WAYS[rng.integers(2)] if rng.random() < 0.5 else OFF for key in merging}
        worse += price(with_sites(schedule, table), effects, costs, weights) < least - 1e-9             # something merged
    table = {(layer, site): found.at(layer, site) for layer, site in merging}
    for key, (i, _) in product(merging, enumerate((*WAYS, OFF))):                                        # one site otherwise
        worse += price(with_sites(found, table | {key: (*WAYS, OFF)[i]}), effects, costs, weights) < least - 1e-9
print("none is better:", worse == 0)
# CHECK: none is better: True

table = {(layer, site): [*WAYS, OFF][rng.integers(3)] for layer in range(9) for site in SITES}
config = with_sites(Concentration(), table)
print(all(config.at(*key) == s if s.similarity else not config.at(*key).similarity for key, s in table.items()), len(config.overrides) < len(table))
# CHECK-NEXT: True True
alike = with_sites(Concentration(), {(layer, site): WAYS[0] for layer in range(9) for site in ("q_proj", "gate_proj")})
print([(o.first, o.last, o.sites) for o in alike.overrides])
# CHECK-NEXT: [(0, 8, ('q_proj', 'gate_proj'))]

model, inputs = zoo.build("llava-onevision-tiny")
bench = Bench({"one": Dense.of(model, inputs)}, backbone_of(model, inputs), Machine.load("focus"))
config = Concentration(layers=(1,), alphas=(0.5,), threshold=0.8, hoist=True, overrides=[dict(sites=["query"], similarity=False), dict(first=1, threshold=0.9)])
found = bench.measure(config, ["one"])
_, trace = focus.reference(model, inputs, config)
exe = Executable(compile_model(bench.shapes["one"].backbone(bench.decoder), {}, "focus", config).binary)
print(found.distances == focus.fidelity(model, inputs, config, 0, storage=False).requests, found.cycles == (exe.time(trace)["cycles"],),
      found.unique["0/q_proj"][0] == (trace["group/0/q_proj"] == np.arange(37)[:, None]).sum(), bench.measure(config, ["one"], timed=False).cycles)
# CHECK-NEXT: True True True None
# A run that goes on where it differs from another is the whole run; then distances are those from the other's answers.
base = config.model_copy(update=dict(overrides=config.overrides[:1]))
front = bench.dense["one"].front
relative = bench.measure(config, ["one"], timed=False, base=base)
whole = Dense(front, log_probabilities(front.run(base)), ()).distance(front.run(config), False)
print([config.alike(c, 3) for c in (base, config, Concentration(layers=(1,), alphas=(0.5,), threshold=0.8))], relative.distances == (whole,), whole.kl > 0,
      relative.unique == found.unique)
# CHECK-NEXT: [1, 3, 0] True True True
# The decoder alone takes what it takes in the whole model.
whole = focus.compile(model, inputs, "focus", config).time(trace)["modules"]
layers = sum(m["cycles"] for path, m in whole.items() if ".layers." in path and "language_model" in path)
print(0.9 < found.cycles[0] / layers < 1.1)
# CHECK-NEXT: True
