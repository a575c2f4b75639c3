"""Writes the C++ view of the ISA table.

In: the path of the header to write, as the only argument.  Out: enumerations, opcodes, the table of fields with their bit positions, and for
each instruction the indices of its operands by name.  CMake runs this file as a script before the package is installed, so it makes `focus` a
package of the source tree and imports only modules that need nothing but the standard library.
"""
from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    focus = ModuleType("focus")
    focus.__path__ = [str(Path(__file__).parents[2])]   # the rooms stand there
    sys.modules["focus"] = focus

from focus.runtime.spec import isa
from focus.runtime.spec.geometry import SIDES
from focus.runtime.spec.types import BYTES, DType

#: How a field's value is stored after decoding: mem, ext and scalar numbers and enumeration values each in an array of their
#: own, in field order; everything else in `values`.
GROUPS = {"mem": "mems", "ext": "exts", "enum": "enums", "scalar": "scalars"}
KINDS = ("mem", "ext", "uint", "sint", "f32", "enum", "init", "scalar", "loop", "sem", "side")
ACCESS = {"": 0, "r": 1, "w": 2, "rw": 3}


def fields_of(instr: isa.Instruction) -> list[str]:
    """Initialisers of the instruction's fields, with their bit positions."""
    at, out = isa.OPCODE_BITS, []
    for f in instr.all_fields:
        values = max(int(v) for v in isa.ENUMS[f.enum]) + 1 if f.enum else 0
        out.append(f'{{"{f.name}", {at}, {f.bits}, Kind::{f.kind.upper()}, {ACCESS[f.access]}, {str(f.optional).lower()}, {values}}}')
        at += f.bits
    return out


def indices_of(instr: isa.Instruction) -> dict[str, int]:
    """Each own field's index in the array of its group (see GROUPS)."""
    counts: dict[str, int] = {}
    out = {}
    for f in instr.fields:
        if f.kind == "init":
            continue
        group = GROUPS.get(f.kind, "values")
        out[f.name] = counts.get(group, 0)
        counts[group] = out[f.name] + 1
    return out


def operand(f: isa.Field) -> str:
    """Initialiser of what the simulator checks of a memory operand: a bit for each possible element type, and where it lies."""
    return f"{{{sum(1 << t for t in f.types)}, Where::{f.where.name}}}"


def lanes(uses: isa.Lanes) -> str:
    return f"{{{', '.join(map(str, uses))}}}"


def work(instr: isa.Instruction) -> str:
    """Initialiser of an instruction's `Work`; operands and enumerations by their index, -1 for none."""
    w, indices = instr.work, indices_of(instr)
    if w is None:
        return "{}"
    by = (indices[w.by], f"{instr.field(w.by).enum.upper()}_LANES") if w.by else (-1, "nullptr")
    extra = indices[w.extra_for] if w.extra_for else -1
    return f"{{{lanes(w.element)}, {lanes(w.row)}, {by[0]}, {by[1]}, {extra}, {lanes(w.extra)}}}"


def tables(instrs: list[isa.Instruction]) -> list[str]:
    """What the simulator looks up by instruction: operands, bounds of extents, and work of the vector unit."""
    out = ["struct Operand { uint8_t types; Where where; };", "constexpr Operand OPERANDS[NUM_OPS][MAX_MEMS] = {"]
    out += [f"    {{{', '.join(operand(f) for f in i.mems)}}}," for i in instrs]
    out += ["};", "", "/// What bounds each extent.", "constexpr Most MOST[NUM_OPS][MAX_EXTS] = {"]
    out += [f"    {{{', '.join(f'Most::{f.most.name}' for f in i.fields if f.kind == 'ext')}}}," for i in instrs]
    out += ["};", "", f"struct Lanes {{ int64_t {', '.join(isa.Lanes._fields)}; }};"]
    for name, uses in isa.LANES.items():
        out.append(f"constexpr Lanes {name.upper()}_LANES[] = {{{', '.join(lanes(uses[e]) for e in sorted(uses))}}};")
    out += ["/// Lanes used for each element and each row; for each element by the value of enumeration `by`, and with memory operand `extra_for`.",
            "struct Work { Lanes element, row; int by; const Lanes* by_value; int extra_for; Lanes extra; };", "constexpr Work WORK[NUM_OPS] = {"]
    return [*out, *(f"    {work(i)}," for i in instrs), "};", "",
            "/// X(instruction) for each instruction that a unit executes.",
            f"#define FOCUS_UNIT_INSTRUCTIONS(X) {' '.join(f'X({i.ident})' for i in instrs if i.unit != isa.Unit.CTRL)}"]


