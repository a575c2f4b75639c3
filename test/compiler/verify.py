# RUN: %python %s %t | filecheck %s
"""A compilation verifies the IR after its last pass; after each pass on request, and where the IR is dumped for someone to read."""
import sys
from pathlib import Path

from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.tools import focusc
from focus.passes import manager

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
verified, run_step = [], manager.run_step


def noted(module, step, verify_after=True):
    verified.append(verify_after)
    run_step(module, step, verify_after)


manager.run_step = noted
model, inputs = zoo.build("llava-tiny")


def passes(what, compiled) -> None:
    """Compile and print which passes were verified after."""
    verified.clear()
    compiled()
    ours = verified[-13:]
    print(what, "all" if all(ours) else "the last" if ours[-1] and not any(ours[:-1]) else ours)


passes("compiled:", lambda: compile_model(model, inputs, scope="backbone"))
# CHECK: compiled: the last
passes("to a level:", lambda: compile_model(model, inputs, scope="backbone", stop="tiled"))
# CHECK-NEXT: to a level: the last
passes("on request:", lambda: compile_model(model, inputs, scope="backbone", verify_each=True))
# CHECK-NEXT: on request: all
passes("dumped:", lambda: compile_model(model, inputs, scope="backbone", dump_ir=folder / "ir"))
# CHECK-NEXT: dumped: all
sys.argv = ["focusc", "llava-tiny", "--scope=backbone", "--verify-each", "-q", "-o", str(folder / "x.fxb")]
passes("focusc --verify-each:", focusc.main)
# CHECK-NEXT: focusc --verify-each: all
