"""Machines and concentrations of other shapes than the published one, for tests of whole models.

In: rows, columns, elements of a vector.  Out: `machine`, `concentration`, and `check`, which runs a model of the zoo dense and concentrated.
"""
from __future__ import annotations

from models import DENSE, case

from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.machine import Machine


def machine(rows: int, cols: int) -> Machine:
    """The default machine with another array; memories grow with an array beyond 64, and hold weights for three array widths, twice."""
    values = Machine.load("focus").model_dump(mode="json")
    values["array"] |= {"rows": rows, "cols": cols, "fill_cycles": None, "weight_load_cycles": None}
    for buffer in ("wgt", "output", "input", "conc"):
        values["buffers"][buffer]["bytes"] *= 4 if max(rows, cols) > 64 else 1
    values["buffers"]["wgt"]["bytes"] = max(values["buffers"]["wgt"]["bytes"], 2 * 2 * 3 * rows * cols)
    return Machine.from_dict(values)


def concentration(vector: int, depth: int = 3) -> Concentration:
    """Both kinds of concentration with vectors of this length."""
    return Concentration.preset("full", depth).model_copy(update={"vector": vector})


def check(name: str, what: str, target: Machine, vector: int = 32) -> None:
    """Print whether a model is exact, dense and concentrated; `Case.run` asserts what else must hold of every run."""
    model = case(name)
    config = concentration(vector, model.model.config.get_text_config().num_hidden_layers)
    print(name, what, model.run("off", target).distance < DENSE, model.run(config, target).agreement.holds)
