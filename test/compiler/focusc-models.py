# focusc takes a function of a file and a Hugging Face folder; what it writes gives the model's own logits.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from common import last_logits, relative

import focus
from focus.compiler.frontend import zoo
from focus.compiler.frontend.loading import read_inputs
from focus.compiler.tools.focusc import main

folder = Path(sys.argv[1])
(folder / "mine.py").write_text("""
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision, video_request
from focus.compiler.frontend.video import moving_pattern

def odd():
    print("a word on standard output")
    model = llava_onevision(DecoderConfig(hidden=80, intermediate=86, layers=2, heads=5, kv_heads=1, vocabulary=90),
                            dict(hidden_size=36, intermediate_size=50, num_hidden_layers=2, num_attention_heads=3, image_size=70))
    return model, video_request(model, moving_pattern(3, 70, 70), before=1, after=1)
""")


def compiled(name, *arguments):
    """Compile with focusc, run what it wrote on the inputs it wrote."""
    binary, inputs = folder / f"{name}.fxb", folder / f"{name}.safetensors"
    code = main([*map(str, arguments), "-o", str(binary), "--save-inputs", str(inputs), "--concentration", "off"])
    return code, focus.load(binary).run(read_inputs(inputs)).outputs["logits"], read_inputs(inputs)


code, logits, inputs = compiled("odd", f"{folder}/mine.py:odd")
sys.path.insert(0, str(folder))
import mine

print(code, relative(logits, last_logits(mine.odd()[0], inputs)) < 1e-2)
# CHECK: 0 True

# A folder has no inputs of its own: a file gives them.
from safetensors.torch import save_file

for name in ("qwen2.5-vl-image-tiny", "llava-next-tiny"):
    model, inputs = zoo.build(name)
    model.save_pretrained(folder / name)
    save_file(inputs, folder / f"{name}-request.safetensors")
    code, logits, given = compiled(f"{name}-folder", folder / name, "--inputs", folder / f"{name}-request.safetensors")
    print(code, sorted(given), relative(logits, last_logits(model, inputs)) < 1e-2)
# CHECK-NEXT: 0 ['image_grid_thw', 'input_ids', 'mm_token_type_ids', 'pixel_values'] True
# CHECK-NEXT: 0 ['image_sizes', 'input_ids', 'pixel_values'] True

# Without a file the request is one of eight frames.
for name in ("llava-next-video-tiny", "qwen2-vl-tiny", "qwen3-vl-tiny", "internvl-tiny"):
    model = zoo.build(name)[0]
    model.save_pretrained(folder / f"{name}-video")
    code, logits, given = compiled(f"{name}-video-folder", folder / f"{name}-video")
    print(code, *(tuple(given[pixels].shape) for pixels in given if pixels.startswith("pixel")), relative(logits, last_logits(model, given)) < 1e-2)
# CHECK-NEXT: 0 (1, 8, 3, 98, 98) True
# CHECK-NEXT: 0 (768, 1176) True
# CHECK-NEXT: 0 (560, 1536) True
# CHECK-NEXT: 0 (8, 3, 56, 56) True
