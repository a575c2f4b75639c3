"""Fuzzing: damaged files of every kind, and random models against PyTorch, for as long as there is time.

In: minutes, or how many cases of each kind.  Out: a table of what became of them; exit code 1 and how to see it again for every finding.

    python test/fuzz/run.py --minutes 10                    all kinds, a new seed
    python test/fuzz/run.py --seed 7 --kind ir --case 123   one case again, in this process
    python test/fuzz/run.py --short                         the fixed run of the test suite

A case is right when it ends with a result or with a FocusError of one line.  A finding is anything else: another exception, a difference beyond
fp16, a signal, more than `SECONDS`, more memory than `MEMORY`.  Cases run in worker processes (worker.py); kinds.py says what they do.
`--coverage` prints the lines of Python that were reached (with coverage.py, if it is there) and, where the core is one built for it
(`make fuzz COVERAGE=1`), of C++.
"""
from __future__ import annotations

import argparse
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))                               # -P leaves it out
ROOT = HERE.parents[1]
SECONDS = 20                                                #: of a processor that a case may take
PATIENCE = 180                                              #: seconds for a worker to start, for kinds that compile whole models, and for any case that waits
TURN = 20                                                   #: seconds of a kind's worker before another may have its place
SLOW = ("models",)
#: kind -> share of the time; the cases of a short run
SHARES = {"binaries": 8, "ir": 4, "assembly": 1, "toml": 1, "traces": 1, "kernels": 2, "models": 4, "configurations": 4, "calls": 2}
SHORT = {"binaries": 60, "ir": 25, "assembly": 40, "toml": 15, "traces": 60, "kernels": 3}


