"""What the fuzzer tries: for each kind, seed files, and what one case does with a damaged copy.

In: a folder.  Out: a function of a `random.Random` that returns None for a result, or raises: FocusError for what is refused, anything else for a
finding.  `KINDS` holds them by name.
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
for place in ("test/fuzz", "test/runtime/Inputs", "test/end2end/Inputs"):
    sys.path.insert(0, str(ROOT / place))

import damage
from damage import Finding

from focus.runtime.run import asm, executable, fxb
from focus.runtime.run.trace import Trace
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import MACHINES, Machine

Case = Callable[[Random], object]
BUDGET = dict(max_instructions=3_000_000, max_bytes=2_000_000_000)
DIFFERENCE = 5e-3                                       #: relative, of a run and the interpreter: what fp16 in between can make
RARE = 0.02                                             #: of the binaries are the whole model's with entries, which takes ten times as long
MOST_INPUT = 1 << 24                                    #: bytes of an input that are worth making up


def _times(rng: Random) -> int:
    return rng.choice((1, 1, 1, 2, 3, 6))


# ---- binaries --------------------------------------------------------------------------------------------------------
class File:
    """A safetensors file taken apart: metadata, and (dtype, shape, bytes) of each tensor."""

    def __init__(self, path: Path):
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header, body = json.loads(raw[8:8 + length]), raw[8 + length:]
        self.metadata = header.pop("__metadata__", {})
        self.tensors = {name: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])]) for name, e in header.items()}

    def write(self, path: Path, rng: Random | None = None, mend: bool = True) -> None:
        """Write it, with the checksums of what it holds now; with `rng`, the header damaged."""
        if mend and "sha256" in self.metadata:
            sums = {name: hashlib.sha256(data).hexdigest() for name, (_, _, data) in self.tensors.items()}
            rest = {key: value for key, value in self.metadata.items() if key != "sha256"}
            self.metadata = rest | {"sha256": json.dumps(sums | {"metadata": fxb._metadata_sum(rest)})}
        table, body = {}, b""
        for name, (dtype, shape, data) in self.tensors.items():
            table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
            body += data
        header = {"__metadata__": self.metadata} | table
        raw = json.dumps(damage.values(rng, header) if rng else header).encode()
        path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)


def _function_binary():
    """A program with every unit: concentrated and dense GEMMs, attention, importance and pruning; its inputs."""
    from functions import Function
    from harness import execute
    from strategies import repetitive, video

    f = Function(4, video(75, 4, 6, side=5))
    ids = f.token_ids()
    x = f.gather(f.norm("rms", repetitive(f, 64, 0)), ids)
    q, k, v = (f.linear(x, n) for n in (64, 32, 32))
    sel = f.topk(q, k, ids, 2, 1, 40)
    y = f.linear(f.attention(f.gather(q, ids, site="query"), k, v, 2, 1, True, ids=ids), 64, residual=f.rows(85, 64))
    y = f.linear(f.gather(f.prune(y, sel), f.select(ids, sel), site="gate_proj"), 100, "swiglu")
    return execute(f.text(y), f.inputs, f.params).binary


def _seed_binaries(folder: Path) -> list[Path]:
    import merged
    import small

    out = []
    for name, binary in (("small", small.binary()), ("merged", merged.binary()), ("function", _function_binary())):
        out.append(folder / f"{name}.fxb")
        binary.save(out[-1])
    return out


def _chat_binary(folder: Path) -> Path:
    """A model's program with entries for what follows a request."""
    import calls
    calls.chat()[2].save(folder / "chat.fxb")
    return folder / "chat.fxb"


