"""Named models to compile without anything to download: small configurations with random, seeded weights, and matching inputs.

In: a name.  Out: `build(name)` -> (model, inputs), as `focus.compile` takes them.  Weights, norms and biases included, are drawn from a
seed, so a name always means the same numbers.  The `demo` entries read a real clip; all others make their frames.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from focus.compiler.frontend.video import load_frames, moving_pattern, normalised, qwen_vl_video, sample_clip, square_frames
from focus.runtime.spec.errors import FocusError

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Entry:
    """One named model: what it is, and how to make it."""
    description: str
    make: Callable[[], tuple[nn.Module, Inputs]]


def names() -> list[str]:
    return list(ZOO)


def build(name: str) -> tuple[nn.Module, Inputs]:
    """Model (float32, evaluation mode) and HF forward inputs of a zoo entry.  FocusError for a name that is not there."""
    if name not in ZOO:
        raise FocusError(f"unknown model '{name}'; the zoo has: {', '.join(ZOO)}")
    return ZOO[name].make()


# ---- weights -------------------------------------------------------------------------------------------------------------------
@torch.no_grad()
def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every parameter from `seed` in the order of their names: scales of norms around 1, biases and offsets around 0, matrices so that
    they keep the size of what they multiply; those that write to the decoder's residual stream smaller by sqrt(2 layers), as GPT-2 draws
    them, so that tokens stay as different as they were.  All are fp16 numbers, as those of a checkpoint of 16 bits.  Returns the model."""
    generator = torch.Generator().manual_seed(seed)
    to_residual = (2 * model.config.text_config.num_hidden_layers) ** 0.5
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            scale = name.endswith("weight") or "lambda" in name     # norms are the only vectors called weight; InternViT scales its layers
            values = 1 + 0.2 * noise if scale else 0.1 * noise
        elif "embed_tokens" in name or "position_embedding" in name:
            values = 0.5 * noise
        else:
            values = noise / parameter[0].numel() ** 0.5
            if "language_model" in name and ("o_proj" in name or "down_proj" in name):
                values /= to_residual
        parameter.copy_(values.half())
    return model.eval().requires_grad_(False)


# ---- requests ------------------------------------------------------------------------------------------------------------------
def prompt_ids(length: int, vocabulary: int, seed: int) -> list[int]:
    """Text token ids; a random model has no tokenizer."""
    return np.random.default_rng(seed).integers(3, vocabulary - 16, length).tolist()


def request(model: nn.Module, before: int, after: int, visual: list[tuple[int, int]], pixels: dict[str, np.ndarray],
            seed: int = 0) -> Inputs:
    """Inputs of a prompt around visual runs: `before` text tokens, then each (placeholder id, tokens), 3 text tokens between two of them,
    and `after` text tokens, all drawn from `seed`.  Qwen's families also get their `mm_token_type_ids`."""
    from focus.compiler.frontend.families import family_of
    config = model.config
    vocabulary = config.text_config.vocab_size
    ids = prompt_ids(before, vocabulary, seed + 1)
    for i, (token, count) in enumerate(visual):
        ids += prompt_ids(3, vocabulary, seed + 3 + i) * (i > 0) + [token] * count
    ids += prompt_ids(after, vocabulary, seed + 2)
    inputs = {"input_ids": torch.tensor([ids]), **{k: torch.from_numpy(v) for k, v in pixels.items()}}
    if "mm_token_type_ids" in family_of(model).inputs:
        kinds = (inputs["input_ids"] == config.image_token_id).int() + 2 * (inputs["input_ids"] == config.video_token_id).int()
        inputs["mm_token_type_ids"] = kinds
    return inputs


def video_request(model: nn.Module, frames: np.ndarray, before: int = 4, after: int = 12, max_pixels: int = 196 * 196,
                  seed: int = 0) -> Inputs:
    """Inputs of one video, frames uint8 [n, H, W, 3], for a model of a supported family; the prompt is drawn from `seed`.  Families without
    videos are shown the frames as images, LLaVA-NeXT and InternVL with text between two of them."""
    from focus.compiler.frontend.families import family_of
    pixels, runs = family_of(model).video(model, frames, max_pixels)
    return request(model, before, after, runs, pixels, seed)


