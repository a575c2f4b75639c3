# Machine files: what ships, published totals, inheritance, round trip through JSON; each bad value is one error that names file and key.
# RUN: %python %s | filecheck %s
import tempfile
from pathlib import Path

from Inputs.sim_builder import complaint

from focus.runtime.spec import machine
from focus.runtime.spec.machine import Machine

for name in machine.names():
    m = Machine.load(name)
    logic = sum(m.blocks(c) * m.energy.components[c].power_mw for c in m.energy.components)
    area = sum(m.blocks(c) * m.energy.components[c].area_mm2 for c in m.energy.components)
    area += sum(x.count * m.energy.macros[x.kind].area_mm2 for b in m.sram.values() for x in b.macros)
    print(name, m.array.rule, m.sic.present, m.sec.present, f"{logic:.3f} mW {area:.4f} mm2",
          m.cycles_per_pass(776), m.cycles_per_pass(5), m.cycles_per_pass(0))
    assert Machine.from_json(m.to_json()) == m and Machine.from_json(m.to_json()).fingerprint == m.fingerprint
# The published totals are 496.166 mW and 3.2055 mm2, without the concentrators 480.2715 mW and 3.1192 mm2.
# CHECK: dense shadow False False {{.*}} 776 32 0
# CHECK-NEXT: dense-published scalesim False False 480.272 mW 3.1192 mm2 869 98 0
# CHECK-NEXT: dense-unified shadow False False {{.*}} 776 32 0
# CHECK-NEXT: focus shadow True True {{.*}} 776 32 0
# CHECK-NEXT: focus-128 shadow True True {{.*}} 776 128 0
# CHECK-NEXT: focus-16 shadow True True {{.*}} 776 16 0
# CHECK-NEXT: focus-64 shadow True True {{.*}} 776 64 0
# CHECK-NEXT: focus-published scalesim True True 496.166 mW 3.2055 mm2 869 98 0
# CHECK-NEXT: focus-unified shadow True True {{.*}} 776 32 0
m = Machine.load("focus")
print(m.buffer_bytes("output"), m.buffer_bytes("dram"), round(m.bytes_per_cycle, 1), len(m.fingerprint),
      len({Machine.load(n).fingerprint for n in machine.names()}))
# CHECK-NEXT: 393216 34359738368 137.4 64 9

# The array's area and power grow with its PEs, the scatter accumulators with its columns; each buffer's macros hold its bytes.
small, large = Machine.load("focus-16"), Machine.load("focus-64")
print([(c, small.blocks(c), large.blocks(c)) for c in ("array", "array_shadow", "scatter_accumulator", "sic_cosine", "sfu_exp")])
# CHECK-NEXT: [('array', 0.25, 4.0), ('array_shadow', 0.25, 4.0), ('scatter_accumulator', 1.0, 4.0), ('sic_cosine', 1.0, 1.0), ('sfu_exp', 192.0, 192.0)]
for sized in map(Machine.load, ("focus", "focus-16", "focus-64", "focus-128")):
    assert all(sum(x.words * x.bits * x.count for x in b.macros) >= 8 * b.bytes for b in sized.buffers.values()), sized.name
    g = sized.geometry
    assert sized.buffer_bytes("wgt") >= 2 * g.weight_tile_bytes and sized.buffer_bytes("input") == 2 * 1024 * g.slice_row_bytes
    assert sized.buffer_bytes("conc") >= 1024 * g.sum_row_bytes
    print(g.rows, g.cols, g.pes, g.passes(100, 70), g.k_slices(1), sized.timing.weight_load, sized.timing.fill)
# CHECK-NEXT: 32 32 1024 12 1 32 94
# CHECK-NEXT: 16 16 256 35 1 16 46
# CHECK-NEXT: 64 64 4096 4 1 64 190
# CHECK-NEXT: 128 128 16384 1 1 128 382

# A scratchpad has no more bytes than are published, with what stays by itself; banks are whole, and a memory that is used has its least.
unified, published = Machine.load("focus-unified"), Machine.load("focus-published")
pad = unified.scratchpad
size = lambda b: sum(x.words * x.bits * x.count for x in b.macros) // 8
print(sum(size(b) for name, b in unified.sram.items() if name != "counts") + unified.buffer_bytes("counts"),
      sum(131072 if name == "conc" else size(b) for name, b in published.buffers.items() if b.macros), sorted(unified.sram))
# CHECK-NEXT: 745472 755712 ['counts', 'layouter', 'scratchpad']
print(pad.part("map", 1), pad.part("map", 8193), pad.part("input", 1), pad.part("output", 0))
# CHECK-NEXT: 8192 16384 65536 0

folder = Path(tempfile.mkdtemp())


def load(text, name="mine.toml"):
    (folder / name).write_text(text)
    return Machine.load(folder / name)


def bad(text):
    print(complaint(lambda: load(text)).replace(str(folder), "DIR"))


mine = load('base = "focus"\nname = "mine"\n[dram]\nlatency_cycles = 7\n')
print(mine.name, mine.dram.latency_cycles, mine.dram.burst_bytes, mine.fingerprint != m.fingerprint)
# CHECK-NEXT: mine 7 64 True
print(load('base = "mine.toml"\narray.rule = "rtl"\n', "second.toml").cycles_per_pass(1))
# CHECK-NEXT: 127

