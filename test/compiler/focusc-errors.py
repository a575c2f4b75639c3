# focusc and what it wrote, given bad input: one line `error: ...` and exit code 1, or 2 for wrong usage; no traceback, no partial file.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import contextlib
import io
import json
import os
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from focus.compiler.tools import simulate
from focus.compiler.tools.focusc import main

folder = Path(sys.argv[1])
os.chdir(folder)
Path("mine.py").write_text("""
import torch
from focus.compiler.frontend import zoo

def odd_operator():
    class Sorted(torch.nn.Module):
        def forward(self, x):
            return torch.sort(x, -1)[0]
    model, inputs = zoo.build("llava-onevision-tiny")
    model.model.language_model.layers[1].post_attention_layernorm = Sorted()
    return model, inputs

def decoder_only():
    return torch.nn.Linear(2, 2), {}

def broken():
    raise RuntimeError("out of ideas\\nsecond line")
""")


def run(tool, *arguments):
    """Exit code and the one line a tool prints, and the files it wrote; an error that says more or leaves a file gets a line of its own."""
    before, err, out = set(os.listdir()), io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        try:
            code = tool([str(a) for a in arguments])
        except SystemExit as e:
            code = e.code
    lines = err.getvalue().strip().splitlines()
    files = sorted(set(os.listdir()) - before)
    print(code, lines[-1] if lines else "nothing", files or "")
    if code == 1 and (files or len(lines) != 1 or out.getvalue()):
        print("MORE", lines[:-1], files, out.getvalue())


def compile_(*arguments):
    run(main, *arguments)


# usage
# CHECK: 2 focusc: error: which MODEL? (focusc --list shows the zoo)
compile_()
# CHECK-NEXT: 2 focusc: error: a binary needs a file to be written to: give one with -o
compile_("llava-onevision-tiny")
# CHECK-NEXT: 2 focusc: error: argument --emit: invalid choice: 'llvm'
compile_("llava-onevision-tiny", "--emit=llvm")

# the model
# CHECK-NEXT: 1 error: unknown model 'gpt-7'; expected a zoo name (llava-onevision-demo, {{.*}}), a model folder, or FILE.py:FUNCTION
compile_("gpt-7", "-o", "m.fxb")
# CHECK-NEXT: 1 error: mine.py: which function of it? FILE.py:FUNCTION expected
compile_("mine.py", "-o", "m.fxb")
# CHECK-NEXT: 1 error: mine.py:broken: RuntimeError: out of ideas
compile_("mine.py:broken", "-o", "m.fxb")
# CHECK-NEXT: 1 error: unknown model Linear; supported: LlavaOnevisionForConditionalGeneration
compile_("mine.py:decoder_only", "-o", "m.fxb")
# CHECK-NEXT: 1 error: model.language_model.layers.1.post_attention_layernorm: operator 'aten.sort' has no mapping to the accelerator
compile_("mine.py:odd_operator", "-o", "m.fxb")

# where to write
# CHECK-NEXT: 1 error: nowhere/m.fxb: cannot write: no folder nowhere
compile_("llava-onevision-tiny", "-o", "nowhere/m.fxb")
# CHECK-NEXT: 1 error: x.fxb: cannot write: two outputs are to go there
compile_("llava-onevision-tiny", "-o", "x.fxb", "--save-inputs", "./x.fxb")
# CHECK-NEXT: 1 error: mine.py: cannot write: is no folder
compile_("llava-onevision-tiny", "-o", "m.fxb", "--dump-ir", "mine.py")

# the machine
Path("missing.toml").write_text('name = "m"\nisa_version = 2\nfrequency_hz = 500e6\n')
Path("negative.toml").write_text('base = "focus"\nname = "m"\n[buffers.input]\nbytes = -4\n')
Path("small.toml").write_text('base = "focus"\nname = "small"\n[buffers.input]\nbytes = 64\n')
# CHECK-NEXT: 1 error: missing.toml: array: {{.*}}
compile_("llava-onevision-tiny", "-o", "m.fxb", "--machine", "missing.toml")
# CHECK-NEXT: 1 error: negative.toml: buffers.input.bytes: {{.*}}greater than 0
compile_("llava-onevision-tiny", "-o", "m.fxb", "--machine", "negative.toml")
Path("half.toml").write_text('base = "focus"\nname = "half"\n[array]\nrows = 48\n')
# CHECK-NEXT: 1 error: half.toml: array.rows: must be 8, 16, 32, 64 or 128, got 48
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--machine", "half.toml")
# CHECK-NEXT: 1 error: 'focus.patch_embed' op needs 2048 bytes of 'input', but machine 'small' has 64 (model.vision_tower.embeddings)
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--machine", "small.toml")
for memory, size in (("map", 64), ("table", 2048), ("conc", 4096)):
    Path("tight.toml").write_text(f'base = "focus"\nname = "tight"\n[buffers.{memory}]\nbytes = {size}\n')
    compile_("llava-onevision-tiny", "-o", "m.fxb", "--machine", "tight.toml", "--concentration", "sic", "--save-inputs", "in.safetensors")
