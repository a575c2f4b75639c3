"""Tiny models and the interpretation of their IR, for the tests in the folder above.

In: a zoo-like request.  Out: `interpreted(model, inputs, pipeline)`: what the IR after these passes computes, by `interp.py`.
"""
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from interp import Interpreter  # noqa: E402

from focus.compiler.importer import import_model  # noqa: E402
from focus.passes import manager  # noqa: E402
from focus.passes.annotate_tokens import attach_token_layout  # noqa: E402


def interpreted(model, inputs, pipeline, half=False):
    """Logits [1, vocabulary] and trace of the model's IR after each pass of `pipeline` (a list of pipeline texts), as a list of pairs."""
    imported = import_model(model, inputs)
    params = {name: value() for name, value in imported.params.items()}
    arguments = {name: inputs[name].numpy() for name, _, _ in imported.inputs}
    results = []
    with imported.module.context:
        attach_token_layout(imported.module, imported.tokens)
        for step in pipeline:
            manager.run(imported.module, step)
            interpreter = Interpreter(params, half)
            logits, = interpreter.run(imported.module.body.operations[0], arguments)
            results.append((logits, interpreter.trace))
    return results


def distance(a, b):
    """Relative distance in the L2 norm."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
