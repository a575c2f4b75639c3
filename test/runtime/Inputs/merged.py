"""A binary that merges similar vectors: y = x' W^T for 5 text and 20 visual rows of 64, in one m-tile of two slices.

`binary(...)` makes it, `reference(x)` states in numpy what x' is, with the trace.
"""
import numpy as np

from focus.runtime.run import asm, fxb
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.tokens import Grid, TokenLayout

TEXT, FRAMES, HEIGHT, WIDTH = 5, 2, 2, 5
VISUAL = FRAMES * HEIGHT * WIDTH
ROWS = TEXT + VISUAL
X, W, COMPACT, MAPS, Y = 0x0, 0x2000, 0x4000, 0x6000, 0x7000        # DRAM addresses

PROGRAM = f"""
.module "concentrate"
sic.config threshold=0.9 block_f=2 block_h=2 block_w=2
sic.grid index=0 first=0 frame_stride={HEIGHT * WIDTH} height_stride={WIDTH} width_stride=1
scalar id=r0 value=1.0
ext id=e0 full={ROWS} total={ROWS} step=0 level=never
ext id=e1 full={TEXT} total={TEXT} step=0 level=never
ext id=e2 full={VISUAL} total={VISUAL} step=0 level=never
ext id=e3 full=32 total=32 step=0 level=never
ext id=e4 full=2 total=2 step=0 level=never
ext id=e5 full=1 total=1 step=0 level=never
agu id=a0 space=dram dtype=f16 base={X} pitch=128 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=64
agu id=a1 space=vector dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a2 space=table dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a3 space=map dtype=u16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a4 space=counts dtype=u16 base=16 pitch=2 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a4 level=l0 stride=2
agu id=a5 space=dram dtype=f16 base={COMPACT} pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a5 level=l0 stride=4096
agu id=a6 space=dram dtype=u16 base={MAPS} pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a6 level=l0 stride=64
agu id=a7 space=input dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a8 space=dram dtype=f16 base={W} pitch=128 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a8 level=l0 stride=64
agu id=a9 space=wgt dtype=f16 base=0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a10 space=conc dtype=f32 base=0 pitch=128 slots=1 slot_bytes=0 ring_level=never
agu id=a11 space=output dtype=f32 base=0 pitch=128 slots=1 slot_bytes=0 ring_level=never
agu id=a12 space=output dtype=f16 base=0x10000 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a13 space=dram dtype=f16 base={Y} pitch=64 slots=1 slot_bytes=0 ring_level=never
sem id=s3 credits=1
sem id=s4 credits=1
loop trips=e4
  load src=a0 dst=a1 rows=e0 cols=e3 stream=activation ; wait=s3 signal=s1
  sic.gather src=a1 table=a2 map=a3 count=a4 rows=e2 identity=e1 cols=e3 site=0 ; wait=s1,s4 signal=s2,s3
  store src=a2 dst=a5 count=a4 rows=e0 cols=e3 stream=compact ; wait=s2
  store src=a3 dst=a6 rows=e5 cols=e2 stream=map ; signal=s4,s5@0
endloop
.module "proj"
sem id=s10 credits=1
sync unit=load ; wait=s5
loop trips=e4
  load src=a5 dst=a7 count=a4 rows=e0 cols=e3 stream=compact ; wait=s10
  load src=a6 dst=a3 rows=e5 cols=e2 stream=map
  load src=a8 dst=a9 rows=e3 cols=e3 stream=weight ; signal=s6
  mm src=a7 wgt=a9 dst=a10 count=a4 rows=e0 k=e3 n=e3 init=always ; wait=s6 signal=s7
  scatter src=a10 map=a3 dst=a11 rows=e2 identity=e1 cols=e3 init=first.0 ; wait=s7 signal=s10,s8@0
endloop
v.map op=copy src=a11 dst=a12 rows=e0 cols=e3 scalar=r0 ; wait=s8 signal=s9
store src=a12 dst=a13 rows=e0 cols=e3 stream=result ; wait=s9
halt
"""

WEIGHT = np.random.default_rng(7).normal(size=(32, 64)).astype(np.float16)


def binary(program: str = PROGRAM, model: str = "merged") -> fxb.Binary:
    a = asm.assemble(program, "merged.s")
    return fxb.Binary(
        text=a.text, source=a.source, modules=tuple(a.modules), machine=Machine.load("focus"), model=model,
        memory_map=fxb.MemoryMap(dram_bytes=0x8000), params={"proj.weight": WEIGHT},
        param_table=(fxb.Param(name="proj.weight", stored="f16", shape=(32, 64), address=W),),
        inputs=(fxb.Port(name="x", dtype="float32", stored="f16", shape=(ROWS, 64), address=X),),
        outputs=(fxb.Port(name="y", dtype="float32", stored="f16", shape=(ROWS, 32), address=Y),),
        tokens=TokenLayout(V=VISUAL, S=ROWS, runs=((TEXT, VISUAL),), grids=(Grid.dense(0, FRAMES, HEIGHT, WIDTH),)),
        concentration=Concentration(),
        sites=(fxb.Site(layer=0, site="q_proj", width=64, slices=2, visual=VISUAL, tiles=((0, TEXT, VISUAL),), count_base=16),))


def inputs(seed: int = 0) -> np.ndarray:
    """Rows of which many repeat: the second frame is the first with noise in places, and some vectors are all zeros."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 64)).astype(np.float16)
    visual = x[TEXT:].reshape(FRAMES, HEIGHT * WIDTH, 2, 32)
    visual[1] = visual[0] * np.float16(1.5)
    visual[1, 3:6, 0] = rng.normal(size=(3, 32))
    visual[:, 7, 1] = 0
    return x


def reference(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x with each visual vector replaced by its group's mean; group and zero as in traces.  Levels 2 and 3 of docs/algorithm.md."""
    visual = x[TEXT:].astype(np.float32).reshape(VISUAL, 2, 32)
    group, zero = np.zeros((VISUAL, 2), np.int32), (visual == 0).all(-1).astype(np.uint8)
    offsets = [f * HEIGHT * WIDTH + h * WIDTH + w for f in (0, 1) for h in (0, 1) for w in (0, 1)][1:]
    norms = np.linalg.norm(visual, axis=-1)
    for t in range(VISUAL):
        for j in range(2):
            best, similarity = t, np.float32(0.9)
            for c in (t - o for o in offsets if t >= o):
                product = norms[t, j] * norms[c, j]
                if product and (s := float(visual[t, j] @ visual[c, j]) / product) > similarity:
                    best, similarity = c, s
            group[t, j] = t if best == t else group[best, j]
    merged = x.copy()
    for j in range(2):
        for r in range(VISUAL):
            merged[TEXT + r, 32 * j:32 * j + 32] = visual[group[:, j] == group[r, j], j].mean(0).astype(np.float16)
    return merged, group, zero
