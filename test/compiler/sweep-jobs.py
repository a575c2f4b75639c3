# focus-sweep --jobs: the same rows in the same order; --resume: rows that are finished are kept, also when processes are killed; --svg: a drawing.
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
# RUN: not focus-sweep llava-onevision-tiny --jobs 0 2>&1 | filecheck --check-prefix=JOBS %s
# JOBS: error: --jobs 0: 1 or more expected
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from focus.compiler.evaluate import sweep
from focus.compiler.evaluate.workers import RETRIES, Rows, Workers, computed
from focus.runtime.spec.errors import FocusError

folder = Path(sys.argv[1])
multiprocessing.current_process()._config.pop("daemon", None)       # this is a fork of lit's worker, which may have no children
MODEL = ["llava-onevision-tiny", "--scope", "backbone", "--set", "sic.scatter_per_cycle=1,2,4", "-q"]
read = lambda name: json.loads((folder / name).read_text())

# One job, two jobs, and going on from a file with one row: the same.
print(sweep.main([*MODEL, "-o", f"{folder}/one.json", "--resume", f"{folder}/rows.jsonl", "--svg", f"{folder}/front.svg"]))
lines = (folder / "rows.jsonl").read_text().splitlines()
(folder / "part.jsonl").write_text("\n".join([*lines[:2], '{"key": "half']))
print(sweep.main([*MODEL, "-o", f"{folder}/two.json", "--jobs", "2", "--resume", f"{folder}/part.jsonl"]))
# CHECK: {{^}}0
# CHECK: {{^}}0
# CHECK: same True 3 True
print("same", read("one.json") == read("two.json"), len(read("one.json")), (folder / "part.jsonl").read_text().splitlines()[1] == lines[1])
# CHECK: svg True True
svg = (folder / "front.svg").read_text()
print("svg", svg.startswith("<?xml"), "on the front" in svg or "<use" in svg)

# Rows of other inputs or another version are refused.
(folder / "other.jsonl").write_text(lines[0].replace("llava-onevision-tiny", "other") + "\n")
# CHECK: {{^}}1
print(sweep.main([*MODEL, "--resume", f"{folder}/other.jsonl"]))


def killed_once(task: int) -> int:
    """The square; the process that is first to come to 3 is killed."""
    flag = folder / "killed"
    if task == 3 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


def killed_always(task: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


# CHECK: [0, 1, 4, 9, 16, 25] True
rows = Rows(folder / "squares.jsonl", {})
print(computed(killed_once, {str(i): i for i in range(6)}, Workers(2), rows), (folder / "killed").exists())
# Nothing is computed twice.
# CHECK: [0, 1, 4, 9, 16, 25]
print(computed(lambda task: 1 / 0, {str(i): i for i in range(6)}, Workers(2), Rows(folder / "squares.jsonl", {})))
# CHECK: processes were ended 3 times; is there enough memory for 2 at a time (--jobs)? True
try:
    computed(killed_always, {"a": 1, "b": 2}, Workers(2))
except FocusError as e:
    print(str(e).split("?")[0] + "?", RETRIES == 2)
