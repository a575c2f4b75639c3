# Without data, an instruction like one that was timed before is not executed.  Every counter is the same as if it had been, with concentrated models on
# several machines too; and one that is alike but for an address that is wrong is refused all the same.
# LONG: two models on four machines
# RUN: %python %s | filecheck %s
import re

import numpy as np

import focus
from focus.compiler.frontend import zoo
from focus.runtime import _sim
from focus.runtime.evaluate import synth
from focus.runtime.run import asm, trace
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

MACHINES = {"focus": {}, "focus-unified": {}, "focus-16": {"dram.burst_bytes": 48}, "focus-published": {"dram.burst_bytes": 1}}


def machine_of(name: str, changes: dict[str, float]) -> Machine:
    values = Machine.load(name).model_dump(mode="json")
    for key, value in changes.items():
        table, item = key.split(".")
        values[table][item] = value
    return Machine.from_dict(values)


def plain(value):
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else np.asarray(value).tolist()


def compare(entry: str) -> None:
    """A concentrated model with two traces of its own, on each machine: executed, and twice with what was timed before."""
    model, inputs = zoo.build(entry)
    for name, changes in MACHINES.items():
        binary = focus.compile(model, inputs, machine=machine_of(name, changes), concentration="full", check=False).binary
        plan = synth.TracePlan.of_binary(binary)
        for ratio in (1.2, 1.9):
            found = synth.synth(plan, synth.Recipe(ratio))
            counts = [trace.unique_counts(found, site).reshape(-1) for site in binary.sites]
            fresh = lambda: _sim.Simulator(binary.text, binary.source, binary.machine.to_json(), binary.sites_json(), lives_json=binary.lives_json())
            executed, simulator = plain(fresh().run(False, False, counts, replay=False)), fresh()
            for _ in range(2):
                assert plain(simulator.run(False, False, counts)) == executed, (entry, name, ratio)
    print(entry, "alike")


PROGRAM = """
ext id=e0 full=8 total=8 step=0 level=l0
ext id=e1 full=32 total=32 step=0 level=l0
ext id=e2 full=6 total=6 step=0 level=l0
ext id=e3 full=3 total=3 step=0 level=l0
agu id=a0 space=dram dtype=f16 base={base} pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride={stride}
agu id=a1 space=input dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a1 level=l0 stride={chip}
agu id=a2 space=output dtype=f32 base=0x0 pitch=128 slots=1 slot_bytes=0 ring_level=never
agu id=a3 space=wgt dtype=f16 base=0x0 pitch=64 slots=1 slot_bytes=0 ring_level=never
loop trips=e2
load src=a0 dst=a1 rows=e0 cols=e1 stream=activation
loop trips=e3
{again}
mm src=a1 wgt=a3 dst=a2 rows=e0 k=e1 n=e1 init=first.1
endloop
endloop
sync unit=array ; signal=s3
sync unit=load ; signal=s3
drain id=s3 credits=2 end=1
halt
"""


def outcome(text: str, replay: bool, machine: Machine):
    words = asm.assemble(text).text
    try:
        return plain(_sim.Simulator(words, np.zeros(len(words), np.uint32), machine.to_json()).run(False, replay=replay))
    except FocusError as e:
        return str(e)


def refused(name: str, **values) -> None:
    """A program that goes wrong at one of its later iterations, or in none."""
    machine = Machine.load("focus")
    text = PROGRAM.format(**{"base": "0x1000", "stride": 64, "chip": 0, "again": ""} | values)
    executed, again = outcome(text, False, machine), outcome(text, True, machine)
    assert executed == again, (executed, again)
    print(f"{name}:", re.sub(r"\d{5,}", "N", executed) if isinstance(executed, str) else "alike")


for entry in ("llava-onevision-tiny", "qwen2.5-vl-tiny"):
    compare(entry)
inside = Machine.load("focus").buffers["input"].bytes
refused("nothing wrong")
refused("before DRAM", base="0x100", stride=-128)
refused("odd address", stride=33)
refused("beyond the chip's memory", chip=inside // 4)
refused("other rows apart", again="agu id=a1 space=input dtype=f16 base=0x0 pitch=96 slots=1 slot_bytes=0 ring_level=never")
refused("rows apart too far", again=f"agu id=a1 space=input dtype=f16 base=0x0 pitch={inside // 4} slots=1 slot_bytes=0 ring_level=never")
refused("another type", again="agu id=a1 space=input dtype=f32 base=0x0 pitch=128 slots=1 slot_bytes=0 ring_level=never")
# CHECK: llava-onevision-tiny alike
# CHECK-NEXT: qwen2.5-vl-tiny alike
# CHECK-NEXT: nothing wrong: alike
# CHECK-NEXT: before DRAM: {{.*}}load{{.*}}out of bounds
# CHECK-NEXT: odd address: {{.*}}load{{.*}}not a multiple of the element size
# CHECK-NEXT: beyond the chip's memory: {{.*}}load{{.*}}out of bounds
# CHECK-NEXT: other rows apart: alike
# CHECK-NEXT: rows apart too far: {{.*}}mm{{.*}}out of bounds
# CHECK-NEXT: another type: {{.*}}
