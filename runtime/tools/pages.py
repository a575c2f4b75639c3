"""Generated pages of docs/: how they are written, and how one sees that they are not what they should be.

In: the names of pages and functions that give their text.  Out: a tool's `main`.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from focus.runtime.spec.files import atomic_write


def pages_tool(module: str, pages: Mapping[str, Callable[[], str]]) -> Callable[[], int]:
    """A `main` that writes the pages into a folder; with --check it only compares them, and returns 1 where one differs."""
    def main() -> int:
        parser = argparse.ArgumentParser(prog=f"python -m {module}", description=f"Write {' and '.join(pages)}.")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--check", action="store_true", help="only compare")
        args = parser.parse_args()
        for name, page in pages.items():
            path = args.folder / name
            if not args.check:
                with atomic_write(path) as temporary:
                    temporary.write_text(page(), encoding="utf-8")
            elif not path.exists() or path.read_text(encoding="utf-8") != page():
                print(f"error: {path} is not what the sources say; write it anew with make docs", file=sys.stderr)
                return 1
        return 0
    return main


def cell(text: str) -> str:
    """Text that may stand in a Markdown table."""
    return text.replace("|", "\\|").rstrip(".")
