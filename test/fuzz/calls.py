"""What the fuzzer calls the Python interface with: configurations, inputs, modules, traces, paths of any value.

In: a `random.Random`.  Out: of each function in `CONFIGURATIONS` and `CALLS`, None for a result, a FocusError for what is refused, `Finding` for a
program that computes something else than its model, or an error that does not say what is wrong.  Models and programs are made once a process.
"""
from __future__ import annotations

import contextlib
import functools
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import damage
import numpy as np
import torch
from damage import Finding
from torch import nn

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.frontend.loading import load_model
from focus.compiler.frontend.wrapper import prefill_of
from focus.runtime.spec.errors import FocusError

warnings.filterwarnings("ignore")
NAMES = ("llava-onevision-tiny", "llava-onevision-image-tiny", "llava-tiny", "llava-next-tiny", "llava-next-video-tiny", "internvl-tiny",
         "qwen2-vl-tiny", "qwen2.5-vl-tiny", "qwen3-vl-tiny")
WRONG = (None, "x", -1, 0, 3, 10**9, 2.5, [], [1], [[1, 2], [3]], {}, True, float("nan"), float("inf"), b"x", object())
TENSORS = (torch.zeros(0), torch.zeros(1, 5), torch.ones(1, 5).long(), torch.zeros(1, 1, 1, 1, 1), torch.full((1, 5), -1), torch.full((1, 3), 2**40),
           torch.zeros(0, 3).long(), torch.zeros(1, 3).long(), torch.tensor(3), torch.zeros(2, 3).bool(), torch.zeros(1, 3).to_sparse(),
           torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8), torch.zeros(1, 3, dtype=torch.complex64), np.array(["a"]),
           np.array([None]), np.zeros((1, 3), np.uint64), np.full((1, 40), np.nan), np.zeros((1, 3), "f2"))
#: values that a configuration may well have
PLAUSIBLE = {"hidden_act": ("silu", "gelu", "relu", "gelu_new", "quick_gelu", "gelu_pytorch_tanh", "mish", "tanh"), "rms_norm_eps": (1e-5, 1e-2, 0.0),
             "layer_norm_eps": (1e-5, 1e-2), "attention_bias": (True, False), "mlp_bias": (True, False), "tie_word_embeddings": (True, False),
             "num_hidden_layers": (1, 2), "vision_feature_layer": (-1, -2, 0, 1, -3), "multimodal_projector_bias": (True, False),
             "projector_hidden_act": ("gelu", "relu", "silu", "mish"), "use_qk_norm": (True, False), "use_mean_pooling": (True, False),
             "norm_type": ("layer_norm", "rms_norm"), "attention_dropout": (0.0, 0.5), "sliding_window": (None, 8, 4096), "use_sliding_window": (True, False),
             "rope_parameters": tuple(dict(rope_theta=1e4) | d for d in (
                 dict(rope_type="linear", factor=2.0), dict(rope_type="dynamic", factor=2.0), dict(rope_type="yarn", factor=4.0),
                 dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
                 dict(rope_type="default"))),
             "max_position_embeddings": (16, 4096), "fullatt_block_indexes": ([], [0], [1], [0, 1]), "window_size": (56, 112), "head_dim": (16, 48),
             "spatial_pool_mode": ("average", "conv", "max"), "downsample_ratio": (0.5, 0.25), "vision_use_head": (True, False),
             "use_absolute_position_embeddings": (True, False), "use_mask_token": (True, False), "deepstack_visual_indexes": ([], [0], [1, 0])}
DENSE = 2e-3                            #: dense logits may differ by so much from the model's (relative L2)


@functools.cache
def built(name: str) -> tuple[nn.Module, dict]:
    return zoo.build(name)


@functools.cache
def program() -> tuple[nn.Module, dict, focus.Executable, focus.Result]:
    """A model, its inputs, its program, and a run of it."""
    model, inputs = zoo.build("internvl-tiny")
    exe = focus.compile(model, inputs)
    return model, inputs, exe, exe.run(inputs)


@contextlib.contextmanager
def said(key: object) -> Iterator[None]:
    """Run the block; an error that names a type of exception only, where nobody looked at a value, is a finding."""
    try:
        yield
    except FocusError as e:
        if "no mapping: " in str(e):
            raise Finding(f"{key}: {e}") from e
        raise


