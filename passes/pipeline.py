"""The compilation, in order.

In: the machine and the concentration to compile for.  Out: the list of passes from the torch dialect to instructions; each can be run
alone with `focus-opt`.
"""
from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from focus.passes.steps import Step

if TYPE_CHECKING:           # both need pydantic, without which focus-opt starts
    from focus.runtime.spec.concentration import Concentration
    from focus.runtime.spec.machine import Machine


def pipeline(machine: Machine | str = "focus", concentration: Concentration | str = "off", mappings: str = "", save_mappings: str = "",
             search: int = 0) -> list[Step]:
    """The passes of a whole compilation.

    mappings: a TOML file that fixes mappings by module path; save_mappings: one to write with those chosen; search: how many mappings of a form
    are simulated.
    """
    target = {"machine": machine}
    choice = target | {"overrides": mappings, "save": save_mappings, "search": search}
    return [
        Step("convert-torch-to-focus"),                                     # torch ops -> ops on [tokens, features] matrices
        Step("annotate-tokens"),                                            # where the visual tokens are; layers; the last row
        Step("fuse"),                                                       # bias, activation, residual, moments into GEMMs
        Step("insert-concentration", {"concentration": concentration}),     # SEC: importance and pruning; SIC: gather at five sites
        Step("assign-layout", target),                                      # visual rows first; convolution-style layouter banks
        Step("choose-hoisting", target),                                    # whether that pays, where it is left open
        Step("hoist-pruning"),                                              # a layer that prunes does so before its queries
        Step("fuse-concentration", target),                                 # norms and GEMMs gather their results on the way out
        Step("choose-m-tile", target),                                      # rows of the concentration's tiles, where they are left open
        Step("map", choice),                                                # tile sizes, what stays, form: #focus.mapping on every op
        Step("tile", target),                                               # kernels: loops over tiles that fit the buffers
        Step("schedule", target),                                           # double buffering, semaphores between units
        Step("allocate", target),                                           # addresses on chip and in DRAM
        Step("lower-to-fisa"),                                              # instructions, address generators, hardware loops
    ]


def step_pipeline(machine: Machine | str = "focus", mappings: str = "", search: int = 0) -> list[Step]:
    """The passes for a step of decode: those of `pipeline` but for what is about visual tokens, which it has none of."""
    kept = ("convert-torch-to-focus", "fuse", "map", "tile", "schedule", "allocate", "lower-to-fisa")
    return [step for step in pipeline(machine, mappings=mappings, search=search) if step.name in kept]


@cache
def pass_names() -> tuple[str, ...]:
    """The names of the passes, in order."""
    return tuple(step.name for step in pipeline())
