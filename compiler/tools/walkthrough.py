"""Writes docs/walkthrough.md: one MLP of the smallest model, level by level, as the tools print it today.

In: nothing, or a file to write.  Out: the page, made from a compilation of llava-onevision-tiny.
"""
from __future__ import annotations

import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from focus.dialects.context import make_context, parse_file
from focus.dialects.support import to_text
from focus.runtime.run import asm

MODEL, PREFIX = "llava-onevision-tiny", "model.language_model."
MLP, DOWN = "layers.1.mlp", "layers.1.mlp.down_proj"
WIDTH = 146         #: characters of a line of the listings

_PAGE = """# One layer, level by level

This page is written by `make docs` from what the tools print. It follows `model.language_model.layers.1.mlp` of `llava-onevision-tiny`
(`model.language_model` and operand segment sizes are left out) through

    focusc llava-onevision-tiny -o tiny.fxb --dump-ir ir

which writes one file per pass: each parses and verifies alone, and compiling goes on from any of them (`focusc ir/05-assign-layout.mlir
--weights llava-onevision-tiny -o again.fxb`). Values are named after the modules they come from.

## PyTorch's operators (`00-input.mlir`)

{torch}

## Operations on matrices (`01-convert-torch-to-focus.mlir`)

One row per token, fp16.

{converted}

## Fused (`03-fuse.mlir`)

Gate, up and their product are one op; `down_proj` adds the residual and gives the moments that the next norm needs.

{fused}

## Concentrated (`04-insert-concentration.mlir`)

Of the visual tokens only those that SEC has kept are left, and `down_proj` reads unique vectors.

{concentrated}

## In storage order, with a layout (`05-assign-layout.mlir`)

Visual rows first. The layout says the banks, the block, the vectors that the layouter holds, and the grids of tokens with their strides.

{laid}

## Mapped (`10-map.mlir`)

How each kernel is cut, what stays on chip, which form it has. Change a number here and go on with `--tile`.

{mapped}

## Tiled, scheduled and placed (`13-allocate.mlir`)

The function is a list of calls on buffers in DRAM; modules of the same form share what is called.

{call}

Inside are tiles in memories of the machine with their ring slots and addresses, and semaphores as waits and signals. The first tiles, and the
first of each instruction of the loop over k-slices (names shortened to their numbers):

{tiles}

## Instructions (`focus-translate --disassemble tiny.fxb`)

`load` and `mm` take their rows from a count in memory; `scatter` adds a unique vector's partial sums to all tokens it stands for. The generators
of these four instructions are shown; those that are as another module has left them are not set up again.

{instructions}
"""


def page() -> str:
    """The text of the page."""
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.frontend import zoo
    model, inputs = zoo.build(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        binary = compile_model(model, inputs, dump_ir=folder).binary
        assert binary is not None
        levels = {path.stem[3:]: list(_lines(path)) for path in sorted(Path(folder).glob("*.mlir"))}
    made = lambda level, *names: _block(line for name in names for line in levels[level] if re.match(rf"%{re.escape(name)}[\w#]*(:\d+)? =", line))
    whole = [f"{MLP}.gate_proj", f"{MLP}.act_fn", f"{MLP}.up_proj", MLP, DOWN]
    parts = {"torch": made("input", *whole), "converted": made("convert-torch-to-focus", *whole), "fused": made("fuse", MLP, DOWN),
             "concentrated": made("insert-concentration", MLP, DOWN),
             "laid": _block(line for line in levels["assign-layout"] if line.startswith(f"%{MLP}") and '"focus.gather"' in line),
             "mapped": made("map", MLP, DOWN)}
    call = next(line for line in levels["allocate"] if line.startswith("call @linear") and f"%{DOWN}.weight" in line)
    routine = re.search(r"@\w+", call)
    assert routine is not None
    body = _after(levels["allocate"], lambda line: "func.func private" in line and f"{routine[0]}(" in line)
    short = [re.sub(rf"%{re.escape(DOWN)}_(\d+)", r"%\1", line) for line in body]
    wanted = ['name = "x"', 'name = "w.0"', 'name = "map"', '"focus.load"', '"focus.mm"', '"focus.scatter"']
    parts |= {"call": _block([call]), "tiles": _block(next(line for line in short if mark in line) for mark in wanted)}
    text = asm.disassemble(binary.text, binary.source, list(binary.modules)).splitlines()
    mine = list(_after(text, lambda line: line == f'.module "{PREFIX}{DOWN}"'))
    end = next(i for i, line in enumerate(mine) if line.strip().startswith("scatter"))
    begin = next(i for i, line in enumerate(mine) if line.startswith("loop"))
    used = set(re.findall(r"\ba\d+\b", "\n".join(mine[begin:end + 1])))
    set_up = [line for line in mine[:begin] if line.startswith("agu") and re.findall(r"id=(a\d+)", line)[0] in used]
    parts["instructions"] = _block([f'.module "{PREFIX}{DOWN}"', *set_up, *mine[begin:end + 1]], wrap=False)
    return _PAGE.format(**parts)


def _lines(path: Path) -> Iterator[str]:
    """Lines of a dumped file without locations, common path and segment sizes."""
    text = to_text(parse_file(path, context=make_context()))
    text = re.sub(r"operandSegmentSizes = array<[^>]*>(, )?|, resultSegmentSizes = array<[^>]*>", "", text.replace(f"%{PREFIX}", "%"))
    for line in text.replace(", }", "}").replace(" {}", "").splitlines():
        yield re.sub(r" loc\(.*\)$", "", line.strip())


def _after(lines: list[str], found: Callable[[str], bool]) -> list[str]:
    return lines[next(i for i, line in enumerate(lines) if found(line)) + 1:]


def _block(lines, wrap: bool = True) -> str:
    """A listing, long lines wrapped and indented."""
    cut = (textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) if wrap else [line] for line in lines)
    return "\n".join(f"    {part}" for line in cut for part in line)


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    text = page()
    if arguments:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
