# What is no binary at all, and what cannot be written, gets one line that names the file.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from safetensors.numpy import save_file
from small import PROGRAM, binary, error

from focus.runtime.run import fxb

folder = Path(sys.argv[1])
# CHECK: none.fxb: cannot read: No such file or directory
print(error(fxb.load, folder / "none.fxb"))
# CHECK-NEXT: cannot read: Is a directory
print(error(fxb.load, folder))
# CHECK-NEXT: empty.fxb: no readable safetensors file:
(folder / "empty.fxb").touch()
print(error(fxb.load, folder / "empty.fxb"))
# CHECK-NEXT: weights.fxb: format is None; 'fxb 1' expected
save_file({"w": np.zeros(3)}, folder / "weights.fxb")
print(error(fxb.load, folder / "weights.fxb"))
# CHECK-NEXT: nowhere/a.fxb: cannot write: no folder
print(error(binary().save, folder / "nowhere" / "a.fxb"))
# CHECK-NEXT: bad.fxb: instruction 21 (halt): halt is not the last instruction
print(error(binary(PROGRAM + "halt\n").save, folder / "bad.fxb"))
# A binary that does not pass its checks leaves nothing behind.
# CHECK-NEXT: ['empty.fxb', 'weights.fxb']
print(sorted(p.name for p in folder.iterdir()))
