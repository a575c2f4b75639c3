# Parts that do not fit each other: one line for each way to be wrong.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from small import binary, error

from focus.runtime.run.fxb import FixedInput, LiveRange, MemoryMap, Param, Port, Region, Site
from focus.runtime.spec.tokens import Grid, TokenLayout

PARAM = dict(name="proj.weight", stored="f16", shape=(32, 32), address=0x1000)
PORT = dict(name="y", dtype="float32", stored="f16", shape=(40, 32), address=0x2000)
SITE = dict(layer=0, site="q_proj", width=64, slices=2, visual=4, tiles=((0, 0, 4),), count_base=0)
LIFE = dict(name="t", space="dram", address=0x1800, bytes=0x800, first=3, last=5)
TOKENS = TokenLayout(V=4, S=9, runs=((2, 4),), grids=(Grid.dense(0, 1, 2, 2),))


def wrong(**changes):
    print(error(lambda: binary(**{k: v() if callable(v) else v for k, v in changes.items()}).validate("b")))


def lives(*values):
    wrong(memory_map=lambda: MemoryMap(dram_bytes=10752, lives=tuple(LiveRange(**v) for v in values)))


# CHECK: b: tensor 'text' is uint8 [3, 15]; uint8 [n, 16] expected
wrong(text=np.zeros((3, 15), np.uint8))
# CHECK-NEXT: b: tensor 'text' is uint8 [0, 16]; uint8 [n, 16] expected
wrong(text=np.zeros((0, 16), np.uint8))
# CHECK-NEXT: b: tensor 'source' is uint32 [3]; uint32 [22] expected
wrong(source=np.zeros(3, np.uint32))
# CHECK-NEXT: b: tensor 'source' names module 1 of 1
wrong(modules=("proj",))
# CHECK-NEXT: b: parameter 'proj.weight' has no values
wrong(params={})
# CHECK-NEXT: b: parameter 'more' is in no table
wrong(params={"proj.weight": np.zeros((32, 32), np.float16), "more": np.zeros(3)})
# CHECK-NEXT: b: parameter 'proj.weight' has shape [32, 31]; [32, 32] expected
wrong(params={"proj.weight": np.zeros((32, 31), np.float16)})
# CHECK-NEXT: b: parameter 'proj.weight' is int64; float16 expected
wrong(params={"proj.weight": np.zeros((32, 32), np.int64)})
# CHECK-NEXT: b: parameter 'proj.weight' (0x1000..0x1800) overlaps parameter 'b' at 0x17ff
wrong(params={"proj.weight": np.zeros((32, 32), np.float16), "b": np.zeros(1, np.float16)},
      param_table=(Param(**PARAM), Param(name="b", stored="f16", shape=(1,), address=0x17FF)))
# CHECK-NEXT: b: parameter 'proj.weight' (0x1fff..0x27ff) overlaps output 'y' at 0x2000
wrong(param_table=(Param(**PARAM | dict(address=0x1FFF)),))
# CHECK-NEXT: b: input 'x' (0x0..0x1020) overlaps parameter 'proj.weight' at 0x1000
wrong(inputs=(Port(**PORT | dict(name="x", shape=(43, 48), address=0)),))
# CHECK-NEXT: b: parameter 'proj.weight' reaches byte 11265 of a DRAM of 10752
wrong(param_table=(Param(**PARAM | dict(address=0x2401)),))
# CHECK-NEXT: b: output 'y' reaches byte 10753 of a DRAM of 10752
wrong(outputs=(Port(**PORT | dict(address=0x2001)),))
# CHECK-NEXT: b: output 'y' is listed twice
wrong(outputs=(Port(**PORT), Port(**PORT)))
# CHECK-NEXT: b: region 'r' reaches byte 10753 of a DRAM of 10752
wrong(memory_map=MemoryMap(dram_bytes=10752, regions=(Region(name="r", address=0, bytes=10753),)))
# CHECK-NEXT: b: the program needs 68719476736 bytes of DRAM; machine 'focus' has 34359738368
wrong(memory_map=MemoryMap(dram_bytes=1 << 36))
# CHECK-NEXT: b: 't' reaches byte 10753 of dram, which has 10752
lives(LIFE | dict(bytes=10753 - 0x1800))
# CHECK-NEXT: b: 't' reaches byte 65538 of counts, which has 65536
lives(LIFE | dict(space="counts", address=65534, bytes=4))
# CHECK-NEXT: b: 't' (0x17ff..0x1fff of dram) overlaps 'proj.weight' at 0x1000, which is live in kernel 3 too
lives(LIFE | dict(address=0x17FF))
# CHECK-NEXT: b: 't' (0x1800..0x2001 of dram) overlaps 'y' at 0x2000, which is live in kernel 3 too
lives(LIFE | dict(bytes=0x801))
# CHECK-NEXT: b: 'u' (0x1fc0..0x2000 of dram) overlaps 't' at 0x1800, which is live in kernel 5 too
lives(LIFE, LIFE | dict(name="u", address=0x1FC0, bytes=64, first=5, last=7))
# One after the other, in time or in place, and in different memories.
# CHECK-NEXT: ACCEPTED
lives(LIFE, LIFE | dict(name="u", first=6, last=6), LIFE | dict(name="v", first=0, last=2), LIFE | dict(space="counts", name="w"))
# CHECK-NEXT: LiveRange: 't' is live from kernel 3 to kernel 2
lives(LIFE | dict(last=2))
# CHECK-NEXT: b: site 0/q_proj is listed twice
wrong(tokens=TOKENS, sites=(Site(**SITE), Site(**SITE)))
# CHECK-NEXT: b: site 0/q_proj: 1 x 2 counts at 0xfffe do not fit a count memory of 65536 bytes
wrong(tokens=TOKENS, sites=(Site(**SITE | dict(count_base=65534)),))
# CHECK-NEXT: b: site 0/q_proj has 4 visual rows; the token layout has none
wrong(sites=(Site(**SITE),))
# CHECK-NEXT: b: site 0/q_proj: 3 slices for a width of 64; 2 of 32 elements expected
wrong(tokens=TOKENS, sites=(Site(**SITE | dict(slices=3)),))
# CHECK-NEXT: Site: tiles hold 4 visual rows, the site has 5
wrong(sites=lambda: (Site(**SITE | dict(visual=5)),))
# CHECK-NEXT: Site: site: must be 'q_proj', 'query', 'o_proj', 'gate_proj', 'down_proj', 'vision.q_proj',
wrong(sites=lambda: (Site(**SITE | dict(site="k_proj")),))
# CHECK-NEXT: Port: shape.1: must be greater than 0
wrong(outputs=lambda: (Port(**PORT | dict(shape=(40, 0))),))
# CHECK-NEXT: FixedInput: 2 values for shape [3]
wrong(fixed_inputs=lambda: (FixedInput(name="grid", dtype="int64", shape=(3,), values=(1, 2)),))
# CHECK-NEXT: Site: tiles.1: its first visual row is 3, but the tiles before it hold 2
wrong(sites=lambda: (Site(**SITE | dict(tiles=((0, 0, 2), (3, 0, 2)))),))
