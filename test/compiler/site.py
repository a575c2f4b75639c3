# The documentation site builds without a warning, with the README, the tools' help and the Python interface as pages.
# RUN: rm -rf %t && %python %s %root %t | filecheck %s
import logging
import sys
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config

root, folder = map(Path, sys.argv[1:])
problems: list[str] = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: problems.append(record.getMessage())
logging.getLogger("mkdocs").addHandler(handler)
build(load_config(str(root / "mkdocs.yml"), site_dir=str(folder)))
# CHECK: problems []
print("problems", problems)
page = lambda name: (folder / name).read_text(encoding="utf-8")
# CHECK: True True True
print("Two commands" in page("index.html"), all(tool in page("cli.html") for tool in ("--mlir-pass-statistics", "--resume", "--check MODEL")),
      all(name in page("python.html") for name in ("focus.compile", "focus.check", "Machine.load")))
# Pictures of the README are there.
# CHECK: True
print((folder / "images" / "report-passes.png").exists())
