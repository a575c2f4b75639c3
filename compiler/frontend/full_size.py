"""Models at their real size, without storage for weights: parameters live on the meta device, buffers are computed.

In: a name of `FULL_SIZE`, `<model>` or `<model>/<dataset>`.  Out: a model and inputs whose shapes and layout compile (scope whole), or a
`Backbone` (scope backbone).  Programs of these models carry no parameter values and can only be timed.

| entry | model | visual tokens |
|---|---|---|
| llava-video-7b | SigLIP so400m (26 layers used), pooled to 13 x 13 with a newline per row, Qwen2-7B | 64 (13) frames x 182 |
| llava-onevision-7b | the same tower, pooled to 14 x 14, Qwen2-7B | 32 frames x 196 |
| minicpm-v-2.6 | Qwen2-7B backbone only | 64 x 199, 6 x 67 |
| qwen2.5-vl-7b | windowed tower of 32 layers, M-RoPE decoder | an image of 32 x 46 cells |
| qwen2-vl-7b | tower of 32 layers, M-RoPE decoder | an image of 32 x 46 cells |
| qwen3-vl-8b | tower of 27 layers, three of them with features for the decoder, Qwen3-8B decoder with M-RoPE | an image of 32 x 46 cells |
| internvl3-8b | InternViT-300M at 448 pixels, Qwen2.5-7B | 16 frames of 16 x 16 |
| llava-1.5-7b | CLIP ViT-L/14 at 336 pixels (23 layers used), Vicuna-7B | an image of 24 x 24 |

Sizes are those of the published checkpoints, whose numbers of parameters test/compiler/full-size.py compares.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from focus.compiler.frontend.backbone import Backbone
from focus.runtime.evaluate import baselines
from focus.runtime.evaluate.baselines import DecoderSizes, Row
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid

#: text tokens before and after the visual ones of a whole request
BEFORE, AFTER = 14, 32
#: Qwen2.5-VL on single images (published schedule for it)
QWEN_IMAGE = Concentration(layers=(10, 15, 20), alphas=(0.3, 0.2, 0.1))
QWEN_GRID = (1, 32, 46)
#: Vicuna-7B, whose projections have no biases, and LLaVA-1.5's one image
QWEN3 = DecoderSizes(layers=36, hidden=4096, heads=32, kv_heads=8, head_dim=128, intermediate=12288)
#: InternVL3 on frames of 256 tokens, across which blocks do not reach: the layouter holds 256 vectors
INTERN_GRID = (16, 16, 16)
INTERN_FRAMES = Concentration.preset("full", DecoderSizes().layers).model_copy(update={"block": (1, 2, 2)})
VICUNA = DecoderSizes(layers=32, hidden=4096, heads=32, kv_heads=32, head_dim=128, intermediate=11008)
LLAVA_GRID = (1, 24, 24)


@dataclass(frozen=True)
class FullSize:
    """One entry: what it is; its concentration when a preset asks for both kinds; how to make either scope."""
    description: str
    concentration: Concentration
    backbone: Callable[[], Backbone]
    whole: Callable[[], tuple[Any, dict[str, Any]]] | None = None


def build(name: str, scope: str = "whole") -> tuple[Any, dict[str, Any]]:
    """(model, inputs) of an entry; (Backbone, {}) for scope "backbone".  Raises FocusError."""
    entry = FULL_SIZE[name]
    if scope == "backbone":
        return entry.backbone(), {}
    if entry.whole is None:
        raise FocusError(f"{name}: only its backbone can be compiled (--scope=backbone)")
    return entry.whole()


def preset(name: str, spec: str) -> Concentration:
    """The concentration that a preset ("off", "sec", "sic", "full") stands for with an entry: the schedule and threshold published for it."""
    full = FULL_SIZE[name].concentration
    layers, alphas = (full.layers, full.alphas) if spec in ("sec", "full") else ((), ())
    return full.model_copy(update={"layers": layers, "alphas": alphas, "similarity": spec in ("sic", "full")})


# ---- models without storage --------------------------------------------------------------------------------------------------
def shell(make: Callable[[], Any]):
    """The model `make` builds, with parameters on the meta device and its tables (rotary frequencies, position ids) computed."""
    import torch
    with torch.device("meta"):
        model = make()
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                module._buffers[name] = _table(module, name, buffer)
    return model.eval().requires_grad_(False)


def _table(module, name: str, buffer):
    """The values of a buffer, which a constructor on the meta device does not compute."""
    import torch
    if name in ("inv_freq", "original_inv_freq"):
        compute = getattr(module, "compute_default_rope_parameters", None) or module.compute_axial_rope_parameters
        return compute(module.config)[0]
    if name == "position_ids":
        return torch.arange(buffer.shape[-1]).expand(buffer.shape).clone()
    raise FocusError(f"{type(module).__name__}: buffer '{name}' has no rule to compute it")


_SIGLIP = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=384, patch_size=14,
               vision_use_head=False)
_VOCABULARY = 152064


def _llava(frames: int, newline_a_row: bool) -> tuple[Any, dict[str, Any]]:
    """LLaVA-OneVision-7B, or LLaVA-Video-7B (frames pooled by averages, a newline after each row), with a video of `frames` frames."""
    import torch
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    from focus.compiler.frontend.families.llava_onevision import as_llava_video
    from focus.compiler.frontend.zoo import request
    config = LlavaOnevisionConfig(text_config=_text("qwen2", DecoderSizes()), vision_config={"model_type": "siglip_vision_model"} | _SIGLIP,
                                  vision_feature_layer=-2, image_token_index=_VOCABULARY - 2, video_token_index=_VOCABULARY - 1)
    model = shell(lambda: LlavaOnevisionForConditionalGeneration(config))
    if newline_a_row:
        model = as_llava_video(model)
    tokens = frames * (182 if newline_a_row else 196) + 1
    inputs = request(model, BEFORE, AFTER, [(config.video_token_id, tokens)], {})
    pixels = torch.zeros(()).expand(1, frames, 3, _SIGLIP["image_size"], _SIGLIP["image_size"])
    return model, inputs | {"pixel_values_videos": pixels}


def _text(model_type: str, d: DecoderSizes, vocabulary: int = _VOCABULARY, **further) -> dict[str, Any]:
    """Fields of a text configuration."""
    return dict(model_type=model_type, vocab_size=vocabulary, hidden_size=d.hidden, intermediate_size=d.intermediate, num_hidden_layers=d.layers,
                num_attention_heads=d.heads, num_key_value_heads=d.kv_heads, max_position_embeddings=32768, **further)


def _qwen(name: str, text: dict[str, Any], sections: list[int], theta: float, vision: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model of Qwen's (`name`: Qwen2, Qwen2_5, Qwen3) with one image."""
    import torch
    import transformers

    from focus.compiler.frontend.zoo import request
    text = text | {"rope_parameters": {"rope_type": "default", "rope_theta": theta, "mrope_section": sections}}
    tower = dict(patch_size=14, spatial_merge_size=2, temporal_patch_size=2) | vision
    last = text["vocab_size"] - 4
    ids = dict(vision_start_token_id=last, vision_end_token_id=last + 1, image_token_id=last + 2, video_token_id=last + 3)
    config = getattr(transformers, f"{name}VLConfig")(text_config=text, vision_config=tower, **ids)
    model = shell(lambda: getattr(transformers, f"{name}VLForConditionalGeneration")(config))
    frames, height, width = QWEN_GRID
    grid = torch.tensor([[frames, 2 * height, 2 * width]])
    inputs = request(model, BEFORE, AFTER, [(config.image_token_id, height * width)], {})
    pixels = torch.zeros(()).expand(int(grid.prod()), 3 * 2 * tower["patch_size"] ** 2)
    return model, inputs | {"pixel_values": pixels, "image_grid_thw": grid}


