"""Contexts with all our dialects, and modules read from text or files: the top of this room.

In: text or a file.  Out: `make_context`, a context with every upstream dialect, torch and ours; `parse_text`, `parse_file`, a verified module.
"""
from __future__ import annotations

from os import PathLike
from pathlib import Path

from torch_mlir._mlir_libs import _torchMlir
from torch_mlir.passmanager import PassManager

from focus.dialects import fisa, focus, tile_ops  # noqa: F401  importing tile_ops adds its classes to the focus dialect
from focus.dialects.contracts import check_module
from focus.dialects.support import DiagnosedError, Diagnostic, collect, ir
from focus.runtime.spec.errors import FocusError


def make_context() -> ir.Context:
    """A new single-threaded context with every upstream dialect, torch, torch_c, `focus` and `fisa` loaded.

    Use it as `with make_context(), ir.Location.unknown():`.
    """
    context = ir.Context()
    _torchMlir.register_dialect(context)
    with context, ir.Location.unknown():
        # torch_c has no registration of its own: the pass that needs it loads it.
        PassManager.parse("builtin.module(torch-func-backend-type-conversion)").run(ir.Module.create().operation)
        for dialect in (focus.Focus, fisa.Fisa):
            dialect.load()
    return context


def parse_text(text: str, name: str = "<string>", context: ir.Context | None = None) -> ir.Module:
    """Parse and verify a module.  Raises DiagnosedError with every diagnostic, `name` standing for the file."""
    context = context or ir.Context.current
    with context, ir.Location.unknown(context), collect(context, name) as found:
        try:
            module = ir.Module.parse(text)
        except ir.MLIRError:
            raise DiagnosedError(found, f"{name}: not a module") from None
        return _checked(module, found, name)


def _checked(module: ir.Module, found: list[Diagnostic], name: str) -> ir.Module:
    """The module, if what it and its functions carry beside their ops is right too.  Raises DiagnosedError."""
    if not check_module(module):
        raise DiagnosedError(found, f"{name}: does not verify")
    return module


def parse_file(path: str | PathLike, context: ir.Context | None = None) -> ir.Module:
    """Parse and verify the module in a file (text or bytecode); locations carry the path.  Raises DiagnosedError with every diagnostic."""
    context = context or ir.Context.current
    try:
        raw = Path(path).read_bytes()
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror}") from None
    if raw.startswith(b"ML\xefR") and not _has_text(raw):
        raise FocusError(f"{path}: damaged bytecode: its strings are no UTF-8")
    with context, ir.Location.unknown(context), collect(context, str(path)) as found:
        try:
            module = ir.Module.parseFile(str(path))
        except ir.MLIRError:
            raise DiagnosedError(found, f"{path}: not a module") from None
        return _checked(module, found, str(path))


def _has_text(raw: bytes) -> bool:
    """Whether the strings of MLIR bytecode are UTF-8; MLIR's bindings end the process over others.  True where there is no telling: MLIR will."""
    try:
        at = raw.index(0, _number(raw, 4)[1]) + 1           # behind the version and the producer
        while True:
            section, (size, at) = raw[at], _number(raw, at + 1)
            if section >> 7:
                alignment, at = _number(raw, at)
                at = -(-at // alignment) * alignment
            if section & 0x7F == 0:                         # the one of strings: how many, their lengths from the last to the first, the strings
                break
            at += size
        end, lengths = at + size, []
        count, at = _number(raw, at)
        for _ in range(count):
            length, at = _number(raw, at)
            lengths.append(length)
        for length in lengths:
            raw[max(end - length, 0):end].decode()
            end -= length
    except UnicodeDecodeError:
        return False
    except (IndexError, ValueError, ZeroDivisionError):
        pass
    return True


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where the next one begins: the zeros at the low end of its first byte are how many bytes follow."""
    first = raw[at]
    more = (first & -first).bit_length() - 1 if first else 8
    value = int.from_bytes(raw[at:at + 1 + more], "little")
    return value >> min(more + 1, 8), at + 1 + more
