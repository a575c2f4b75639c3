"""focus-lsp: a language server for the IR of the Focus compiler.

In: MLIR files open in an editor, through the language server protocol on standard input and output.  Out: what the parser and our verifiers say of
them as they are edited; on hover, the documentation of ops, attributes and types, and the definition of a value; go to the definition of a value or a
symbol, and all uses of a value.  How to set it up: docs/editor.md.  Needs pygls; starts without importing torch.
"""
from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

from focus import DISTRIBUTION
from focus.runtime.spec.errors import FocusError
from focus.runtime.tools.cli import parsed, tool

_WORD = re.compile(r"%[\w.$-]+|@[\w.$-]+|[#!]\w+\.\w+|\w+(?:\.\w+)+")
_FUNCTION = re.compile(r'^\s*(?:func\.func|"?fisa\.routine)')
_RESULTS = re.compile(r"^\s*((?:%[\w.$-]+(?::\d+)?\s*,\s*)*%[\w.$-]+(?::\d+)?)\s*=")


@tool
def main(argv: list[str] | None = None) -> None:
    parsed(argparse.ArgumentParser(prog="focus-lsp", description="A language server for the IR of the Focus compiler, on standard input and output.",
                                   epilog="Setting it up in VS Code and Neovim: docs/editor.md."), argv)
    try:
        import pygls  # noqa: F401
    except ImportError:
        raise FocusError("focus-lsp needs pygls (pip install pygls)") from None
    server().start_io()


# ---- what is known of a text ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Place:
    """A piece of a line, both counted from 0."""
    line: int
    start: int
    end: int


class Text:
    """A document: words, definitions, uses.  SSA values are known inside their function."""

    def __init__(self, text: str):
        self.lines = text.splitlines()

    def word(self, line: int, column: int) -> tuple[str, Place] | None:
        """The value, symbol, op, attribute or type at a position."""
        found = _WORD.finditer(self.lines[line]) if line < len(self.lines) else ()
        return next(((m[0], Place(line, m.start(), m.end())) for m in found if m.start() <= column <= m.end()), None)

    def function(self, line: int) -> range:
        """Lines of the function around a line."""
        first, end = line, line + 1
        while first > 0 and not _FUNCTION.match(self.lines[first]):
            first -= 1
        while end < len(self.lines) and not _FUNCTION.match(self.lines[end]):
            end += 1
        return range(first, end)

    def definition(self, word: str, line: int) -> Place | None:
        """Where a value or a symbol is defined."""
        if word.startswith("@"):
            for number, text in enumerate(self.lines):
                match = re.search(rf'(?:func\.func[^@]*|fisa\.routine[^@]*|sym_name = "){re.escape(word[1:])}(?![\w.$-])|'
                                  rf"func\.func[^@]*{re.escape(word)}(?![\w.$-])", text)
                if match:
                    at = text.index(word[1:], match.start())
                    return Place(number, at, at + len(word) - 1)
            return None
        return next((place for place, defines in self.occurrences(word, line) if defines), None)

    def occurrences(self, value: str, line: int) -> list[tuple[Place, bool]]:
        """Where a value of the function around a line stands, and whether it is defined there."""
        found = []
        for number in self.function(line):
            text = self.lines[number]
            results = _RESULTS.match(text)
            for m in re.finditer(re.escape(value) + r"(?![\w.$-])", text):
                argument = text.startswith(": ", m.end()) or re.search(r"(?:scf|affine)\.for\s*$", text[:m.start()])
                found.append((Place(number, m.start(), m.end()), bool(argument or (results and m.end() <= results.end()))))
        return found


@cache
def documentation() -> dict[str, str]:
    """What the dialects' pages say of each op, attribute and type, as Markdown."""
    from focus.dialects.docs import fisa_page, focus_page
    out = {}
    for page in (focus_page(), fisa_page()):
        for title, body in re.findall(r"^##+ `([^`]+)`\n(.*?)(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL):
            out[re.split(r"[<\s]", title)[0]] = f"### `{title}`\n{body}".strip()
    return out


def hover(text: Text, line: int, column: int) -> tuple[str, Place] | None:
    """Markdown about what stands at a position."""
    at = text.word(line, column)
    if at is None:
        return None
    word, place = at
    if word.startswith(("%", "@")):
        defined = text.definition(word, line)
        return None if defined is None else (f"```mlir\n{text.lines[defined.line].strip()}\n```", place)
    said = documentation().get(word)
    return None if said is None else (said, place)


def problems(text: str, name: str) -> list[tuple[str, int, int, str]]:
    """(severity, line, column, message) of what is wrong with a module, positions from 0."""
    from focus.dialects.context import make_context, parse_text
    from focus.dialects.support import DiagnosedError, ir
    with make_context(), ir.Location.unknown():
        try:
            parse_text(text, name)
        except DiagnosedError as e:
            return [(d.severity, max(d.line - 1, 0), max(d.column - 1, 0), d.message) for top in e.diagnostics for d in (top, *top.notes)] or [
                ("error", 0, 0, str(e))]
    return []


# ---- the protocol --------------------------------------------------------------------------------------------------------------
def server():
    """The server, not started."""
    from lsprotocol import types as lsp
    from pygls.lsp.server import LanguageServer

    ls = LanguageServer("focus-lsp", version(DISTRIBUTION))
    severities = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}

    def text_of(uri: str) -> Text:
        return Text(ls.workspace.get_text_document(uri).source)

    def range_of(place: Place) -> lsp.Range:
        return lsp.Range(lsp.Position(place.line, place.start), lsp.Position(place.line, place.end))

    def check(uri: str) -> None:
        source = ls.workspace.get_text_document(uri).source
        lines = source.splitlines()
        found = []
        for severity, line, column, message in problems(source, unquote(urlsplit(uri).path)):
            at = Text(source).word(line, column)
            end = at[1].end if at else len(lines[line]) if line < len(lines) else column
            found.append(lsp.Diagnostic(range_of(Place(line, column, max(end, column + 1))), message, severity=severities.get(
                severity, lsp.DiagnosticSeverity.Information), source="focus"))
        ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found))

    @ls.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        check(params.text_document.uri)

    @ls.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        check(params.text_document.uri)

    @ls.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(params: lsp.HoverParams) -> lsp.Hover | None:
        said = hover(text_of(params.text_document.uri), params.position.line, params.position.character)
        return None if said is None else lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, said[0]), range_of(said[1]))

    @ls.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def defined(params: lsp.DefinitionParams) -> lsp.Location | None:
        uri, line = params.text_document.uri, params.position.line
        text = text_of(uri)
        at = text.word(line, params.position.character)
        place = text.definition(at[0], line) if at and at[0].startswith(("%", "@")) else None
        return None if place is None else lsp.Location(uri, range_of(place))

    @ls.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def used(params: lsp.ReferenceParams) -> list[lsp.Location]:
        uri, line = params.text_document.uri, params.position.line
        text = text_of(uri)
        at = text.word(line, params.position.character)
        if not at or not at[0].startswith("%"):
            return []
        return [lsp.Location(uri, range_of(place)) for place, defines in text.occurrences(at[0], line)
                if params.context.include_declaration or not defines]

    return ls


if __name__ == "__main__":
    sys.exit(main())
