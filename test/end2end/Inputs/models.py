"""Whole models on the simulator: what every compiled binary and every run must satisfy.

In: a model and its inputs.  Out: `Case`, whose `run` compiles for a concentration, checks binary and run, and compares with PyTorch.
"""
from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sites import random_sites

warnings.filterwarnings("ignore")

import focus
from focus.compiler.backend.compile import compile_model
from focus.compiler.frontend import zoo
from focus.compiler.frontend.families import family_of
from focus.compiler.frontend.video import qwen_vl_video, square_frames
from focus.compiler.truth.agreement import Agreement, agreement
from focus.runtime.evaluate import synth
from focus.runtime.run import asm
from focus.runtime.spec import isa
from focus.runtime.spec.sites import VISION_SITES

DENSE = 2e-3        #: how far dense logits may be from the unmodified model's; a zoo model's are half of that
CONCENTRATORS = (isa.Unit.SIC, isa.Unit.SEC, isa.Unit.SCATTER)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative distance in the L2 norm."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@dataclass
class Run:
    """A checked run.  distance: of the logits, dense from the unmodified model, concentrated from the reference.  Concentrated runs also have
    the agreement with the reference, choice by choice."""
    exe: object
    result: object
    distance: float
    agreement: Agreement | None = None

    @property
    def cycles(self) -> int:
        return self.result.report["cycles"]


class Case:
    """A model with inputs.  `name`, of the zoo or of this file, lets all tests of one run of the suite import it once between them."""

    def __init__(self, model, inputs, name: str = ""):
        self.model, self.inputs, self.name = model, inputs, name
        self.folder: Path | None = None             # of the importer's IR, from which every run goes on
        self.verified: set[bool] = set()            # whether a dense, a concentrated program was verified after each pass

    @torch.no_grad()
    def logits(self) -> np.ndarray:
        """float32 [1, vocabulary] of the unmodified model's last token."""
        return self.model(**self.inputs).logits[:, -1].numpy()

    def tower(self) -> focus.Concentration:
        """Tokens pruned in the decoder, vectors merged in the vision tower alone: settings of its own, or none, for each layer and site."""
        family = family_of(self.model)
        depth, layers = (family.info(self.model)[key] for key in ("depth", "vision_depth"))
        random = random_sites(np.random.default_rng(layers), 0, layers)
        sec = focus.Concentration.preset("sec", depth)
        first = [dict(last=0, sites=list(VISION_SITES), similarity=True, threshold=0.6)]
        return sec.model_copy(update={"overrides": focus.Concentration(overrides=[*random.overrides, *first]).overrides, "m_tile": random.m_tile})

    @property
    def imported(self) -> Path:
        """Folder of the importer's IR (`00-input.mlir`) and tables.  Whoever asks first imports the model and checks the IR against it."""
        if self.folder is None:
            shared = os.environ.get("FOCUS_TEST_IMPORTS")
            new = Path(tempfile.mkdtemp(dir=shared))
            self.folder = Path(shared, self.name) if shared and self.name else new
            if not (self.folder / "00-input.mlir").exists():
                compile_model(self.model, self.inputs, "focus", "off", stop="torch", dump_ir=new)
                with contextlib.suppress(OSError):          # another test may have been faster
                    new.rename(self.folder)
        return self.folder

    def compile(self, concentration="off", machine="focus", **options):
        """The program, compiled from the imported IR with the model's parameters of the moment.  Of the first dense and the first
        concentrated one, the IR is verified after each pass: this takes as long as all passes."""
        each, dense = (concentration == "off") not in self.verified, concentration == "off"
        self.verified.add(dense)
        return focus.compile(f"{self.imported}/00-input.mlir", weights=self.model, machine=machine, concentration=concentration, verify_each=each, **options)

    def run(self, concentration="off", machine="focus") -> Run:
        exe = self.compile(concentration, machine)
        check_binary(exe.binary, concentration == "off")
        result = exe.run(self.inputs, sanitize=True)
        assert not result.report["sanitizer"]["total"], result.report["sanitizer"]["findings"][:2]
        assert exe.time(result.trace)["cycles"] == result.report["cycles"]
        if concentration == "off":
            return Run(exe, result, distance(result.outputs["logits"], self.logits()))
        judged = agreement(self.model, self.inputs, result, concentration)
        return Run(exe, result, judged.logits, judged)


def check_binary(binary, dense: bool) -> None:
    """Disassemble and assemble give the same bytes; without concentration no instruction concentrates."""
    again = asm.assemble(asm.disassemble(binary.text, binary.source, list(binary.modules)))
    assert again.text.tobytes() == binary.text.tobytes()
    units = {isa.BY_OPCODE[int(code)].unit for code in np.unique(binary.text[:, 0] & (1 << isa.OPCODE_BITS) - 1)}
    assert not (dense and units & set(CONCENTRATORS)), units


