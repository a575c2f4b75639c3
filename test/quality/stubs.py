# runtime/_sim.pyi says what the native module has, and focus.__version__ what pyproject.toml does.
# RUN: %python %s %root %t | filecheck %s
import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import focus

root, stub = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run([sys.executable, "-P", "-m", "nanobind.stubgen", "-q", "-m", "focus.runtime._sim", "-o", str(stub)], check=True)
made, kept = (ast.unparse(ast.parse(path.read_text())) for path in (stub, root / "runtime" / "_sim.pyi"))
# CHECK: stub agrees: True
print("stub agrees:", made == kept, "(to write it anew: make docs)")
with open(root / "pyproject.toml", "rb") as file:
    stated = tomllib.load(file)["project"]
# CHECK-NEXT: version agrees: True
print("version agrees:", focus.__version__ == stated["version"] and stated["name"] == focus.DISTRIBUTION)
# CHECK-NEXT: typed: True
print("typed:", (Path(focus.__file__).parent / "py.typed").is_file())