def compiles_rightly(model: nn.Module, inputs: dict, key: object) -> None:
    """A program of the model, if there is one, gives its logits."""
    result = focus.compile(model, inputs, "focus", "off").run(inputs)
    with torch.no_grad():
        expected = model(**inputs).logits[:, -1].double().numpy()
    found = result.outputs["logits"]
    if not np.isfinite(expected).all() or np.linalg.norm(expected) == 0:
        return
    distance = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not distance < DENSE:
        raise Finding(f"{key}: logits differ by {distance:.2g} from the model's")


# ---- configurations ------------------------------------------------------------------------------------------------------------
def changed(rng: Random) -> None:
    """One key of a model's configuration is another value after the model was made."""
    name = rng.choice(NAMES)
    model, inputs = built(name)
    part = rng.choice((model.config, model.config.text_config, model.config.vision_config))
    key = rng.choice([k for k in part.to_dict() if k not in ("text_config", "vision_config", "transformers_version")])
    value = rng.choice(WRONG if rng.random() < 0.8 or key not in PLAUSIBLE else PLAUSIBLE[key])
    before = getattr(part, key, None)
    try:
        try:
            setattr(part, key, value)
        except Exception as e:                          # transformers itself refuses
            raise FocusError("not set") from e
        with said(f"{name} {key}={value!r}"):
            if rng.random() < 0.04:
                compiles_rightly(model, inputs, f"{name} {key}={value!r}")
            else:
                prefill_of(model, inputs)
    finally:
        object.__setattr__(part, key, before)


def made(rng: Random) -> None:
    """A model made anew from a configuration with other values."""
    name = rng.choice(NAMES)
    model, inputs = built(name)
    config = model.config.to_dict()
    parts = [config, config["text_config"], config["vision_config"]]
    keys = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        part = rng.choice(parts)
        key = rng.choice([k for k in (*part, "attention_bias", "mlp_bias") if k in PLAUSIBLE] or ["tie_word_embeddings"])
        part[key] = rng.choice(PLAUSIBLE[key])
        keys.append(f"{key}={part[key]!r}")
    try:
        torch.manual_seed(0)
        new = zoo.randomise(type(model)(type(model.config).from_dict(config)), rng.randrange(100))
        with torch.no_grad():
            new(**inputs)
    except Exception as e:                              # no model
        raise FocusError("not made") from e
    compiles_rightly(new, inputs, f"{name} {' '.join(keys)}")


def folder(rng: Random) -> None:
    """A model's folder whose config.json is damaged."""
    model, inputs = built(rng.choice(NAMES))
    with tempfile.TemporaryDirectory() as where:
        model.save_pretrained(where)
        file = Path(where) / "config.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps(damage.values(rng, config, rng.choice((1, 1, 2)))) if rng.random() < 0.9 else damage.text(rng, file.read_text()))
        loaded, _ = load_model(where)
        prefill_of(loaded, inputs)


# ---- calls ---------------------------------------------------------------------------------------------------------------------
def inputs_of_prefill(rng: Random) -> None:
    name = rng.choice(NAMES)
    model, inputs = built(name)
    if rng.random() < 0.05:
        prefill_of(model, rng.choice((None, 3, "x", [], [("input_ids", 1)])))
        return
    key, value = rng.choice((*inputs, "attention_mask", "image_sizes", "second_per_grid_ts", "more", 3)), rng.choice(WRONG + TENSORS)
    with said(f"{name} {key}={value!r}"):
        prefill_of(model, dict(inputs) | {key: value})


def module(rng: Random) -> None:
    """One module is nothing, or another thing."""
    model, inputs = built(rng.choice(NAMES))
    where, _, leaf = rng.choice([path for path, _ in model.named_modules() if path]).rpartition(".")
    modules = model.get_submodule(where)._modules
    before = modules[leaf]
    modules[leaf] = rng.choice((None, nn.Identity(), nn.Linear(3, 3), nn.ReLU()))
    try:
        if rng.random() < 0.5:
            compile_model(model, inputs, "focus", "off", stop="torch")
        else:
            focus.reference(model, inputs, "off")
    finally:
        modules[leaf] = before


