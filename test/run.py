"""Run the test suite.

In: optional lit arguments (paths below test/, `-v`, `--filter REGEX`, ...).  Out: lit's report, and a last line `N passed, N failed`;
exit code 1 when a test failed.

    python test/run.py                      all tests but the long ones, which say `LONG:` and what they try that others do not
    python test/run.py --all                everything
    python test/run.py test/dialects -v     one folder, long tests too
"""
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import lit.main
import lit.Test

sys.path.insert(0, str(Path(__file__).resolve().parent))    # -P leaves it out
from lit_format import is_long

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = lit.Test.UNSUPPORTED.name     #: a test whose REQUIRES is not there
LEFT_OUT = lit.Test.EXCLUDED.name       #: what lit calls a test that `--filter` and its like leave out


def long_tests() -> Iterator[Path]:
    """The tests that `lit_format` leaves out of a quick run."""
    for file in sorted((ROOT / "test").rglob("*")):
        if file.suffix in (".py", ".test", ".mlir", ".s") and is_long(file.read_bytes()):
            yield file


def main(argv: list[str]) -> int:
    """Run lit on the given paths (default: all tests) and count its results."""
    results = ROOT / "build" / "test" / "results.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    paths = [] if any(not a.startswith("-") and Path(a).exists() for a in argv) else [str(ROOT / "test")]
    quick = bool(paths) and "--all" not in argv
    options = [a for a in argv if a != "--all"] + ["--param", "quick"] * quick
    sys.argv = ["lit", "-sv", "--output", str(results), *options, *paths]
    with tempfile.TemporaryDirectory(prefix="focus-test-") as shared:
        os.environ["FOCUS_TEST_IMPORTS"] = shared       # models that several tests compile are exported once
        os.environ["FOCUS_CACHE"] = f"{shared}/cache"   # and mappings chosen once, whatever the user's cache has
        try:
            lit.main.main()
            code = 0
        except SystemExit as e:
            code = e.code
    if not results.exists():
        print("0 passed, 1 failed")
        return 1
    tests = json.loads(results.read_text())["tests"]
    codes = [t["code"] for t in tests]
    passed, skipped = codes.count("PASS"), [t["name"] for t in tests if t["code"] == SKIPPED]
    failed = len(codes) - passed - len(skipped) - codes.count(LEFT_OUT)         # no test of ours is expected to fail, or tried again
    if code and not failed:
        failed = 1                  # lit itself found something wrong
    if skipped:
        print(f"{len(skipped)} skipped, which need a browser (Debian: apt-get install chromium chromium-driver) or Ray (pip install \".[cluster]\"): "
              f"{', '.join(skipped)}")
    if quick:
        print(f"{len(list(long_tests()))} long tests left out (make test-all)")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
