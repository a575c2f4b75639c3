"""focus-trace: makes, converts and shows traces (what a timing run needs beyond the program).

In: a program (`.fxb`) or the name of an entry at full size, and wanted ratios; or the authors' `.pth` file; or a trace.  Out: a trace file;
or a table of ratios by layer and site.  PyTorch is imported only to read a `.pth` file, and then for tensors alone: no code in it runs.
"""
from __future__ import annotations

import argparse
import json
import sys
import zipfile
from pathlib import Path

from focus.runtime.evaluate import synth
from focus.runtime.run import trace as traces
from focus.runtime.spec.concentration import PRESETS, Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import check_outputs
from focus.runtime.spec.sites import ALL_SITES
from focus.runtime.tools.cli import parsed, tool

_EXAMPLES = """
examples:
  focus-trace synth video.fxb --ratio 1.709 --counts -o t.safetensors      then: focus-sim video.fxb --timing-only --trace t.safetensors
  focus-trace synth llava-video-7b/videomme --ratio 1.5 --ratio down_proj=2.5 --spread 0.1 -o t.safetensors
  focus-trace synth video.fxb --ratio 1.7 --ramp 0.5 1.5 --seed 3 -o t.safetensors
  focus-trace import trace.pth llava-video-7b/mvbench -o t.safetensors
  focus-trace show t.safetensors

PROGRAM is an .fxb file or the name of an entry at full size (focusc --list), then of its backbone.
What a trace holds: docs/full-scale.md. A trace of focus-sim --trace serves wherever one of these does.
"""


@tool
def main(argv: list[str] | None = None) -> None:
    args = parsed(_parser(), argv)
    check_outputs(getattr(args, "output", None))
    {"synth": _synth, "import": _import, "show": _show}[args.command](args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="focus-trace", description="Make, convert and show concentration traces.", epilog=_EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="synth|import|show")
    make = commands.add_parser("synth", help="make a trace with a wanted ratio of retained tokens to unique vectors")
    take = commands.add_parser("import", help="convert a .pth trace of the published implementation")
    take.add_argument("trace", type=Path, metavar="FILE.pth", help="dict of mask_zero, mask_similar, group_idx: site -> [layers, 1, V, vectors]")
    for command in (make, take):
        command.add_argument("program", metavar="PROGRAM", help="an .fxb file, or the name of an entry at full size")
        command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the trace to write, a safetensors file")
        command.add_argument("--concentration", metavar="WHAT",
                             help=f"only for an entry at full size: {', '.join(PRESETS)} or a TOML file (default full, as published)")
    make.add_argument("--ratio", action="append", metavar="[SITE=]R",
                      help=f"retained tokens per unique vector (default 1.7); SITE: {', '.join(ALL_SITES)}")
    make.add_argument("--spread", type=float, default=0.0, metavar="X", help="standard deviation over tiles and slices, relative (default 0)")
    make.add_argument("--ramp", type=float, nargs=2, metavar=("A", "B"), help="factors of R - 1 in the first and the last layer, linear between")
    make.add_argument("--zeros", type=float, default=0.0, metavar="X", help="share of rows whose vectors are all zeros (default 0)")
    make.add_argument("--seed", type=int, default=0, metavar="N", help="another trace of the same kind (default 0)")
    make.add_argument("--counts", action="store_true", help="write the compact form: counts of unique vectors, enough for timing")
    show = commands.add_parser("show", help="print ratios by layer and site")
    show.add_argument("trace", type=Path, help="a trace file")
    show.add_argument("--json", action="store_true", help="print vectors and unique vectors of each site as JSON")
    return parser


def _plan(args: argparse.Namespace) -> synth.TracePlan:
    """Sites and tokens of the program or entry."""
    path = Path(args.program)
    if path.suffix == ".fxb" or path.is_file():
        from focus.runtime.run import fxb
        if args.concentration is not None:
            raise FocusError(f"{args.program}: a program has the concentration it was compiled with; --concentration is for an entry at full size")
        return synth.TracePlan.of_binary(fxb.load(path))
    from focus.compiler.frontend import full_size
    if args.program not in full_size.FULL_SIZE:
        raise FocusError(f"'{args.program}' is neither an .fxb file nor one of {', '.join(full_size.FULL_SIZE)}")
    backbone, _ = full_size.build(args.program, "backbone")
    spec = args.concentration or "full"
    config = full_size.preset(args.program, spec) if spec in PRESETS else Concentration.resolve(spec, backbone.decoder.layers)
    if not config.sic:
        raise FocusError(f"concentration '{spec}' merges no vectors: it needs no trace")
    return synth.TracePlan.of_decoder(backbone.name, backbone.decoder, backbone.tokens, config)


