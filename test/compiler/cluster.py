# A real Ray cluster of two workers on this machine: the same rows in the same order as one process gives, of sweeps, of the published table and of
# tuning; a worker that dies and one that is killed with its node cost nothing but time; what was stopped goes on; each mistake is one line.
# LONG: a Ray cluster, whose workers are killed
# REQUIRES: ray
# RUN: rm -rf %t && mkdir -p %t && %python %s %t | filecheck %s
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

RAY_ITSELF = "You have likely discovered a bug in Ray"      # an assertion of Ray's, now and then when workers are killed: the test begins again
if "--once" not in sys.argv:
    for _ in range(4):
        done = subprocess.run([sys.executable, "-P", *sys.argv, "--once"], capture_output=True, text=True)
        if RAY_ITSELF not in done.stderr:
            break
        print("begun again:", RAY_ITSELF, file=sys.stderr)
        shutil.rmtree(sys.argv[1])
        Path(sys.argv[1]).mkdir()
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    sys.exit(done.returncode)

os.environ["RAY_USAGE_STATS_ENABLED"] = os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
import ray
from ray.cluster_utils import Cluster

from focus.compiler.evaluate import cluster as ours, paper, sweep
from focus.compiler.evaluate.tune import pool, prepare
from focus.compiler.evaluate.tune.bench import Measurement
from focus.compiler.evaluate.workers import Rows, Workers, computed
from focus.compiler.frontend import zoo
from focus.compiler.truth.fidelity import Distance
from focus.runtime.evaluate import baselines
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError

folder = Path(sys.argv[1])
STORE = 80 << 20
there = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE})
add = lambda: there.add_node(num_cpus=1, object_store_memory=STORE)
nodes = [add(), add()]
workers, address = Workers(ray=there.address), there.address
MODEL = ["llava-onevision-tiny", "--scope", "backbone", "--set", "sic.scatter_per_cycle=1,2,4,8", "-q"]
read = lambda name: json.loads((folder / name).read_text())

# ---- sweeps
sweep.main([*MODEL, "-o", f"{folder}/one.json"])
print(sweep.main([*MODEL, "-o", f"{folder}/two.json", "--ray", address, "--resume", f"{folder}/rows.jsonl"]))
# CHECK: {{^}}0
print("same", read("one.json") == read("two.json"), len(read("one.json")), len((folder / "rows.jsonl").read_text().splitlines()))
# CHECK: same True 4 5

# The command that gives out the work is killed when it has its first row, and begun again.
command = [sys.executable, "-P", "-m", "focus.compiler.evaluate.sweep", *MODEL, "--ray", address, "--resume", f"{folder}/killed.jsonl"]
kept = folder / "killed.jsonl"
process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
while process.poll() is None and (not kept.exists() or kept.read_text().count("\n") < 2):
    time.sleep(0.05)
process.send_signal(signal.SIGKILL)
process.wait()
before = kept.read_text().splitlines()
print(sweep.main([*MODEL, "-o", f"{folder}/three.json", "--ray", address, "--resume", str(kept)]))
# CHECK: {{^}}0
print("went on", process.returncode == -signal.SIGKILL, len(before) >= 2, kept.read_text().splitlines()[:len(before)] == before, read("three.json") == read("one.json"))
# CHECK: went on True True True True


# ---- workers that die
def slowly(task: int) -> int:
    time.sleep(0.5)
    return task * task


def dies_once(flag: Path, task: int) -> int:
    """The square; the worker that is first to come to 3 dies."""
    if task == 3 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return slowly(task)


tasks, told = {str(i): i for i in range(12)}, []
squares = [i * i for i in range(12)]
rows = Rows(folder / "squares.jsonl", {})
print(computed(partial(dies_once, folder / "died"), tasks, workers, rows, lambda *done: told.append(done)) == squares, (folder / "died").exists())
# CHECK: {{^}}True True
print("told", told[0], told[-1], [done for done, _, _ in told] == list(range(13)))
# CHECK-NEXT: told (0, 12, '') (12, 12, 'by {{[23]}} workers') True
# What is finished is not computed again.
print(computed(lambda task: 1 / 0, tasks, workers, Rows(folder / "squares.jsonl", {})) == squares)
# CHECK-NEXT: True

seen, killed = [], threading.Event()


