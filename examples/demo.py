"""The whole path on real video: a vision-language model compiled and run on the simulated accelerator, dense and concentrated.

In: `llava-onevision-demo` of the zoo (SigLIP tower, Qwen2 decoder with grouped-query attention, random weights; frames of a real clip and
a prompt), or any MODEL that focusc takes.  Out: what `make demo` prints, and in build/demo: report.html to look at, demo.fxb (concentrated) and
demo-dense.fxb, ir/ with one file per pass, and the inputs, trace and reports that the tools take.  Exit code 1 when a result differs from PyTorch by
more than it may.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from focus.compiler.report import page
from focus.compiler.report.run import Ran
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.sites import SITES
from focus.runtime.tools.cli import tool

EVENTS = 200_000            #: instructions on the report's time line
NEW_TOKENS = 128            #: that are generated after the prompt
DENSE_LIMIT = 1e-2          #: relative L2 difference of the logits that fp16 explains
console = Console(width=110, highlight=False)


@dataclass
class Run:
    """One compiled program and what came out of it."""
    executable: Any
    result: Any
    recorder: Any           #: of the IR, for the report; None of the run that it does not show
    generation: Any         #: the tokens after the prompt, and what they took

    @property
    def logits(self) -> np.ndarray:
        return self.result.outputs["logits"]

    @property
    def trace(self) -> Any:
        return self.result.trace

    @property
    def report(self) -> dict[str, Any]:
        return self.result.report


@tool
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compile a model with real video frames, run it dense and concentrated, compare.")
    parser.add_argument("--model", default="llava-onevision-demo",
                        help="a zoo name, a Hugging Face folder, or FILE.py:FUNCTION (default %(default)s)")
    parser.add_argument("--machine", default="focus", help="a machine with both concentrators (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for what is written (default %(default)s)")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    model, inputs = load(args.model)
    describe(model, inputs)
    dense = compile_and_run("dense", model, inputs, args.out / "demo-dense.fxb", machine=args.machine, concentration="off")
    concentrated = compile_and_run("concentrated", model, inputs, args.out / "demo.fxb", machine=args.machine, concentration="full",
                                   dump_ir=args.out / "ir")
    differences = compare(model, inputs, dense, concentrated)
    show_layers(concentrated)
    show_totals(dense, concentrated, differences)
    show_generation(dense, concentrated)
    save(args.out, inputs, dense, concentrated)
    if not differences["dense"] < DENSE_LIMIT:
        raise FocusError(f"demo: the dense logits differ from PyTorch's by {differences['dense']:.1e}; less than {DENSE_LIMIT:g} expected")


# ---- progress ------------------------------------------------------------------------------------------------------------------
@contextmanager
def stage(title: str) -> Iterator[Callable]:
    """Shows what is being done and, when it is done, how long it took.  Yields a function of (text) or of (done, total)."""
    start = time.perf_counter()
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def tell(what: str | int, total: int | None = None) -> None:
            if total is None:
                bar.update(task, description=f"{title}: {what}")
            else:
                bar.update(task, completed=what, total=total)
        yield tell
    console.print(f"  {title:<46} {time.perf_counter() - start:6.1f} s")


# ---- the path ------------------------------------------------------------------------------------------------------------------
def load(spec: str):
    """Model and inputs, as focusc finds them."""
    warnings.simplefilter("ignore")
    with stage("load PyTorch, the model and the frames"):
        import transformers

        from focus.compiler.frontend.loading import load_model
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        return load_model(spec)


def describe(model, inputs) -> None:
    text, vision = model.config.text_config, model.config.vision_config
    layers = getattr(vision, "num_hidden_layers", None) or vision.depth
    console.print(f"\n[bold]{type(model).__name__}[/bold]: {vision.model_type} tower of {layers} layers, width {vision.hidden_size}; "
                  f"{text.model_type} decoder of {text.num_hidden_layers} layers, width {text.hidden_size}, "
                  f"{text.num_attention_heads} query and {text.num_key_value_heads} key-value heads")
    for name, value in inputs.items():
        console.print(f"  {name}: {str(value.dtype).removeprefix('torch.')} {list(value.shape)}")
    console.print()


def compile_and_run(title: str, model, inputs, path: Path, **how) -> Run:
    """Compile (`how`: see compile_model), write the binary, run it on data, and once more without data: the same cycles are expected."""
    from focus.compiler.backend.compile import compile_model
    from focus.compiler.report.levels import Recorder
    from focus.runtime.run.executable import Executable, load
    with stage(f"{title}: import, passes, encode") as tell:
        recorder = Recorder() if "dump_ir" in how else None
        compilation = compile_model(model, inputs, progress=tell, watchers=[recorder] if recorder else [], max_new_tokens=NEW_TOKENS, **how)
    with stage(f"{title}: write {path}"):
        Executable(compilation.binary).save(path)
        executable = load(path)
    with stage(f"{title}: run on the simulator") as tell:
        result = executable.run(inputs, progress=tell, timeline=EVENTS if recorder else 0)
    with stage(f"{title}: timing only, from the trace"):
        cycles = executable.time(result.trace)["cycles"]
    if cycles != result.report["cycles"]:
        raise FocusError(f"demo: {cycles} cycles without data, {result.report['cycles']} with")
    with stage(f"{title}: {NEW_TOKENS} tokens, one by one") as tell:
        generation = executable.generate(inputs, NEW_TOKENS, progress=tell)
    return Run(executable, result, recorder, generation)


def compare(model, inputs, dense: Run, concentrated: Run) -> dict[str, float]:
    """Relative L2 differences of the logits: dense to the unmodified model, concentrated to the plain statement of the algorithm, once
    choosing for itself and once following what the accelerator chose.  And what concentration does to the answers: KL divergence of the next-token
    distributions from the dense model's, share of positions with the same most probable token; KL by storage in fp16 alone."""
    import torch

    from focus.compiler.truth.agreement import agreement
    from focus.compiler.truth.fidelity import fidelity
    with stage("PyTorch, float32: the unmodified model"), torch.no_grad():
        plain = model(**inputs).logits[:, -1].numpy()
    settings = concentrated.executable.concentration
    with stage("PyTorch, float32: focus.reference"):
        followed, free = (agreement(model, inputs, concentrated.result, settings, follow) for follow in (True, False))
    with stage("PyTorch, float32: focus.fidelity"):
        answers = fidelity(model, inputs, settings, generate=0)
    show_choices(followed, free)
    if not followed.explained:
        raise FocusError(f"demo: the run does not choose and compute as the reference does: {followed}")
    return {"dense": relative(dense.logits, plain), "concentrated": free.logits, "same choices": followed.logits,
            "kl": answers.mean.kl, "top1": answers.mean.top1, "kl of fp16": answers.storage[0].kl}


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