# ---- sizes that the zoo does not have ------------------------------------------------------------------------------------
def odd_llava() -> zoo.Inputs:
    """Widths that 32 does not divide, heads of 56 and 36, 3 x 3 patches a frame."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=2, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=72, intermediate_size=100, num_hidden_layers=2, num_attention_heads=2, image_size=42)
    model = zoo.llava_onevision(decoder, vision, seed=3)
    return model, zoo.video_request(model, zoo.moving_pattern(5, 42, 42, speed=1.5), before=2, after=5)


def odd_qwen() -> zoo.Inputs:
    """Heads of 48 and 40 in groups of three, a vocabulary of odd size, windows that do not divide the frame."""
    decoder = zoo.DecoderConfig(hidden=144, intermediate=250, layers=3, heads=3, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=80, intermediate_size=110, depth=2, num_heads=2, window_size=112, fullatt_block_indexes=[1])
    model = zoo.qwen2_5_vl(decoder, vision, seed=3)
    return model, zoo.video_request(model, zoo.moving_pattern(6, 84, 140, speed=1.5), before=2, after=5)


def odd_clip() -> zoo.Inputs:
    """Three images with text between two of them, for a CLIP tower with heads of 20 and a Qwen2 decoder."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=2, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=60, intermediate_size=100, num_hidden_layers=3, num_attention_heads=3, image_size=58)
    model = zoo.llava(decoder, vision, seed=3, decoder_type="qwen2")
    pixels = zoo.video_request(model, zoo.moving_pattern(3, 58, 58, speed=1.0))["pixel_values"].numpy()
    return model, zoo.request(model, 2, 5, [(model.config.image_token_id, 16)] * 3, {"pixel_values": pixels})


def odd_next() -> zoo.Inputs:
    """Three images of different resolutions with text between, one of them 3 patches in a column, for a SigLIP tower and a Qwen2 decoder."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=2, kv_heads=1, vocabulary=203)
    vision = dict(model_type="siglip_vision_model", hidden_size=60, intermediate_size=100, num_hidden_layers=3, num_attention_heads=3,
                  image_size=44)
    model = zoo.llava_next(decoder, vision, seed=3, decoder_type="qwen2")
    images = [zoo.moving_pattern(1, *size, seed=i)[0] for i, size in enumerate(((61, 90), (131, 40), (44, 44)))]
    return model, zoo.image_request(model, images, before=2, after=5)


def odd_next_video() -> zoo.Inputs:
    """An image, then two videos of 3 x 3 cells, text between them, for a CLIP tower with heads of 20, pooling by convolution and a Mistral."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=2, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=60, intermediate_size=100, num_hidden_layers=3, num_attention_heads=3, image_size=100)
    model = zoo.llava_next_video(decoder, vision, seed=3, decoder_type="mistral", spatial_pool_mode="conv")
    frames = zoo.moving_pattern(6, 100, 100, speed=1.5)
    videos = zoo.video_request(model, frames)["pixel_values_videos"].view(2, 3, 3, 100, 100).numpy()
    image = zoo.image_request(model, [zoo.moving_pattern(1, 60, 120)[0]])
    pixels = {name: image[name].numpy() for name in ("pixel_values", "image_sizes")} | {"pixel_values_videos": videos}
    tokens = int((image["input_ids"] == model.config.image_token_id).sum())
    return model, zoo.request(model, 2, 5, [(model.config.image_token_id, tokens)] + [(model.config.video_token_id, 27)] * 2, pixels)


