# Without data, a kernel like one that was timed before is not executed: every counter is the same as if it had been, in the same run and in later
# ones, for other steps, and where kernels are alike but for where their operands lie within a burst of DRAM.
# RUN: %python %s | filecheck %s
import numpy as np

from focus.runtime import _sim
from focus.runtime.run import asm
from focus.runtime.spec.machine import Machine

MACHINE = Machine.load("focus")


def kernel(at: int, rows: int, pitch: int = 512, step: str = "") -> str:
    """Loads tiles of 64 columns of a matrix, sends them through the array twice each, and stores the sums; its registers are set up."""
    return f"""
ext id=e0 full={rows} total={rows} step=0 level=l0
ext id=e1 full=32 total=32 step=0 level=l0
ext id=e2 full=4 total=4 step=0 level=l0
agu id=a0 space=dram dtype=f16 base={hex(at)} pitch={pitch} slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=64
{step}
agu id=a1 space=input dtype=f16 base=0x0 pitch=64 slots=2 slot_bytes={rows * 64} ring_level=l0
agu id=a2 space=wgt dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu id=a3 space=output dtype=f32 base=0x0 pitch=128 slots=1 slot_bytes=0 ring_level=never
agu id=a4 space=dram dtype=f32 base=0x100000 pitch=128 slots=1 slot_bytes=0 ring_level=never
sem id=s1 credits=2
loop trips=e2
load src=a0 dst=a1 rows=e0 cols=e1 stream=activation ; wait=s1 signal=s2
mm src=a1 wgt=a2 dst=a3 rows=e0 k=e1 n=e1 init=first.0 ; wait=s2
mm src=a1 wgt=a2 dst=a3 rows=e0 k=e1 n=e1 init=never ; signal=s1
endloop
sync unit=array ; signal=s3
store src=a3 dst=a4 rows=e0 cols=e1 stream=result ; wait=s3
sync unit=store ; signal=s4
sync unit=array ; signal=s4
sync unit=load ; signal=s4
drain id=s4 credits=3 end=1
"""


def counters(result: dict) -> str:
    plain = lambda value: {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else np.asarray(value).tolist()
    return repr(plain(result))


def compare(name: str, kernels: list[str], steps: tuple[int, ...] = (0,)) -> None:
    words = asm.assemble("".join(kernels) + "halt\n").text
    sources = np.repeat(np.arange(len(kernels) + 1, dtype=np.uint32), [len(asm.assemble(k + "halt\n").text) - 1 for k in kernels] + [1])
    replayed = _sim.Simulator(words, sources, MACHINE.to_json())
    same = []
    for step in steps:
        executed = _sim.Simulator(words, sources, MACHINE.to_json()).run(False, step=step, replay=False)
        same += [counters(executed) == counters(replayed.run(False, step=step)) for _ in range(2)]
    print(name, all(same), executed["cycles"])


compare("alike", [kernel(0, 40), kernel(0x8000, 40), kernel(0x10000, 40)])
compare("other rows", [kernel(0, 40), kernel(0x8000, 7), kernel(0x8000, 40), kernel(0x8000, 7)])
compare("within a burst", [kernel(0, 40), kernel(0x8000 + 32, 40), kernel(0x9000 + 32, 40), kernel(0x9000 + 2, 40, 510)])
early = kernel(0, 40).replace("sem id=s1 credits=2", "sem id=s1 credits=2\nsem id=s4 credits=3")      # the next kernel begins while this one runs
compare("left over", [early, kernel(0x8000, 40), kernel(0x10000, 40), kernel(0x8000, 40)])
open_ = kernel(0, 40).replace("sync unit=store ; signal=s4\n", "").replace("credits=3 end", "credits=2 end")      # it ends while it stores
compare("stores on", [open_, kernel(0x8000, 40), kernel(0x10000, 40), open_, kernel(0x8000, 40)])
compare("steps", [kernel(0, 40, step="agu.step id=a0 stride=32"), kernel(0x8000, 40, step="ext.step id=e0 less=3"), kernel(0x4000, 40)], (0, 1, 2, 1, 0))
# Registers that one kernel leaves to the next count too: here the last one's number of rows.
short = "\n".join(line for line in kernel(0x4000, 40).splitlines() if not line.startswith("ext id=e0")) + "\n"
compare("left behind", [kernel(0, 40), short, kernel(0, 9), short, kernel(0, 40), short])
# CHECK: alike True {{[0-9]+}}
# CHECK-NEXT: other rows True {{[0-9]+}}
# CHECK-NEXT: within a burst True {{[0-9]+}}
# CHECK-NEXT: left over True {{[0-9]+}}
# CHECK-NEXT: stores on True {{[0-9]+}}
# CHECK-NEXT: steps True {{[0-9]+}}
# CHECK-NEXT: left behind True {{[0-9]+}}
