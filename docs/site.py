"""Hooks of the documentation site: pages that stand elsewhere or are made from code.

In: the README, the tools' parsers, the docstrings of what `focus` exports.  Out: index.md, cli.md and python.md, which `mkdocs build` takes like
files.
"""
from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mkdocs.structure.files import File

import focus

ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not files."""
    for name, text in (("index.md", index()), ("cli.md", cli()), ("python.md", python())):
        files.append(File.generated(config, name, content=text))
    return files


def index() -> str:
    """The README; what it links to outside of docs/ is named only."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\[([^\]]*)\]\(((?:examples|benchmarks|runtime|compiler|passes|dialects)/[^)]*)\)", r"\1 (`\2`)", text)


def cli() -> str:
    """The help of every tool, as it prints it."""
    lines = ["# Tools", "", "What each prints with `--help`."]
    for entry in sorted(distribution(focus.DISTRIBUTION).entry_points, key=lambda e: e.name):
        if entry.group == "console_scripts":
            lines += ["", f"## {entry.name}", "", "```text", help_of(entry.name, entry.module), "```"]
    return "\n".join(lines) + "\n"


def help_of(name: str, module: str) -> str:
    """What a tool prints with --help, 120 characters wide."""
    out = io.StringIO()
    with patch.dict("os.environ", {"COLUMNS": "120"}), patch.object(sys, "argv", [name, "--help"]), contextlib.redirect_stdout(out), \
            contextlib.suppress(SystemExit):
        importlib.import_module(module).main(["--help"])
    return out.getvalue().rstrip()


def python() -> str:
    """What `import focus` gives, from its docstrings."""
    lines = ["# Python", "", "What `import focus` gives. Each is imported when it is first used."]
    for name in focus.__all__:
        value = getattr(focus, name)
        if not callable(value):
            continue
        lines += ["", f"## focus.{name}", "", "```python", f"{name}{_signature(value)}", "```", "", *_docstring(value)]
        for method, function in inspect.getmembers(value, lambda m: inspect.isfunction(m) or inspect.ismethod(m)) if inspect.isclass(value) else ():
            if not method.startswith("_") and method in vars(value) and inspect.getdoc(function):
                lines += ["", f"### {name}.{method}", "", "```python", f"{method}{_signature(function)}", "```", "", *_docstring(function)]
    return "\n".join(lines) + "\n"


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"


def _docstring(value: Any) -> list[str]:
    """A docstring as Markdown: its lines are text, not markup."""
    return [re.sub(r"([\\<>*_\[\]])", r"\\\1", line) if "`" not in line else line for line in (inspect.getdoc(value) or "").splitlines()]
