"""Reading MLIR bytecode, over which MLIR's reader may end the process, never end itself, or write where it must not, if it is damaged.

In: a file's bytes.  Out: `is_bytecode`; `as_text`, the same module as text.  A child of this process reads the bytecode, so that what it does to
the memory is done to the child's.
"""
from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
from pathlib import Path
from typing import NoReturn

from focus.dialects.support import DiagnosedError, Diagnostic, collect, ir
from focus.runtime.spec.errors import FocusError

MAGIC = b"ML\xefR"
SECONDS = 10                            #: that a file of no size may take
BYTES_PER_SECOND = 50_000               #: slower than any file is read
MEMORY = 2 << 30                        #: bytes of address space that a file of no size may take beyond those of this process
MEMORY_PER_BYTE = 1000


def is_bytecode(raw: bytes) -> bool:
    return raw.startswith(MAGIC)


def as_text(raw: bytes, name: str, context: ir.Context) -> str:
    """The module in bytecode in MLIR's generic form with locations; `name` stands for the file in errors.

    Raises DiagnosedError with what MLIR reports, FocusError where its reader dies or goes on for longer than any file takes.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.close(readable)
        _read_and_exit(raw, name, context, writable)
    os.close(writable)
    with open(readable, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    damaged = f"{name}: damaged bytecode: "
    if os.WIFSIGNALED(status):
        by = signal.Signals(os.WTERMSIG(status))
        raise FocusError(damaged + (f"MLIR's reader does not come to an end within {_seconds(raw)} s" if by == signal.SIGALRM
                                    else f"MLIR's reader ends with {by.name}"))
    try:
        text = said[1:].decode()
        if said[:1] == b"t":
            return text
        found = [_diagnostic(d) for d in json.loads(text)] if said else []
    except ValueError:
        raise FocusError(damaged + "its strings are no UTF-8") from None
    if not found:
        raise FocusError(damaged + "MLIR's reader refuses it without saying why")
    raise DiagnosedError(found, damaged)


def _diagnostic(fields: dict) -> Diagnostic:
    return Diagnostic(**fields | {"notes": list(map(_diagnostic, fields["notes"]))})


def _seconds(raw: bytes) -> int:
    return SECONDS + len(raw) // BYTES_PER_SECOND


def _read_and_exit(raw: bytes, name: str, context: ir.Context, out: int) -> NoReturn:
    """In the child: write `t` and the text, or `d` and the diagnostics, or nothing."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_seconds(raw))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _bound_memory(MEMORY + MEMORY_PER_BYTE * len(raw))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)        # what the reader says when it dies
        with open(out, "wb") as pipe, context, ir.Location.unknown(context), collect(context, name) as found:
            try:
                module = ir.Module.parse(raw)
                pipe.write(b"t" + module.operation.get_asm(binary=True, enable_debug_info=True, print_generic_op_form=True))
            except ir.MLIRError:
                pipe.write(b"d" + json.dumps([dataclasses.asdict(d) for d in found]).encode())
    finally:
        os._exit(0)


def _bound_memory(more: int) -> None:
    """Let this process have so many bytes of address space more than it has, where the system says how many these are."""
    used, (_, hard) = Path("/proc/self/statm"), resource.getrlimit(resource.RLIMIT_AS)
    if used.exists():
        limit = int(used.read_text().split()[0]) * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
