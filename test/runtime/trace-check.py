# Traces: counts of unique vectors, files, and what a trace must obey to drive a binary.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import binary, error

from focus.runtime.run import trace as traces
from focus.runtime.run.fxb import Site
from focus.runtime.run.trace import Trace
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid, TokenLayout

folder = Path(sys.argv[1])
site = Site(layer=3, site="query", width=40, slices=2, visual=6, tiles=((0, 0, 4), (4, 3, 2)), count_base=0)
b = binary(tokens=TokenLayout(V=8, S=12, runs=((2, 8),), grids=(Grid.dense(0, 2, 2, 2),)), sites=(site,),
           concentration=Concentration(m_tile=4), layers=4)
GROUP = [[0, 0], [0, 1], [0, 0], [3, 0], [4, 4], [4, 5]]
ZERO = [[0, 0], [0, 1], [0, 0], [0, 0], [0, 1], [0, 0]]
good = Trace({"retained/3/query": np.array([0, 1, 3, 4, 6, 7], np.int32), "group/3/query": np.array(GROUP, np.int32),
              "zero/3/query": np.array(ZERO, np.uint8)}, traces.metadata(b))

# CHECK: ACCEPTED
print(error(traces.check, good, b))
# Tile 0: rows 0 and 3, and row 0 (row 1 is zero); tile 1: row 4, and row 5 (row 4 is zero).
# CHECK-NEXT: {{\[\[2, 1\], \[1, 1\]\]}}
print(traces.unique_counts(good, site).tolist())

good.save(folder / "t.safetensors")
again = Trace.load(folder / "t.safetensors")
assert again.metadata == good.metadata and all((again[k] == good[k]).all() and again[k].dtype == good[k].dtype for k in good)
# CHECK-NEXT: ['S', 'V', 'block', 'grid', 'hoist', 'm_tile', 'model', 'overrides', 'threshold', 'vector']
print(sorted(again.metadata))
# A plain dictionary, without metadata, is as good.
# CHECK-NEXT: ACCEPTED
print(error(traces.check, dict(good), b))
# A trace may also say which tokens were retained where nothing is merged.
# CHECK-NEXT: ACCEPTED
print(error(traces.check, {**good, "retained/0/q_proj": np.arange(8, dtype=np.int32)}, b))


def wrong(key, value, metadata=None):
    changed = Trace(good, metadata or good.metadata)
    changed[key] = value
    print(error(traces.check, changed, b))


def at(key, index, value):
    array = good[key].copy()
    array[index] = value
    wrong(key, array)


# CHECK-NEXT: trace of another model or configuration: m_tile is 1024, the binary has 4
wrong("zero/3/query", 0, good.metadata | {"m_tile": "1024"})
# CHECK-NEXT: trace of another model: the binary has no site for 'zero/4/query'
wrong("zero/4/query", 0)
# CHECK-NEXT: trace of another model: it has no 'group/3/query'
print(error(traces.check, {}, b))
# CHECK-NEXT: trace of another model: 'zero/3/query' has shape [5, 2]; [6, 2] expected
wrong("zero/3/query", good["zero/3/query"][1:])
# CHECK-NEXT: trace 'zero/3/query' is int32; uint8 expected
wrong("zero/3/query", good["group/3/query"])
# CHECK-NEXT: trace 'retained/3/query' is not an ascending list of tokens 0..7
at("retained/3/query", 5, 8)
# CHECK-NEXT: trace 'retained/3/query' is not an ascending list of tokens 0..7
at("retained/3/query", 3, 3)
# Tokens are dropped between what keys are made from and the queries only, and none comes back.
for changes in ({"retained/1/gate_proj": [0, 1, 3, 4, 7]}, {"retained/3/q_proj": [0, 1, 3, 4, 6]}, {"retained/2/down_proj": [0, 1, 2, 3, 4, 6, 7], "retained/3/q_proj": [0, 1, 3, 4, 6, 7]},
                {"retained/3/gate_proj": [0, 1, 3, 4, 5, 6, 7]}, {"retained/4/q_proj": [0]}, {"retained/3/query/0": [0]}, {"retained/3/gate_proj": [[0]]},
                {"retained/3/gate_proj": [0.5]}, {"retained/0/query": [1, 0]}, {"retained/2/o_proj": range(8), "retained/3/q_proj": range(8)}):
    arrays = {key: np.array(ids, np.int32 if np.array(ids).dtype.kind == "i" else np.float32) for key, ids in changes.items()}
    print(error(traces.check, {**good, **arrays}, b))
# CHECK-NEXT: trace 'retained/3/query' has token 6, which 'retained/1/gate_proj' has not;
# CHECK-SAME: tokens are only ever dropped, before the queries of a layer
# CHECK-NEXT: trace 'retained/3/query' has token 7, which 'retained/3/q_proj' has not;
# CHECK-NEXT: trace 'retained/2/down_proj' has token 2, which 'retained/3/q_proj' has not;
# CHECK-NEXT: trace 'retained/3/gate_proj' has token 5, which 'retained/3/query' has not;
# CHECK-NEXT: trace of another model: the binary has no site for 'retained/4/q_proj'
# CHECK-NEXT: trace of another model: the binary has no site for 'retained/3/query/0'
# CHECK-NEXT: trace 'retained/3/gate_proj' has shape [1, 1]; 1 dimension expected
# CHECK-NEXT: trace 'retained/3/gate_proj' is float32; int32 expected
# CHECK-NEXT: trace 'retained/0/query' is not an ascending list of tokens 0..7
# CHECK-NEXT: ACCEPTED
# A representative comes before its token, in the same tile, and stands for itself.
# CHECK-NEXT: trace 'group/3/query' [2, 0] is 3, which is no representative before it in its m-tile
at("group/3/query", (2, 0), 3)
# CHECK-NEXT: trace 'group/3/query' [5, 0] is 3, which is no representative before it in its m-tile
at("group/3/query", (5, 0), 3)
# CHECK-NEXT: trace 'group/3/query' [3, 0] is 2, which is no representative before it in its m-tile
at("group/3/query", (3, 0), 2)
# CHECK-NEXT: trace 'zero/3/query' is not 0 or 1, or an all-zero vector has a representative
at("zero/3/query", (1, 0), 1)
# CHECK-NEXT: trace 'zero/3/query' is not 0 or 1, or an all-zero vector has a representative
at("zero/3/query", (0, 0), 2)
# CHECK-NEXT: none.safetensors: cannot read: No such file or directory
print(error(Trace.load, folder / "none.safetensors"))
# CHECK-NEXT: t.safetensors: no readable safetensors file:
(folder / "t.safetensors").write_bytes(b"nothing")
print(error(Trace.load, folder / "t.safetensors"))