def _qwen2_vl() -> tuple[Any, dict[str, Any]]:
    vision = dict(depth=32, embed_dim=1280, num_heads=16, mlp_ratio=4, hidden_size=DecoderSizes().hidden)
    return _qwen("Qwen2", _text("qwen2_vl_text", DecoderSizes()), [16, 24, 24], 1e6, vision)


def _qwen2_5_vl() -> tuple[Any, dict[str, Any]]:
    vision = dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, window_size=112, fullatt_block_indexes=[7, 15, 23, 31],
                  out_hidden_size=DecoderSizes().hidden)
    return _qwen("Qwen2_5_", _text("qwen2_5_vl_text", DecoderSizes()), [16, 24, 24], 1e6, vision)


def _qwen3_vl() -> tuple[Any, dict[str, Any]]:
    vision = dict(depth=27, hidden_size=1152, intermediate_size=4304, num_heads=16, patch_size=16, out_hidden_size=QWEN3.hidden,
                  num_position_embeddings=2304, deepstack_visual_indexes=[8, 16, 24])
    return _qwen("Qwen3", _text("qwen3_vl_text", QWEN3, 151936, head_dim=QWEN3.head_dim), [24, 20, 20], 5e6, vision)


def _internvl3() -> tuple[Any, dict[str, Any]]:
    """InternVL3-8B with frames of a video, one tile each."""
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    from focus.compiler.frontend.zoo import request
    vision = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=448, patch_size=14)
    text = _text("qwen2", DecoderSizes(), 151936)
    config = InternVLConfig(text_config=text, vision_config=vision, image_token_id=151667, tie_word_embeddings=False)
    model = shell(lambda: InternVLForConditionalGeneration(config))
    frames, height, width = INTERN_GRID
    inputs = request(model, BEFORE, AFTER, [(config.image_token_id, height * width)] * frames, {})
    return model, inputs | {"pixel_values": torch.zeros(()).expand(frames, 3, 448, 448)}


