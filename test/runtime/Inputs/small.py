"""A small binary for the tests: y = x W^T for x [40, 32], W [32, 32], in two tiles of at most 32 rows; and a way to see one error."""
import numpy as np

from focus.runtime.run import asm, fxb
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

PROGRAM = """
.module "proj"
ext id=e0 full=32 total=40 step=32 level=l0    # rows of a tile
ext id=e1 full=32 total=32 step=0 level=never
ext id=e2 full=2 total=2 step=0 level=never
agu id=a0 space=dram dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=2048
agu id=a1 space=dram dtype=f16 base=0x1000 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a2 space=dram dtype=f16 base=0x2000 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a2 level=l0 stride=2048
agu id=a3 space=input dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a4 space=wgt dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a5 space=output dtype=f32 base=0x0 pitch=128 slots=1 slot_bytes=0 ring_level=never
agu id=a6 space=output dtype=f16 base=0x1000 pitch=64 slots=1 slot_bytes=0 ring_level=never
sem id=s3 credits=1
load src=a1 dst=a4 rows=e1 cols=e1 stream=weight ; signal=s1
loop trips=e2
  load src=a0 dst=a3 rows=e0 cols=e1 stream=activation ; wait=s3 signal=s2
  mm src=a3 wgt=a4 dst=a5 rows=e0 k=e1 n=e1 init=always ; wait=s1@0,s2 signal=s4
.module "store"
  v.map op=copy src=a5 dst=a6 rows=e0 cols=e1 scalar=r0 ; wait=s4 signal=s5
  store src=a6 dst=a2 rows=e0 cols=e1 stream=result ; wait=s5 signal=s3
endloop
halt
"""
PROGRAM = PROGRAM.replace("sem id=s3", "scalar id=r0 value=1.0\nsem id=s3")


def binary(program: str = PROGRAM, machine: str = "focus", **changes) -> fxb.Binary:
    """The binary; `program` is assembly, `changes` replace fields."""
    a = asm.assemble(program, "small.s")
    weight = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float16)
    fields = dict(
        text=a.text, source=a.source, modules=tuple(a.modules), machine=Machine.load(machine), model="small",
        memory_map=fxb.MemoryMap(dram_bytes=0x2000 + 40 * 64, regions=(fxb.Region(name="io", address=0, bytes=0x1000),)),
        params={"proj.weight": weight},
        param_table=(fxb.Param(name="proj.weight", stored="f16", shape=(32, 32), address=0x1000),),
        inputs=(fxb.Port(name="x", dtype="float32", stored="f16", shape=(40, 32), address=0),),
        outputs=(fxb.Port(name="y", dtype="float32", stored="f16", shape=(40, 32), address=0x2000),))
    return fxb.Binary(**(fields | changes))


def error(function, *args, **kwargs) -> str:
    """The message of the FocusError a call raises; a word of complaint if it raises none."""
    try:
        function(*args, **kwargs)
    except FocusError as e:
        assert "\n" not in str(e), e
        return str(e)
    return "ACCEPTED"