def image_request(model: nn.Module, images: Sequence[np.ndarray], before: int = 4, after: int = 12, seed: int = 0) -> Inputs:
    """Inputs of images uint8 [H, W, 3] of any sizes, text between two of them, for a LLaVA-NeXT or a LLaVA-NeXT-Video; the prompt is drawn
    from `seed`."""
    from focus.compiler.frontend.families.anyres import image_inputs
    pixels, runs = image_inputs(model, images)
    return request(model, before, after, runs, pixels, seed)


# ---- configurations ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder.  The last ids of the vocabulary are the image and the video placeholder."""
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    def config(self, **further) -> dict:
        """Fields of a Hugging Face text configuration."""
        return dict(vocab_size=self.vocabulary, hidden_size=self.hidden, intermediate_size=self.intermediate, num_hidden_layers=self.layers,
                    num_attention_heads=self.heads, num_key_value_heads=self.kv_heads, max_position_embeddings=32768,
                    pad_token_id=0, bos_token_id=1, eos_token_id=2, **further)


def llava_onevision(decoder: DecoderConfig, vision: dict, seed: int = 0, decoder_type: str = "qwen2", **config) -> nn.Module:
    """A LLaVA-OneVision with a SigLIP tower and a Qwen2 (or another) decoder; `vision`, `config`: fields of those configurations."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration
    tower = dict(model_type="siglip_vision_model", patch_size=14, vision_use_head=False) | vision
    return randomise(LlavaOnevisionForConditionalGeneration(LlavaOnevisionConfig(
        text_config=decoder.config(model_type=decoder_type), vision_config=tower, image_token_index=decoder.vocabulary - 2,
        video_token_index=decoder.vocabulary - 1, **config)), seed)


def llava(decoder: DecoderConfig, vision: dict, seed: int = 0, decoder_type: str = "llama", **config) -> nn.Module:
    """A LLaVA with a CLIP tower and a Llama (or another) decoder; `vision`, `config`: fields of those configurations."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    tower = dict(model_type="clip_vision_model", patch_size=14) | vision
    return randomise(LlavaForConditionalGeneration(LlavaConfig(
        text_config=decoder.config(model_type=decoder_type), vision_config=tower, image_token_index=decoder.vocabulary - 1, **config)), seed)


def llava_next(decoder: DecoderConfig, vision: dict, seed: int = 0, decoder_type: str = "llama", **config) -> nn.Module:
    """A LLaVA-NeXT with a CLIP tower and a Llama (or another) decoder; `vision`, `config`: fields of those configurations.  Images are cut into
    up to 2 x 2 patches, or 3 in a row or column, as the published models do it."""
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration
    return randomise(LlavaNextForConditionalGeneration(LlavaNextConfig(
        text_config=decoder.config(model_type=decoder_type), image_token_index=decoder.vocabulary - 1, **(_anyres(vision) | config))), seed)


def llava_next_video(decoder: DecoderConfig, vision: dict, seed: int = 0, decoder_type: str = "llama", **config) -> nn.Module:
    """A LLaVA-NeXT-Video, of the same parts and with the same images as `llava_next`; its videos are pooled in squares of 2 x 2 patches, or as
    `spatial_pool_mode` and `spatial_pool_stride` say."""
    from transformers import LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration
    return randomise(LlavaNextVideoForConditionalGeneration(LlavaNextVideoConfig(
        text_config=decoder.config(model_type=decoder_type), image_token_index=decoder.vocabulary - 2, video_token_index=decoder.vocabulary - 1,
        **(_anyres(vision) | config))), seed)


def _anyres(vision: dict) -> dict:
    """Fields of a configuration: a CLIP (or another) tower, and the resolutions an image may be cut at, height and width, in its patches."""
    tower = dict(model_type="clip_vision_model", patch_size=14) | vision
    strategy = "default" if tower["model_type"] == "clip_vision_model" else "full"
    pinpoints = [[a * tower["image_size"], b * tower["image_size"]] for a, b in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]
    return dict(vision_config=tower, vision_feature_select_strategy=strategy, image_grid_pinpoints=pinpoints)


def internvl(decoder: DecoderConfig, vision: dict, seed: int = 0, decoder_type: str = "qwen2", **config) -> nn.Module:
    """An InternVL with a Qwen2 (or another) decoder; `vision`, `config`: fields of those configurations."""
    from transformers import InternVLConfig, InternVLForConditionalGeneration
    return randomise(InternVLForConditionalGeneration(InternVLConfig(
        text_config=decoder.config(model_type=decoder_type), vision_config=vision, image_token_id=decoder.vocabulary - 1, **config)), seed)


