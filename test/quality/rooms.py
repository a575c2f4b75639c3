# Imports run one way: a room of ROOMS imports itself and the rooms above it in the list; no modules import each other in a circle; a pass imports
# no other pass.  Imports inside functions count, those for type checkers alone do not.
# RUN: %python %s %root | filecheck %s
import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

#: runtime < dialects < passes < compiler, and the order inside each
ROOMS = ("runtime/spec", "runtime/run", "runtime/evaluate", "runtime/tools", "runtime", "dialects", "passes", "passes/tensor", "passes/kernels",
         "passes/mapping", "passes/tile", "compiler/frontend", "compiler/truth", "compiler/backend", "compiler/report", "compiler/evaluate", "compiler/tools", "compiler")


def imports(source: str) -> set[str]:
    """The modules of the package that a module imports, with the names it takes from them."""
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def room_of(path: str) -> str:
    return max((room for room in ROOMS if path.startswith(f"{room}/")), key=len)


def check(files: dict[str, str]) -> list[str]:
    """What is wrong with the imports of modules, given as path -> source."""
    modules = {"focus." + path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in files}
    graph = {path: {modules[m] for m in imports(source) if m in modules} - {path} for path, source in files.items()}
    passes = {path for path, source in files.items() if "\n@register_pass(" in source}
    wrong = []
    for path, used in graph.items():
        for other in sorted(used):
            if ROOMS.index(room_of(other)) > ROOMS.index(room_of(path)) and not other.endswith("__init__.py"):
                wrong.append(f"{path} imports {other}, of a room below it")
            if {path, other} <= passes:
                wrong.append(f"{path} imports {other}, another pass")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        wrong.append(f"a circle: {' <- '.join(e.args[1])}")
    return wrong


# CHECK: ['runtime/spec/a.py imports runtime/run/b.py, of a room below it', 'a circle: runtime/spec/a.py <- runtime/run/b.py <- runtime/spec/a.py']
print(check({"runtime/spec/a.py": "def f():\n    from focus.runtime.run import b", "runtime/run/b.py": "import focus.runtime.spec.a"}))
# CHECK-NEXT: ['passes/tile/b.py imports passes/tensor/a.py, another pass']
PASS = "from focus.passes import manager\n\n@register_pass(\"x\")\ndef x(): ..."
print(check({"passes/tensor/a.py": PASS, "passes/tile/b.py": f"import focus.passes.tensor.a\n{PASS}"}))
# CHECK-NEXT: none
root = Path(sys.argv[1])
tree = {str(path.relative_to(root)): path.read_text() for room in ("runtime", "dialects", "passes", "compiler") for path in (root / room).rglob("*.py")}
print("\n".join(check(tree)) or "none")
