"""Assembler and disassembler of the accelerator's programs.

In: instruction words (uint8 [n, 16]) or assembly text.  Out: the other one.  Both directions are driven by `isa.TABLE`.

The text form has one instruction a line, fields in any order, comments from `#` to the end of the line:

    .module "layers.3.self_attn.q_proj"        # the module the following instructions belong to
    ext id=e0 full=1024 total=3000 step=1024 level=l0
    agu id=a1 space=input dtype=f16 base=0x0 pitch=64 slots=2 slot_bytes=65536 ring_level=l2
    loop trips=e3
      mm src=a1 wgt=a2 dst=a3 rows=e0 k=e1 n=e2 init=first.2 ; wait=s3@2,s4 signal=s5
    endloop
    scalar id=r0 value=0.125

Address generators are `a0`..`a254`, extents `e0`..`e63`, semaphores `s1`..`s63`, scalar registers `r0`..`r15`, loop levels `l0`..`l6` or
`never`; enumeration values are written by name.  `s3@2` waits on (or signals) semaphore 3 with depth 2; without `@` it does so always;
`-` leaves a position empty.  `init` is `always`, `never` or `first.<depth>`.  Absent optional operands are left out.  float32 values
are decimal, or their bits as 0x... where they are NaN.

Disassembling a program and assembling the text gives the identical bytes.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.isa import Field, Instruction

WORD_BYTES = isa.WORD_BITS // 8
_PREFIX = {"mem": "a", "ext": "e", "sem": "s", "scalar": "r"}
_NUMBER_FIELDS = {("agu", "id"): "a", ("agu.stride", "id"): "a", ("agu.step", "id"): "a", ("ext", "id"): "e",
                  ("ext.step", "id"): "e"}     # uint fields that are register numbers
_NAMES = {name: {e.name.lower(): int(e) for e in cls} for name, cls in isa.ENUMS.items()}
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.]*)\s*=\s*([^\s;#]+)|(;))")
_MNEMONIC = re.compile(r"[A-Za-z][\w.]*")
_MODULE = re.compile(r'\.module\s+"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$')


class Decoded(NamedTuple):
    """One instruction of a program: its table entry and its raw field values."""
    instr: Instruction
    values: dict[str, int]


@dataclass
class Assembly:
    """An assembled program: `text` uint8 [n, 16], `source` uint32 [n] (index into `modules`), `modules` module paths."""
    text: np.ndarray
    source: np.ndarray
    modules: list[str] = field(default_factory=lambda: [""])


# ---- words to text ---------------------------------------------------------------------------------------------------
def decode_program(text: np.ndarray, where: str = "program") -> list[Decoded]:
    """All instructions of `text` (uint8 [n, 16]), decoded field by field for all words of one opcode at once.

    Raises FocusError, naming `where` and the instruction's number, for the first word that is no instruction.
    """
    words = np.ascontiguousarray(text).view("<u8").reshape(-1, 2)
    out: dict[int, Decoded] = {}
    opcodes = (words[:, 0] & np.uint64((1 << isa.OPCODE_BITS) - 1)).astype(np.uint8)
    bad = np.zeros(len(words), bool)
    for opcode in np.unique(opcodes):
        at = np.flatnonzero(opcodes == opcode)
        instr = isa.BY_OPCODE.get(int(opcode))
        if instr is None:
            bad[at] = True
            continue
        columns, wrong = _decode_columns(instr, words[at])
        bad[at] |= wrong
        names = [f.name for f in instr.all_fields]
        rows = zip(*columns) if columns else ((),) * len(at)
        for i, row in zip(at.tolist(), rows):
            out[i] = Decoded(instr, dict(zip(names, row)))
    for i in np.flatnonzero(bad).tolist():
        try:                                    # the scalar decoder says what is wrong with it
            isa.decode(np.ascontiguousarray(text[i]).tobytes())
        except isa.EncodingError as e:
            raise FocusError(f"{where}: instruction {i}: {e}") from None
    return [out[i] for i in range(len(words))]


def _decode_columns(instr: Instruction, words: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    """Field values of `words` (uint64 [m, 2], all of one opcode), one list per field, and which words are ill-formed."""
    wrong = np.zeros(len(words), bool)
    columns, at = [], isa.OPCODE_BITS
    for f in instr.all_fields:
        value = _bits(words, at, f.bits).astype(np.int64)
        if f.kind == "sint":
            value -= (value >> (f.bits - 1)) << f.bits
        elif f.kind == "side":
            value[value == 0] = f.high
        elif f.kind == "enum":
            wrong |= ~np.isin(value, list(_NAMES[f.enum].values()))
        elif f.kind == "init":
            wrong |= (value > isa.ALWAYS) & (value != isa.NEVER)
        elif f.kind == "mem" and not f.optional:
            wrong |= value == isa.NO_AGU
        columns.append(value.tolist())
        at += f.bits
    while at < isa.WORD_BITS:                   # reserved bits
        width = min(32, isa.WORD_BITS - at)
        wrong |= _bits(words, at, width) != 0
        at += width
    return columns, wrong


def _bits(words: np.ndarray, at: int, width: int) -> np.ndarray:
    """`width` (at most 63) bits from bit `at` of 128-bit little-endian words (uint64 [m, 2])."""
    low, high = words[:, 0], words[:, 1]
    mask = np.uint64((1 << width) - 1)
    if at >= 64:
        return high >> np.uint64(at - 64) & mask
    if at + width <= 64:
        return low >> np.uint64(at) & mask
    return (low >> np.uint64(at) | high << np.uint64(64 - at)) & mask


def disassemble(text: np.ndarray, source: np.ndarray | None = None, modules: list[str] | None = None, where: str = "program") -> str:
    """Assembly text of a program, indented by loop depth; with `source` and `modules`, a `.module` line where the module changes.

    Raises FocusError for a word that is no instruction.
    """
    lines, depth, module = [], 0, None
    known: dict[bytes, str] = {}                # most words stand in a program many times
    words = np.ascontiguousarray(text).tobytes()
    for i, (instr, values) in enumerate(decode_program(text, where)):
        if source is not None and modules is not None and source[i] != module:
            module = source[i]
            lines.append(f'.module "{_escape(modules[module])}"')
        depth -= instr.mnemonic == "endloop" and depth > 0
        word = words[i * WORD_BYTES:(i + 1) * WORD_BYTES]
        if word not in known:
            known[word] = format_instruction(instr, values)
        lines.append("  " * depth + known[word])
        depth += instr.mnemonic == "loop"
    return "\n".join(lines) + "\n" if lines else ""


def format_instruction(instr: Instruction, values: dict[str, int]) -> str:
    """One line of assembly, without indentation."""
    parts = [instr.mnemonic]
    for f in instr.fields:
        if values[f.name] != isa.default_value(f):
            parts.append(f"{f.name}={_format_value(instr, f, values[f.name])}")
    sync = [f"{kind}={text}" for kind in ("wait", "signal") if instr.synced and (text := _format_sync(kind, values))]
    return " ".join(parts + ([";"] + sync if sync else []))


def _format_value(instr: Instruction, f: Field, v: int) -> str:
    match f.kind:
        case "enum":
            return isa.ENUMS[f.enum](v).name.lower()
        case "init":
            return {isa.ALWAYS: "always", isa.NEVER: "never"}.get(v, f"first.{v}")
        case "loop":
            return "never" if v == isa.MAX_LOOPS else f"l{v}"
        case "f32":
            return _format_f32(v)
        case _:
            prefix = _PREFIX.get(f.kind) or _NUMBER_FIELDS.get((instr.mnemonic, f.name), "")
            return hex(v) if f.name == "base" else f"{prefix}{v}"


def _format_f32(bits: int) -> str:
    """The shortest decimal that reads back as this float32; the bits themselves where none does (NaN)."""
    text = str(np.uint32(bits).view(np.float32))
    return text if _f32_bits(text) == bits else hex(bits)


def _f32_bits(text: str) -> int:
    """Bits of the float32 nearest to a decimal; ValueError if it is none."""
    with np.errstate(over="ignore"):            # too large becomes infinity, as in any store to fp32
        return int(np.array([float(text)]).astype(np.float32).view(np.uint32)[0])


def _format_sync(kind: str, values: dict[str, int]) -> str:
    parts = []
    for i in range(3):
        sem, depth = values[f"{kind}{i}"], values[f"{kind}{i}_depth"]
        parts.append(("-" if sem == isa.NO_SEM else f"s{sem}") + ("" if depth == isa.ALWAYS else f"@{depth}"))
    while parts and parts[-1] == "-":
        parts.pop()
    return ",".join(parts)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


# ---- text to words ---------------------------------------------------------------------------------------------------
def assemble(listing: str, where: str = "<assembly>", modules: list[str] | None = None) -> Assembly:
    """The program of an assembly listing.

    `modules`, when given, is a module table to keep and extend; otherwise one is built in order of appearance, and instructions before
    the first `.module` line belong to module "".
    Raises FocusError `where:line:column: ...` for the first line that is not understood.
    """
    numbers = {path: i for i, path in reversed(list(enumerate(modules or [])))}
    out, source, module = bytearray(), [], None
    known: dict[str, bytes] = {}
    for number, line in enumerate(listing.split("\n"), 1):
        at = f"{where}:{number}"
        body = line.strip()
        if not body or body.startswith("#"):
            continue
        if body.startswith("."):
            found = _MODULE.match(body)
            if not found:
                raise FocusError(f'{at}:{line.index(".") + 1}: expected .module "path"')
            module = numbers.setdefault(_unescape(found[1]), len(numbers))
            continue
        if module is None:
            module = numbers.setdefault("", len(numbers))
        if body not in known:
            known[body] = _assemble_line(line, at)
        out += known[body]
        source.append(module)
    text = np.frombuffer(bytes(out), np.uint8).reshape(-1, WORD_BYTES)
    return Assembly(text, np.array(source, np.uint32), list(numbers) if modules is None else _extend(modules, numbers))


def _extend(modules: list[str], numbers: dict[str, int]) -> list[str]:
    """`modules` with the paths that assembling added after it."""
    return list(modules) + [path for path, i in sorted(numbers.items(), key=lambda item: item[1]) if i >= len(modules)]


def _assemble_line(line: str, at: str) -> bytes:
    start = len(line) - len(line.lstrip())
    head = _MNEMONIC.match(line, start)
    if head is None or head[0] not in isa.TABLE:
        word = line.split(maxsplit=1)[0]
        raise FocusError(f"{at}:{start + 1}: unknown instruction '{word}'")
    instr, position = isa.TABLE[head[0]], head.end()
    values: dict[str, int] = {}
    while (rest := line[position:].strip()) and not rest.startswith("#"):
        token = _TOKEN.match(line, position)
        if not token:
            column = position + len(line[position:]) - len(line[position:].lstrip()) + 1
            raise FocusError(f"{at}:{column}: expected field=value, found '{rest.split()[0]}'")
        if token[1]:
            _add_field(instr, token[1], token[2], values, f"{at}:{token.start(1) + 1}", f"{at}:{token.start(2) + 1}")
        position = token.end()
    try:
        return isa.encode(instr.mnemonic, values)
    except isa.EncodingError as e:
        raise FocusError(f"{at}:{start + 1}: {e}") from None


def _add_field(instr: Instruction, name: str, text: str, values: dict[str, int], name_at: str, value_at: str) -> None:
    """Parse `name=text` of an instruction into `values`; `*_at` are the positions errors point to."""
    if name in ("wait", "signal") and instr.synced:
        new = _parse_sync(name, text, value_at)
    else:
        f = next((f for f in instr.fields if f.name == name), None)
        if f is None:
            raise FocusError(f"{name_at}: '{instr.mnemonic}' has no field '{name}'; it has {_field_names(instr)}")
        v = _parse_value(instr, f, text, value_at)
        low, high = f.low, f.high
        if not low <= v <= high:
            raise FocusError(f"{value_at}: {name} is {v}, outside {low}..{high}")
        new = {name: v}
    if new.keys() & values.keys():
        raise FocusError(f"{name_at}: '{name}' is given twice")
    values |= new


def _field_names(instr: Instruction) -> str:
    names = [f.name for f in instr.fields] + (["wait", "signal"] if instr.synced else [])
    return ", ".join(names) or "no fields"


def _parse_value(instr: Instruction, f: Field, text: str, at: str) -> int:
    match f.kind:
        case "enum":
            if text not in _NAMES[f.enum]:
                raise FocusError(f"{at}: '{text}' is no {f.enum}; one of {', '.join(_NAMES[f.enum])} expected")
            return _NAMES[f.enum][text]
        case "init":
            found = re.fullmatch(r"always|never|first\.([0-7])", text)
            if not found:
                raise FocusError(f"{at}: init is '{text}'; always, never or first.<depth> expected")
            return {"always": isa.ALWAYS, "never": isa.NEVER}[text] if found[1] is None else int(found[1])
        case "loop":
            if text == "never":
                return isa.MAX_LOOPS
            return _parse_number(text, "l", at, "a loop level", isa.MAX_LOOPS)
        case "f32":
            return _parse_f32(text, at)
        case "mem":
            return _parse_number(text, "a", at, "an address generator", isa.NUM_AGUS)
        case _:
            prefix = _PREFIX.get(f.kind) or _NUMBER_FIELDS.get((instr.mnemonic, f.name), "")
            return _parse_number(text, prefix, at, f"'{f.name}'")


def _parse_number(text: str, prefix: str, at: str, what: str, limit: int | None = None) -> int:
    """An integer, decimal or 0x, after `prefix`; below `limit` if given."""
    body = text[len(prefix):]
    if not text.startswith(prefix) or not re.fullmatch(r"-?\d+" if prefix else r"-?(\d+|0[xX][0-9a-fA-F]+)", body, re.ASCII):
        raise FocusError(f"{at}: {what} is '{text}'; {prefix + '<number>' if prefix else 'a number'} expected")
    v = int(body, 16 if "x" in body.lower() else 10)
    if limit is not None and not 0 <= v < limit:
        raise FocusError(f"{at}: {what} is '{text}'; {prefix}0..{prefix}{limit - 1} expected")
    return v


def _parse_f32(text: str, at: str) -> int:
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", text):
        return int(text, 16)
    try:
        return _f32_bits(text)
    except ValueError:
        raise FocusError(f"{at}: '{text}' is no number") from None


def _parse_sync(kind: str, text: str, at: str) -> dict[str, int]:
    parts = text.split(",")
    if len(parts) > 3:
        raise FocusError(f"{at}: {kind} takes at most three semaphores, not {len(parts)}")
    values: dict[str, int] = {}
    for i, part in enumerate(parts):
        found = re.fullmatch(r"(?:s(\d+)|-)(?:@([0-7]))?", part, re.ASCII)
        if not found:
            raise FocusError(f"{at}: '{part}' is no semaphore; s<number>, s<number>@<depth> or - expected")
        sem = int(found[1] or 0)
        if found[1] and not 1 <= sem <= isa.NUM_SEMAPHORES:
            raise FocusError(f"{at}: semaphores are s1..s{isa.NUM_SEMAPHORES}, not s{sem}")
        values |= {f"{kind}{i}": sem, f"{kind}{i}_depth": int(found[2]) if found[2] else isa.ALWAYS}
    return values
