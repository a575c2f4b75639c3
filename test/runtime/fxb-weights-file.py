# Parameters by reference: bf16 and fp32 tensors of a weights file are used under the program's names; another file is refused.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from safetensors import safe_open
from small import binary, error

from focus.runtime.run import fxb

folder = Path(sys.argv[1])
values = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)


def weights(kind, array):
    """A weights file with one tensor `w` of safetensors type `kind`."""
    header = json.dumps({"w": {"dtype": kind, "shape": [32, 32], "data_offsets": [0, array.nbytes]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + array.tobytes())
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return fxb.WeightsFile(name="model.safetensors", sha256=digest, tensors={"proj.weight": "w"})


bits = (values.view(np.uint32) >> 16).astype(np.uint16)
for kind, array, expected in (("F32", values, values), ("BF16", bits, (bits.astype(np.uint32) << 16).view(np.float32))):
    reference = weights(kind, array)
    binary(weights_file=reference, params={"proj.weight": expected}).save(folder / "a.fxb")
    with safe_open(folder / "a.fxb", "numpy") as f:
        assert set(f.keys()) == {"text", "source"}          # the values are not in the binary
    b = fxb.load(folder / "a.fxb")
    assert (b.param(b.param_table[0]) == expected.astype(np.float16)).all(), kind
    b.save(folder / "b.fxb")
    assert (folder / "a.fxb").read_bytes() == (folder / "b.fxb").read_bytes()

# CHECK: a.fxb: weights file {{.*}}model.safetensors has no tensor 'v' for parameter 'proj.weight'
reference = fxb.WeightsFile(name="model.safetensors", sha256=reference.sha256, tensors={"proj.weight": "v"})
binary(weights_file=reference).save(folder / "a.fxb")
print(error(fxb.load, folder / "a.fxb"))
# CHECK-NEXT: a.fxb: weights file {{.*}}model.safetensors is not the one the program was compiled with: its SHA-256 differs
weights("F32", values + 1)
print(error(fxb.load, folder / "a.fxb"))
# CHECK-NEXT: a.fxb: {{.*}}elsewhere.safetensors: cannot read: No such file or directory
print(error(fxb.load, folder / "a.fxb", folder / "elsewhere.safetensors"))
# CHECK-NEXT: whole.fxb: the program refers to no weights file; its parameters are in the binary, not in {{.*}}model.safetensors
binary().save(folder / "whole.fxb")
print(error(fxb.load, folder / "whole.fxb", folder / "model.safetensors"))
# CHECK-NEXT: WeightsFile: sha256: String must match pattern
print(error(fxb.WeightsFile, name="m", sha256="123", tensors={}))