# ---- what is shown ---------------------------------------------------------------------------------------------------------------
def show_choices(followed, free) -> None:
    """How often the accelerator, in fp16, chose as float32 does, and how often the reference itself does when its values are stored in fp16."""
    console.print("\n[bold]Choices[/bold] that are those of float32: each where it is made, and with what follows from close ones.\n"
                  "Of the accelerator, and of the reference when it stores its values in fp16")
    rows = table("", "accelerator,\neach", "with what\nfollows", "fp16 storage,\neach", "with what\nfollows")
    judged = followed, free, followed.rounding, free.rounding
    for cuts in zip(*(x.cuts for x in judged)):
        rows.add_row(f"tokens kept after layer {cuts[0].layer}", *(f"{c.kept - c.exchanged} of {c.kept}" for c in cuts))
        rows.add_row("  importance gap at the cut", *(c.closeness.removeprefix("gap ") for c in cuts[:2]))
    if followed.entries:
        rows.add_row("vectors with the same representative", *(f"{x.groups:.2%}" for x in judged))
        rows.add_row("  of", *(f"{x.entries:,}" for x in judged))
        rows.add_row("  of those without a close choice", *(f"{x.clear_alike / max(x.clear, 1):.2%}" for x in judged))
        rows.add_row("  of", *(f"{x.clear:,}" for x in judged))
    rows.add_row("difference of the logits (relative L2)", *(f"{x.logits:.1e}" for x in judged))
    console.print(rows)


def table(first: str, *columns: str) -> Table:
    out = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate((first, *columns)):
        out.add_column(column, justify="right" if i else "left")
    return out


def show_layers(run: Run) -> None:
    """Tokens kept and unique vectors, layer by layer."""
    tokens, sites = run.report["tokens"], run.report["sites"]
    depth = 1 + max((int(name.split("/")[0]) for name in sites), default=-1)
    counts = run.executable.concentration.retained(depth, tokens["visual"])
    console.print(f"\n[bold]Concentration[/bold]: {tokens['visual']} visual and {tokens['text']} text tokens; "
                  "unique vectors as a share of all, by site")
    rows = table("layer", "visual tokens in attention", "in MLP", *SITES)
    for layer in range(depth):
        cells = (sites.get(f"{layer}/{site}") for site in SITES)
        rows.add_row(str(layer), str(counts[layer]), str(counts[layer + 1]), *(f"{c['ratio']:.1%}" if c else "" for c in cells))
    total = [[s for name, s in sites.items() if name.endswith(f"/{site}")] for site in SITES]
    rows.add_row("all", "", "", *(f"{sum(s['unique'] for s in t) / max(sum(s['vectors'] for s in t), 1):.1%}" for t in total))
    console.print(rows)


