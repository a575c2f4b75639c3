"""Writes the report: one HTML file that needs no server and no network.

In: the levels of a compilation, a program with or without a run.  Out: `write`, the file.

Data stand in the file compressed: JSON, texts and arrays, each base64 of gzip in a script element that the page unpacks when it is needed.  The
page is `web/report.html.j2` (jinja2) with `web/report.css`, our scripts, and `web/vendor.min.js`, the libraries (ECharts, CodeMirror) bundled as
`web/package.json` says; their licences are in `web/LICENSES.txt`.
"""
from __future__ import annotations

import base64
import gzip
import json
from importlib.resources import files
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from focus.compiler.report.run import Ran
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

if TYPE_CHECKING:           # needs MLIR, which focus-sim starts without
    from focus.compiler.report.levels import Recorder

SCRIPTS = ("core", "passes", "timeline", "cost", "tokens", "begin")       #: of web/, in the order in which they run


def write(path: str | PathLike, recorder: Recorder | None = None, ran: Ran | None = None, title: str = "") -> None:
    """Write the report of a compilation (`recorder`), a program or run (`ran`), or both.  Raises FocusError for neither."""
    if recorder is None and ran is None:
        raise FocusError(f"{path}: a report shows a compilation or a program; neither is given")
    data: dict[str, Any] = {"title": title, "levels": [], "predicted": {}}
    arrays: dict[str, np.ndarray] = {}
    texts: dict[str, str] = {}
    if ran is not None:
        run, arrays, texts = ran.parts()
        data |= run
    if recorder is not None:
        for i, level in enumerate(recorder.levels):
            data["levels"].append({"name": level.name, "seconds": level.seconds, "ops": level.ops, "total": sum(level.ops.values()),
                                   "paths": level.paths, "folds": [[f.first, f.last, f.name, f.like] for f in level.folds]})
            arrays[f"path_{i}"] = np.array(level.path, np.int32)
            texts[f"level_{i}"] = level.text
        data["predicted"] = {path: {"cycles": p.cycles, "dram_bytes": p.dram_bytes} for path, p in recorder.predicted.items()}
    data["title"] = title or data.get("model") or "Focus"
    parts = [("data", "json", _packed(json.dumps(data, separators=(",", ":")).encode()))]
    parts += [(f"text-{name}", "text", _packed(text.encode())) for name, text in texts.items()]
    parts += [(f"array-{name}", array.dtype.name, _packed(np.ascontiguousarray(array).tobytes())) for name, array in arrays.items()]
    html = _page(data["title"], parts)
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _packed(raw: bytes) -> str:
    """Base64 of gzip, the same for the same bytes."""
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode()


def _page(title: str, parts: list[tuple[str, str, str]]) -> str:
    from jinja2 import Environment
    web = files(__package__) / "web"
    read = lambda name: (web / name).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(read("report.html.j2")).render(
        title=title, parts=parts, style=read("report.css"), vendor=read("vendor.min.js").replace("</script", "<\\/script"),
        scripts=[read(f"{name}.js") for name in SCRIPTS])
