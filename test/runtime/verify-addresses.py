# The static bounds check never refuses a program that stays inside its memories, and misses none that leaves them unless trip counts depend
# on each other.  Compared with running the loops of random programs.
# RUN: %python %s | filecheck %s
import random

from focus.runtime.run import asm, verify
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine
from focus.runtime.spec.types import BYTES, DType

MACHINE, DRAM = Machine.load("focus"), 4000
SIZES = {isa.Space.DRAM: DRAM, isa.Space.INPUT: MACHINE.buffer_bytes("input")}


class Outside(Exception):
    pass


def run(program):
    """Every iteration of every loop, one instruction at a time.  Raises Outside."""
    ends, opened = {}, []
    for i, (instr, _) in enumerate(program):
        if instr.mnemonic == "loop":
            opened.append(i)
        if instr.mnemonic == "endloop":
            ends[opened.pop()] = i
    agus, extents, counters, loops, pc = {}, {}, [0] * isa.MAX_LOOPS, [], 0

    def value(e):
        full, total, step, level = extents[e]
        return max(0, min(full, total - (step * counters[level] if step else 0)))

    while (instr := program[pc].instr).mnemonic != "halt":
        v = program[pc].values
        match instr.mnemonic:
            case "agu":
                agus[v["id"]] = v, [0] * isa.MAX_LOOPS
            case "agu.stride":
                agus[v["id"]][1][v["level"]] = v["stride"]
            case "ext":
                extents[v["id"]] = v["full"], v["total"], v["step"], v["level"]
            case "loop":
                if trips := value(v["trips"]):
                    loops.append((pc, trips))
                else:
                    pc = ends[pc]
            case "endloop":
                level = len(loops) - 1
                counters[level] += 1
                if counters[level] < loops[-1][1]:
                    pc = loops[-1][0]
                else:
                    counters[level] = 0
                    loops.pop()
            case _:
                rows, cols = value(v["rows"]), value(v["cols"])
                for operand in ("src", "dst"):
                    a, strides = agus[v[operand]]
                    first = a["base"] + sum(s * c for s, c in zip(strides, counters))
                    last = first + (rows - 1) * a["pitch"] + cols * BYTES[DType(a["dtype"])]
                    if rows and cols and (first < 0 or last > SIZES[a["space"]]):
                        raise Outside
        pc += 1


def generate(rng, dependent):
    """A random program of loads and stores near the ends of two memories; loop trips depend on other loops if `dependent`."""
    def ext(i, depth, trips=False):
        if depth and rng.random() < 0.6 and (dependent or not trips):
            step, level = rng.choice([-3, -2, -1, 1, 2, 3, 5]), f"l{rng.randrange(depth)}"
            return f"ext id=e{i} full={rng.randrange(1, 7)} total={rng.randrange(-2, 14)} step={step} level={level}"
        return f"ext id=e{i} full={rng.randrange(1, 6)} total={rng.randrange(5) * (1 if trips else 3)} step=0 level=never"

    def agu(i):
        space, base = ("dram", rng.randrange(DRAM)) if i % 2 == 0 else ("input", SIZES[isa.Space.INPUT] - rng.randrange(2000))
        yield (f"agu id=a{i} space={space} dtype={rng.choice(['f16', 'f32'])} base={base} pitch={rng.randrange(300)} slots=1 slot_bytes=0 "
               "ring_level=never")
        for _ in range(rng.randrange(3)):
            yield f"agu.stride id=a{i} level=l{rng.randrange(4)} stride={rng.randrange(-400, 600)}"

    lines, depth = [ext(i, 0) for i in range(5)] + [line for i in range(5) for line in agu(i)], 0
    for _ in range(rng.randrange(4, 14)):
        kind = rng.random()
        if kind < 0.3 and depth < 4:
            lines += [ext(5, depth, trips=True), "loop trips=e5"]
            depth += 1
        elif kind < 0.45 and depth:
            lines.append("endloop")
            depth -= 1
        elif kind < 0.6:
            lines.append(ext(rng.randrange(5), depth))
        elif kind < 0.7:
            lines += agu(rng.randrange(5))
        else:
            name, src, dst = rng.choice([("load", (0, 2, 4), (1, 3)), ("store", (1, 3), (0, 2))])
            rows, cols = rng.randrange(5), rng.randrange(5)
            lines.append(f"{name} src=a{rng.choice(src)} dst=a{rng.choice(dst)} rows=e{rows} cols=e{cols} stream=weight")
    return "\n".join(lines + ["endloop"] * depth + ["halt"])


