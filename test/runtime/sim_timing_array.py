# Cycles of array passes under the three rules against their closed forms, back to back and one by one; utilisation; nothing for no rows.
# RUN: %python %s | filecheck %s
from hypothesis import given, strategies as st
from Inputs.sim_builder import Program, examples, machine

from focus.runtime.spec.machine import Machine

SETUP = 3                                                   # address generators; then one extent for each size


def passes(rows, **changes):
    """Counters and fetch cycle of the first pass of a list of passes; timing only."""
    p = Program(machine(queues__depth=4096, **changes))
    for space, dtype in (("input", "f2"), ("wgt", "f2"), ("output", "f4")):
        p.agu(space, 0, 128, dtype)
    sizes = {m: p.n(m) for m in [*rows, 32]}
    first = SETUP + len(sizes) + 1
    for m in rows:
        p.emit("mm", src=0, wgt=1, dst=2, rows=sizes[m], k=sizes[32], n=sizes[32], init=7)
    return p.run(functional=False, counts=[]), first


@examples(40)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def rules(rows):
    result, start = passes(rows)                            # shadow: passes stream, the last result is 94 cycles after the last row
    occupied = [max(m, 32) for m in rows]
    ends = [start + sum(occupied[:i]) + m + 94 for i, m in enumerate(rows)]
    assert result["cycles"] == max(ends) and result["array_busy"] == sum(occupied), (result["cycles"], max(ends))
    assert result["units"]["array"]["busy"] == sum(Machine.load("focus").cycles_per_pass(m) for m in rows)
    result, start = passes(rows, array__rule="scalesim")
    assert result["cycles"] == start + sum(m + 93 for m in rows) and result["array_busy"] == result["cycles"] - start
    result, start = passes(rows, array__rule="rtl")
    assert result["cycles"] == start + sum(m + 126 for m in rows)
    assert result["macs"] == 1024 * sum(rows) and result["passes"] == len(rows)


rules()
print("rules ok")
# CHECK: rules ok

# Other constants from the machine file.
print(passes([10], array__fill_cycles=5, array__weight_load_cycles=20)[0]["cycles"] - passes([10])[1])
print(passes([10], array__scalesim_overhead=7, array__rule="scalesim")[0]["cycles"] - passes([10])[1])
# CHECK: 20
# CHECK: 17

# No rows: no work, but fetched.
result, start = passes([0, 0])
print(result["cycles"] - start, result["passes"], result["macs"], result["array_busy"], result["units"]["array"]["instructions"])
# CHECK: 2 0 0 0.0 2

# Matrix of the published model: ceil(K/32) * ceil(N/32) passes of M + 93 each.
p = Program("focus-published")
for space, dtype in (("input", "f2"), ("wgt", "f2"), ("output", "f4")):
    p.agu(space, 0, 128, dtype)
rows, k, n = p.n(776), p.n(100, full=32, step=32, level=0), p.n(70, full=32, step=32, level=1)
p.loop(4)
p.loop(3)
p.emit("mm", src=0, wgt=1, dst=2, rows=rows, k=k, n=n, init=7)
p.end()
p.end()
result = p.run(functional=False, counts=[])
print(result["array_busy"] == (776 + 93) * 4 * 3, result["macs"] == 776 * 100 * 70)
# CHECK: True True
