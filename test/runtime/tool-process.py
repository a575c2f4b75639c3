# An installed tool is a process that ends with its exit code and with all that it wrote, wherever that goes.
# RUN: %python %s | filecheck %s
import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def run(name: str, *arguments: str, **options) -> None:
    """Print a tool's exit code, and how many lines of what it wrote."""
    done = subprocess.run([BIN / name, *arguments], text=True, stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE} | options)
    print(done.returncode, len((done.stdout or "").splitlines()) > 10, done.stderr.splitlines()[-1:])


run("focus-trace", "--help")
# CHECK: 0 True []
run("focus-sim", "none.fxb")
# CHECK-NEXT: 1 False ['error: {{.*}}none.fxb{{.*}}']
run("focus-translate", "--nope")
# CHECK-NEXT: 2 False ['focus-translate: error: {{.*}}']
run("focus-opt", "--list-passes", stdout=os.open("/dev/full", os.O_WRONLY))
# CHECK-NEXT: 1 False ['error: standard output: No space left on device']
run("focus-opt", "--list-passes", stdout=None, preexec_fn=lambda: os.close(1))
# CHECK-NEXT: 0 False []

# A reader that closes the pipe before all is written is no error to speak of.
process = subprocess.Popen([BIN / "focus-opt", "--list-passes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.close()
print(process.stderr.read(), process.wait())
# CHECK-NEXT: b'' 1
