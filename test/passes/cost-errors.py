# What fits no buffers is refused with what is needed of which memory, and with what helps where it is the concentration's m-tile that sets it.
# RUN: %python %s %S/../end2end/Inputs/small.toml | filecheck %s
import sys

from focus.passes.mapping import cost
from focus.passes.mapping.cost import Gemm
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

machine = Machine.load(sys.argv[1])


def attempt(tiling, *args, **options):
    try:
        print(tiling(machine, *args, **options))
    except FocusError as e:
        print(e)


# two maps of 90 entries, the operand's and the result's
# CHECK: needs 384 bytes of 'map', but machine 'small' has 256; a smaller m_tile of the concentration needs less{{$}}
attempt(cost.concentrated_tiling, 90, 90, Gemm(463, 768, weights=2, gathered=True))
# CHECK-NEXT: needs 65536 bytes of 'output' and 32768 bytes of 'conc' and 16384 bytes of 'table', but machine 'small' has 40960 and 16384 and 8192;
attempt(cost.concentrated_tiling, 256, 4, Gemm(463, 768, weights=2, gathered=True))
# text rows have no maps, and no m_tile makes them fewer
# CHECK-NEXT: needs 46080 bytes of 'output' and 11520 bytes of 'table', but machine 'small' has 40960 and 8192{{$}}
attempt(cost.concentrated_tiling, 180, 0, Gemm(463, 768, weights=2, gathered=True))
# weights do not depend on the m-tile
# CHECK-NEXT: needs 10240 bytes of 'wgt', but machine 'small' has 8192{{$}}
attempt(cost.concentrated_tiling, 64, 64, Gemm(463, 768, weights=5))
# CHECK-NEXT: needs 10240 bytes of 'wgt', but machine 'small' has 8192{{$}}
attempt(cost.linear_tiling, 40, Gemm(2_000_000, 64, weights=5))
# accumulators of a quarter of the head's columns
# CHECK-NEXT: needs 135168 bytes of 'output', but machine 'small' has 40960{{$}}
attempt(cost.attention_tiling, 8, 8, 4096)
# CHECK-NEXT: LinearTiling(m=40, n_sub=1,
attempt(cost.concentrated_tiling, 40, 40, Gemm(463, 768, weights=2, gathered=True))
