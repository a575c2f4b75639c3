# The commands of the tutorial, in order, with the files it says to save.
# RUN: rm -rf %t && mkdir %t && %python %s %root %t | filecheck %s
import os
import re
import sys
from pathlib import Path

import torch  # noqa: F401  for the commands, which are forks of this process
import transformers  # noqa: F401

root, folder = map(Path, sys.argv[1:])
sys.path.insert(0, str(root / "test"))
from lit_format import _run_pipeline, parse_line

os.chdir(folder)
environment = dict(os.environ)
for kind, file, text in re.findall(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", (root / "docs" / "tutorial.md").read_text(), re.MULTILINE | re.DOTALL):
    if file:
        (folder / file).write_text(text)
    for line in text.splitlines() if kind == "sh" else ():
        words = line.replace("python ", f"{sys.executable} ", 1) if line.startswith("python ") else line
        for pipeline in parse_line(words):
            codes, said = _run_pipeline(pipeline, str(folder), environment, 120)
            print(*codes, line, flush=True)         # what is not yet written would be written by every fork
            if any(codes) or line.startswith("python"):
                print(said, flush=True)
# CHECK-NOT: {{^[1-9]}}
# CHECK: 0 focusc llava-onevision-tiny
# CHECK: 0 focus-sim narrow.fxb
# CHECK: 0 python count.py
# CHECK-NEXT: 17 : i64
# CHECK: 0 focus-opt
# CHECK: files True
print("files", all((folder / name).exists() for name in ("tiny.fxb", "report.html", "mapped.fxb", "dense.mlir")))
