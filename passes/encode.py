"""From a program in the fisa dialect to the words of a binary.

In: a `fisa.program` and the routines of its module.  Out: 16 bytes per instruction, and the module path each computes for.

A routine is encoded once.  For each call its words are copied, the addresses and the site of the call added where they belong; the source is the
path of the call.  A routine sets up all that it uses; of that, what would set a generator, register or semaphore to the value it has
already is left out.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch_mlir import ir

from focus.dialects import fisa
from focus.dialects.support import get_attr, path_of, symbol
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError

#: instructions that set up what their field `id` says
SET_UP = ("agu", "ext", "scalar", "sem")
#: instructions that add to the one before them -> which that is
ADDED = {"agu.stride": "agu", "agu.step": "agu", "ext.step": "ext"}
Register = tuple[str, int]      #: one of SET_UP and a number
HALF = 64                       #: bits of half a word, as numpy holds it


@dataclass
class _Added:
    """A field to which calls add: of which words, and the number of the argument that is added to each."""
    mnemonic: str
    name: str
    words: list[int] = field(default_factory=list)
    arguments: list[int] = field(default_factory=list)

    def to(self, words: np.ndarray, values: list[int]) -> None:
        """Add the arguments' values to words [n, 2] uint64 (lower half first)."""
        at, bits = isa.place_of(self.mnemonic, self.name)
        half, shift, most = at // HALF, np.uint64(at % HALF), (1 << bits) - 1
        added = np.array(values, np.uint64)[self.arguments]
        total = (words[self.words, half] >> shift & np.uint64(most)) + added
        if (total > most).any():
            raise FocusError(f"a call makes field '{self.name}' of '{self.mnemonic}' {int(total.max())}, which is more than {most}")
        words[self.words, half] += added << shift


@dataclass
class _Routine:
    """An encoded routine: words [n, 2] uint64, what calls add, and its set-up: (register, first word, end, whether it lasts)."""
    words: np.ndarray
    bases: _Added
    sites: _Added
    set_up: list[tuple[Register, int, int, bool]]

    @classmethod
    def of(cls, op: ir.OpView) -> _Routine:
        """Encode a `fisa.routine`."""
        words, depth = [], 0
        set_up: list[tuple[Register, int, int, bool]] = []
        bases, sites = _Added("agu", "base"), _Added("sic.gather", "site")
        for number, inner in enumerate(op.block.operations):
            entry, values = fisa.fields_of(inner)
            words.append(isa.encode(entry.mnemonic, values))
            argument = get_attr(inner, fisa.ARGUMENT)
            if argument is not None:
                bases.words.append(number)
                bases.arguments.append(argument)
            elif entry.mnemonic == "sic.gather":
                sites.words.append(number)
                sites.arguments.append(0)
            depth += (entry.mnemonic == "loop") - (entry.mnemonic == "endloop")
            _note_set_up(set_up, entry.mnemonic, values, number, depth == 0)
        return cls(np.frombuffer(b"".join(words), np.uint64).reshape(-1, 2), bases, sites, set_up)

    def called(self, addresses: list[int], site: int, held: dict[Register, bytes | None]) -> bytes:
        """The instructions of one call.  `held`: the words that set up each register as it is, brought up to date."""
        words = self.words.copy()
        self.bases.to(words, addresses)
        self.sites.to(words, [site])
        raw, keep = words.tobytes(), np.ones(len(words), bool)
        for register, start, end, lasts in self.set_up:
            value = raw[16 * start:16 * end] if lasts else None
            if value is not None and held.get(register) == value:
                keep[start:end] = False
            held[register] = value
        return words[keep].tobytes()


def _note_set_up(set_up: list, mnemonic: str, values: dict[str, int], number: int, outside: bool) -> None:
    """Append an instruction to a routine's set-up, if it is part of it.  Strides and steps belong to the generator they follow; a ring does not
    stay as it was set up, and of what loops set up nothing is known."""
    if mnemonic in SET_UP:
        set_up.append(((mnemonic, values["id"]), number, number + 1, outside and values.get("slots", 1) == 1))
    elif mnemonic in ADDED:
        register, start, end, lasts = set_up[-1] if set_up else (None, 0, 0, False)
        if register == (ADDED[mnemonic], values["id"]) and end == number:
            set_up[-1] = register, start, number + 1, lasts
        else:
            set_up.append(((ADDED[mnemonic], values["id"]), number, number + 1, False))


def encode_program(program: ir.OpView) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """`text` uint8 [n, 16], `source` uint32 [n] and the module paths it indexes."""
    routines: dict[str, _Routine] = {}
    held: dict[Register, bytes | None] = {}
    chunks, source = [], []
    modules: dict[str, int] = {}
    for op in program.block.operations:
        if op.operation.name == "fisa.call":
            name = op.callee
            if name not in routines:
                routines[name] = _Routine.of(symbol(op, name))
            chunks.append(routines[name].called(op.addresses, get_attr(op, "site", 0), held))
        else:
            entry, values = fisa.fields_of(op)
            chunks.append(isa.encode(entry.mnemonic, values))
            held.clear()
        source.append(modules.setdefault(path_of(op) or "program", len(modules)))
    text = np.frombuffer(b"".join(chunks), np.uint8).reshape(-1, 16).copy()
    return text, np.repeat(np.array(source, np.uint32), [len(c) // 16 for c in chunks]), tuple(modules)
