"""Focus: from a PyTorch vision-language model to a binary for the Focus accelerator, and a simulator that runs it.

In: nothing at import time.  Out: `compile`, `load`, `reference`, `agreement`, `check`, `fidelity`, `Concentration`, `Machine` and `FocusError`,
each imported from the room that owns it when it is first used (PEP 562), so that the small tools start without importing torch or MLIR;
`__version__`, that of the package installed (pyproject.toml states it).
"""
import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focus.compiler.backend.compile import compile
    from focus.compiler.truth.agreement import agreement
    from focus.compiler.truth.divergence import check
    from focus.compiler.truth.fidelity import fidelity
    from focus.compiler.truth.reference import reference
    from focus.runtime.run.executable import load
    from focus.runtime.spec.concentration import Concentration
    from focus.runtime.spec.errors import FocusError
    from focus.runtime.spec.machine import Machine

DISTRIBUTION = "focus-vlm"          #: the package's name for pip

_EXPORTS = {
    "compile": "focus.compiler.backend.compile",
    "load": "focus.runtime.run.executable",
    "reference": "focus.compiler.truth.reference",
    "agreement": "focus.compiler.truth.agreement",
    "check": "focus.compiler.truth.divergence",
    "fidelity": "focus.compiler.truth.fidelity",
    "Concentration": "focus.runtime.spec.concentration",
    "Machine": "focus.runtime.spec.machine",
    "FocusError": "focus.runtime.spec.errors",
}

__all__ = ["Concentration", "FocusError", "Machine", "__version__", "agreement", "check", "compile", "fidelity", "load", "reference"]


def __getattr__(name: str) -> Any:
    """The exported object `name`, imported on first use and then kept."""
    if name == "__version__":
        value = importlib.metadata.version(DISTRIBUTION)
    elif name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
    else:
        raise AttributeError(f"module 'focus' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
