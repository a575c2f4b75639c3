# Concentration: presets follow the model's depth, files and values are checked, token counts follow the algorithm.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import error

from focus.runtime.spec.concentration import PRESETS, Concentration, default_schedule

folder = Path(sys.argv[1])
# CHECK: ((2, 5, 8, 16, 25), (0.4, 0.3, 0.2, 0.15, 0.1))
print(default_schedule(28))
# CHECK-NEXT: ((2, 6, 9, 18, 29), (0.4, 0.3, 0.2, 0.15, 0.1))
print(default_schedule(32))
# Where scaled layers coincide, the later and smaller ratio wins.
# CHECK-NEXT: ((0, 1), (0.3, 0.1))
print(default_schedule(2))
for depth in range(1, 81):
    layers, alphas = default_schedule(depth)
    assert layers[-1] < depth and Concentration(layers=layers, alphas=alphas).check_depth(depth)

# CHECK-NEXT: off False False
# CHECK-NEXT: sec True False
# CHECK-NEXT: sic False True
# CHECK-NEXT: full True True
for name in PRESETS:
    c = Concentration.resolve(name, 28)
    print(name, c.sec, c.sic)

# k counts the original tokens, never more than are left, never none; pruning shows from the next layer on.
c = Concentration(layers=(0, 2, 3), alphas=(0.4, 0.8, 0.001))
# CHECK-NEXT: [99, 39, 39, 39, 1, 1]
print(c.retained(5, 99))

path = folder / "c.toml"
path.write_text("layers = [1, 3]\nalphas = [0.5, 0.25]\nthreshold = 0.95\nblock = [1, 2, 2]\nm_tile = 64\n")
# CHECK-NEXT: (1, 3) (0.5, 0.25) 0.95 (1, 2, 2) 64 True
c = Concentration.resolve(path, 4)
print(c.layers, c.alphas, c.threshold, c.block, c.m_tile, c.sic)
assert Concentration.from_json(c.to_json()) == c
# CHECK-NEXT: c.toml: Concentration: layer 3 is selected, but the decoder has layers 0..2
print(error(Concentration.resolve, path, 3))
path.write_text("layer = [1]\n")
# CHECK-NEXT: c.toml: Concentration: layer: unknown key
print(error(Concentration.resolve, path, 3))
for text in ("self = 1", 'm_tile = "64"', "layers = [true]\nalphas = [0.5]", 'layers = "1"', "block = [2, 2]", "similarity = 1", 'threshold = "0.9"'):
    path.write_text(text)
    print(error(Concentration.resolve, path, 3))
# CHECK-NEXT: c.toml: Concentration: self: unknown key
# CHECK-NEXT: c.toml: Concentration: m_tile: must be a number or "auto", got '64'
# CHECK-NEXT: c.toml: Concentration: layers.0: must be a number, got True
# CHECK-NEXT: c.toml: Concentration: layers: must be a list, got '1'
# CHECK-NEXT: c.toml: Concentration: block.2: missing value
# CHECK-NEXT: c.toml: Concentration: similarity: must be true or false, got 1
# CHECK-NEXT: c.toml: Concentration: threshold: must be a number, got '0.9'
# Numbers of numpy are numbers.
assert Concentration(layers=(np.int64(1),), alphas=(np.float32(0.5),), similarity=np.bool_(True)) == Concentration(layers=(1,), alphas=(0.5,))
path.write_text("layers = [1\n")
# CHECK-NEXT: c.toml: no TOML:
print(error(Concentration.resolve, path, 3))
# CHECK-NEXT: none.toml: cannot read: No such file or directory
print(error(Concentration.resolve, folder / "none.toml", 3))
# CHECK-NEXT: concentration 'ful' is neither one of off, sec, sic, full nor a file
print(error(Concentration.resolve, "ful", 3))
# CHECK-NEXT: concentration is a float; a preset name, a file or a focus.Concentration expected
print(error(Concentration.resolve, 0.9, 3))


def wrong(**values):
    print(error(Concentration, **values))


# CHECK-NEXT: Concentration: 2 layers but 1 alphas; one alpha for each layer expected
wrong(layers=(3, 6), alphas=(0.4,))
# CHECK-NEXT: Concentration: layers [6, 3] must be ascending, each layer once
wrong(layers=(6, 3), alphas=(0.4, 0.3))
# CHECK-NEXT: Concentration: alphas.0: must be greater than 0
wrong(layers=(3,), alphas=(0.0,))
# CHECK-NEXT: Concentration: alphas.0: must be less than or equal to 1
wrong(layers=(3,), alphas=(1.1,))
# CHECK-NEXT: Concentration: layers.0: must be greater than or equal to 0
wrong(layers=(-1,), alphas=(0.5,))
# CHECK-NEXT: Concentration: threshold: must be less than or equal to 1
wrong(threshold=1.5)
# CHECK-NEXT: Concentration: threshold: must be a finite number
wrong(threshold=float("nan"))
# CHECK-NEXT: Concentration: block.1: must be less than or equal to 4
wrong(block=(2, 5, 2))
# CHECK-NEXT: Concentration: vector is 48; 8, 16, 32, 64 or 128 elements expected
wrong(vector=48)
# CHECK-NEXT: Concentration: m_tile: must be a whole number from 1 to 1024 or "auto", got 1025
wrong(m_tile=1025)


# Settings of layers and sites: the last override that is about a place counts; what it leaves out stays.
path.write_text("""threshold = 0.9
layers = [1]
alphas = [0.5]

[[overrides]]
last = 1
sites = ["query", "o_proj"]
threshold = 0.95

[[overrides]]
first = 1
similarity = false

[[overrides]]
first = 2
sites = ["q_proj"]
similarity = true
block = [1, 2, 2]
""")
c = Concentration.resolve(path, 3)
for place in ((0, "query"), (0, "q_proj"), (1, "query"), (2, "down_proj"), (2, "q_proj")):
    print(*place, *c.at(*place))
# CHECK-NEXT: 0 query True 0.95 (2, 2, 2)
# CHECK-NEXT: 0 q_proj True 0.9 (2, 2, 2)
# CHECK-NEXT: 1 query False 0.95 (2, 2, 2)
# CHECK-NEXT: 2 down_proj False 0.9 (2, 2, 2)
# CHECK-NEXT: 2 q_proj True 0.9 (1, 2, 2)
assert c.everywhere(2, "q_proj") == Concentration(layers=(1,), alphas=(0.5,), block=(1, 2, 2))
# Written and read again it is the same; so it is without overrides, and as JSON.
for config in (c, Concentration(), Concentration(similarity=False), Concentration(layers=(2,), alphas=(1 / 3,), vector=64, m_tile=7)):
    config.save(folder / "again.toml")
    assert Concentration.load(folder / "again.toml") == config == Concentration.from_json(config.to_json())
# One site that merges is enough for a machine to need the unit.
print(Concentration(similarity=False, overrides=({"threshold": 0.8},)).sic, Concentration(similarity=False, overrides=({"similarity": True},)).sic)
# CHECK-NEXT: False True
for override in ({"sites": ["v_proj"], "threshold": 0.5}, {"first": 3, "last": 2, "threshold": 0.5}, {"first": 3}, {"sites": [], "threshold": 1},
                 {"sites": ["query", "query"], "threshold": 1}, {"threshold": 1.5}, {"block": [0, 1, 1]}, {"layer": 3}, {"first": -1, "threshold": 1}, 3):
    wrong(overrides=[{"threshold": 0.5}, override])
# CHECK-NEXT: Concentration: overrides.1: sites.0: no site of that name; q_proj, query, o_proj, gate_proj, down_proj, vision.q_proj, {{.*}} expected, got 'v_proj'
# CHECK-NEXT: Concentration: overrides.1: layers 3 to 2 are none; the first of a range comes first
# CHECK-NEXT: Concentration: overrides.1: sets nothing; one of similarity, threshold, block expected
# CHECK-NEXT: Concentration: overrides.1: sites []: one at least, and each once, expected
# CHECK-NEXT: Concentration: overrides.1: sites ['query', 'query']: one at least, and each once, expected
# CHECK-NEXT: Concentration: overrides.1: threshold: must be less than or equal to 1, got 1.5
# CHECK-NEXT: Concentration: overrides.1: block.0: must be greater than or equal to 1, got 0
# CHECK-NEXT: Concentration: overrides.1: layer: unknown key
# CHECK-NEXT: Concentration: overrides.1: first: must be greater than or equal to 0, got -1
# CHECK-NEXT: Concentration: overrides.1: must be a valid dictionary or instance of Override, got 3
for override in ({"first": 2, "threshold": 0.5}, {"last": 7, "threshold": 0.5}):
    path.write_text(Concentration(overrides=[override]).to_toml())
    print(error(Concentration.resolve, path, 2))
# CHECK-NEXT: c.toml: Concentration: overrides.0: is about layer 2, but the decoder has layers 0..1
# CHECK-NEXT: c.toml: Concentration: overrides.0: is about layer 7, but the decoder has layers 0..1

# The vision tower: nothing is merged there but where an override says so, and its layers are its own.
tower = Concentration(overrides=[{"last": 1, "sites": ["vision.fc1", "query"], "threshold": 0.8}, {"first": 5, "sites": ["vision.fc1"], "similarity": True}])
print([tower.at(layer, "vision.fc1").similarity for layer in (0, 5)], tower.at(0, "query").threshold, tower.vision, Concentration().vision)
# CHECK-NEXT: [False, True] 0.8 True False
print(tower.check_depth(2) == tower, error(tower.check_depth, 1, 6), error(tower.check_depth, 2, 5), error(tower.check_depth, 2, 0), sep="\n")
# CHECK-NEXT: True
# CHECK-NEXT: Concentration: overrides.0: is about layer 1, but the decoder has layers 0..0
# CHECK-NEXT: Concentration: overrides.1: is about layer 5, but the vision tower has layers 0..4
# CHECK-NEXT: Concentration: overrides.0: is about layer 1, but there is no vision tower to concentrate