def images_and_video(model, images: list[tuple[int, int]], video: tuple[int, int]) -> zoo.Inputs:
    """A request to one of Qwen's models: images of (height, width) pixels, then five frames of such a size, text between them."""
    patch = model.config.vision_config.patch_size
    stills = [qwen_vl_video(zoo.moving_pattern(1, *size, seed=i), 10 ** 5, patch=patch) for i, size in enumerate(images)]
    moving, runs = family_of(model).video(model, zoo.moving_pattern(5, *video, speed=1.5), 10 ** 5)
    pixels = {"pixel_values": np.concatenate([s["pixel_values_videos"] for s in stills]),
              "image_grid_thw": np.concatenate([s["video_grid_thw"] for s in stills])}
    return zoo.request(model, 2, 5, [(model.config.image_token_id, int(g.prod()) // 4) for g in pixels["image_grid_thw"]] + runs, pixels | moving)


def odd_qwen2() -> zoo.Inputs:
    """Two images and a video; heads of 48 in groups of three and of 20, an MLP of the tower of 180."""
    decoder = zoo.DecoderConfig(hidden=144, intermediate=250, layers=3, heads=3, kv_heads=1, vocabulary=203)
    model = zoo.qwen2_vl(decoder, dict(embed_dim=60, depth=3, num_heads=3, mlp_ratio=3), seed=4)
    return model, images_and_video(model, [(84, 140), (140, 56)], (84, 112))


def odd_qwen3() -> zoo.Inputs:
    """Two images and a video; heads of 40 in groups of three, wider than a row, and of 20; a table of 7 x 7 positions and one more; features
    after every decoder layer."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=3, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=60, intermediate_size=110, depth=4, num_heads=3, patch_size=12, num_position_embeddings=50,
                  deepstack_visual_indexes=[0, 1, 3])
    model = zoo.qwen3_vl(decoder, vision, seed=3, head_dim=40)
    return model, images_and_video(model, [(72, 120), (120, 48)], (72, 96))


def odd_internvl() -> zoo.Inputs:
    """An image of three tiles, then four frames, of 3 x 3 tokens each; a tower with heads of 20, biases, RMS norms, normalised queries and keys
    and a norm after its layers; a Qwen3, whose heads of 128 are normalised and together wider than its rows."""
    decoder = zoo.DecoderConfig(hidden=112, intermediate=150, layers=3, heads=2, kv_heads=1, vocabulary=203)
    vision = dict(hidden_size=60, intermediate_size=100, num_hidden_layers=3, num_attention_heads=3, image_size=66, patch_size=11,
                  attention_bias=True, use_qk_norm=True, norm_type="rms_norm", use_mean_pooling=False)
    model = zoo.internvl(decoder, vision, seed=3, decoder_type="qwen3")
    pixels = np.concatenate([square_frames(zoo.moving_pattern(n, 66, 66, speed=1.5, seed=n), 66) for n in (3, 4)])
    return model, zoo.request(model, 2, 5, [(model.config.image_token_id, 27)] + [(model.config.image_token_id, 9)] * 4, {"pixel_values": pixels})


MODELS = {"llava-odd": odd_llava, "clip-odd": odd_clip, "qwen-odd": odd_qwen, "next-odd": odd_next, "next-video-odd": odd_next_video,
          "qwen2-odd": odd_qwen2, "qwen3-odd": odd_qwen3, "internvl-odd": odd_internvl}


def case(name: str) -> Case:
    """A model of the zoo or of this file."""
    return Case(*(MODELS[name]() if name in MODELS else zoo.build(name)), name)


def sizes(names: list[str]) -> None:
    """At each size: dense as the unmodified model, concentrated as the reference, choice by choice; odd ones with a concentrated vision tower."""
    for name in names:
        c = case(name)
        print(f"{name} dense {c.run('off').distance < DENSE}")
        for mode in ("full", "sic", "tower" if name.endswith("odd") else "sec"):
            run = c.run(c.tower() if mode == "tower" else mode)
            judged, sites = run.agreement, {key.split("/")[2] for key in run.result.trace if key.startswith("group/")}
            if mode == "tower":
                assert sites == set(VISION_SITES)
                made = synth.synth(synth.TracePlan.of_binary(run.exe.binary), synth.Recipe(1.2))
                assert run.exe.time(made)["cycles"]
            print(f"{name} {mode} {judged.holds}", *[judged] * (not judged.holds))


def norm_weights(c: Case) -> None:
    """A norm weight (or a layer's scale) that is 5 % off, in the parameters of the dense binary, moves the logits further than the comparison
    allows: each norm of the model in turn, the others being right."""
    exe = c.compile()
    exact, norms = c.logits(), {n for n, p in c.model.named_parameters() if p.ndim == 1 and n.endswith(("weight", "lambda_1", "lambda_2"))}
    seen = {}
    for entry in exe.binary.param_table:
        if entry.name in norms:
            changed = replace(exe.binary, params=_Scaled(exe.binary.params, entry.name))
            changed.validated = True            # its program is the one that was checked
            wrong = type(exe)(changed)
            seen[entry.name] = distance(wrong.run(c.inputs).outputs["logits"], exact)
    assert len(seen) >= 5, sorted(norms)
    print(f"norms {all(d > DENSE for d in seen.values())}", *[f"{n} {d:.4f}" for n, d in seen.items() if d <= DENSE])


class _Scaled(Mapping):
    """Parameters of which one is 5 % too large."""

    def __init__(self, values: Mapping, name: str):
        self.values_, self.name = values, name

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values_[name] * (1.05 if name == self.name else 1)

    def __iter__(self):
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)
