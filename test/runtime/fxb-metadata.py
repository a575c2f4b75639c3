# A file whose sums are right but whose contents are not: versions, machine, entries.
# RUN: %python %s %t.fxb | filecheck %s
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from safetensors import safe_open
from safetensors.numpy import save_file
from small import binary, error

from focus.runtime.run import fxb

path = Path(sys.argv[1])


def crafted(change):
    """Load a good file, change its metadata and tensors, make the sums right again, and try it."""
    binary().save(path)
    with safe_open(path, "numpy") as f:
        tensors, metadata = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()      # noqa: SIM118 (no dictionary)
    change(metadata, tensors)
    sums = {name: fxb._sha256(array) for name, array in tensors.items()} | {"metadata": fxb._metadata_sum(metadata)}
    save_file(tensors, path, metadata | {"sha256": json.dumps(sums)})
    print(error(fxb.load, path).removeprefix(f"{path}: "))


def edit(key, old, new):
    def change(metadata, tensors):
        assert old in metadata[key]
        metadata[key] = metadata[key].replace(old, new)
    crafted(change)


# CHECK: ACCEPTED
crafted(lambda m, t: None)
# CHECK-NEXT: format is 'fxb 2'; 'fxb 1' expected
edit("format", "1", "2")
# CHECK-NEXT: made for ISA version 9; this is version 2
edit("isa_version", "2", "9")
# CHECK-NEXT: machine fingerprint {{[0-9a-f]+}}... is not that of the machine inside, {{[0-9a-f]+}}...
edit("machine", '"depth":16', '"depth":17')
# CHECK-NEXT: metadata 'machine': array.rows: must be 8, 16, 32, 64 or 128, got -32
edit("machine", '"rows":32', '"rows":-32')
# CHECK-NEXT: metadata: no entry 'modules'
crafted(lambda m, t: m.pop("modules"))
# CHECK-NEXT: metadata: unknown entry 'more'
crafted(lambda m, t: m.update(more="x"))
# CHECK-NEXT: metadata 'modules': no JSON: Expecting value: line 1 column 1 (char 0)
crafted(lambda m, t: m.update(modules="proj"))
# CHECK-NEXT: metadata 'inputs': Port: address: must be greater than or equal to 0
edit("inputs", '"address":0', '"address":-1')
# CHECK-NEXT: metadata 'concentration': Concentration: threshold: must be less than or equal to 1
edit("concentration", "0.9", "9")
# CHECK-NEXT: metadata 'memory_map': MemoryMap: dram_bytes: must be greater than 0
edit("memory_map", '"dram_bytes":10752', '"dram_bytes":0')
# CHECK-NEXT: no tensor 'text'
crafted(lambda m, t: t.pop("text"))
# CHECK-NEXT: tensor 'extra' is in no table
crafted(lambda m, t: t.update(extra=t["text"]))
# CHECK-NEXT: instruction 0: unknown opcode 0x3e
crafted(lambda m, t: t["text"].__setitem__((0, 0), 0xFE))