def _synth(args: argparse.Namespace) -> None:
    recipe = synth.Recipe(_ratios(args.ratio or ["1.7"]), args.spread, tuple(args.ramp) if args.ramp else None, args.zeros, args.seed)
    synth.write(args.output, _plan(args), recipe, args.counts)


def _ratios(given: list[str]) -> float | dict[str, float]:
    """One ratio for all sites, or by site; a plain one is the default of those not named."""
    plain, named = 1.0, {}
    for text in given:
        site, named_one, value = text.rpartition("=")
        try:
            number = float(value if site or not named_one else "")
        except ValueError:
            raise FocusError(f"--ratio {text}: a number, or SITE=number, expected") from None
        if site:
            named[site] = number
        else:
            plain = number
    return {**dict.fromkeys(ALL_SITES, plain), **named} if named else plain


def _import(args: argparse.Namespace) -> None:
    plan = _plan(args)
    trace = traces.Trace(dict(_named(args.trace, plan)), plan.metadata)
    try:
        traces.check_retained(trace, plan.tokens.V, plan.metadata["hoist"] == "true")
        for site in plan.sites:
            traces.check_site(site, trace[f"group/{site.name}"], trace[f"zero/{site.name}"])
    except FocusError as e:
        raise FocusError(f"{args.trace}: {e}") from None
    trace.save(args.output)


def _named(path: Path, plan: synth.TracePlan):
    """The converted arrays; errors name the file."""
    try:
        yield from synth.convert(read_published(path), plan)
    except FocusError as e:
        raise e if str(e).startswith(f"{path}:") else FocusError(f"{path}: {e}") from None


def read_published(path: Path) -> dict[str, dict]:
    """The arrays of a `.pth` trace: mask_zero, mask_similar, group_idx, each site -> numpy array.  Raises FocusError."""
    import torch
    if path.is_file() and not zipfile.is_zipfile(path):
        raise FocusError(f"{path}: no file of torch.save (a zip archive)")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except Exception as e:          # the loader's exceptions for damaged files, and for files that hold more than tensors, are many
        raise FocusError(f"{path}: no trace of tensors alone: {str(e).strip().splitlines()[0]}") from None
    plain = lambda v: isinstance(v, dict) and all(isinstance(t, torch.Tensor) for t in v.values())
    if not isinstance(loaded, dict) or not all(plain(v) for v in loaded.values()):
        raise FocusError(f"{path}: a dictionary of mask_zero, mask_similar and group_idx, each a dictionary of tensors by site, expected")
    for name, by_site in loaded.items():
        for site, tensor in by_site.items():
            if tensor.dtype not in (torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float32):
                raise FocusError(f"{path}: '{name}' of site '{site}' is {tensor.dtype}; booleans or integers expected")
    return {name: {site: tensor.numpy() for site, tensor in by_site.items()} for name, by_site in loaded.items()}


def _show(args: argparse.Namespace) -> None:
    trace = traces.Trace.load(args.trace)
    try:
        found = synth.ratios(trace)
    except FocusError as e:
        raise FocusError(f"{args.trace}: {e}") from None
    if args.json:
        print(json.dumps({site: {"vectors": v, "unique": u} for site, (v, u) in found.items()}, indent=1))
        return
    for key in ("model", "V", "S", "threshold", "block", "m_tile", "hoist", "overrides"):
        if trace.metadata.get(key, "[]") != "[]":
            print(f"{key}: {trace.metadata[key]}")
    sites = [s for s in ALL_SITES if any(key.endswith(f"/{s}") for key in found)]
    print(f"{'layer':>5} {'tokens':>7} " + " ".join(f"{s:>9}" for s in sites) + f" {'all':>9}   retained tokens per unique vector")
    shown = lambda pairs: f"{sum(v for v, _ in pairs) / max(sum(u for _, u in pairs), 1):9.3f}" if pairs else " " * 9
    for layer in dict.fromkeys(key.split("/")[0] for key in found):
        row = {s: [found[f"{layer}/{s}"]] if f"{layer}/{s}" in found else [] for s in sites}
        tokens = len(trace[f"retained/{layer}/{next(s for s in sites if row[s])}"])
        print(f"{layer:>5} {tokens:>7} " + " ".join(shown(row[s]) for s in sites) + f" {shown([p for ps in row.values() for p in ps])}")
    print(f"{'all':>5} {'':>7} " + " ".join(shown([v for k, v in found.items() if k.endswith(f'/{s}')]) for s in sites)
          + f" {shown(list(found.values()))}")


if __name__ == "__main__":
    sys.exit(main())
