"""Files: configuration that is read, and output that appears whole or not at all.

In: a path.  Out: `read_toml`, the tables of a file; `check_outputs`, whether files can be written; `atomic_write`, a context manager that
yields a temporary name beside it (for a pipe or a device, elsewhere).
"""
from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from focus.runtime.spec.errors import FocusError

MOST_TOML = 1 << 20             #: bytes of a TOML file; the largest of ours has some thousand


def read_toml(path: str | os.PathLike) -> dict[str, Any]:
    """The tables of a TOML file of at most `MOST_TOML` bytes.  Raises FocusError naming the file."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_TOML + 1)              # a device may go on for ever
        if len(raw) > MOST_TOML:
            raise FocusError(f"{path}: no TOML file: longer than {MOST_TOML} bytes")
        return tomllib.loads(raw.decode())
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except RecursionError:
        raise FocusError(f"{path}: no TOML: nested too deep") from None
    except ValueError as e:                             # no TOML, no UTF-8, a number of thousands of digits, a null byte in the path
        raise FocusError(f"{path}: no TOML: {e}") from None


def check_outputs(*paths: str | os.PathLike | None) -> None:
    """Raise FocusError now for files that could not be written after minutes of work: in no folder, a folder themselves, or one of them twice.
    None is no file."""
    seen = set()
    for path in (Path(p) for p in paths if p is not None):
        try:
            where = Path(os.path.realpath(path))
            if not where.parent.is_dir():
                raise FocusError(f"{path}: cannot write: no folder {path.parent}")
            if where.is_dir():
                raise FocusError(f"{path}: cannot write: is a folder")
        except (OSError, ValueError) as e:              # a name too long, a null byte
            raise FocusError(f"{path}: cannot write: {getattr(e, 'strerror', None) or e}") from None
        if where in seen and (where.is_file() or not where.exists()):       # a device takes any number
            raise FocusError(f"{path}: cannot write: two outputs are to go there")
        seen.add(where)


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block ends, remove it when the block raises.

    The caller writes the temporary path in full (it exists and is empty at the start).  A link stays one: what it points to is
    replaced.  A pipe or a device (/dev/null, /dev/stdout) stays one too: the finished file is copied into it.
    Raises FocusError when the folder does not exist or cannot be written.
    """
    check_outputs(path)
    special = os.path.exists(path) and not os.path.isfile(path)         # asked of the path itself: /dev/stdout may lead to a pipe without a name
    shown, path = path, Path(path if special else os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=None if special else path.parent)
    except OSError as e:
        raise FocusError(f"{shown}: cannot write: {e.strerror or e}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if special:
            with open(temporary, "rb") as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out)
            return
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as e:
        raise FocusError(f"{shown}: cannot write: {e.strerror or e}") from e
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file creation mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