def _llava_1_5() -> tuple[Any, dict[str, Any]]:
    """LLaVA-1.5-7B with one image."""
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    from focus.compiler.frontend.zoo import request
    text = _text("llama", VICUNA, 32064)
    vision = dict(model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                  image_size=336, patch_size=14)
    config = LlavaConfig(text_config=text, vision_config=vision, image_token_index=32000)
    model = shell(lambda: LlavaForConditionalGeneration(config))
    _, height, width = LLAVA_GRID
    inputs = request(model, BEFORE, AFTER, [(config.image_token_id, height * width)], {})
    return model, inputs | {"pixel_values": torch.zeros(()).expand(1, 3, 336, 336)}


def _published(row: Row) -> FullSize:
    wholes = {"llava_vid": lambda: _llava(row.frames, True), "llava_onevision": lambda: _llava(row.frames, False)}
    frames, height, width = row.grid
    return FullSize(f"{frames} frames of {height} x {width + row.row_gap} tokens, {row.visual} visual tokens", row.concentration(),
                    lambda: Backbone.of_row(row), wholes.get(row.model))


def _entry(name: str, decoder: DecoderSizes, grid: tuple[int, int, int], concentration: Concentration | None,
           whole: Callable[[], tuple[Any, dict[str, Any]]], **backbone: Any) -> tuple[str, FullSize]:
    """Name and entry for an image, or for frames, of a grid of cells; without a published concentration it has the default schedule."""
    frames, height, width = grid
    visual, what = frames * height * width, "an image" if frames == 1 else f"{frames} frames"
    concentration = concentration or Concentration.preset("full", decoder.layers)
    return name, FullSize(f"{what} of {height} x {width} cells, {visual} visual tokens", concentration,
                          lambda: replace(Backbone.of_grids(name, decoder, visual, (Grid.dense(0, *grid),), concentration), **backbone), whole)


#: name of the entry -> the model of the published rows
PUBLISHED = {"llava-video-7b": "llava_vid", "llava-onevision-7b": "llava_onevision", "minicpm-v-2.6": "minicpm_v"}


def _entries() -> dict[str, FullSize]:
    out: dict[str, FullSize] = {}
    for name, model in PUBLISHED.items():
        rows = [r for r in baselines.ROWS if r.model == model]
        out |= {name: _published(rows[0])} | {f"{name}/{r.dataset}": _published(r) for r in rows}
    others = (_entry("qwen2-vl-7b", DecoderSizes(), QWEN_GRID, None, _qwen2_vl),
              _entry("qwen2.5-vl-7b", DecoderSizes(), QWEN_GRID, QWEN_IMAGE, _qwen2_5_vl),
              _entry("qwen3-vl-8b", QWEN3, QWEN_GRID, None, _qwen3_vl, bias=False, head_norms=True, levels=3),
              _entry("internvl3-8b", DecoderSizes(), INTERN_GRID, INTERN_FRAMES, _internvl3),
              _entry("llava-1.5-7b", VICUNA, LLAVA_GRID, None, _llava_1_5, bias=False))
    return out | dict(others)


FULL_SIZE: dict[str, FullSize] = _entries()