refused = {True: 0, False: 0}
for seed in range(500):
    dependent = seed % 2 == 1
    listing = generate(random.Random(seed), dependent)
    program = asm.decode_program(asm.assemble(listing).text)
    try:
        run(program)
        outside = False
    except Outside:
        outside = True
    try:
        verify.check_program(program, MACHINE, DRAM, 0, "p")
        message = None
    except FocusError as e:
        message = str(e)
    assert outside or message is None, f"refused although it stays inside: {message}\n{listing}"
    assert dependent or not outside or message, f"not found\n{listing}"
    refused[message is not None] += 1
# CHECK: enough of both: True
print("enough of both:", min(refused.values()) > 100)


def error(text):
    try:
        verify.check_program(asm.decode_program(asm.assemble(text).text), MACHINE, DRAM, 0, "p")
    except FocusError as e:
        print(e)


TILES = """
ext id=e0 full=8 total=20 step=8 level=l0
ext id=e1 full=3 total=3 step=0 level=never
ext id=e2 full=32 total=32 step=0 level=never
agu id=a0 space=dram dtype=f16 base={} pitch=64 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride={}
agu id=a1 space=input dtype=f16 base=0 pitch=64 slots={} slot_bytes=65536 ring_level=l0
loop trips=e1
load src=a0 dst=a1 rows=e0 cols=e2 stream=activation
endloop
halt
"""
# The last tile is shorter, and the check knows: 20 rows of 64 bytes end at the memory's end.
error(TILES.format(DRAM - 20 * 64, 512, 2))
# CHECK-NEXT: p: instruction 7 (load): operand 'src' reaches byte 4002 of dram, which has 4000 (loop counters [2])
error(TILES.format(DRAM - 20 * 64 + 2, 512, 2))
# CHECK-NEXT: p: instruction 7 (load): operand 'src' begins at byte -4 of dram (loop counters [2])
error(TILES.format(1020, -512, 2))
# CHECK-NEXT: p: instruction 5 (agu): base 0x0 with 4 slots of 65536 bytes lies beyond input, which has 131072 bytes
error(TILES.format(0, 512, 4))

HEAD = """
ext id=e9 full=1 total=1 step=0 level=never
agu id=a1 space=input dtype=f16 base=0 pitch=0 slots=1 slot_bytes=0 ring_level=never
"""
# The last byte may be reached in the middle of a loop: here with counter 3, where the rows are still 40.
MIDDLE = HEAD + """
ext id=e0 full=40 total=100 step=20 level=l0
ext id=e1 full=10 total=10 step=0 level=never
agu id=a0 space=dram dtype=f16 base={} pitch=2 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=20
loop trips=e1
load src=a0 dst=a1 rows=e0 cols=e9 stream=activation
endloop
halt
"""
error(MIDDLE.format(DRAM - 60 - 80))
# CHECK-NEXT: p: instruction 7 (load): operand 'src' reaches byte 4001 of dram, which has 4000 (loop counters [3])
error(MIDDLE.format(DRAM - 60 - 79))
# Counters of a triangular nest are never all at their largest.
TRIANGLE = HEAD + """
ext id=e1 full=4 total=4 step=0 level=never
ext id=e2 full=4 total=4 step=1 level=l0
agu id=a0 space=dram dtype=f16 base={} pitch=0 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=100
agu.stride id=a0 level=l1 stride=100
loop trips=e1
loop trips=e2
load src=a0 dst=a1 rows=e9 cols=e9 stream=activation
endloop
endloop
halt
"""
error(TRIANGLE.format(DRAM - 302))
# What a body sets below its use holds from the second iteration on, what was set before the loop in the first only.
CARRIED = HEAD + """
ext id=e1 full=2 total=2 step=0 level=never
agu id=a0 space=dram dtype=f16 base={} pitch=0 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=1000
loop trips=e1
load src=a0 dst=a1 rows=e9 cols=e9 stream=activation
agu id=a0 space=dram dtype=f16 base={} pitch=0 slots=1 slot_bytes=0 ring_level=never
agu.stride id=a0 level=l0 stride=-1000
endloop
halt
"""
error(CARRIED.format(3998, 1000))
# CHECK-NEXT: p: instruction 6 (load): operand 'src' begins at byte -2 of dram (loop counters [1])
error(CARRIED.format(3998, 998))
# CHECK-NEXT: p: instruction 6 (load): operand 'src' reaches byte 4001 of dram, which has 4000 (loop counters [0])
error(CARRIED.format(3999, 1000))
