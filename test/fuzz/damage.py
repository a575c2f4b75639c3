"""Ways to damage things: JSON values, text, instruction words, bytes.

In: a `random.Random` and the thing.  Out: another one.  Numbers are often those at which something overflows or wraps.  `Finding` is what a case
raises where a result is wrong.
"""
from __future__ import annotations

import copy
import re
from random import Random
from typing import Any

import numpy as np

from focus.runtime.spec import isa

NUMBERS = (0, 1, -1, 2, 3, 7, 31, 32, 33, 127, 128, 255, 256, 1023, 1024, 65535, 65536, 2 ** 24 - 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40 - 1,
           2 ** 48, 2 ** 48 + 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64, -2 ** 31, -2 ** 63)
WORDS = ("", "\0", "a\0b", "\x1b[2J", "..", "/", "x" * 5000, "\u202e", "é", "0", "-1", "nan", "true", "\n")


class Finding(AssertionError):
    """A result that is wrong."""


def number(rng: Random, near: int | float = 0) -> int | float:
    if isinstance(near, float) and rng.random() < 0.5:
        return rng.choice((0.0, -1.0, 1e-300, 1e300, float("inf"), float("nan"), near * 2, near + 1e-9))
    return int(near) + rng.choice((-1, 1, 2, 64)) if rng.random() < 0.4 and near == near and abs(near) < 1e18 else rng.choice(NUMBERS)


def _places(value: Any, place: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [p for key, v in inner for p in _places(v, (*place, key))]


def values(rng: Random, value: Any, times: int = 1) -> Any:
    """Nested dictionaries and lists with some of the values changed, left out, doubled, or exchanged."""
    value = copy.deepcopy(value)
    for _ in range(times):
        places = _places(value)
        if not places:
            return rng.choice((None, 0, "", [], {}))
        *path, key = rng.choice(places)
        box = value
        for k in path:
            box = box[k]
        old, what = box[key], rng.random()
        if what < 0.55 and isinstance(old, (int, float)) and not isinstance(old, bool):
            box[key] = number(rng, old)
        elif what < 0.65 and isinstance(old, str):
            box[key] = rng.choice(WORDS)
        elif what < 0.75:
            del box[key]
        elif what < 0.85 and isinstance(box, list):
            box.insert(rng.randrange(len(box) + 1), copy.deepcopy(old))
        elif what < 0.9 and isinstance(box, dict):
            box[rng.choice(WORDS)] = old
        else:
            box[key] = rng.choice((None, True, [], {}, "", number(rng), rng.choice(WORDS), [[[]]], copy.deepcopy(rng.choice(list(_leaves(value)) or [0]))))
    return value


def _leaves(value: Any):
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield inner if not isinstance(inner, (dict, list)) else None
        yield from _leaves(inner)


_TOKEN = re.compile(r"[A-Za-z_%@!#$][\w.\-$]*|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\"[^\"\n]*\"|\S")
_NUMBER = re.compile(r"(?<![\w.%@#])-?\d+(?:\.\d+)?")


def text(rng: Random, source: str, times: int = 1) -> str:
    """Text with numbers, tokens or lines changed."""
    for _ in range(times):
        what = rng.random()
        lines = source.split("\n")
        if what < 0.45 and (found := list(_NUMBER.finditer(source))):
            at = rng.choice(found)
            old = float(at[0]) if "." in at[0] else int(at[0])
            source = source[:at.start()] + str(number(rng, old)) + source[at.end():]
        elif what < 0.75 and len(found := list(_TOKEN.finditer(source))) > 1:
            at, other = rng.choice(found), rng.choice(found)
            source = source[:at.start()] + rng.choice(("", other[0], other[0], at[0] + " " + at[0])) + source[at.end():]
        elif what < 0.85 and len(lines) > 1:
            del lines[rng.randrange(len(lines))]
            source = "\n".join(lines)
        elif what < 0.95 and len(lines) > 1:
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = (lines[b], lines[a]) if rng.random() < 0.5 else (lines[b], lines[b])
            source = "\n".join(lines)
        else:
            at = rng.randrange(len(source) + 1)
            source = source[:at] + rng.choice(("\0", "\x1b", "\ud7ff", "(", ")", "<", ">", "{", "}", '"', "99999999999999999999", "")) + source[at + rng.randrange(3):]
    return source


def data(rng: Random, raw: bytes, times: int = 1) -> bytes:
    """Bytes with some changed, cut off, or put in."""
    raw = bytearray(raw)
    for _ in range(times):
        what, at = rng.random(), rng.randrange(max(len(raw), 1))
        if what < 0.7 and raw:
            raw[at] = rng.choice((0, 255, raw[at] ^ 1 << rng.randrange(8)))
        elif what < 0.85:
            del raw[at:rng.choice((at + 1, at + 8, len(raw)))]
        else:
            raw[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 8, 16))))
    return bytes(raw)


def words(rng: Random, program: np.ndarray, times: int = 1) -> np.ndarray:
    """A program (uint8 [n, 16]) with fields, bits or instructions changed, left out, doubled or exchanged; most are still well formed."""
    program = program.copy()
    for _ in range(times):
        at, what = rng.randrange(len(program)), rng.random()
        if what < 0.65:
            try:
                instr, fields = isa.decode(program[at].tobytes())
                if instr.all_fields:
                    f = rng.choice(instr.all_fields)
                    fields[f.name] = rng.choice((f.low, f.high, f.low + 1, f.high - 1, rng.randint(f.low, f.high), fields[f.name] + 1, fields[f.name] - 1,
                                                 *(n for n in NUMBERS if f.low <= n <= f.high)))
                    program[at] = np.frombuffer(isa.encode(instr.mnemonic, fields), np.uint8)
            except isa.EncodingError:
                pass
        elif what < 0.75:
            program[at, rng.randrange(16)] ^= 1 << rng.randrange(8)
        elif what < 0.83 and len(program) > 2:
            program = np.delete(program, at, 0)
        elif what < 0.91:
            program = np.insert(program, rng.randrange(len(program)), program[at], 0)
        else:
            other = rng.randrange(len(program))
            program[[at, other]] = program[[other, at]]
    return program
