# No size of a machine stands in dialects/ and passes/ as a bare number: 32, 64, 128 and 2048 are only written where a constant of a module gets
# its name, with the reason beside it.
# RUN: %python %s %root | filecheck %s
import ast
import re
import sys
from pathlib import Path

SIZES = (32, 64, 128, 2048)
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]* = .*#: \w")         # NAME = ...        #: what it is, or why


def bare(source: str) -> list[int]:
    """Lines with a size that has no name."""
    lines, tree = source.splitlines(), ast.parse(source)
    named = {n.lineno for n in tree.body if isinstance(n, ast.Assign) and CONSTANT.match(lines[n.lineno - 1])}
    numbers = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is int and n.value in SIZES)
    return sorted({n.lineno for n in numbers} - named)


# CHECK: [2, 5, 6]
print(bare("SIDE = 32       #: of the array\nOTHER = 32\nrows = SIDE\nword = 33\nf(32)\ndef g(n=64): ...\n"))
# CHECK-NEXT: none
root = Path(sys.argv[1])
found = [f"{path.relative_to(root)}:{line}" for room in ("dialects", "passes") for path in sorted((root / room).rglob("*.py"))
         for line in bare(path.read_text())]
print("\n".join(found) or "none")
