# A shell that asks is told how a line may go on: flags, passes, machines.
# RUN: %python %s %t | filecheck %s
import os
import subprocess
import sys
from pathlib import Path


def offered(tool: str, module: str, line: str) -> list[str]:
    """What a tool offers at the end of a line."""
    out = Path(f"{sys.argv[1]}.{tool}")
    environment = os.environ | {"_ARGCOMPLETE": "1", "COMP_LINE": f"{tool} {line}", "COMP_POINT": str(len(tool) + 1 + len(line)), "_ARGCOMPLETE_IFS": "\n",
                                "_ARGCOMPLETE_STDOUT_FILENAME": str(out), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    subprocess.run([sys.executable, "-P", "-m", module], env=environment, check=True, cwd=out.parent)
    return sorted(word.strip() for word in out.read_text().split("\n") if word.strip())


# CHECK: ['--print-ir-after', '--print-ir-after-all', '--print-ir-after-change']
print(offered("focusc", "focus.compiler.tools.focusc", "m --print-ir-aft"))
# CHECK: ['assign-layout', 'allocate', 'annotate-tokens']
found = offered("focusc", "focus.compiler.tools.focusc", "m --print-ir-after a")
print([name for name in ("assign-layout", "allocate", "annotate-tokens") if name in found])
# CHECK: ['focus-128', 'focus-16', 'focus-64', 'focus-published', 'focus-unified']
print([name for name in offered("focusc", "focus.compiler.tools.focusc", "m --machine focus-") if not name.endswith(("focusc", ".fxb"))])
# CHECK: ['--fuse', '--fuse-concentration']
print(offered("focus-opt", "focus.compiler.tools.opt", "x.mlir --fus"))
# CHECK: ['--check']
print(offered("focus-sim", "focus.compiler.tools.simulate", "m.fxb --che"))