def enumeration(cls: type[IntEnum]) -> list[str]:
    """One enum class, the number of its values, and their lower-case names."""
    members = sorted(cls, key=int)
    assert [int(m) for m in members] == list(range(len(members))), f"{cls.__name__} has gaps"
    plural = cls.__name__.upper()
    return [f"enum class {cls.__name__} : uint8_t {{ {', '.join(m.name for m in members)} }};",
            f"constexpr int NUM_{plural} = {len(members)};",
            f"constexpr const char* {plural}_NAMES[] = {{{', '.join(chr(34) + m.name.lower() + chr(34) for m in members)}}};"]


def header() -> str:
    """The header's text."""
    instrs = list(isa.TABLE.values())
    lines = ["// Generated from runtime/spec/isa.py by runtime/spec/isa_header.py.", "#pragma once", "#include <cstdint>", "",
             "namespace focus::isa {", ""]
    for name in ("ISA_VERSION", "OPCODE_BITS", "MAX_LOOPS", "NUM_AGUS", "NO_AGU", "NUM_EXTENTS", "NUM_SEMAPHORES", "NO_SEM", "NUM_SCALARS", "ALWAYS",
                 "NEVER", "UNMAPPED", "MAX_BLOCK_SIDE"):
        lines.append(f"constexpr int {name} = {getattr(isa, name)};")
    lines.append(f"constexpr int MAX_SIDE = {SIDES[-1]};         // rows or columns of an array, elements of a vector")
    lines.append(f"constexpr int DTYPE_BYTES[] = {{{', '.join(str(BYTES[d]) for d in DType)}}};")
    enums: list[type[IntEnum]] = [*isa.ENUMS.values(), isa.Most, isa.Where]
    for cls in enums:
        lines += enumeration(cls)
    lines += [f"enum class Kind : uint8_t {{ {', '.join(k.upper() for k in KINDS)} }};",
              "enum Access : uint8_t { NONE, READ, WRITE, READ_WRITE };", "",
              "struct Field { const char* name; uint8_t at, bits; Kind kind; uint8_t access; bool optional; uint8_t enum_values; };",
              f"constexpr int MAX_FIELDS = {max(len(i.all_fields) for i in instrs)};",
              f"constexpr int MAX_MEMS = {max(len(i.mems) for i in instrs)};",
              f"constexpr int MAX_EXTS = {max(sum(f.kind == 'ext' for f in i.fields) for i in instrs)};",
              "struct Instruction { const char* mnemonic; uint8_t opcode; Unit unit; bool synced; uint8_t num_fields; Field fields[MAX_FIELDS]; };",
              "", "/// Position in TABLE.", f"enum class Op : uint8_t {{ {', '.join(i.ident for i in instrs)} }};",
              f"constexpr int NUM_OPS = {len(instrs)};", "constexpr Instruction TABLE[NUM_OPS] = {"]
    for i in instrs:
        body = ", ".join(fields_of(i))
        lines.append(f'    {{"{i.mnemonic}", 0x{i.opcode:02x}, Unit::{i.unit.name}, {str(i.synced).lower()}, {len(i.all_fields)}, {{{body}}}}},')
    lines += ["};", "", *tables(instrs), "",
              "// Indices of each instruction's own fields among its memory operands, extents, scalars, enumerations or other values."]
    for i in instrs:
        indices = indices_of(i)
        if indices:
            lines.append(f"namespace {i.ident} {{ constexpr int {', '.join(f'{n} = {v}' for n, v in indices.items())}; }}")
    return "\n".join([*lines, "", "}  // namespace focus::isa", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(header(), encoding="utf-8")
