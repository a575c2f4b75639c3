"""Two reports of the same program agree where they must; the outputs and the time line are there."""
import json
import sys

from safetensors.numpy import load_file

first, second = (json.load(open(path)) for path in sys.argv[1:3])
assert first["mode"] == "functional" and second["mode"] == "timing"
for key in ("cycles", "macs", "dram", "units", "energy", "sites", "opcodes"):
    assert first[key] == second[key], key
assert load_file(sys.argv[3])["y"].shape == (25, 32)
assert len(json.load(open(sys.argv[4]))["traceEvents"]) > 20
