"""focus-translate: programs from text to words and back.

In: assembly text, or a program as an `.fxb` file or as bare 16-byte words.  Out: the other form.
"""
from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile

import numpy as np

from focus.runtime.run import asm, fxb
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write
from focus.runtime.tools.cli import parsed, read_input, tool

_EXAMPLES = """
examples:
  focus-translate --disassemble demo.fxb -o demo.s              the program as text, with the module each instruction belongs to
  focus-translate --assemble demo.s --into demo.fxb -o new.fxb  a copy of demo.fxb with the edited program
  focus-translate --assemble loop.s | focus-translate --disassemble   bare words through a pipe

The text form and every instruction: docs/isa.md.
"""


@tool
def main(argv: list[str] | None = None) -> None:
    parser = _parser()
    args = parsed(parser, argv)
    if args.into and not args.assemble:
        parser.error("--into goes with --assemble")
    if args.into and args.output == "-":
        parser.error("--into needs a file to write: give one with -o")
    if args.entry and args.assemble and not args.into:
        parser.error("--entry says which program of an .fxb file is meant")
    data, name = read_input(args.file), "<stdin>" if args.file == "-" else args.file
    if args.disassemble:
        _write(args.output, _disassemble(data, name, args.entry).encode())
    else:
        _assemble(data, name, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="focus-translate", description="Assemble and disassemble programs of the Focus accelerator. Disassembling and assembling "
        "again gives the identical bytes.", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument("--assemble", action="store_true", help="text to words")
    direction.add_argument("--disassemble", action="store_true", help="words, or the program of an .fxb file, to text")
    parser.add_argument("file", nargs="?", default="-", help="input; - or nothing for stdin")
    parser.add_argument("-o", "--output", default="-", help="output; - or nothing for stdout")
    parser.add_argument("--entry", metavar="NAME", help="of a program that can go on, the one for what follows the request: decode or extend")
    parser.add_argument("--into", metavar="BINARY",
                        help="with --assemble: write a copy of this .fxb file with the new program instead of bare words")
    return parser


def _entry(binary: fxb.Binary, name: str | None, file: str) -> fxb.Binary:
    """The program of a binary, or an entry of it."""
    if name is not None and name not in binary.entries:
        raise FocusError(f"{file}: no entry '{name}'; it has {', '.join(binary.entries) or 'none'}")
    return binary if name is None else binary.entries[name]


def _disassemble(data: bytes, name: str, entry: str | None) -> str:
    if _is_container(data):
        with tempfile.NamedTemporaryFile(suffix=".fxb") as file:        # containers are mapped, and stdin cannot be
            if name == "<stdin>":
                file.write(data)
                file.flush()
            binary = _entry(fxb.load(file.name if name == "<stdin>" else name), entry, name)
        return asm.disassemble(binary.text, binary.source, list(binary.modules), name)
    if len(data) % asm.WORD_BYTES:
        raise FocusError(f"{name}: {len(data)} bytes are neither an .fxb file nor a multiple of {asm.WORD_BYTES}")
    return asm.disassemble(np.frombuffer(data, np.uint8).reshape(-1, asm.WORD_BYTES), where=name)


def _is_container(data: bytes) -> bool:
    """Whether these are a safetensors file (length of the header, then the header's brace) rather than bare words."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8


def _assemble(data: bytes, name: str, args: argparse.Namespace) -> None:
    try:
        listing = data.decode()
    except UnicodeDecodeError:
        raise FocusError(f"{name}: no UTF-8 text") from None
    if not args.into:
        _write(args.output, asm.assemble(listing, name).text.tobytes())
        return
    whole = fxb.load(args.into)
    old = _entry(whole, args.entry, args.into)
    new = asm.assemble(listing, name, list(old.modules))
    changed = dataclasses.replace(old, text=new.text, source=new.source, modules=tuple(new.modules))
    (changed if args.entry is None else dataclasses.replace(whole, entries={**whole.entries, args.entry: changed})).save(args.output)


def _write(path: str, data: bytes) -> None:
    """To a file, whole or not at all, or to stdout for "-"."""
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