def show_totals(dense: Run, concentrated: Run, differences: dict[str, float]) -> None:
    a, b = dense.report, concentrated.report
    console.print(f"\n[bold]On machine {a['machine']}[/bold] ({a['array_rule']} array rule, {a['energy']['rule']} energy rule)")
    rows = table("", "dense", "concentrated", "dense / concentrated")
    rows.add_row("difference to PyTorch (relative L2)", f"{differences['dense']:.1e}", f"{differences['concentrated']:.1e}", "")
    rows.add_row("  with the same choices", "", f"{differences['same choices']:.1e}", "")
    for name, key, show in (("cycles", "cycles", "{:,}"), ("instructions", "instructions", "{:,}"),
                            ("multiply-accumulates", "macs", "{:,}"), ("array utilization", "utilization", "{:.1%}"),
                            ("DRAM bytes", "dram_bytes", "{:,}"), ("energy in joules", "energy_j", "{:.5f}")):
        ratio = "" if key == "utilization" else f"{a[key] / b[key]:.2f}"
        rows.add_row(name, show.format(a[key]), show.format(b[key]), ratio)
        if key == "cycles":
            layers = [sum(m["cycles"] for path, m in r["modules"].items() if ".language_model.layers." in path) for r in (a, b)]
            rows.add_row("  in the decoder's layers", *(f"{n:,}" for n in layers), f"{layers[0] / layers[1]:.2f}")
    console.print(rows)
    console.print(f"\n[bold]speed-up {a['cycles'] / b['cycles']:.2f}x, energy {a['energy_j'] / b['energy_j']:.2f}x less[/bold]\n"
                  f"Concentration moves the distribution of the next token by {differences['kl']:.2g} nats (KL; fp16 alone: "
                  f"{differences['kl of fp16']:.1g}),\nand {differences['top1']:.0%} of the positions of the prompt have the same top token.")


def show_generation(dense: Run, concentrated: Run) -> None:
    """What the tokens after the prompt take, and how long they are the same."""
    a, b = dense.generation.report, concentrated.generation.report
    console.print(f"\n[bold]With {NEW_TOKENS} new tokens[/bold], each the most probable one")
    rows = table("", "dense", "concentrated", "dense / concentrated")
    lines = (("time to first token, ms", "time_to_first_token_s", 1e3, "{:.2f}"), ("time per token, ms", "token_s", 1e3, "{:.3f}"),
             ("tokens per second", "tokens_per_s", 1, "{:,.0f}"), ("energy per token, mJ", "token_j", 1e3, "{:.3f}"),
             ("keys and values after the prefill, KiB", "cache_bytes", 1 / 1024, "{:,.0f}"), ("all of it, ms", "total_s", 1e3, "{:.2f}"),
             ("energy of all of it, mJ", "total_j", 1e3, "{:.1f}"))
    for name, key, factor, form in lines:
        rows.add_row(name, form.format(a[key] * factor), form.format(b[key] * factor), f"{a[key] / b[key]:.2f}")
    rows.add_row("array utilization in decode", *(f"{g['utilization']['decode']:.1%}" for g in (a, b)), "")
    bounds = {"array": "weight tiles", "dram": "DRAM"}
    rows.add_row("bound of decode: its share of the cycles", *(f"{bounds[g['bound']['by']]}: {g['bound']['share']:.0%}" for g in (a, b)), "")
    console.print(rows)
    pairs = list(zip(dense.generation.tokens[0], concentrated.generation.tokens[0]))
    same = next((i for i, (x, y) in enumerate(pairs) if x != y), len(pairs))
    console.print(f"Of the {len(pairs)} tokens, the first {same} are those of the dense run, and {sum(x == y for x, y in pairs)} at the same place.")


def save(folder: Path, inputs, dense: Run, concentrated: Run) -> None:
    """Inputs, trace and reports, for focus-sim."""
    from safetensors.torch import save_file
    save_file({name: value.contiguous() for name, value in inputs.items()}, folder / "inputs.safetensors")
    concentrated.trace.save(folder / "trace.safetensors")
    for name, run in (("report-dense", dense), ("report", concentrated)):
        (folder / f"{name}.json").write_text(json.dumps(run.report, indent=1) + "\n", encoding="utf-8")
    with stage(f"write {folder}/report.html"):
        page.write(folder / "report.html", concentrated.recorder, Ran(concentrated.executable, concentrated.report, concentrated.result.timeline,
                                                                      concentrated.trace, inputs))
    files = len(list((folder / "ir").glob("*.mlir")))
    console.print(f"\nwritten to {folder}: report.html (open it in a browser), demo.fxb, demo-dense.fxb, ir/ ({files} files), inputs, trace,\n"
                  f"reports; for example\n"
                  f"  focus-sim {folder}/demo.fxb --inputs {folder}/inputs.safetensors\n"
                  f"  focus-sim {folder}/demo.fxb --timing-only --trace {folder}/trace.safetensors")


if __name__ == "__main__":
    sys.exit(main())
