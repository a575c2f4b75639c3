"""A worker of the fuzzer: runs the cases of one kind one after the other.

In: kind, seed, first case, folder, end (0: none) as arguments.  Out: on standard output `> n` when case n begins, `< n done`, `< n refused` or
`< n finding TEXT` when it ends.  Each case draws from a generator of its own, so it is the same whatever ran before.
"""
from __future__ import annotations

import os
import random
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

MEMORY = 4 << 30                                            #: address space of a worker

sys.path.insert(0, str(Path(__file__).resolve().parent))


def generator(seed: int, kind: str, number: int) -> random.Random:
    return random.Random(f"{seed}/{kind}/{number}")


def is_finding(refusal: Exception) -> bool:
    """Whether a FocusError is of more than one line, or of what nobody foresaw (focus.runtime.spec.errors.one_line)."""
    return "\n" in str(refusal) or ": unexpected " in str(refusal)


def outcome(case, rng: random.Random) -> str:
    """`done`, `refused`, or `finding` with its last lines."""
    from focus.runtime.spec.errors import FocusError
    try:
        return "done" if case(rng) is None else "refused"
    except FocusError as e:
        return f"finding {e}" if is_finding(e) else "refused"
    except (Exception, SystemExit) as e:
        frames = traceback.extract_tb(e.__traceback__)[-4:]
        return f"finding {type(e).__name__}: {str(e)[:600]} (" + " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames)) + ")"


def cases_of(kind: str, folder: Path):
    """The function that runs one case, with its seed files made."""
    warnings.filterwarnings("ignore")
    import kinds
    own = folder / f"{kind}-{os.getpid()}"
    own.mkdir(parents=True, exist_ok=True)
    os.chdir(own)
    return kinds.KINDS[kind](own)


def one(kind: str, seed: int, number: int, folder: Path) -> int:
    """Run one case here and show what it comes to."""
    from focus.runtime.spec.errors import FocusError
    case = cases_of(kind, folder)
    try:
        print("done" if case(generator(seed, kind, number)) is None else "refused")
    except FocusError as e:
        print(f"refused: {e}")
        return int(is_finding(e))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    kind, seed, first, folder, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)            # the controller stops us
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)                                           # whatever cases print goes to the log
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    cover = None
    if os.environ.get("FUZZ_COVERAGE"):
        try:
            import coverage
            cover = coverage.Coverage(data_file=str(folder / f"coverage.{kind}.{os.getpid()}"), source_pkgs=["focus"])
            cover.start()
        except ImportError:
            pass
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):   # its shadow memory alone is terabytes of address space
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        case, number = cases_of(kind, folder), first
        while not end or number < end:
            print(f"> {number}", file=out)
            text = outcome(case, generator(seed, kind, number)).replace("\n", "\\n")
            print(f"< {number} {text}", file=out)
            number += 1
    finally:
        if cover:
            cover.stop()
            cover.save()


if __name__ == "__main__":
    main()