def run(rng: Random) -> None:
    _, inputs, exe, _ = program()
    key, value = rng.choice((*inputs, "attention_mask", "use_cache", "more", 3)), rng.choice(WRONG + TENSORS)
    with said(f"{key}={value!r}"):
        exe.run(dict(inputs) | {key: value})


def trace(rng: Random) -> None:
    model, inputs, exe, result = program()
    key = rng.choice(sorted(result.trace))
    damaged = dict(result.trace) | {key: rng.choice(WRONG + TENSORS + (result.trace[key].copy(),) * 4)}    # some whole
    if rng.random() < 0.1:
        focus.reference(model, inputs, "full", damaged)
    else:
        exe.time(damaged)


def anything(rng: Random) -> None:
    """A whole argument is something else."""
    model, inputs, exe, result = program()
    value = rng.choice(WRONG + TENSORS)
    rng.choice((lambda: exe.time(value), lambda: focus.load(value), lambda: exe.run(value), lambda: exe.save(value), lambda: exe.run(inputs, sanitize=value),
                lambda: exe.run(inputs, window=value), lambda: exe.run(inputs, timeline=value), lambda: exe.time(result.trace, progress=value),
                lambda: focus.agreement(model, inputs, value), lambda: focus.agreement(model, inputs, result, value),
                lambda: focus.agreement(value, inputs, result), lambda: focus.compile(model, inputs, value), lambda: focus.compile(value, inputs),
                lambda: focus.compile(model, value), lambda: focus.compile(model, inputs, "focus", value), lambda: focus.reference(model, inputs, value),
                lambda: focus.reference(value, inputs), lambda: focus.fidelity(value, inputs), lambda: focus.fidelity(model, value),
                lambda: focus.fidelity(model, inputs, value, 0, False), lambda: focus.fidelity(model, inputs, "off", value, False),
                lambda: focus.check(value, model, inputs), lambda: focus.check(exe, value, inputs), lambda: focus.check(exe, model, value),
                lambda: focus.reference(model, inputs, "off", None, value),
                lambda: _torch(model, inputs, mappings=value), lambda: _torch(model, inputs, dump_ir=value),
                lambda: _torch(model, inputs, scope=value), lambda: _torch(model, inputs, check=value)))()


@functools.cache
def chat() -> tuple[nn.Module, dict, focus.Executable]:
    """A model, its inputs, and its program with room for tokens after them."""
    model, inputs = zoo.build("internvl-tiny")
    return model, inputs, focus.compile(model, inputs, "focus", "off", max_new_tokens=4, follow_up=2)


def tokens(rng: Random) -> None:
    """What follows a prefill, with an argument that is something else."""
    model, inputs, exe = chat()
    value = rng.choice(WRONG + TENSORS + ([[1, 2]], [[5, 9, 7]], [[-1]], [[10**6]], 2, np.array([[3]], np.int8)))
    if rng.random() < 0.4:
        with exe.session(inputs) as session:
            for _ in range(rng.choice((1, 2))):
                rng.choice((lambda: session.ask(value), lambda: session.generate(value), lambda: session.generate(1, value), lambda: session.ask([[5]]),
                            lambda: session.generate(2), lambda: session.generate(1, progress=value)))()
            session.summary()
        return
    option = rng.choice(("max_new_tokens", "follow_up", "requests"))
    rng.choice((lambda: exe.session(value), lambda: exe.session([inputs, value]), lambda: exe.generate(value, 2), lambda: exe.generate(inputs, value),
                lambda: exe.generate(inputs, 2, value), lambda: exe.generate(inputs, 1, progress=value), lambda: exe.session(inputs, sanitize=value),
                lambda: exe.time(generate=value), lambda: _torch(model, inputs, **{option: value})))()


_torch = functools.partial(compile_model, stop="torch")


CONFIGURATIONS: dict[Callable[[Random], None], int] = {changed: 12, made: 2, folder: 4}           #: and how often
CALLS: dict[Callable[[Random], None], int] = {inputs_of_prefill: 6, module: 2, run: 6, trace: 3, anything: 4, tokens: 3}


def case(functions: dict[Callable[[Random], None], int]) -> Callable[[Random], None]:
    """One case: one of the functions."""
    return lambda rng: rng.choices(list(functions), list(functions.values()))[0](rng)
