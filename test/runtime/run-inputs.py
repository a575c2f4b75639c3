# Inputs are checked before anything runs; each wrong one gets one line.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import binary, error

from focus.runtime.run.executable import Executable
from focus.runtime.run.fxb import FixedInput, Port
from focus.runtime.spec.tokens import Grid, TokenLayout

# Placeholder 101 lies outside of the vocabulary.
tokens = TokenLayout(V=3, S=8, runs=((2, 3),), grids=(Grid.dense(0, 1, 1, 3),), visual_ids=(90, 101))
exe = Executable(binary(
    tokens=tokens, fixed_inputs=(FixedInput(name="grid", dtype="int64", shape=(1, 2), values=(1, 3)),),
    inputs=(Port(name="x", dtype="float32", stored="f16", shape=(40, 32), address=0),
            Port(name="input_ids", dtype="int64", stored="i32", shape=(1, 8), address=0xA00, below=100))))
x, ids = np.zeros((40, 32), np.float32), np.array([[1, 2, 90, 101, 90, 3, 4, 5]])


def wrong(inputs=None, **changes):
    print(error(exe.run, {"x": x, "input_ids": ids} | changes if inputs is None else inputs))


# CHECK: ACCEPTED
wrong()
# CHECK-NEXT: ACCEPTED
wrong(grid=np.array([[1, 3]]), x=x.astype(np.float16), input_ids=ids.astype(np.int32), more=None)
# What processors and forwards add and a prefill does not need: a mask of ones, flags.
# CHECK-NEXT: ACCEPTED
wrong(attention_mask=np.ones((1, 8), np.int64), use_cache=False, return_dict=True)
# CHECK-NEXT: ACCEPTED
wrong(x=x.tolist(), input_ids=ids.tolist())
# CHECK-NEXT: input 'attention_mask': only ones of shape [1, 8] are supported, no padding; got shape [1, 8]
wrong(attention_mask=ids > 1)
# CHECK-NEXT: input 'attention_mask': only ones of shape [1, 8] are supported, no padding; got shape [8]
wrong(attention_mask=np.ones(8))
# CHECK-NEXT: inputs: a dictionary of names and arrays expected, not list
wrong(inputs=[x])
# CHECK-NEXT: input 'x' is missing; the program takes x, input_ids
wrong(inputs={})
# CHECK-NEXT: input 'input_ids' is missing; the program takes x, input_ids
wrong(input_ids=None)
# CHECK-NEXT: input 'y' is unknown; the program takes x, input_ids, grid
wrong(y=x)
# CHECK-NEXT: input 'x' has shape [1, 40, 32]; [40, 32] expected
wrong(x=x[None])
# CHECK-NEXT: input 'x' is float64; float32 expected
wrong(x=x.astype(np.float64))
# CHECK-NEXT: input 'x' is int64; float32 expected
wrong(x=x.astype(np.int64))
# CHECK-NEXT: input 'x' is <U1; float32 expected
wrong(x="x")
# CHECK-NEXT: input 'x' is no array:
wrong(x=[[1.0], [1.0, 2.0]])
# CHECK-NEXT: input 'input_ids' is float32; int64 expected
wrong(input_ids=ids.astype(np.float32))
# CHECK-NEXT: input 'input_ids' [0, 1] is 100; 0..99 expected
wrong(input_ids=np.where(ids == 2, 100, ids))
# CHECK-NEXT: input 'input_ids' [0, 1] is -1; 0..99 expected
wrong(input_ids=np.where(ids == 2, -1, ids))
# CHECK-NEXT: input 'input_ids': position 4 holds a text token; the program was compiled for a visual token there
# CHECK-SAME: (3 visual tokens, runs {{\[\[2, 3\]\]}})
wrong(input_ids=np.array([[1, 2, 90, 101, 7, 3, 4, 5]]))
# CHECK-NEXT: input 'input_ids': position 0 holds a visual token; the program was compiled for a text token there
wrong(input_ids=np.array([[101, 2, 90, 101, 90, 3, 4, 5]]))
# CHECK-NEXT: input 'grid': value 1 is 4; the program was compiled for 3
wrong(grid=np.array([[1, 4]]))
# CHECK-NEXT: input 'grid' has shape [2]; the program was compiled for [1, 2]
wrong(grid=np.array([1, 3]))
