"""Generator of docs/isa.md.

In: `isa.TABLE` and the enumerations.  Out: a Markdown page with every instruction, its bits, its assembly and its meaning.

    python -m focus.runtime.tools.docs docs            # write the page
    python -m focus.runtime.tools.docs --check docs    # exit with 1 if the page is not what the table says
"""
from __future__ import annotations

import sys

from focus.runtime.run import asm
from focus.runtime.spec import isa
from focus.runtime.spec.isa import Field, Instruction, Lanes, Most, Unit, Where, Work
from focus.runtime.spec.types import ELEMENTS
from focus.runtime.tools.pages import cell, pages_tool

_UNITS = {
    Unit.CTRL: ("Control", "Act when they are fetched, one per cycle, in program order."),
    Unit.LOAD: ("DMA load", "From DRAM to a buffer."),
    Unit.STORE: ("DMA store", "From a buffer to DRAM."),
    Unit.ARRAY: ("Systolic array", "Weight stationary, fp16 products, fp32 sums; as many rows and columns as the machine has (docs/machine.md)."),
    Unit.SCATTER: ("Scatter-accumulate", "Adds the partial sums of unique vectors to every token they stand for."),
    Unit.SIC: ("Similarity concentrator", "Finds repeated vectors (docs/algorithm.md, levels 2 and 3)."),
    Unit.SEC: ("Semantic concentrator", "Ranks visual tokens and compacts id lists (docs/algorithm.md, level 1)."),
    Unit.SFU: ("Vector unit", "Elementwise functions, norms, rotary embedding and softmax, computed in fp32."),
}
_KINDS = {"mem": "address generator", "ext": "extent generator", "uint": "unsigned", "sint": "signed", "f32": "float32 bits",
          "init": "init condition", "scalar": "scalar register", "loop": "loop level", "sem": "semaphore",
          "side": "number; 0 stands for the largest"}
_ACCESS = {"r": "read", "w": "written", "rw": "read and written"}
_BOUNDS = {Most.ROWS: "; at most the array's rows", Most.COLS: "; at most the array's columns",
           Most.VECTOR: "; at most the machine's longest vector"}
_PLACES = {Where.CHIP: "on chip", Where.DRAM: "in DRAM", Where.COUNTS: "in counts"}


def isa_page() -> str:
    """The whole page."""
    parts = ["# Instruction set", "", "Generated from `runtime/spec/isa.py` by `python -m focus.runtime.tools.docs docs`. Do not edit.", "",
             f"Version {isa.ISA_VERSION}. Every instruction is one {isa.WORD_BITS}-bit little-endian word: opcode in bits 0-{isa.OPCODE_BITS - 1}, "
             "then its fields from low bits to high, then zeros.", "",
             "## The machine the instructions see", "", *_machine(), "", "## Summary", "", *_summary()]
    for unit, (title, text) in _UNITS.items():
        parts += ["", f"## {title}", "", text]
        for instr in isa.TABLE.values():
            if instr.unit == unit:
                parts += ["", *_instruction(instr)]
    return "\n".join([*parts, "", "## Semaphore fields", "", *_sync(), "", "## Rows and columns", "", *_derived(), "",
                      "## Enumerations", "", *_enums()]) + "\n"


def _machine() -> list[str]:
    """The part of the table's own description that follows "The machine the table describes"."""
    text = isa.__doc__.split("The machine the table describes", 1)[1]
    return text[text.index("\n* ") + 1:].strip().splitlines()


def _summary() -> list[str]:
    rows = ["| instruction | opcode | unit | what it does |", "|---|---|---|---|"]
    for i in isa.TABLE.values():
        rows.append(f"| [`{i.mnemonic}`](#{i.mnemonic.replace('.', '')}) | 0x{i.opcode:02x} | {i.unit.name.lower()} | {cell(i.doc)} |")
    return rows


def _instruction(instr: Instruction) -> list[str]:
    out = [f"### {instr.mnemonic}", "", instr.doc, "", "```", _example(instr), "```", "", f"Does: `{instr.semantics}`"]
    if instr.work:
        out += _work(instr, instr.work)
    if instr.fields:
        out += ["", "| field | bits | kind | meaning |", "|---|---|---|---|"]
        at = 8 + sum(f.bits for f in instr.all_fields) - sum(f.bits for f in instr.fields)
        for f in instr.fields:
            out.append(f"| {f.name} | {at}-{at + f.bits - 1} | {_kind(f)} | {cell(_meaning(f))} |")
            at += f.bits
    return out