@dataclass
class Kind:
    """One kind's worker, and what became of its cases."""
    name: str
    seed: int
    folder: Path
    limit: int | None = None                                #: cases
    share: float = 0.0                                      #: of the time
    next: int = 0
    spent: float = 0.0
    process: subprocess.Popen | None = None
    case: int | None = None                                 #: under way
    since: float = 0.0
    used: float = 0.0                                       #: seconds of a processor at that time
    counts: Counter = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.limit is not None and self.next >= self.limit

    def start(self) -> None:
        errors = open(self.folder / f"{self.name}.log", "ab")
        self.process = subprocess.Popen([sys.executable, "-P", str(HERE / "worker.py"), self.name, str(self.seed), str(self.next), str(self.folder),
                                         str(self.limit or 0)], stdout=subprocess.PIPE, stderr=errors, cwd=self.folder)
        self.case, self.since, self.used = None, time.monotonic(), 0.0

    def processor(self) -> float:
        """Seconds of a processor that the worker has had."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return self.used
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)                       # coverage is written
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process = None

    def found(self, what: str) -> None:
        self.counts["finding"] += 1
        self.findings.append(f"{self.name} {self.case}: {what}\n    again: python test/fuzz/run.py --seed {self.seed} --kind {self.name} --case {self.case}")
        print(self.findings[-1], file=sys.stderr, flush=True)

    def take(self, line: str) -> None:
        """A line of the worker: `> 12` begins a case, `< 12 outcome[ text]` ends it."""
        now = time.monotonic()
        mark, number, *rest = line.split(" ", 3)
        if mark == ">":
            self.case, self.since, self.used = int(number), now, self.processor()
        elif mark == "<":
            self.spent += now - self.since
            self.next, outcome = int(number) + 1, rest[0]
            if outcome == "finding":
                self.found(rest[1].replace("\\n", "\n"))
            else:
                self.counts[outcome] += 1
            self.case, self.since = None, now

    def died(self) -> None:
        """The worker is gone: by a signal, or because it cannot start."""
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        if code == 0 and self.over:
            return
        log = (self.folder / f"{self.name}.log").read_text(errors="replace")[-1500:]
        if self.case is None:
            raise SystemExit(f"the worker for {self.name} ended with {code} outside of a case:\n{log}")
        self.found(f"the process ended with {signal.Signals(-code).name if code < 0 else code}\n{log}")
        self.next = self.case + 1

    def check_time(self) -> None:
        limit, slower = PATIENCE if self.case is None or self.name in SLOW else SECONDS, float(os.environ.get("FUZZ_SLOWER", "1"))
        if time.monotonic() - self.since < PATIENCE * slower and self.processor() - self.used < limit * slower:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        if self.case is None:
            raise SystemExit(f"the worker for {self.name} did not start within {limit} seconds")
        self.found(f"no result after {limit} seconds")
        self.next = self.case + 1


def run(kinds: list[Kind], until: float, jobs: int) -> None:
    """Give the kinds turns, `jobs` at a time, until each has reached its limit or the time is over.  A turn is half of what a kind gets: starting a
    worker takes seconds."""
    whole = (until - time.monotonic()) * jobs / sum(k.share for k in kinds)
    watch, buffers = selectors.DefaultSelector(), {}
    turn = {}                                               # kind -> when its turn ends
    while True:
        now = time.monotonic()
        active = [k for k in kinds if k.process]
        for k in active:                                    # a turn ends between two cases
            if (k.case is None and k.next and (k.over or now > until or (now > turn[k.name] and any(not o.over and not o.process for o in kinds)))) or now > until + 60:
                watch.unregister(k.process.stdout)
                k.stop()
        waiting = sorted((k for k in kinds if not k.process and not k.over), key=lambda k: k.spent / k.share)
        active = [k for k in kinds if k.process]
        if now < until:
            for k in waiting[:jobs - len(active)]:
                k.start()
                turn[k.name], buffers[k.name] = now + max(TURN, whole * k.share / 2), b""
                watch.register(k.process.stdout, selectors.EVENT_READ, k)
                active.append(k)
        if not active:
            return
        for key, _ in watch.select(1.0):
            k = key.data
            data = os.read(key.fd, 1 << 16)
            if not data:
                watch.unregister(key.fileobj)
                k.died()
                continue
            *lines, buffers[k.name] = (buffers[k.name] + data).split(b"\n")
            for line in lines:
                k.take(line.decode(errors="replace"))
        for k in kinds:
            if k.process:
                fd = k.process.stdout
                k.check_time()
                if k.process is None:
                    watch._fd_to_key and [watch.unregister(key.fileobj) for key in list(watch.get_map().values()) if key.fileobj is fd]


def table(kinds: list[Kind]) -> str:
    """What became of the cases of each kind."""
    lines = [f"{'':16}{'cases':>8}{'a result':>10}{'refused':>9}{'findings':>10}{'seconds':>9}"]
    for k in kinds:
        done = sum(k.counts.values())
        lines.append(f"{k.name:16}{done:8}{k.counts['done']:10}{k.counts['refused']:9}{k.counts['finding']:10}{k.spent:9.0f}")
    return "\n".join(lines)


def coverage_of(folder: Path) -> str:
    """Lines reached, of Python from the workers' data files, of C++ with gcov from the core's build folder (FUZZ_GCOV)."""
    out = []
    try:
        import coverage
        total = coverage.Coverage(data_file=str(folder / "coverage"), source_pkgs=["focus"])
        total.combine([str(folder)], keep=True)
        with open(os.devnull, "w") as quiet:
            out.append(f"Python: {total.report(file=quiet):.0f} % of lines (coverage.py, data in {folder})")
    except ImportError:
        out.append("Python: coverage.py is not installed")
    except Exception as e:
        out.append(f"Python: no coverage data: {e}")
    if build := os.environ.get("FUZZ_GCOV"):
        files = [str(p) for p in Path(build).rglob("*.gcda") if "nanobind" not in p.name]
        found = subprocess.run(["gcov", "-n", *files], capture_output=True, text=True, cwd=folder).stdout.split("File '")
        lines = covered = 0
        for part in found:
            if part.startswith(str(ROOT / "runtime" / "sim")) and "Lines executed:" in part:
                share, _, count = part.split("Lines executed:")[1].split("\n")[0].partition("% of ")
                lines, covered = lines + int(count), covered + float(share) / 100 * int(count)
        out.append(f"C++: {covered / max(lines, 1):.0%} of {lines} lines of runtime/sim (gcov)")
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz files of every kind, and random models.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="default: a new one")
    parser.add_argument("--kind", action="append", choices=list(SHARES), help="only these")
    parser.add_argument("--case", type=int, help="one case again, in this process (with --seed and --kind)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--short", action="store_true", help="a fixed seed and number of cases")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the workers write (default: a temporary one)")
    args = parser.parse_args()
    seed = 1 if args.short else args.seed if args.seed is not None else random.SystemRandom().randrange(10 ** 6)
    chosen = args.kind or list(SHORT if args.short else SHARES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if args.case is not None:
            from worker import one
            return one(chosen[0], seed, args.case, folder)
        if args.coverage:
            os.environ["FUZZ_COVERAGE"] = "1"
        print(f"seed {seed}", flush=True)
        kinds = [Kind(name, seed, folder, SHORT.get(name) if args.short else None, SHARES[name]) for name in chosen]
        try:
            run(kinds, time.monotonic() + 60 * args.minutes, args.jobs)
        finally:
            for k in kinds:
                k.stop()
        print(table(kinds))
        if args.coverage:
            print(coverage_of(folder))
        findings = [f for k in kinds for f in k.findings]
        print(f"{len(findings)} findings with seed {seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