def _damaged_binary(rng: Random, seed: Path, path: Path) -> None:
    file, what = File(seed), rng.random()
    if what < 0.5:
        text = rng.choice([name for name in file.tensors if name.rpartition("/")[2] == "text"])
        program = np.frombuffer(file.tensors[text][2], np.uint8).reshape(-1, 16)
        program = damage.words(rng, program, _times(rng))
        source = np.resize(np.frombuffer(file.tensors[text.replace("text", "source")][2], np.uint32), len(program))
        file.tensors[text] = ("U8", list(program.shape), program.tobytes())
        file.tensors[text.replace("text", "source")] = ("U32", [len(program)], source.tobytes())
    elif what < 0.85:
        for _ in range(_times(rng)):
            key = rng.choice([k for k in file.metadata if k not in ("sha256", "machine_fingerprint")])
            value = file.metadata[key]
            try:
                value = json.dumps(damage.values(rng, json.loads(value)))
            except ValueError:
                value = damage.text(rng, value) if rng.random() < 0.5 else rng.choice(damage.WORDS)
            if rng.random() < 0.03:
                value = damage.text(rng, value)
            file.metadata[key] = value
        with contextlib.suppress(FocusError):           # most machines are refused; those that are not shall be tried
            file.metadata["machine_fingerprint"] = Machine.from_json(file.metadata["machine"]).fingerprint
    elif what < 0.92:
        name = rng.choice(list(file.tensors))
        dtype, shape, data = file.tensors[name]
        file.tensors[name] = (rng.choice((dtype, "F64", "BOOL", "BF16", "I8")), damage.values(rng, shape), damage.data(rng, data))
    else:
        file.write(path, rng if rng.random() < 0.5 else None)
        path.write_bytes(damage.data(rng, path.read_bytes(), _times(rng)))
        return
    file.write(path)


def _some_inputs(rng: Random, exe: executable.Executable) -> dict[str, np.ndarray] | None:
    """Values for the inputs of a program; None where they are too large to be worth it."""
    noise, out = np.random.default_rng(rng.randrange(2 ** 32)), {}
    for port in exe.binary.inputs:
        if port.nbytes > MOST_INPUT:
            return None
        if np.dtype(port.dtype).kind == "f":
            out[port.name] = noise.standard_normal(port.shape).astype(port.dtype)
        else:
            out[port.name] = noise.integers(0, min(port.below or 100, 2 ** 31 - 1), port.shape).astype(port.dtype)
    tokens = exe.binary.tokens
    if tokens is not None and tokens.visual_ids and out.get("input_ids", np.zeros(0)).size == tokens.S:
        ids = out["input_ids"]                          # a request of the program's layout
        ids[np.isin(ids, tokens.visual_ids)] = 0
        ids.reshape(-1)[tokens.visual_mask()] = tokens.visual_ids[0]
    return out


def binaries(folder: Path) -> Case:
    seeds, rare, path = _seed_binaries(folder), _chat_binary(folder), folder / "damaged.fxb"

    def case(rng: Random) -> None:
        _damaged_binary(rng, rare if rng.random() < RARE else rng.choice(seeds), path)
        exe = executable.load(path, **BUDGET)
        listing = asm.disassemble(exe.binary.text, exe.binary.source, list(exe.binary.modules))
        if asm.assemble(listing).text.tobytes() != exe.binary.text.tobytes():
            raise Finding("disassembling and assembling again gives another program")
        inputs, refused, result = _some_inputs(rng, exe), None, None
        try:
            if inputs is not None:
                result = exe.run(inputs, sanitize=rng.random() < 0.3)
        except FocusError as e:
            refused = e                                 # the other ways may still go on
        with contextlib.suppress(FocusError):
            exe.time()
        if result is not None:
            cycles = exe.time(result.trace)["cycles"]
            if cycles != result.report["cycles"]:
                raise Finding(f"{result.report['cycles']} cycles, but {cycles} when only timed")
            json.dumps(result.report)
        if exe.binary.entries and inputs is not None:
            exe.time(result.trace if result else None, generate=2)
            exe.generate([inputs] * exe.binary.steps, 2)
        exe.save(folder / "again.fxb")
        if refused:
            raise refused
    return case


def traces(folder: Path) -> Case:
    import merged

    from focus.compiler.tools import trace_tool
    exe = executable.Executable(merged.binary(), **BUDGET)
    exe.run({"x": merged.inputs()}).trace.save(folder / "seed.safetensors")

    def case(rng: Random) -> None:
        file, path = File(folder / "seed.safetensors"), folder / "damaged.safetensors"
        for _ in range(_times(rng)):
            if rng.random() < 0.3:
                file.metadata = {k: str(v) for k, v in damage.values(rng, dict(file.metadata)).items()}
                continue
            if not file.tensors:
                break
            name = rng.choice(list(file.tensors))
            dtype, shape, data = file.tensors[name]
            if rng.random() < 0.6 and dtype == "I32":
                array = np.frombuffer(data, np.int32).copy()
                array[rng.randrange(len(array))] = rng.choice((rng.randrange(25), damage.number(rng, 20) % 2 ** 31, -1))
                file.tensors[name] = dtype, shape, array.tobytes()
            elif rng.random() < 0.5:
                del file.tensors[name]
            else:
                file.tensors[rng.choice((name, name + "x", "counts/0/q_proj", "retained/999999999999/q_proj", "retained/x/y"))] = (
                    dtype, rng.choice((shape, shape[::-1], [*shape, 1], [])), data)
        file.write(path, rng if rng.random() < 0.1 else None)
        if rng.random() < 0.1:
            path.write_bytes(damage.data(rng, path.read_bytes()))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
            code = trace_tool.main(["show", str(path)])
        if code not in (0, 1) or "Traceback" in err.getvalue():
            raise Finding(f"focus-trace show ends with {code}: {err.getvalue()}")
        exe.time(Trace.load(path))
    return case


# ---- text ------------------------------------------------------------------------------------------------------------
def assembly(folder: Path) -> Case:
    seeds = [asm.disassemble(b.text, b.source, list(b.modules)) for b in map(fxb.load, _seed_binaries(folder))]
    import small

    def case(rng: Random) -> None:
        listing = damage.text(rng, rng.choice(seeds), _times(rng))
        program = asm.assemble(listing, "damaged.s")
        again = asm.assemble(asm.disassemble(program.text, program.source, program.modules), "again.s")
        if again.text.tobytes() != program.text.tobytes():
            raise Finding("assembling, disassembling and assembling again gives another program")
        small.binary(text=program.text, source=program.source, modules=tuple(program.modules)).validate()
    return case


def toml(folder: Path) -> Case:
    machines = {p.stem: p.read_text() for p in MACHINES.glob("*.toml")}
    concentration = (ROOT / "test/passes/Inputs/concentration.toml").read_text()

    def case(rng: Random) -> None:
        path = folder / "damaged.toml"
        if rng.random() < 0.3:
            path.write_bytes(damage.text(rng, concentration, _times(rng)).encode(errors="replace"))
            Concentration.resolve(path, 4).retained(4, 100)
            return
        path.write_bytes(damage.text(rng, rng.choice(list(machines.values())), _times(rng)).encode(errors="replace"))
        machine = Machine.load(path)
        _check_machine(machine)
    return case


def _check_machine(machine: Machine) -> None:
    """A machine that is accepted can be timed, and a function compiled for it gives the right values or is refused."""
    from functions import Function

    timing = machine.timing
    for rows in (0, 1, 100):
        if not 0 <= timing.array(rows) < 2 ** 62:
            raise Finding(f"a pass of {rows} rows takes {timing.array(rows)} cycles")
    f = Function(0)
    y = f.linear(f.norm("rms", f.rows(40, 40)), 50, "silu", bias=True)
    _run_function(f, y, machine)


def _run_function(f, y, machine) -> None:
    """Compile, run, and compare with the interpreter; what the passes refuse is a FocusError."""
    from harness import execute

    outcome = execute(f.text(y), f.inputs, f.params, machine)
    if outcome.functional["findings_total"]:
        raise Finding(f"the sanitizer finds {outcome.functional['findings'][:2]}")
    if not outcome.error < DIFFERENCE:
        from follow import error_with_choices
        with_choices = error_with_choices(f.text(y), f.inputs, f.params, outcome) if outcome.trace else outcome.error
        if not with_choices < DIFFERENCE:
            raise Finding(f"relative error {outcome.error:.2g}, with the same choices {with_choices:.2g}")


# ---- IR --------------------------------------------------------------------------------------------------------------
#: what IR has in it -> the first pass that may come next
_NEXT = {"fisa.program": "", "focus.slots": "allocate", "focus.kernel": "schedule", "#focus.mapping": "tile", "#focus.layout": "fuse-concentration",
         "focus.gather": "assign-layout", "focus.": "fuse", "torch.": "convert-torch-to-focus"}


def ir(folder: Path) -> Case:
    """IR of every level, from the tests' files and from a small function after each pass, through one or several passes."""
    from functions import Function

    from focus.compiler.tools import opt
    from focus.passes import manager
    from focus.passes.pipeline import pipeline
    f = Function(0)
    y = f.linear(f.norm("rms", f.rows(40, 40)), 50, "swiglu", bias=True)
    from focus.dialects.bytecode import is_bytecode
    from focus.dialects.context import make_context, parse_text
    from focus.dialects.support import to_text
    steps = [s.name for s in pipeline()]
    module, seeds = parse_text(f.text(y), context=make_context()), [f.text(y)]
    for step in pipeline()[steps.index("fuse-concentration"):]:
        manager.run(module, [step])
        seeds.append(to_text(module))
    whole = len(seeds)
    for file in sorted([*ROOT.glob("test/passes/*.mlir"), *ROOT.glob("test/dialects/*.mlir")]):
        seeds += [part for part in re.split(r"^// -----.*$", file.read_text(), flags=re.MULTILINE) if 50 < len(part) < 20_000]
    names = list(manager.load_passes())

    def case(rng: Random) -> None:
        seed = rng.choice(seeds[:whole]) if rng.random() < 0.3 else rng.choice(seeds)
        source = damage.text(rng, seed, _times(rng)) if rng.random() < 0.97 else damage.data(rng, seed.encode()).decode(errors="replace")
        following = next((name for mark, name in _NEXT.items() if mark in seed), "")
        if following and rng.random() < 0.7:
            level = steps.index(following)
            chosen = steps[level:level + rng.choice((1, 1, 2, 9))]
        else:
            chosen = rng.sample(names, rng.choice((1, 1, 2)))
        path = folder / "damaged.mlir"
        path.write_bytes(source.encode(errors="replace"))
        code, out, said = called(str(path), *(f"--{name}" for name in chosen), *(["--canonicalize"] if rng.random() < 0.1 else []))
        if code not in (0, 1) or (code == 1 and not said.strip()) or "' raised " in said or "Traceback (" in said or "left IR that does not verify" in said:
            raise Finding(f"focus-opt {' '.join('--' + n for n in chosen)} ends with {code}: {said[-800:]}")
        if code == 1:
            raise FocusError("refused")
        if not out:
            return
        path.write_bytes(out)                           # what it printed can be read again
        again, code_of_it, said = called(str(path), "--allow-unregistered-dialect", *(["--emit-bytecode"] if rng.random() < 0.2 else []))
        if again:
            raise Finding(f"focus-opt does not read what it wrote after {chosen}: {said[-800:]}")
        if is_bytecode(code_of_it):
            path.write_bytes(damage.data(rng, code_of_it, _times(rng)))
            again, _, said = called(str(path), "--allow-unregistered-dialect")
            if again not in (0, 1) or "Traceback (" in said:
                raise Finding(f"focus-opt ends with {again} on damaged bytecode: {said[-800:]}")

    def called(*arguments: str) -> tuple[int, bytes, str]:
        """Exit code, standard output and errors of focus-opt."""
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), write_through=True)) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = opt.main(list(arguments))
        return code, out.buffer.getvalue(), err.getvalue()
    return case


