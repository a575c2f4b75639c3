"""Zoo models in the torch dialect and the interpretation of their IR after passes, for the tests in the folder above.

In: a name of the zoo.  Out: `Imported(name)`, whose `run(pipeline)` says what the IR after these passes computes, by `interp.py`.
"""
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from interp import Interpreter

from focus.compiler.backend.interface import Interface
from focus.compiler.frontend import zoo
from focus.compiler.frontend.importer import import_model
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir, to_text
from focus.passes import manager


class Imported:
    """A zoo model, its inputs, its parameters by name (numpy) and its IR in the torch dialect as text."""

    def __init__(self, name):
        self.model, self.inputs = zoo.build(name)
        imported = import_model(self.model, self.inputs)
        self.params = {name: value().copy() for name, value in imported.params.items()}
        self.arguments = {name: self.inputs[name].numpy() for name, _, _ in imported.inputs}
        interface = Interface(tuple(imported.inputs), imported.static_inputs, name, imported.model_info["depth"], tokens=imported.tokens)
        with imported.module.context, ir.Location.unknown():
            interface.attach(imported.module.body.operations[0])
        self.text = to_text(imported.module)

    def run(self, *pipelines, half=False):
        """(logits [1, vocabulary], trace) after each of the pipelines, run one after the other."""
        results = []
        with make_context(), ir.Location.unknown():
            module = parse_text(self.text)
            for pipeline in pipelines:
                manager.run(module, pipeline)
                interpreter = Interpreter(self.params, half)
                logits, = interpreter.run(module.body.operations[0], self.arguments)
                results.append((logits, interpreter.trace))
        return results


def distance(a, b):
    """Relative distance in the L2 norm."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
