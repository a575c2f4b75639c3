# The walk through one layer shows the IR and the instructions of today (`make docs` writes it anew).
# LONG: the pages of docs/ are written anew
# RUN: %python -W ignore %s
from pathlib import Path

from focus.compiler.tools import walkthrough

written = (Path(__file__).parents[2] / "docs" / "walkthrough.md").read_text()
assert walkthrough.page() == written, "docs/walkthrough.md is not what the tools print; run make docs"
assert written.count("\n    ") > 40 and all(word in written for word in ("torch.aten.linear", "focus.mapping", "#focus.sync", "scatter src="))