def qwen2_5_vl(decoder: DecoderConfig, vision: dict, seed: int = 0) -> nn.Module:
    """A Qwen2.5-VL; `vision`: fields of the tower's configuration."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    config = _qwen_vl(decoder, dict(out_hidden_size=decoder.hidden) | vision)
    return randomise(Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**config)), seed)


def qwen2_vl(decoder: DecoderConfig, vision: dict, seed: int = 0) -> nn.Module:
    """A Qwen2-VL; `vision`: fields of the tower's configuration."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    config = _qwen_vl(decoder, dict(hidden_size=decoder.hidden) | vision)
    return randomise(Qwen2VLForConditionalGeneration(Qwen2VLConfig(**config)), seed)


def qwen3_vl(decoder: DecoderConfig, vision: dict, seed: int = 0, head_dim: int | None = None) -> nn.Module:
    """A Qwen3-VL; `vision`: fields of the tower's configuration; `head_dim`: width of the decoder's heads, by default as many as make up a row."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    config = _qwen_vl(decoder, dict(out_hidden_size=decoder.hidden, patch_size=16) | vision, head_dim=head_dim or decoder.hidden // decoder.heads)
    return randomise(Qwen3VLForConditionalGeneration(Qwen3VLConfig(**config)), seed)


def _qwen_vl(decoder: DecoderConfig, vision: dict, **text) -> dict:
    """Fields of a configuration; the M-RoPE sections keep the proportions of the originals (1 : 1.5 : 1.5)."""
    pairs = text.get("head_dim", decoder.hidden // decoder.heads) // 2
    spatial = pairs * 3 // 8
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [pairs - 2 * spatial, spatial, spatial]}
    tower = dict(patch_size=14, spatial_merge_size=2, temporal_patch_size=2) | vision
    return dict(text_config=decoder.config(rope_parameters=rope, **text), vision_config=tower, image_token_id=decoder.vocabulary - 2,
                video_token_id=decoder.vocabulary - 1, vision_start_token_id=decoder.vocabulary - 4,
                vision_end_token_id=decoder.vocabulary - 3)


_TINY = DecoderConfig(hidden=64, intermediate=96, layers=3, heads=2, kv_heads=1, vocabulary=160)
_SMALL = DecoderConfig(hidden=160, intermediate=400, layers=4, heads=5, kv_heads=1, vocabulary=500)
_DEMO = DecoderConfig(hidden=256, intermediate=704, layers=8, heads=8, kv_heads=2, vocabulary=2048)


def _vit(hidden: int, intermediate: int, layers: int, image_size: int) -> dict:
    return dict(hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers, num_attention_heads=2, image_size=image_size)


def _windowed(hidden: int, intermediate: int, layers: int, window: int, full: list[int]) -> dict:
    return dict(hidden_size=hidden, intermediate_size=intermediate, depth=layers, num_heads=2, window_size=window,
                fullatt_block_indexes=full)


def _llava_tiny() -> nn.Module:
    return llava_onevision(_TINY, _vit(48, 80, 2, 70), image_grid_pinpoints=[[70 * a, 70 * b] for a in (1, 2) for b in (1, 2, 3)])


def _llava_small() -> nn.Module:
    return llava_onevision(_SMALL, _vit(144, 200, 3, 98))


def _llava_demo() -> nn.Module:
    return llava_onevision(_DEMO, _vit(144, 400, 3, 196))


def _clip_tiny() -> nn.Module:
    return llava(_TINY, _vit(48, 80, 3, 70))


def _clip_small() -> nn.Module:
    return llava(_SMALL, _vit(144, 200, 3, 98), decoder_type="mistral")


def _internvl_tiny(**vision) -> nn.Module:
    return internvl(_TINY, _vit(48, 80, 2, 56) | vision)


def _internvl_small() -> nn.Module:
    return internvl(_SMALL, _vit(144, 200, 3, 84), decoder_type="llama")


def _qwen2_tiny() -> nn.Module:
    return qwen2_vl(_TINY, dict(embed_dim=48, depth=2, num_heads=2, mlp_ratio=2))


def _qwen2_small() -> nn.Module:
    return qwen2_vl(_SMALL, dict(embed_dim=160, depth=3, num_heads=2, mlp_ratio=2))


def _qwen3(decoder: DecoderConfig, hidden: int, intermediate: int, layers: int, deep: list[int], side: int) -> nn.Module:
    return qwen3_vl(decoder, dict(hidden_size=hidden, intermediate_size=intermediate, depth=layers, num_heads=2, deepstack_visual_indexes=deep,
                                  num_position_embeddings=side ** 2))


def _qwen3_tiny() -> nn.Module:
    return _qwen3(_TINY, 48, 80, 3, [0, 1], 5)


def _qwen_tiny() -> nn.Module:
    return qwen2_5_vl(_TINY, _windowed(48, 80, 2, 56, [1]))


def _qwen_small() -> nn.Module:
    return qwen2_5_vl(_SMALL, _windowed(160, 200, 3, 112, [2]))


def _qwen_demo() -> nn.Module:
    return qwen2_5_vl(_DEMO, _windowed(160, 400, 4, 112, [1, 3]))


def _with_video(model: nn.Module, frames: int, height: int, width: int, **options) -> tuple[nn.Module, Inputs]:
    return model, video_request(model, moving_pattern(frames, height, width, speed=1.5), **options)


def _with_clip(model: nn.Module, frames: int, fps: float, **options) -> tuple[nn.Module, Inputs]:
    return model, video_request(model, load_frames(sample_clip(), frames, fps), **options)


def _llava_image() -> tuple[nn.Module, Inputs]:
    """An image of 120 x 170 pixels: the base patch, then 2 x 3 patches, together 10 x 15 cells with a newline after each row."""
    model = _llava_tiny()
    side = model.config.vision_config.image_size
    pixels = normalised(moving_pattern(7, side, side, speed=9.0))[None]
    tokens = 25 + 10 * (15 + 1)
    images = {"pixel_values": pixels, "image_sizes": np.array([[120, 170]])}
    return model, request(model, 3, 6, [(model.config.image_token_id, tokens)], images)


def _next_images() -> tuple[nn.Module, Inputs]:
    """Two images: one of 120 x 170 pixels, 2 x 2 patches and 8 of their 10 rows of cells; one of 200 x 50, 3 x 1 patches and 3 of 5 columns."""
    model = llava_next(_TINY, _vit(48, 80, 3, 70))
    wide, narrow = moving_pattern(1, 120, 170)[0], moving_pattern(1, 200, 50, seed=1)[0]
    return model, image_request(model, [wide, narrow])


def _internvl_images() -> tuple[nn.Module, Inputs]:
    """Two images: one of 2 x 3 tiles, and the whole of it as a seventh, one of a single tile; the tower normalises queries and keys."""
    model = _internvl_tiny(use_qk_norm=True, norm_type="rms_norm")
    side, square = 56, 2
    wide, narrow = (square_frames(moving_pattern(1, *size, seed=size[0]), side) for size in ((112, 168), (60, 40)))
    cut = normalised(moving_pattern(1, 112, 168, seed=112)).reshape(3, 2, side, 3, side).transpose(1, 3, 0, 2, 4).reshape(-1, 3, side, side)
    token, cells = model.config.image_token_id, (side // 14 // square) ** 2
    return model, request(model, 3, 6, [(token, 7 * cells), (token, cells)], {"pixel_values": np.concatenate((cut, wide, narrow))})


def _qwen_images(model: nn.Module, *sizes: tuple[int, int]) -> tuple[nn.Module, Inputs]:
    """Still images of (height, width) pixels: grids of one frame, whose patches hold it twice."""
    patch = model.config.vision_config.patch_size
    stills = [qwen_vl_video(moving_pattern(1, *size, seed=i), size[0] * size[1], patch=patch) for i, size in enumerate(sizes)]
    pixels = {"pixel_values": np.concatenate([s["pixel_values_videos"] for s in stills]),
              "image_grid_thw": np.concatenate([s["video_grid_thw"] for s in stills])}
    return model, request(model, 3, 6, [(model.config.image_token_id, int(grid.prod()) // 4) for grid in pixels["image_grid_thw"]], pixels)


ZOO: dict[str, Entry] = {
    "llava-onevision-demo": Entry("SigLIP 3 layers, Qwen2 8 layers of 256; 16 frames of bikes.mp4 (785 visual tokens)",
                                  lambda: _with_clip(_llava_demo(), 16, 8.0)),
    "llava-onevision-small": Entry("SigLIP 3 layers, Qwen2 4 layers of 160; 8 synthetic frames",
                                   lambda: _with_video(_llava_small(), 8, 98, 98)),
    "llava-onevision-tiny": Entry("SigLIP 2 layers, Qwen2 3 layers of 64; 4 synthetic frames",
                                  lambda: _with_video(_llava_tiny(), 4, 70, 70)),
    "llava-onevision-image-tiny": Entry("the tiny LLaVA-OneVision with one image of any resolution", _llava_image),
    "llava-small": Entry("CLIP 3 layers, Mistral 4 layers of 160; 3 synthetic frames as images", lambda: _with_video(_clip_small(), 3, 98, 98)),
    "llava-tiny": Entry("CLIP 3 layers, Llama 3 layers of 64; 2 synthetic frames as images", lambda: _with_video(_clip_tiny(), 2, 70, 70)),
    "llava-next-tiny": Entry("CLIP 3 layers, Llama 3 layers of 64; two images of different resolutions", _next_images),
    "llava-next-video-tiny": Entry("CLIP 3 layers, Llama 3 layers of 64; 6 synthetic frames pooled to 3 x 3 averages",
                                   lambda: _with_video(llava_next_video(_TINY, _vit(48, 80, 3, 98)), 6, 98, 98)),
    "internvl-small": Entry("InternViT 3 layers, Llama 4 layers of 160; 8 synthetic frames", lambda: _with_video(_internvl_small(), 8, 84, 84)),
    "internvl-tiny": Entry("InternViT 2 layers, Qwen2 3 layers of 64; 4 synthetic frames", lambda: _with_video(_internvl_tiny(), 4, 56, 56)),
    "internvl-image-tiny": Entry("the tiny InternVL, queries and keys of its tower normalised, with two images, one in tiles", _internvl_images),
    "qwen2-vl-small": Entry("tower of 3 layers, M-RoPE decoder of 4 layers of 160; 8 synthetic frames",
                            lambda: _with_video(_qwen2_small(), 8, 112, 168)),
    "qwen2-vl-tiny": Entry("tower of 2 layers, M-RoPE decoder of 3 layers of 64; 4 synthetic frames",
                           lambda: _with_video(_qwen2_tiny(), 4, 84, 112)),
    "qwen2-vl-image-tiny": Entry("the tiny Qwen2-VL with two images", lambda: _qwen_images(_qwen2_tiny(), (112, 84), (56, 140))),
    "qwen3-vl-small": Entry("tower of 3 layers, two of them with features for the decoder, M-RoPE decoder of 4 layers of 160; 8 synthetic frames",
                            lambda: _with_video(_qwen3(_SMALL, 160, 200, 3, [0, 2], 9), 8, 96, 160)),
    "qwen3-vl-tiny": Entry("tower of 3 layers, two of them with features for the decoder, M-RoPE decoder of 3 layers of 64; 4 synthetic frames",
                           lambda: _with_video(_qwen3_tiny(), 4, 64, 96)),
    "qwen3-vl-image-tiny": Entry("the tiny Qwen3-VL with two images", lambda: _qwen_images(_qwen3_tiny(), (96, 64), (64, 128))),
    "qwen2.5-vl-demo": Entry("windowed tower of 4 layers, M-RoPE decoder of 8 layers of 256; 16 frames of bikes.mp4",
                             lambda: _with_clip(_qwen_demo(), 16, 8.0, max_pixels=224 * 448)),
    "qwen2.5-vl-small": Entry("windowed tower of 3 layers, M-RoPE decoder of 4 layers of 160; 8 synthetic frames",
                              lambda: _with_video(_qwen_small(), 8, 112, 168)),
    "qwen2.5-vl-tiny": Entry("windowed tower of 2 layers, M-RoPE decoder of 3 layers of 64; 4 synthetic frames",
                             lambda: _with_video(_qwen_tiny(), 4, 84, 112)),
    "qwen2.5-vl-image-tiny": Entry("the tiny Qwen2.5-VL with one image", lambda: _qwen_images(_qwen_tiny(), (140, 196))),
}
