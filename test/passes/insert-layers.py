# RUN: focusc llava-tiny --dump-ir %t.ir -q -o %t.fxb
# RUN: %python %s %t.ir/03-fuse.mlir %t | filecheck %s
"""A layer of another structure than concentration expects is refused: here the MLP's product goes to two linear layers, in the decoder and in the tower."""
import contextlib
import io
import re
import sys
from pathlib import Path

from focus.compiler.tools import opt

text, folder = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "tower.toml").write_text('layers = []\nalphas = []\n\n[[overrides]]\nsites = ["vision.fc2"]\nsimilarity = true\n')


def with_another(layer: str) -> str:
    """The IR with a second linear layer that reads what `layer` of layer 0 reads."""
    line = next(line for line in text.splitlines() if re.match(rf"\s*%\S*layers\.0\.mlp\.{layer}(:2)? = ", line))
    assert '"focus.linear"' in line
    return text.replace(line, line + "\n" + re.sub(r"%\S*?(:2)? = ", r"%another\1 = ", line, count=1))


def insert(ir: str, mode: str) -> str:
    """What the pass says, or that it did its work."""
    path, err = folder / "in.mlir", io.StringIO()
    path.write_text(ir)
    with contextlib.redirect_stderr(err):
        code = opt.main([str(path), f"--insert-concentration=mode={mode}", "-o", str(folder / "out.mlir")])
    return err.getvalue().splitlines()[0].partition("error: ")[2] if code else "inserted"


for mode in ("full", str(folder / "tower.toml")):
    for layer in ("down_proj", "fc2"):
        print(Path(mode).stem, layer, insert(with_another(layer), mode))
# CHECK: full down_proj {{.*}}'focus.attention' op is in a layer where the MLP's product does not go to exactly one linear layer
# CHECK-NEXT: full fc2 inserted
# CHECK-NEXT: tower down_proj {{.*}}the MLP's product does not go to exactly one linear layer
# CHECK-NEXT: tower fc2 {{.*}}'focus.attention' op is in a layer where the MLP's product does not go to exactly one linear layer
