"""Focus: from a PyTorch vision-language model to a binary for the Focus accelerator, and a simulator that runs it.

In: nothing at import time.  Out: `compile`, `load`, `reference`, `agreement`, `Concentration`, `Machine` and `FocusError`, each imported from the
room that owns it when it is first used (PEP 562), so that the small tools start without importing torch or MLIR.
"""
import importlib

_EXPORTS = {
    "compile": "focus.compiler.backend.compile",
    "load": "focus.runtime.run.executable",
    "reference": "focus.compiler.truth.reference",
    "agreement": "focus.compiler.truth.agreement",
    "Concentration": "focus.runtime.spec.concentration",
    "Machine": "focus.runtime.spec.machine",
    "FocusError": "focus.runtime.spec.errors",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
    """The exported object `name`, imported on first use and then kept."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'focus' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
