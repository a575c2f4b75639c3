"""focus-fidelity: how far concentrations move a model's answers.

In: a model (as for focusc), files of requests, concentrations.  Out: a table with a row for each concentration and one for storage in fp16 alone,
means over the requests, or one for each request too; on request the same as JSON.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from focus.compiler.frontend import arguments
from focus.runtime.spec.concentration import PRESETS
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, check_outputs
from focus.runtime.tools.cli import parsed, tool

if TYPE_CHECKING:
    from focus.compiler.truth.fidelity import Fidelity  # needs torch

_EXAMPLES = """
examples:
  focus-fidelity llava-onevision-demo
  focus-fidelity llava-onevision-demo --concentration sec --concentration tuned.toml -o fidelity.json
  focus-fidelity examples/trained.py:video --inputs one.safetensors two.safetensors --generate 16

Distances are those of next-token distributions at every position of the prompt (the text after the last visual token) from those of the
dense model in float32: docs/algorithm.md. The last row is the dense model with values stored in fp16.
"""


@tool
def main(argv: list[str] | None = None) -> int:
    args = parsed(_parser(), argv)
    if args.output is not None and args.output.suffix != ".json":
        raise FocusError(f"{args.output}: a .json file expected")
    check_outputs(args.output)
    specs = args.concentration or ["full"]
    for spec in specs:
        arguments.check_concentration(spec)
    with arguments.progress(args.quiet) as tell:
        tell("load model")
        model, requests = arguments.load_requests(args.model, args.inputs)
        from focus.compiler.truth.fidelity import fidelity
        found = {}
        for spec in specs:
            tell(f"concentration {spec}")
            found[spec] = fidelity(model, list(requests.values()), spec, args.generate, storage=spec == specs[-1])
    _show(found, list(requests), args.each)
    if args.output is not None:
        results = {spec: result.as_dict() for spec, result in found.items()}
        with atomic_write(args.output) as temporary:
            temporary.write_text(json.dumps({"inputs": list(requests), "concentrations": results}, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="focus-fidelity", description="Compare the answers of a concentrated model with the dense model's.",
                                     epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_requests(parser)
    parser.add_argument("--concentration", action="append", metavar="WHAT",
                        help=f"{', '.join(PRESETS)} or a TOML file; more of them are more rows (default full)")
    parser.add_argument("--generate", type=int, default=16, metavar="N", help="compare N greedily generated tokens (default 16; 0: none)")
    parser.add_argument("--each", action="store_true", help="show each request, too")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write all numbers to a .json file")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser


def _show(found: Mapping[str, Fidelity], requests: Sequence[str], each: bool) -> None:
    """The table on standard output."""
    from rich.console import Console

    from focus.runtime.run.report import empty_table
    shown = empty_table("", "KL", "at the end", "variation", "top token", "top 5", "generated", "features")

    def row(name, d):
        generated = "" if d.generated is None else f"{d.generated:.0%}"
        shown.add_row(name, f"{d.kl:.4f}", f"{d.last:.4f}", f"{d.variation:.4f}", f"{d.top1:.1%}", f"{d.top5:.1%}", generated, f"{d.features:.5f}")
    for spec, result in found.items():
        for rows, mean, name in ((result.requests, result.mean, spec), (result.storage, result.storage_mean, "dense, stored in fp16")):
            if rows:
                row(name, mean)
                for request, d in zip(requests, rows) if each else ():
                    row(f"  {request}", d)
    Console(width=None if sys.stdout.isatty() else 140).print(shown)


if __name__ == "__main__":
    sys.exit(main())