def _kind(f: Field) -> str:
    return f"[{f.enum}](#enumerations)" if f.kind == "enum" else _KINDS[f.kind]


def _meaning(f: Field) -> str:
    """The field's text, with what an operand covers and how it is used."""
    if f.kind != "mem":
        return f.doc + _BOUNDS.get(f.most, "")
    rows = f"{f.rows} x " if f.rows != "" else "rows of "       # a table read by row numbers has no row count
    types = " or ".join(ELEMENTS[t].name for t in f.types)
    return f"{f.doc}; {rows}{f.cols} elements of {types} {_PLACES[f.where]} {_ACCESS[f.access]}" + ("; optional" if f.optional else "")


def _work(instr: Instruction, work: Work) -> list[str]:
    """What an instruction asks of the vector unit."""
    parts = [f"{_lanes(uses)} for each {what}" for uses, what in ((work.element, "element"), (work.row, "row")) if any(uses)]
    if work.by:
        parts.append(f"for each element what [{instr.field(work.by).enum}](#enumerations) states")
    if work.extra_for:
        parts.append(f"{_lanes(work.extra)} more for each element with `{work.extra_for}`")
    return ["", f"Lanes: {', and '.join(parts)}."]


def _lanes(uses: Lanes) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in uses._asdict().items() if n)


def _example(instr: Instruction) -> str:
    """A line of assembly with every field."""
    values: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for f in instr.all_fields:
        default = isa.default_value(f)
        if f.kind in ("mem", "ext", "scalar"):
            values[f.name] = numbers[f.kind] = numbers.get(f.kind, -1) + 1
        elif default is not None:
            values[f.name] = default
        elif f.kind == "enum":
            values[f.name] = int(max(isa.ENUMS[f.enum]) if f.name == "unit" else 0)
        else:
            values[f.name] = {"init": 2, "f32": 0x3F000000, "sem": 1, "sint": 64}.get(f.kind, 1)
    if instr.synced:
        values |= {"wait0": 1, "wait0_depth": 2, "wait1": 2, "signal0": 3}
    return asm.format_instruction(instr, values)


def _sync() -> list[str]:
    """Where the shared fields of all instructions of units lie, and what they mean."""
    out = [f"`sync` and all instructions outside control carry them, in bits 8-{7 + sum(f.bits for f in isa.SYNC_FIELDS)}. In assembly: "
           "`; wait=s3@2,s4 signal=s5`, where `@2` is the depth and no `@` means always.", "",
           "| field | bits | meaning |", "|---|---|---|"]
    at = 8
    for f in isa.SYNC_FIELDS:
        out.append(f"| {f.name} | {at}-{at + f.bits - 1} | {cell(f.doc)} |")
        at += f.bits
    return out


def _derived() -> list[str]:
    """What the rows and columns of operands mean that are no fields."""
    out = ["Where an operand's rows or columns are no extent of the instruction, they follow from several fields:", "",
           "| name | how many | |", "|---|---|---|"]
    for name, d in isa.DERIVED.items():
        cases = [f"{n} where {d.by} is {value.name.lower()}" for value, n in d.cases.items()]
        total = " + ".join(d.parts)
        parts = ", ".join([*cases, *([f"else {total}" if cases else f"at most {total}" if d.at_most else total] if total else [])])
        out.append(f"| {name} | {parts} | {d.doc} |")
    return out


def _enums() -> list[str]:
    out = []
    for name, cls in isa.ENUMS.items():
        lanes = isa.LANES.get(name, {})
        members = (f"`{e.name.lower()}` {int(e)}" + (f" (lanes: {_lanes(lanes[e])})" if e in lanes else "") for e in cls)
        out += [f"**{name}**: {', '.join(members)}.", ""]
    return out[:-1]


main = pages_tool("focus.runtime.tools.docs", {"isa.md": isa_page})


if __name__ == "__main__":
    sys.exit(main())
