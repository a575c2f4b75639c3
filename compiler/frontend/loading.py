"""The MODEL argument of the tools: a zoo name, a Hugging Face model folder, or a function of a Python file.

In: the argument, and optionally a safetensors file of inputs.  Out: `load_model` -> (model, HF forward inputs).
"""
from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from focus.compiler.frontend import full_size, zoo
from focus.compiler.frontend.backbone import Backbone
from focus.compiler.frontend.families.base import is_whole
from focus.compiler.frontend.full_size import FULL_SIZE
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, first_line

#: Keys of configurations that are sizes or numbers of something.
_COUNTS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
           "max_position_embeddings", "image_size", "patch_size", "num_channels", "in_channels", "in_chans", "embed_dim", "depth", "num_heads",
           "temporal_patch_size", "spatial_patch_size", "spatial_merge_size", "window_size", "out_hidden_size", "num_position_embeddings",
           "spatial_pool_stride")
#: Of those, how many layers there are; each is made of modules before anything else can be said of it.
_DEPTHS = ("num_hidden_layers", "depth")
MOST_LAYERS = 1000
MOST_COUNT = 2 ** 24        #: rows that an instruction counts
MOST_TOKEN = 2 ** 31        #: ids of tokens are indices of int32
MOST_WIDENING = 8           #: float32 has as many bytes for each that a file has (of 4 bits)


def load_model(spec: str, inputs_file: str | os.PathLike | None = None, scope: str = "whole") -> tuple[nn.Module | Backbone, Mapping[str, Any]]:
    """Model and inputs meant by `spec`; inputs from `inputs_file` replace the ones that come with the model.

    `scope` "backbone" gives the `Backbone` of an entry at full size, which needs neither inputs nor transformers.
    A model folder has no inputs of its own: without a file it gets a request of eight frames.  Raises FocusError when there is no such
    model or its files or function are not what is expected.
    """
    file, _, function = spec.rpartition(":")
    inputs: Mapping[str, Any]
    if spec in FULL_SIZE:
        model, inputs = full_size.build(spec, scope)
    elif spec in zoo.ZOO:
        model, inputs = zoo.build(spec)
    elif file.endswith(".py"):
        model, inputs = from_function(Path(file), function)
    elif Path(spec).is_dir():
        model = from_folder(Path(spec))
        inputs = {} if inputs_file else zoo.video_request(model, zoo.moving_pattern(8, 240, 320, speed=2.0))
    elif spec.endswith(".py"):
        raise FocusError(f"{spec}: which function of it? FILE.py:FUNCTION expected")
    else:
        raise FocusError(f"unknown model '{spec}'; expected a zoo name ({zoo.names()[0]}, ...: focusc --list has all), a model folder, "
                         "or FILE.py:FUNCTION")
    if inputs_file is not None and isinstance(model, Backbone):
        raise FocusError(f"{inputs_file}: the backbone of {spec} has a request of its own and takes no inputs")
    return model, dict(inputs) if inputs_file is None else read_inputs(inputs_file)


def concentration_of(spec: str, preset: str) -> Concentration | str:
    """The concentration that a preset stands for with a model: the published schedule for an entry at full size, else the preset itself."""
    return full_size.preset(spec, preset) if spec in FULL_SIZE else preset


