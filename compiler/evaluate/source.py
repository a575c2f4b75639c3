"""What computed rows depend on beside their own settings.

In: nothing.  Out: `source_key`, which changes when a result may.
"""
import hashlib
import importlib
from pathlib import Path


def source_key() -> str:
    """A digest of what results depend on: the installed package."""
    digest = hashlib.sha256()
    for room in ("runtime", "dialects", "passes", "compiler"):
        folder = Path(importlib.import_module(f"focus.{room}").__path__[0])
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".toml", ".cpp", ".h")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
