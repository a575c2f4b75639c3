"""Mutation tests of the passes: does the suite notice when one thing in them is changed?

In: how many mutants.  Out: the share that some test caught, by file, and every survivor with the line that was changed; exit code 1 where the share
is less than `SHARE`.  survivors.toml says of those that were met before why no test catches them.

    python test/fuzz/mutants.py --number 200                    seed 1
    python test/fuzz/mutants.py --seed 7 --only 31 --verbose    one mutant again, with what the tests say

A mutant is the installed package with one expression or statement of passes/ changed: a constant, an operator, a comparison, two operands exchanged,
min for max, a call left out (a semaphore that is not placed, an attribute not set).  The tests that are about its file come first, then those that
are likeliest to notice (`STAGES`); the first failure ends a mutant.  Mutants that change only messages or annotations are not made.
"""
from __future__ import annotations

import argparse
import ast
import os
import random
import resource
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import focus

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = Path(focus.__file__).parent
#: folder or file of passes/ -> how the names of the tests of test/passes begin that are about it
OWN = {"annotate": "annotate", "assign_layout": "layout", "convert": "convert", "views": "convert", "tensor_ir": "convert", "decoder_ir": "insert",
       "fuse": "fuse", "insert": "insert", "remove": "remove", "mapping": "map", "kernels": "tile", "tile.py": "tile", "routines": "tile",
       "allocate": "allocate", "schedule": "schedule", "lower": "lower", "encode": "encode", "kernel_ir": "schedule", "manager": "manager"}
#: (paths below test/, what their names must not match), tried one group after the other: the quick ones first
STAGES = ((("passes",), "semantics|map-search"), (("passes/semantics-dense.py", "passes/semantics-concentrated.py", "passes/semantics-decoder.py"), ""),
          (("end2end/kernel-linear.py", "end2end/kernel-semaphores.py", "end2end/kernel-few-tokens.py"), ""),
          (("end2end/kernel-concentrated.py", "end2end/kernel-rows.py", "end2end/kernel-halves.py"), ""),
          (("end2end/kernel-attention.py", "end2end/kernel-spilled.py", "end2end/small-memories.py", "end2end/mappings.py"), ""),
          (("passes/map-search.py", "dialects", "compiler/opt-levels.py", "compiler/resume.py", "compiler/backbone.py"), ""))
REST = ((("end2end",), ""), (("compiler", "runtime"), ""))          #: with --whole: what is left of the suite
MINUTES = 20                        #: for a stage; beyond it the mutant counts as caught, as each test has a limit as well
SECONDS = 300                       #: for a test: three times what the longest of `STAGES` takes when nothing else runs
MEMORY = 12 << 30                   #: address space of all that tests start; a mutant may ask for any amount
SHARE = 0.9                         #: of the mutants that tests are to catch
_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
            ast.Is: ast.IsNot, ast.IsNot: ast.Is}
_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitOr: ast.BitAnd}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "first": "last", "last": "first"}


@dataclass
class Mutant:
    """One change: of a file (relative to the package), at a line (its number and what stands there), what it was and what it is, and the file's new
    text."""
    file: Path
    line: int
    before: str
    after: str
    text: str
    source: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by when lines have moved."""
        return self.file.as_posix(), self.source, self.before, self.after


class _Sites(ast.NodeVisitor):
    """The nodes of a file that may be changed; messages, annotations and docstrings are left out."""

    def __init__(self):
        self.found: list[ast.AST] = []

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            return
        if (isinstance(node, (ast.Compare, ast.BinOp, ast.BoolOp, ast.UnaryOp))
                or (isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)))
                or (isinstance(node, ast.Call) and (len(node.args) > 1 or (isinstance(node.func, ast.Name) and node.func.id in _CALLS)))
                or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.If)):
            self.found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                    self.visit(child)


def _change(rng: random.Random, node: ast.AST) -> bool:
    """Change a node in place; False where it cannot be."""
    if isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else rng.choice((node.value + 1, node.value - 1, node.value * 2 or 3))
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        node.ops[0] = _COMPARE[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        if rng.random() < 0.3 and isinstance(node.op, (ast.Sub, ast.FloorDiv, ast.Mod)):
            node.left, node.right = node.right, node.left
        else:
            node.op = _BINARY[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        node.op = ast.Not() if isinstance(node.op, ast.USub) else ast.UAdd()
        if isinstance(node.op, ast.UAdd):                   # `not x` becomes bool(x)
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            node.func.id = _CALLS[node.func.id]
        else:
            i = rng.randrange(len(node.args) - 1)
            if ast.dump(node.args[i]) == ast.dump(node.args[i + 1]):
                return False
            node.args[i], node.args[i + 1] = node.args[i + 1], node.args[i]
    elif isinstance(node, ast.Expr):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.If):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        return False
    return True


def mutants(rng: random.Random, number: int) -> list[Mutant]:
    """`number` different mutants of all files of passes/, from each as its share of the places that may be changed, and one at least."""
    places = {}
    for file in sorted((PACKAGE / "passes").rglob("*.py")):
        visitor = _Sites()
        visitor.visit(ast.parse(file.read_text()))
        if visitor.found:
            places[file] = rng.sample(range(len(visitor.found)), len(visitor.found))
    whole = sum(map(len, places.values()))
    chosen = [(file, i) for file, order in places.items() for i in order[:max(1, round(number * len(order) / whole))]]
    out = []
    for file, i in chosen:
        whole_text = file.read_text()
        tree, visitor = ast.parse(whole_text), _Sites()
        visitor.visit(tree)
        node = visitor.found[i]
        before, line = ast.unparse(node), node.lineno
        if not _change(rng, node):
            continue
        out.append(Mutant(file.relative_to(PACKAGE), line, before.split("\n")[0][:100], ast.unparse(ast.fix_missing_locations(node)).split("\n")[0][:100],
                          ast.unparse(ast.fix_missing_locations(tree)), whole_text.splitlines()[line - 1].strip()))
    return out


def reasons() -> dict[tuple[str, str, str, str], str]:
    """Key -> why no test catches the mutant, of survivors.toml."""
    known = tomllib.loads((HERE / "survivors.toml").read_text())
    return {(m["file"], m["line"], m["before"], m["after"]): m["reason"] for m in known.get("mutant", [])}


def _package_with(mutant: Mutant, folder: Path) -> None:
    """The package in `folder`, made of links but for the mutant's file and the folders that lead to it."""
    source, target = PACKAGE, folder / "focus"
    for part in (*mutant.file.parts[:-1], None):
        target.mkdir(parents=True)
        for entry in source.iterdir():
            if entry.name not in (part, mutant.file.name if part is None else None, "__pycache__"):
                (target / entry.name).symlink_to(entry)
        if part is not None:
            source, target = source / part, target / part
    (target / mutant.file.name).write_text(mutant.text)