bad('base = "focus"\n[dram]\nlatency_cycles = -1')
# CHECK-NEXT: DIR/mine.toml: dram.latency_cycles: must be greater than or equal to 0, got -1
bad('base = "focus"\n[dram]\nlatency = 1')
# CHECK-NEXT: DIR/mine.toml: dram.latency: unknown key
bad((machine.MACHINES / "focus.toml").read_text().replace("topk_passes = 9", ""))
# CHECK-NEXT: DIR/mine.toml: sec.topk_passes: missing value
bad('base = "focus"\n[buffers.cache]\nbytes = 1\nmacros = []')
# CHECK-NEXT: DIR/mine.toml: buffers.cache: unknown buffer
bad('base = "focus"\n[array]\nrule = "magic"')
# CHECK-NEXT: DIR/mine.toml: array.rule: must be 'shadow', 'scalesim' or 'rtl', got 'magic'
for size in ("rows = 48", "rows = 256", "cols = true"):
    bad(f'base = "focus"\n[array]\n{size}')
# CHECK-NEXT: DIR/mine.toml: array.rows: must be 8, 16, 32, 64 or 128, got 48
# CHECK-NEXT: DIR/mine.toml: array.rows: must be 8, 16, 32, 64 or 128, got 256
# CHECK-NEXT: DIR/mine.toml: array.cols: must be a number, got True
for wrong in ("dram]\nbytes_per_second = true", "sic]\npresent = 0", "buffers.input]\nbytes = 9999999999999999999",
              "dram]\nlatency_cycles = 9223372036854775807", "dram]\nbytes_per_second = 1e-300"):
    bad(f'base = "focus"\n[{wrong}')
# CHECK-NEXT: DIR/mine.toml: dram.bytes_per_second: must be a valid number, got True
# CHECK-NEXT: DIR/mine.toml: sic.present: must be a valid boolean, got 0
# CHECK-NEXT: DIR/mine.toml: buffers.input.bytes: must be less than or equal to 1073741824, got 9999999999999999999
# CHECK-NEXT: DIR/mine.toml: dram.latency_cycles: must be less than or equal to 4294967296, got 9223372036854775807
# CHECK-NEXT: DIR/mine.toml: dram.bytes_per_second: must be greater than or equal to 1, got 1e-300
bad('base = "focus"\n[dram]\nbytes_per_second = nan')
# CHECK-NEXT: DIR/mine.toml: dram.bytes_per_second: must be a finite number, got nan
bad('base = "focus"\nisa_version = 99')
# CHECK-NEXT: DIR/mine.toml: isa_version: must be {{[0-9]+}}, got 99
bad('base = "focus"\n[buffers.map]\nmacros = [{ words = 3, bits = 3, count = 1 }]')
# CHECK-NEXT: DIR/mine.toml: buffers.map.macros: no energy.macros entry for '3x3'
bad('base = "focus-unified"\nscratchpad.memories = ["input", "counts"]')
# CHECK-NEXT: DIR/mine.toml: scratchpad.memories: 'counts' cannot be a part; input, wgt, conc, output, table, map, vector, stats, ids, importance can
bad('base = "focus"\n[scratchpad]\nbank_bytes = 8192\nmacros = [{ words = 512, bits = 128, count = 9 }]\nmemories = ["map"]')
# CHECK-NEXT: DIR/mine.toml: buffers.map.macros: expected none, since the scratchpad holds it
bad('base = "focus-unified"\nbuffers.map.bytes = 700000')
# CHECK-NEXT: DIR/mine.toml: buffers.map.bytes: more than the scratchpad has, 663552
bad('base = "focus-unified"\nscratchpad.least.counts = 2')
# CHECK-NEXT: DIR/mine.toml: scratchpad.least: 'counts' is none of scratchpad.memories
bad('base = "focus-unified"\nscratchpad.bank_bytes = 1000000')
# CHECK-NEXT: DIR/mine.toml: scratchpad.macros: less than one bank
bad('base = "mine.toml"')
# CHECK-NEXT: DIR/mine.toml: base: machine files refer to each other in a circle
bad('base = "focsu"')
# CHECK-NEXT: DIR/mine.toml: base: unknown machine 'focsu': expected one of
bad('base = "no/such.toml"')
# CHECK-NEXT: DIR/mine.toml: base: no/such.toml: no such machine file
bad("name = ")
# CHECK-NEXT: DIR/mine.toml: no TOML
print(complaint(lambda: Machine.load("nonsense")))
# CHECK-NEXT: unknown machine 'nonsense': expected one of dense, dense-published, dense-unified, focus, focus-128, focus-16, focus-64, focus-published, focus-unified, or a TOML file
print(complaint(lambda: Machine.load("no/such.toml")))
# CHECK-NEXT: no/such.toml: no such machine file
print(complaint(lambda: m.buffer_bytes("cache")))
# CHECK-NEXT: machine 'focus' has no memory 'cache'
