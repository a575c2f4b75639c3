"""Generator of docs/focus-dialect.md and docs/fisa-dialect.md.

In: the op classes, attributes and types of both dialects.  Out: two Markdown pages; nothing in them is written by hand.

    python -m focus.dialects.docs docs              # write both pages into the folder docs
    python -m focus.dialects.docs --check docs      # exit with 1 if a page is not what the dialects say
"""
import inspect
import sys
from typing import Any

from focus.dialects import contracts, fisa, focus, support, tile_ops
from focus.runtime.spec import isa
from focus.runtime.tools.pages import cell, pages_tool

_COMMAND = "Generated from `dialects/` by `python -m focus.dialects.docs docs`. Do not edit."
_LEVELS = (
    ("Level 2: a model on tensors", "ParamOp", "LastRowOp"),
    ("Level 3: concentration", "TokenIdsOp", "GatherOp"),
    ("Level 4: structure of tiled code", "KernelOp", "ViewOp"),
)
_KINDS = {"mem": "address generator", "ext": "extent generator", "uint": "unsigned", "sint": "signed", "f32": "float32 bits",
          "init": "init condition", "scalar": "scalar register", "loop": "loop level", "sem": "semaphore",
          "side": "number; 0 in a word stands for the largest"}


def focus_page() -> str:
    """The page of the focus dialect."""
    parts = ["# The `focus` dialect", "", _COMMAND, "", _prose(focus.Focus), "", *_module_text(focus), "",
             "Every op is written in MLIR's generic form. Groups marked *optional* or *variadic* may be empty; an op with more than one such "
             "group says how many values each has in `operandSegmentSizes`.", "", "## Attributes and types", ""]
    for cls, sigil in ((focus.TokensAttr, "#"), (focus.LayoutAttr, "#"), (focus.SpaceAttr, "#"), (focus.ConcentratedType, "!"),
                       (focus.SyncAttr, "#"), (focus.CreditAttr, "#"), (focus.PortAttr, "#"), (focus.TowerAttr, "#"),
                       (focus.ConcentrationAttr, "#")):
        parts += _parametric(cls, sigil)
    parts += ["## What stands on `@main`", "", *_module_text(contracts), ""]
    classes = [c for c in focus.Focus.operations if not issubclass(c, tile_ops.TileOp)]
    names = [c.__name__ for c in classes]
    for title, first, last in _LEVELS:
        parts += [f"## {title}", ""]
        for cls in classes[names.index(first):names.index(last) + 1]:
            parts += _op(cls)
        if last == "LastRowOp":
            parts += ["### `tensor.concat`", "", _prose(focus.ConcatOp), ""]
    parts += ["## Level 4: tile-level ops", "", *_module_text(tile_ops), ""]
    for cls in tile_ops.TILE_OPS.values():
        parts += _tile_op(cls)
    return "\n".join(parts).rstrip() + "\n"


def fisa_page() -> str:
    """The page of the fisa dialect."""
    parts = ["# The `fisa` dialect", "", _COMMAND, "", _prose(fisa.Fisa), "", *_module_text(fisa), "",
             "What the machine does with each instruction is in [isa.md](isa.md).", "", "## Structure", "",
             *_op(fisa.ProgramOp), *_op(fisa.RoutineOp), *_op(fisa.CallOp),
             "## Instructions", "", "Every instruction but the control ones may also have the semaphore fields `wait0` to `wait2`, "
             "`signal0` to `signal2` and their `_depth`.", ""]
    for cls in fisa.INSTRUCTION_OPS.values():
        entry = cls.INSTRUCTION
        parts += [f"### `{cls.OPERATION_NAME}`", "", f"`{entry.mnemonic}`, unit {entry.unit.name.lower()}. {entry.doc}", ""]
        if entry.fields:
            parts += ["| field | range | kind | meaning |", "|---|---|---|---|", *map(_field, entry.fields), ""]
    return "\n".join(parts).rstrip() + "\n"


def _field(f: isa.Field) -> str:
    kind = f"{f.enum}: " + ", ".join(f"{int(e)} {e.name.lower()}" for e in isa.ENUMS[f.enum]) if f.kind == "enum" else _KINDS[f.kind]
    return f"| `{f.name}` | {f.low} to {f.high} | {kind}{', optional' if f.optional else ''} | {cell(f.doc)} |"


def _op(cls: type[support.OpBase]) -> list[str]:
    """Section of an op class: its text and its fields."""
    rows = [f"| `{g.name}` | operand | {_group(g)} |" for g in cls._operands.groups]
    rows += [f"| `{name}` | attribute | {_attribute(cls, name, kind)} |" for name, kind in cls._kinds.items()]
    rows += [f"| `{g.name}` | result | {_group(g)} |" for g in cls._results.groups]
    rows += ["| `body` | region | one block without arguments or terminator |"] * cls._region_count
    return [f"### `{cls.OPERATION_NAME}`", "", _prose(cls), "", *(["| name | what | |", "|---|---|---|", *rows, ""] if rows else [])]


def _tile_op(cls: type[tile_ops.TileOp]) -> list[str]:
    """Section of a tile-level op: what the ISA table says of its operands."""
    entry = cls.INSTRUCTION
    fields = {f.name: f for f in entry.fields}
    rows = []
    for g in cls._operands.groups:
        f = fields[g.name]
        access = {"r": "read", "w": "written", "rw": "read and written"}[f.access]
        covers = f"{f.rows or 'any'} x {f.cols}, {access}" + ("; optional" if f.optional else "")
        rows.append(f"| `{g.name}` | operand | {cell(f.doc)}; {covers} |")
    for name, kind in cls._kinds.items():
        rows.append(f"| `{name}` | attribute | {cell(fields[name].doc)}; {_attribute(cls, name, kind)} |")
    return [f"### `{cls.OPERATION_NAME}`", "", f"Instruction `{entry.mnemonic}`, unit {entry.unit.name.lower()}. {entry.doc}", "",
            f"Does: `{entry.semantics}`", "", "| name | what | |", "|---|---|---|", *rows, ""]


def _group(g: support.Group) -> str:
    return "" if g.single else "variadic" if g.variadic else "optional"


def _attribute(cls: type[support.OpBase], name: str, kind: Any) -> str:
    if name in cls._unwritten:
        return cell(kind.noun) + f", {cls._defaults[name]!r} where it is not there"
    return cell(kind.noun) + (f", `build` sets {cls._defaults[name]!r} by default" if name in cls._defaults else "")


def _parametric(cls: Any, sigil: str) -> list[str]:
    """Section of an attribute or a type and its parameters."""
    parameters = [f"{f.name}: {getattr(f.constraint, 'noun', 'any attribute')}" for f in cls._fields]
    title = f"{sigil}{cls._dialect_name}.{cls._name}<{', '.join(f.name for f in cls._fields)}>"
    return [f"### `{title}`", "", _prose(cls), "", "Parameters: " + "; ".join(parameters) + ".", ""]


def _prose(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _module_text(module: object) -> list[str]:
    """A module's own description without its first two paragraphs (title, and what comes in and goes out)."""
    return "\n\n".join(_prose(module).split("\n\n")[2:]).splitlines()


main = pages_tool("focus.dialects.docs", {"focus-dialect.md": focus_page, "fisa-dialect.md": fisa_page})


if __name__ == "__main__":
    sys.exit(main())
