"""Output files that appear whole or not at all.

In: a path.  Out: `atomic_write`, a context manager that yields a temporary name beside it.
"""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FocusError


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block ends, remove it when the block raises.

    Whoever uses it writes the temporary path in full (it exists and is empty at the start).
    Raises FocusError when the folder does not exist or cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as e:
        raise FocusError(f"{path}: cannot write: {e.strerror or e}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as e:
        raise FocusError(f"{path}: cannot write: {e.strerror or e}") from e
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file creation mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