# CHECK-NEXT: 1 error: 'focus.gather' op needs 128 bytes of 'map', but machine 'tight' has 64;
# CHECK-SAME: a smaller m_tile of the concentration needs less (model.
# CHECK-NEXT: 1 error: 'focus.gather' op needs {{.*}} of 'table', but machine 'tight' has 2048;
# CHECK-SAME: a smaller m_tile of the concentration needs less (model.
# CHECK-NEXT: 1 error: 'focus.linear' op needs {{.*}} of 'conc', but machine 'tight' has 4096;
# CHECK-SAME: a smaller m_tile of the concentration needs less (model.
# CHECK-NEXT: 1 error: machine 'dense' has no similarity concentrator; compile with concentration "off" or for another machine
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--machine", "dense", "--concentration", "sic")

# the concentration
Path("late.toml").write_text("layers = [7]\nalphas = [0.5]\n")
Path("block.toml").write_text("block = [5, 1, 1]\n")
# CHECK-NEXT: 1 error: concentration 'some' is neither one of off, sec, sic, full nor a file
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--concentration", "some")
# CHECK-NEXT: 1 error: late.toml: Concentration: layer 7 is selected, but the decoder has layers 0..2
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--concentration", "late.toml")
# CHECK-NEXT: 1 error: block.toml: {{.*}}block
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--concentration", "block.toml")

# the inputs to compile for
save_file({"input_ids": torch.ones(1, 4).long()}, "text.safetensors")
# CHECK-NEXT: 1 error: input_ids: no visual token; a request needs at least one image or video
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--inputs", "text.safetensors")
# CHECK-NEXT: 1 error: mine.py: no readable safetensors file
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--inputs", "mine.py")
# CHECK-NEXT: 1 error: .: cannot read: Is a directory
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--inputs", ".")
# CHECK-NEXT: 1 error: text.safetensors: the backbone of llava-video-7b has a request of its own and takes no inputs
compile_("llava-video-7b", "--scope=backbone", "-o", "m.fxb", "--inputs", "text.safetensors")

# a program that was compiled, and what is wrong with it or its inputs
# CHECK-NEXT: 0 nothing {{.*}}['in.safetensors', 'm.fxb']
compile_("llava-onevision-image-tiny", "-o", "m.fxb", "--save-inputs", "in.safetensors")
# CHECK-NEXT: 0 nothing {{.*}}['t.safetensors']
run(simulate.main, "m.fxb", "--inputs", "in.safetensors", "--trace", "t.safetensors")
data = Path("m.fxb").read_bytes()
Path("short.fxb").write_bytes(data[:-1000])
flipped = bytearray(data)
flipped[-5000] ^= 16
Path("flipped.fxb").write_bytes(flipped)
# CHECK-NEXT: 1 error: short.fxb: {{.*}}
run(simulate.main, "short.fxb", "--inputs", "in.safetensors")
# CHECK-NEXT: 1 error: flipped.fxb: {{.*}}
run(simulate.main, "flipped.fxb", "--inputs", "in.safetensors")


def rerun(**change):
    """Run with some inputs changed or, where None, left out."""
    save_file({k: v for k, v in (load_file("in.safetensors") | change).items() if v is not None}, "changed.safetensors")
    run(simulate.main, "m.fxb", "--inputs", "changed.safetensors", "--outputs", "out.safetensors")


# CHECK-NEXT: 1 error: input 'pixel_values' has shape [1, 7, 3, 70, 71]; [1, 7, 3, 70, 70] expected
rerun(pixel_values=torch.zeros(1, 7, 3, 70, 71))
# CHECK-NEXT: 1 error: input 'pixel_values' is int32; float32 expected
rerun(pixel_values=torch.zeros(1, 7, 3, 70, 70, dtype=torch.int32))
# CHECK-NEXT: 1 error: input 'input_ids' is missing
rerun(input_ids=None)
# CHECK-NEXT: 1 error: input 'image_sizes': value 0 is 60; the program was compiled for 120
rerun(image_sizes=torch.tensor([[60, 170]]))
# CHECK-NEXT: 1 error: input 'input_ids': position 3 holds a text token; the program was compiled for a visual token
rerun(input_ids=torch.full((1, 194), 5))

# NaN and infinity are allowed, go through, and are counted.
pixels = torch.zeros(1, 7, 3, 70, 70)
pixels[0, 0, 0, 0, :2] = torch.tensor([torch.nan, torch.inf])
save_file(load_file("in.safetensors") | {"pixel_values": pixels}, "nan.safetensors")
# CHECK-NEXT: 0 nothing {{.*}}['nan.json', 'nan.out']
run(simulate.main, "m.fxb", "--inputs", "nan.safetensors", "--outputs", "nan.out", "--report", "nan.json")
counted = json.loads(Path("nan.json").read_text())["inputs"]["pixel_values"]
print(counted, bool(load_file("nan.out")["logits"].isnan().any()))
# CHECK-NEXT: {'nonfinite': 2, 'overflows': 0} True

# a trace of another program
# CHECK-NEXT: 0 nothing {{.*}}['sec.fxb']
compile_("llava-onevision-image-tiny", "-o", "sec.fxb", "--concentration", "sic")
# CHECK-NEXT: 1 error: t.safetensors: trace of another model: {{.*}}
run(simulate.main, "sec.fxb", "--timing-only", "--trace", "t.safetensors")