def _own(file: Path) -> tuple[str, ...]:
    """The tests of test/passes that are about a file of passes/."""
    prefix = next((tests for part, tests in OWN.items() if part in file.as_posix()), None)
    return tuple(f"passes/{test.name}" for test in sorted((ROOT / "test" / "passes").glob(f"{prefix}-*"))) if prefix else ()


def groups(file: Path, most: int, whole: bool) -> list[tuple[tuple[str, ...], str]]:
    """What is tried for a mutant of a file, one group after the other: the tests about it, then at most so many of `STAGES`, then the rest."""
    own = _own(file)
    return [*([(own, "map-search")] if own else []), *STAGES[:most], *(REST if whole else ())]


def caught(mutant: Mutant, stages: list[tuple[tuple[str, ...], str]], verbose: bool) -> str | None:
    """The test that notices a mutant, or None."""
    with tempfile.TemporaryDirectory() as folder:
        _package_with(mutant, Path(folder))
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "FOCUS_TEST_OUTPUT": f"{folder}/out", "FOCUS_TEST_SECONDS": str(SECONDS)}
        for stage, but in stages:
            command = [sys.executable, "-P", "-c", "import lit.main; lit.main.main()", "-sv", "-j1", "--max-failures", "1", *(["--filter-out", but] if but else []),
                       *(str(ROOT / "test" / path) for path in stage)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60 * MINUTES, cwd=folder)
            except subprocess.TimeoutExpired:
                return f"{stage[0]}: no end"
            if verbose:
                print(done.stdout[-3000:], flush=True)
            if "Passed" not in done.stdout and "Failed" not in done.stdout:
                raise SystemExit(f"lit ran no test of {stage}: {done.stdout[-500:]}{done.stderr[-500:]}")
            if done.returncode:
                failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL: ")]
                end = f": no end after {SECONDS} s" if f"no result after {SECONDS} seconds" in done.stdout else ""
                return (failed[0].split()[3] if failed else stage[0]) + end
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation tests of the passes.")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the whole suite for each mutant, not the tests that are likely to notice")
    parser.add_argument("--stages", type=int, default=len(STAGES), help="how many groups of those tests")
    parser.add_argument("--only", type=int, action="append", help="only this mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seed = args.seed
    print(f"seed {seed}", flush=True)
    made = mutants(random.Random(seed), args.number)
    unchanged = Mutant(Path("passes/pipeline.py"), 0, "", "", (PACKAGE / "passes" / "pipeline.py").read_text())
    if by := caught(unchanged, groups(unchanged.file, 1 if args.only else args.stages, False), args.verbose):
        raise SystemExit(f"{by} fails without any change")
    chosen = [(i, m) for i, m in enumerate(made) if args.only is None or i in args.only]
    total, found, survivors, known = Counter(), Counter(), [], reasons()

    def judge(item: tuple[int, Mutant]) -> None:
        i, m = item
        by = caught(m, groups(m.file, args.stages, args.whole), args.verbose)
        total[str(m.file)] += 1
        found[str(m.file)] += by is not None
        line = f"{i:4} {m.file}:{m.line}: {m.before}  ->  {m.after}"
        if by is None:
            survivors.append(f"{line}\n         {m.source}\n         {known.get(m.key, 'no reason is known')}")
        print(f"{line}   {'caught by ' + by if by else 'SURVIVES'}", flush=True)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(judge, chosen))
    print(f"\n{'':44}{'mutants':>8}{'caught':>8}")
    for file in sorted(total):
        print(f"{file:44}{total[file]:8}{found[file]:8}")
    share = sum(found.values()) / max(sum(total.values()), 1)
    print(f"{'':44}{sum(total.values()):8}{sum(found.values()):8}   {share:.0%} caught with seed {seed}")
    if survivors:
        print("\nsurvivors", *sorted(survivors), sep="\n")
    return int(share < SHARE)


if __name__ == "__main__":
    sys.exit(main())
