"""Contexts with all our dialects, and modules read from text or files: the top of this room.

In: text or a file.  Out: `make_context`, a context with every upstream dialect, torch and ours; `parse_text`, `parse_file`, a verified module.
"""
from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

from torch_mlir._mlir_libs import _torchMlir
from torch_mlir.passmanager import PassManager

from focus.dialects import bytecode, fisa, focus, tile_ops  # noqa: F401  importing tile_ops adds its classes to the focus dialect
from focus.dialects.contracts import check_module
from focus.dialects.support import DiagnosedError, Diagnostic, collect, ir
from focus.runtime.spec.errors import FocusError, first_line


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
    _check_text(text, name)
    with context, ir.Location.unknown(context), collect(context, name) as found:
        try:
            module = ir.Module.parse(text)
        except ir.MLIRError:
            raise DiagnosedError(found, f"{name}: not a module") from None
        return _checked(module, found, name)


def _checked(module: ir.Module, found: list[Diagnostic], name: str) -> ir.Module:
    """The module, if what it and its functions carry beside their ops is right too.  Raises DiagnosedError."""
    try:
        right = check_module(module)
    except (TypeError, RuntimeError) as e:                  # the bindings': a location, for example, that is the value of an attribute
        raise DiagnosedError(found, f"{name}: an attribute of a function is of a kind that MLIR's bindings cannot read: {first_line(e)}") from None
    if not right:
        raise DiagnosedError(found, f"{name}: does not verify")
    return module


def _check_text(text: str, name: str) -> None:
    """Raise FocusError for text that MLIR's reader, or its bindings, do not survive."""
    _check_strings(text, name)
    at = text.find(_CONCAT)
    while at >= 0:
        end = text.find("->", at)
        if found := _NO_DIMENSION.search(text, at, end if end >= 0 else len(text)):
            raise FocusError(f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {_CONCAT}: a dimension of 0 or more expected, got '{found[1]}'")
        at = text.find(_CONCAT, max(at + 1, end))


_CONCAT = "tensor.concat"
_NO_DIMENSION = re.compile(r"\bdim\s*[(=]\s*((?:-\s*\d|#|0x)\w*)")       # MLIR's verifier looks up what is there, also below 0
_ESCAPED = re.compile(r"\\\\|((?:\\[89A-Fa-f][0-9A-Fa-f])+)")     # an escaped backslash, or bytes that are no ASCII


def _check_strings(text: str, name: str) -> None:
    """Raise FocusError where a string of MLIR text is no UTF-8: the bindings cannot read it."""
    for found in _ESCAPED.finditer(text):
        try:
            bytes.fromhex((found[1] or "").replace("\\", "")).decode()
        except UnicodeDecodeError:
            raise FocusError(f"{name}:{text.count(chr(10), 0, found.start()) + 1}: a string is no UTF-8: {found[1]}") from None


def parse_file(path: str | PathLike, context: ir.Context | None = None) -> ir.Module:
    """Parse and verify the module in a file (text or bytecode); locations carry the path.  Raises DiagnosedError with every diagnostic."""
    context = context or ir.Context.current
    try:
        raw = Path(path).read_bytes()
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror}") from None
    if bytecode.is_bytecode(raw):
        return parse_text(bytecode.as_text(raw, str(path), context), str(path), context)
    try:
        _check_text(raw.decode(), str(path))
    except UnicodeDecodeError as e:
        raise FocusError(f"{path}: is neither text nor MLIR bytecode (byte {e.start})") from None
    with context, ir.Location.unknown(context), collect(context, str(path)) as found:
        try:
            module = ir.Module.parseFile(str(path))
        except ir.MLIRError:
            raise DiagnosedError(found, f"{path}: not a module") from None
        return _checked(module, found, str(path))
