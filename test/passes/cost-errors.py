# What fits no buffers is refused with what is needed of which memory, and with what helps where it is the concentration's m-tile that sets it.
# RUN: %python %s %S/../end2end/Inputs/small.toml | filecheck %s
import sys

from focus.passes.kernels.forms import AttentionForm, GemmForm
from focus.passes.mapping.search import Search
from focus.passes.mapping.space import Target
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

search = Search(Target(Machine.load(sys.argv[1]), 32))


def attempt(form):
    try:
        print(search.choose(form))
    except FocusError as e:
        print(e)


def tile(rows, visual, **options):
    """SwiGLU of an m-tile of unique vectors, whose result is concentrated."""
    return GemmForm(rows, 463, 768, **{"weights": 2, "visual": visual, "unique": True, "gathered": True} | options)


# two maps of 90 entries, the operand's and the result's
# CHECK: needs 384 bytes of 'map', but machine 'small' has 256; a smaller m_tile of the concentration needs less{{$}}
attempt(tile(90, 90))
# CHECK-NEXT: needs 65536 bytes of 'output' and 16384 bytes of 'table' and 32768 bytes of 'conc', but machine 'small' has 40960 and 8192 and 16384;
attempt(tile(256, 4))
# text rows have no maps, and no m_tile makes them fewer
# CHECK-NEXT: needs 46080 bytes of 'output' and 11520 bytes of 'table', but machine 'small' has 40960 and 8192{{$}}
attempt(tile(180, 0))
# weights do not depend on the m-tile
# CHECK-NEXT: needs 10240 bytes of 'wgt', but machine 'small' has 8192{{$}}
attempt(tile(64, 64, weights=5, gathered=False))
# CHECK-NEXT: needs 10240 bytes of 'wgt', but machine 'small' has 8192{{$}}
attempt(GemmForm(40, 2_000_000, 64, weights=5))
# accumulators of a quarter of the head's columns
# CHECK-NEXT: needs 135168 bytes of 'output', but machine 'small' has 40960{{$}}
attempt(AttentionForm(64, ((64, None),), 4096, 1, 1))
# CHECK-NEXT: GemmMapping(slots=4, form='whole', turn='none', m=40, n=32,
attempt(tile(40, 40))
