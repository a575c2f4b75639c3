# RUN: %python %s %root %t | filecheck %s
"""The benchmark of the vision tower on a small model, of whose sites and ways to merge it tries some: the table's cosines are those wanted or more, and
fewer cycles are given only with a choice that takes them."""
import importlib.util
import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from focus.compiler.frontend import zoo

root, folder = Path(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(exist_ok=True)
spec = importlib.util.spec_from_file_location("tower", root / "benchmarks" / "tower.py")
tower = importlib.util.module_from_spec(spec)
sys.modules["tower"] = tower
spec.loader.exec_module(tower)
tower.PARTS, tower.SITES, tower.WAYS, tower.ROUNDS, tower.COSINES = 1, tower.SITES[:2], {(2, 1, 1): (0.9, 0.6)}, 2, (0.5, 0.99)
tower.M_TILES = (64, 16)

model, inputs = zoo.build("llava-onevision-tiny")
save_file({name: value.contiguous() for name, value in inputs.items()}, folder / "one.safetensors")
one = str(folder / "one.safetensors")
sys.argv = ["tower.py", "llava-onevision-tiny", "--inputs", one, "--short", one, "-o", str(folder / "tower.json")]
tower.main()
*rows, alone = json.loads((folder / "tower.json").read_text())
print([row["wanted"] for row in rows], len(alone["alone, with fewer frames"]))
# CHECK: [0.5, 0.99] 4
for row in rows:
    assert row["found"] is None or (row["found"]["cosine"] >= row["wanted"] and row["found"]["overrides"] and row["found"]["cycles"] > 0), row
print("dense", rows[0]["dense"] == rows[1]["dense"] > 0, "found", rows[0]["found"] is not None)
# CHECK-NEXT: dense True found True
assert all(0 <= c["loss"] < 1 and -1 < c["saved"] < 1 for c in alone["alone, with fewer frames"]), alone
