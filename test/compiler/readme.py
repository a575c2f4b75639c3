# The commands and the Python of the README, in order, with the files it shows; one that shows how a pass fails, fails.
# RUN: rm -rf %t && mkdir %t && %python %s %root %t | filecheck %s
import os
import re
import sys
from pathlib import Path

from safetensors.torch import save_file

from focus.compiler.frontend import zoo

root, folder = map(Path, sys.argv[1:])
sys.path.insert(0, str(root / "test"))
from lit_format import _run_pipeline, parse_line

readme = (root / "README.md").read_text()
os.chdir(folder)
Path("examples").symlink_to(root / "examples")
model, inputs = zoo.build("llava-next-tiny")
model.save_pretrained("path/to/folder")
save_file(inputs, "request.safetensors")
for name, text in re.findall(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", readme, re.DOTALL):
    Path(name).write_text(text)

# The one example at the size of the demo runs at that of the tests: six programs.
SMALLER = ("llava-onevision-demo", "llava-onevision-tiny")
FAILS = "--mlir-pass-pipeline-crash-reproducer"
ran = wrong = 0
for line in re.findall(r"^    ((?:focus-\w+|focusc) .*)$", readme, re.MULTILINE):
    for command in (line.partition("  #")[0].strip().replace(*SMALLER), *re.findall(r"# then: (.*)$", line)):
        for pipeline in parse_line(command):
            codes, said = _run_pipeline(pipeline, str(folder), dict(os.environ), 240)
            ran, expected = ran + 1, int(FAILS in command or "--run-reproducer" in command)
            if codes != [expected] or "Traceback" in said:
                wrong += 1
                print("WRONG", codes, command, said[-600:])
# CHECK-NOT: WRONG
# CHECK: ran True 0
print("ran", ran > 18, wrong)
# CHECK: files []
print("files", [name for name in ("tiny.fxb", "again.fxb", "timed.fxb", "dense.fxb", "tiled.mlir", "failed.mlir", "ir.html", "report.html", "t.json", "small.fxb", "m.fxb",
                                  "half.fxb") if not Path(name).exists()])
# CHECK: the same binary True
print("the same binary", Path("tiny.fxb").read_bytes() == Path("again.fxb").read_bytes())

model, inputs = zoo.build("llava-onevision-tiny")
code = re.search(r"^```python\n(import focus\n.*?)^```", readme, re.MULTILINE | re.DOTALL)[1].replace("layers.3.", "layers.2.")
names = {"model": model, "inputs": inputs}
exec(code, names)
# CHECK: python True True
print("python", names["logits"].shape == names["r"].outputs["logits"].shape, names["exe"].time(names["r"].trace)["cycles"] == names["r"].report["cycles"])