def read_inputs(path: str | os.PathLike) -> dict[str, Any]:
    """Inputs, by the names of the HF forward, from a safetensors file.  Raises FocusError naming it."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        with open(path, "rb"):              # its message is clearer when a file cannot be opened
            return load_file(path)
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except SafetensorError as e:
        raise FocusError(f"{path}: no readable safetensors file: {e}") from None


def from_function(path: Path, function: str) -> tuple[nn.Module, Mapping[str, Any]]:
    """What `function()` of the Python file `path` returns; its folder is importable while it runs."""
    if not path.is_file():
        raise FocusError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"focus_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FocusError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module             # what a file defines may ask for its module: dataclasses do
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, function, None)):
            raise FocusError(f"{path}: no function '{function}'")
        result = getattr(module, function)()
    except FocusError:
        raise
    except (Exception, SystemExit) as e:        # any exception of the user's code is shown as one line
        raise FocusError(f"{path}:{function}: {type(e).__name__}: {(str(e).strip().splitlines() or [''])[0]}") from e
    finally:
        sys.path.pop(0)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], nn.Module) and isinstance(result[1], Mapping)):
        raise FocusError(f"{path}:{function}: must return (model, inputs): a torch module and a dict of HF forward inputs")
    return result


def check_counts(path: Path, config: Mapping[str, Any], where: str = "") -> None:
    """Raise FocusError, naming the key, for a size or a number of layers or heads that is none, or more than any: transformers would divide by
    it, or make as many modules; and for the id of a token that is more than any."""
    for key, value in config.items():
        if isinstance(value, Mapping) and key in ("text_config", "vision_config"):
            check_counts(path, value, f"{key}.")
        most = MOST_LAYERS if key in _DEPTHS else MOST_COUNT
        sizes = value if isinstance(value, list) and len(value) == 2 else [value]
        if key in _COUNTS and value is not None and not all(is_whole(v) and v <= most for v in sizes):
            raise FocusError(f"{path}: {where}{key}: a whole number from 1 to {most} expected, got {value!r}")
        if key.endswith(("_token_id", "_token_index")) and isinstance(value, int) and abs(value) >= MOST_TOKEN:
            raise FocusError(f"{path}: {where}{key}: a token id below {MOST_TOKEN} expected, got {value!r}")
    for key, other in (("num_attention_heads", "hidden_size"), ("num_heads", "hidden_size"), ("num_heads", "embed_dim"),
                       ("pad_token_id", "vocab_size")):
        count, size = config.get(key), config.get(other)
        if is_whole(count) and is_whole(size) and count > size - (key == "pad_token_id"):
            raise FocusError(f"{path}: {where}{key}: {count} does not go with {other} {size}")


def check_size(path: Path, kind: type[nn.Module]) -> None:
    """Raise FocusError for a configuration of far more parameters than the folder's files hold: transformers would make room for them first."""
    import torch
    held = sum(file.stat().st_size for pattern in ("*.safetensors", "*.bin") for file in path.glob(pattern))
    with torch.device("meta"):
        model = kind(kind.config_class.from_pretrained(path, local_files_only=True))
    needed = sum(p.numel() for p in model.parameters()) * 4
    if held and needed > held * MOST_WIDENING:
        name, largest = max(model.named_parameters(), key=lambda item: item[1].numel())
        raise FocusError(f"{path}: config.json describes {needed:,} bytes of float32 parameters, but the files hold {held:,}; the largest is "
                         f"'{name}', {list(largest.shape)}")


def from_folder(path: Path) -> nn.Module:
    """The model of a Hugging Face folder (config.json and weights), float32.  Raises FocusError also for weights that are missing or of another
    shape, which transformers would draw at random, and for those that the model has no place for, which it would drop."""
    import torch
    import transformers

    from focus.compiler.frontend.families import FAMILIES
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError) as e:
        raise FocusError(f"{path}: no readable config.json: {e}") from None
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise FocusError(f"{path}: model_type '{kind}' is not supported; supported: {', '.join(FAMILIES)}")
    check_counts(path / "config.json", config)
    model_class = getattr(transformers, FAMILIES[kind].class_name)
    try:
        check_size(path, model_class)
        model, info = model_class.from_pretrained(
            path, dtype=torch.float32, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True)
    except FocusError:
        raise
    except Exception as e:          # transformers' exceptions for damaged configurations and weights are many
        raise FocusError(f"{path}: cannot load the model: {first_line(e)}") from None
    if mismatched := sorted(info["mismatched_keys"]):
        name, found, expected = mismatched[0]
        raise FocusError(f"{path}: weight '{name}' has shape {list(found)}; {list(expected)} expected from config.json")
    if missing := sorted(info["missing_keys"]):
        raise FocusError(f"{path}: {len(missing)} weights are missing, '{missing[0]}' first")
    if unexpected := sorted(info["unexpected_keys"]):
        raise FocusError(f"{path}: the model of config.json has no place for {len(unexpected)} of the weights, '{unexpected[0]}' first")
    if failed := info.get("error_msgs"):
        raise FocusError(f"{path}: cannot load the model: {str(failed[0]).strip().splitlines()[0]}")
    return model.eval()
