# What fits no buffers is refused with the sizes that matter, and for m-tiles of a concentration with what helps.
# RUN: %python %s %S/../end2end/Inputs/small.toml | filecheck %s
import sys

from focus.passes import cost
from focus.runtime.errors import FocusError
from focus.runtime.machine import Machine

machine = Machine.load(sys.argv[1])
for tiling, args, options in ((cost.concentrated_tiling, (90, 463, 768, 2), {"gathered": True, "where": "mlp"}),
                              (cost.linear_tiling, (40, 2_000_000, 64), {"weights": 5, "where": "wide"})):
    try:
        print(tiling(machine, *args, **options))
    except FocusError as e:
        print(e)
# CHECK: mlp: no tiling of 90 x 463 x 768 fits the buffers of machine 'small' (input 16384 B, wgt 8192 B, conc 16384 B, output 40960 B, vector 16384 B,
# CHECK-SAME: map 256 B, table 8192 B); m-tiles of fewer tokens (m_tile of the concentration) need less
# CHECK-NEXT: wide: no tiling of 40 x 2000000 x 64 fits
# CHECK-SAME: vector 16384 B){{$}}
print(cost.concentrated_tiling(machine, 40, 463, 768, 2, gathered=True).m)
# CHECK-NEXT: 40