# ---- programs that are right ----------------------------------------------------------------------------------------------
def kernels(folder: Path) -> Case:
    """Random functions of the focus dialect on random machines against the numpy interpreter."""
    from functions import Function
    from strategies import repetitive, video
    base = Machine.load("focus").model_dump(mode="json")

    def machine(rng: Random) -> Machine:
        values = json.loads(json.dumps(base))
        for buffer in values["buffers"].values():
            buffer["bytes"] = max(256, buffer["bytes"] // rng.choice((1, 1, 2, 4)))
        values["queues"]["depth"] = rng.choice((1, 2, 8))
        return Machine.from_dict(values)

    def case(rng: Random) -> None:
        size = lambda: rng.choice((1, 7, 20, 31, 32, 33, 40, 64, 80, 97, 130))
        if rng.random() < 0.4:
            heads, dim, kv = rng.choice(((1, 32, 1), (2, 20, 1), (4, 32, 2), (3, 40, 1)))
            f = Function(rng.randrange(10 ** 6), video(rng.choice((25, 50, 75)), rng.randrange(5), 1 + rng.randrange(6), side=5))
            ids = f.token_ids()
            x = repetitive(f, size(), rng.choice((0, 0, 1, 3)))
            x = f.gather(x, ids, m_tile=rng.choice((16, 64, 1024))) if rng.random() < 0.7 else x
            q, k, v = f.linear(x, heads * dim), f.linear(x, kv * dim), f.linear(x, kv * dim)
            y = f.linear(f.attention(q, k, v, heads, kv, True, ids=ids), size())
            if rng.random() < 0.5:
                sel = f.topk(q, k, ids, heads, kv, 1 + rng.randrange(20))
                y = f.linear(f.gather(f.prune(y, sel), f.select(ids, sel), site="gate_proj"), size(), "swiglu")
        else:
            f = Function(rng.randrange(10 ** 6))
            x = y = f.rows(rng.choice((1, 5, 33, 100, 257)), size())
            for _ in range(rng.choice((1, 2, 3))):
                what = rng.randrange(4)
                if what == 0:
                    y = f.norm(rng.choice(("rms", "layer")), y)
                elif what == 1:
                    y = f.linear(y, size(), rng.choice(("none", "silu", "gelu_tanh", "swiglu")), bias=rng.random() < 0.5)
                elif what == 2:
                    y = f.elementwise(rng.choice(("add", "mul")), y, f.rows(*y.shape))
                else:
                    y = f.activation(rng.choice(("silu", "gelu_tanh")), y)
        _run_function(f, y, machine(rng))
    return case


def models(folder: Path) -> Case:
    """Random sizes of every family, dense against PyTorch, and sometimes concentrated against the reference."""
    import models as suite  # of test/end2end/Inputs

    from focus.compiler.frontend import zoo
    from focus.compiler.frontend.video import moving_pattern

    def decoder(rng: Random, **fixed) -> zoo.DecoderConfig:
        heads = rng.choice((1, 2, 3, 4))
        width = rng.choice((16, 24, 32, 40, 64))
        return zoo.DecoderConfig(hidden=heads * width, intermediate=rng.choice((40, 96, 150)), layers=rng.choice((1, 2, 3)), heads=heads,
                           kv_heads=rng.choice([n for n in range(1, heads + 1) if heads % n == 0]), vocabulary=rng.choice((100, 203)), **fixed)

    def siglip(rng: Random, side: int) -> dict:
        heads = rng.choice((1, 2, 3))
        return dict(hidden_size=heads * rng.choice((20, 24, 36)), intermediate_size=rng.choice((50, 100)), num_hidden_layers=rng.choice((1, 2, 3)),
                    num_attention_heads=heads, image_size=side)

    def build(rng: Random):
        family, seed = rng.choice(("onevision", "llava", "next", "qwen2.5", "qwen2", "qwen3", "internvl")), rng.randrange(1000)
        before, after, frames = rng.randrange(6), 1 + rng.randrange(8), 1 + rng.randrange(5)
        if family == "onevision":
            side = 14 * rng.choice((3, 4, 5))
            model = zoo.llava_onevision(decoder(rng), siglip(rng, side), seed=seed, decoder_type=rng.choice(("qwen2", "llama")))
            return model, zoo.video_request(model, moving_pattern(frames, side, side, speed=1.5), before=before, after=after, seed=seed)
        if family == "llava":
            side = 14 * rng.choice((3, 4, 5))
            model = zoo.llava(decoder(rng), siglip(rng, side) | {"num_hidden_layers": rng.choice((2, 3))}, seed=seed, decoder_type=rng.choice(("qwen2", "llama", "mistral")))
            return model, zoo.video_request(model, moving_pattern(1, side, side), before=before, after=after, seed=seed)
        if family == "next":
            model = zoo.llava_next(decoder(rng), siglip(rng, 42) | {"num_hidden_layers": 2}, seed=seed)
            images = [moving_pattern(1, rng.randrange(30, 140), rng.randrange(30, 140), seed=i)[0] for i in range(rng.choice((1, 2)))]
            return model, zoo.image_request(model, images, before=before, after=after, seed=seed)
        if family == "internvl":
            model = zoo.internvl(decoder(rng), siglip(rng, 56) | dict(patch_size=14), seed=seed)
            return model, zoo.video_request(model, moving_pattern(min(frames, 2), 56, 56), before=before, after=after, seed=seed)
        heads = rng.choice((1, 2))
        height, width = 28 * rng.choice((2, 3, 4)), 28 * rng.choice((2, 3, 5))
        if family == "qwen2.5":
            vision = dict(hidden_size=heads * 40, intermediate_size=110, depth=2, num_heads=heads, window_size=112, fullatt_block_indexes=[rng.choice((0, 1))])
            model = zoo.qwen2_5_vl(decoder(rng), vision, seed=seed)
        elif family == "qwen2":
            model = zoo.qwen2_vl(decoder(rng), dict(embed_dim=heads * 40, depth=rng.choice((1, 2)), num_heads=heads, mlp_ratio=2), seed=seed)
        else:
            vision = dict(hidden_size=heads * 40, intermediate_size=110, depth=3, num_heads=heads, patch_size=14, num_position_embeddings=49,
                          deepstack_visual_indexes=[0])
            model = zoo.qwen3_vl(decoder(rng), vision, seed=seed, head_dim=rng.choice((32, 40)))
        return model, zoo.video_request(model, moving_pattern(2 * frames, height, width, speed=1.5), before=before, after=after, seed=seed)

    def case(rng: Random) -> None:
        c = suite.Case(*build(rng))
        machine = rng.choice(("focus", "focus", str(ROOT / "test/end2end/Inputs/small.toml")))
        dense = c.run("off", machine)
        if not dense.distance < 2 * suite.DENSE:
            raise Finding(f"logits differ by {dense.distance:.2g} from PyTorch's")
        if rng.random() < 0.5:
            mode = rng.choice(("full", "sic", "sec"))
            if not (found := c.run(mode, machine)).agreement.holds:
                raise Finding(f"{mode}: {found.agreement}")
    return case


# ---- the Python interface ------------------------------------------------------------------------------------------------------
def configurations(folder: Path) -> Case:
    """Models whose configuration has other values."""
    import calls
    return calls.case(calls.CONFIGURATIONS)


def interface(folder: Path) -> Case:
    """Calls with inputs, modules, traces and files that are others, or none."""
    import calls
    return calls.case(calls.CALLS)


KINDS: dict[str, Callable[[Path], Case]] = {"binaries": binaries, "traces": traces, "toml": toml, "assembly": assembly, "ir": ir, "kernels": kernels,
                                            "models": models, "configurations": configurations, "calls": interface}
