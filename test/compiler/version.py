# Every tool that is installed says its version, which is that of the package, and MLIR's.
# RUN: %python %s
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import focus

scripts = [entry.name for entry in distribution("focus-vlm").entry_points if entry.group == "console_scripts"]
assert "focusc" in scripts and len(scripts) > 5
running = {name: subprocess.Popen([str(Path(sys.executable).parent / name), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
           for name in scripts}
for name, process in running.items():
    said = process.communicate()[0]
    assert (process.returncode, said) == (0, f"{name} {focus.__version__} (MLIR of torch-mlir {version('torch-mlir')})\n"), (name, process.returncode, said)
