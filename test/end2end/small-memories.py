# RUN: %python %s | filecheck %s
"""One memory of the machine after the other is too small for a concentrated model: always the same wording at a module path, and where it says
that a smaller m_tile helps, one does."""
import os
import re
import sys

import torch  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from models import case

from focus.compiler.backend.compile import compile_model
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import to_text
from focus.passes import manager
from focus.passes.pipeline import pipeline
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

MESSAGE = re.compile(r"'focus\.\w+' op needs (\d+) bytes of '(\w+)', but machine 'tight' has (\d+)"
                     r"(?:; a (smaller|larger) m_tile of the concentration needs less)? \((model\.[\w.]+)\)")
machine, c = Machine.load("focus"), case("llava-onevision-tiny")
laid_out = {m_tile: to_text(compile_model(c.model, c.inputs, machine, Concentration(layers=(1,), alphas=(0.5,), m_tile=m_tile), stop="focus").module,
                            locations=True) for m_tile in (1, 1024)}


def attempt(m_tile: int, memory: str, size: int) -> re.Match | None:
    """The parts of the error, or None where the model fits."""
    values = machine.model_dump(mode="json") | {"name": "tight"}
    values["buffers"][memory]["bytes"] = size
    module = parse_text(laid_out[m_tile], context=make_context())
    try:
        manager.run(module, [s for s in pipeline(Machine.from_dict(values)) if s.name in ("fuse-concentration", "map", "tile", "schedule", "allocate")])
    except FocusError as e:
        match = MESSAGE.fullmatch(str(e))
        assert match and match[2] == memory and int(match[1]) > size == int(match[3]), str(e)
        return match
    return None


for memory in ("map", "table", "conc", "ids", "input", "wgt", "output", "vector", "stats", "importance", "counts"):
    said = []
    for size in (128, 2048):
        failed = attempt(1024, memory, size)
        if failed and failed[4]:        # with one token a tile, it is not here that it fails
            again = attempt(1, memory, size)
            assert again is None or again[5] != failed[5] or again[4] == "larger", again[0]
        said.append(failed[4] or "error" if failed else "fits")
    print(memory, *said)
print("counts of short m-tiles", attempt(1, "counts", 128)[4])
# CHECK: map smaller fits
# CHECK-NEXT: table smaller smaller
# CHECK-NEXT: conc smaller smaller
# CHECK-NEXT: ids smaller fits
# CHECK-NEXT: input error error
# CHECK-NEXT: wgt error error
# CHECK-NEXT: output error error
# CHECK-NEXT: vector error smaller
# CHECK-NEXT: stats error fits
# CHECK-NEXT: importance error fits
# CHECK-NEXT: counts fits fits
# CHECK-NEXT: counts of short m-tiles larger