def kill_one(done: int, of: int, who: str) -> None:
    """When four tasks are done, one of the two workers is killed with all of its node."""
    seen.append(done)
    if done == 4 and not killed.is_set():
        killed.set()
        there.remove_node(nodes.pop(), allow_graceful=False)


print(computed(slowly, tasks, workers, None, kill_one) == squares, seen == list(range(13)), len(there.worker_nodes))
# CHECK-NEXT: True True 1
nodes.append(add())


# ---- the published table, tuning
TINY = baselines.DecoderSizes(layers=2, hidden=64, heads=2, kv_heads=1, head_dim=32, intermediate=96)
row = replace(baselines.row("llava_vid/mvbench"), grid=(2, 5, 5), schedule=((1,), (0.5,)), ratio=1.2)
run_row = paper.run_row
paper.run_row = lambda r, **options: run_row(r, TINY, **options)
without_times = lambda records: [{key: value for key, value in r.items() if key != "detail"} for r in records]
rows = [row, replace(row, dataset="other", ratio=1.1)]
print("table", without_times(paper.run_all(rows, folder / "ray", workers, lambda text: None)) == without_times(
    paper.run_all(rows, folder / "alone", Workers(), lambda text: None)), len(list((folder / "ray" / "paper").iterdir())))
# CHECK-NEXT: table True 2

model, inputs = zoo.build("llava-onevision-tiny")
ready = [prepare.prepared(model, {"a": inputs, "b": inputs}, frozenset("b"), (2, w), lambda done, of: None) for w in (Workers(), workers)]
print("prepared", ready[0].storage == ready[1].storage, [r.dense["a"].generated for r in ready] == [ready[0].dense["b"].generated] * 2)
# CHECK-NEXT: prepared True True


class Bench:
    """A formula in the place of the reference and the simulator."""
    def measure(self, config, names, timed=True, generate=False, base=None):
        time.sleep(0.3)
        threshold = config.threshold
        return Measurement(tuple(Distance(1 - threshold, 0, 1, 1, 0, None, 1) for _ in names), (round(1000 * threshold),) * len(names), (0.1,) * len(names), {})


def measured(who: Workers, name: str) -> tuple[list, str]:
    (folder / name).mkdir()
    made = pool.Pool(Bench(), pool.Kept(folder / name, {}), who)
    try:
        configs = [Concentration.resolve("full", 4).model_copy(update={"threshold": t}) for t in (0.9, 0.5, 0.7, 0.8, 0.6)]
        return made.measure([pool.Task(c, ("a", "b")) for c in configs]), made.who()
    finally:
        made.close()


(alone, _), (theirs, who) = measured(Workers(), "pool-1"), measured(workers, "pool-2")
print("measured", alone == theirs, who)
# CHECK-NEXT: measured True by 2 workers


# ---- mistakes
def refused(function, *arguments) -> None:
    try:
        print("ACCEPTED", function(*arguments))
    except FocusError as e:
        print(e)


def fails(task: int) -> int:
    raise FocusError("no such thing") if task else ValueError("not this")


refused(computed, fails, {"a": 1}, workers)
# CHECK-NEXT: {{^}}no such thing
refused(computed, fails, {"a": 0}, workers)
# CHECK-NEXT: a task failed: ValueError: not this
lock = threading.Lock()
refused(computed, lambda task: (lock, task), {"a": 0}, workers)
# CHECK-NEXT: --ray: what is computed cannot be sent to other machines: cannot pickle '_thread.lock' object
refused(computed, lambda task: os.kill(os.getpid(), signal.SIGKILL), {"a": 0}, workers)
# CHECK-NEXT: --ray {{.*}}: workers were lost 4 times at one task; have they enough memory?
def elsewhere() -> list:
    with ours.Cluster(address, slowly, "another") as cluster:
        return list(cluster.results({"a": 1}))


refused(elsewhere)
# CHECK-NEXT: {{.*}} has another version of this package than the machine that gives out the work
there.remove_node(nodes.pop())
there.remove_node(nodes.pop())
while ray.is_initialized() or len(there.worker_nodes):
    time.sleep(0.1)
refused(computed, slowly, {"a": 1}, workers)
# CHECK-NEXT: --ray {{.*}}: the cluster has no processors to work with
there.shutdown()
refused(computed, slowly, {"a": 1}, Workers(ray="nowhere"))
# CHECK-NEXT: --ray nowhere: no cluster answers there:
