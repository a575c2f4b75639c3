# A binary that is saved and loaded is the same, and saving it again gives the same bytes; parameters stay on disk until they are used.
# RUN: %python %s %t.fxb %t.again.fxb
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from safetensors import safe_open
from small import binary

from focus.runtime.run import fxb
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid, TokenLayout

first, second = map(Path, sys.argv[1:])
b = binary(tokens=TokenLayout(V=4, S=9, runs=((2, 4),), grids=(Grid.dense(0, 1, 2, 2),), visual_ids=(7,)),
           concentration=Concentration(layers=(1,), alphas=(0.5,)), modules=("proj", 'a "b" \u00e9'),
           fixed_inputs=(fxb.FixedInput(name="grid", dtype="int64", shape=(1, 3), values=(1, 2, 2)),),
           sites=(fxb.Site(layer=1, site="q_proj", width=40, slices=2, visual=4, tiles=((0, 3, 4),), count_base=8),))
b.save(first)
c = fxb.load(first)
for name in ("machine", "memory_map", "inputs", "outputs", "fixed_inputs", "param_table", "modules", "sites", "tokens", "concentration",
             "model", "weights_file"):
    assert getattr(b, name) == getattr(c, name), name
assert (b.text == c.text).all() and (b.source == c.source).all() and (b.params["proj.weight"] == c.params["proj.weight"]).all()
assert isinstance(c.params["proj.weight"].base, np.ndarray) and not c.params["proj.weight"].flags.owndata
c.save(second)
assert first.read_bytes() == second.read_bytes()

# It is an ordinary safetensors file.
with safe_open(first, "numpy") as f:
    assert set(f.keys()) == {"text", "source", "param/proj.weight"} and f.get_tensor("text").shape == b.text.shape
    assert set(f.metadata()) == set(fxb.METADATA)

# Parameters are rounded once to the stored type, whatever float they come in; beyond fp16 is infinity.
b.params = {"proj.weight": np.full((32, 32), 70000.0)}
b.save(first)
assert np.isinf(fxb.load(first).params["proj.weight"]).all()
