# The IR and the instructions that the README shows are those of today.
# RUN: rm -rf %t && mkdir %t && %python -W ignore %s %t | filecheck %s
import re
import sys
from pathlib import Path

from focus.compiler.tools import focusc, opt
from focus.runtime.tools import translate

folder = Path(sys.argv[1])
focusc.main(["llava-onevision-tiny", "-o", f"{folder}/tiny.fxb", "--dump-ir", f"{folder}/ir", "-q"])
translate.main(["--disassemble", f"{folder}/tiny.fxb", "-o", f"{folder}/tiny.s"])


def plain(text):
    """As the README shortens it: no common path, no operand segment sizes, names of a kernel by number, no semaphores set; no white space."""
    text = text.replace("%model.language_model.", "%")
    text = re.sub(r"operandSegmentSizes = array<[^>]*>(, )?", "", text).replace(", }", "}").replace(" {}", "")
    text = re.sub(r"^sem .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\s+", "", text)


def by_number(text):
    return re.sub(r"%layers\.1\.mlp\.down_proj_(\d+)", r"%d\1", text)


texts = [plain((folder / "tiny.s").read_text())]
for path in sorted((folder / "ir").glob("*.mlir")):
    opt.main([str(path), "-o", f"{folder}/printed"])
    texts.append(plain((folder / "printed").read_text()))
    texts.append(by_number(texts[-1]))
section = (Path(__file__).parents[2] / "README.md").read_text().split("## Looking at each step")[1].split("Resume from any file")[0]
shown = [line for block in re.findall(r"(?:^    .*\n)+", section, re.MULTILINE) for line in re.split(r"\n(?=    \S)", block.rstrip("\n"))]
shown = [line for line in shown if not line.startswith("    focus")]
for line in shown:
    wanted = plain(line).removesuffix("...")
    if not any(wanted in text for text in texts):
        print("NOT THERE:", line)
# CHECK-NOT: NOT THERE
# CHECK: 35 lines
print(len(shown), "lines")
