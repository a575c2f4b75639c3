# mypy finds nothing in the installed package, the simulator's core included; what it may not see, and why, is in pyproject.toml.
# RUN: %python %s %root
import subprocess
import sys

done = subprocess.run([sys.executable, "-P", "-m", "mypy", "--no-error-summary"], cwd=sys.argv[1], capture_output=True, text=True)
for line in done.stdout.splitlines():
    print(line.rpartition("site-packages/focus/")[2])       # as the files are called in the repository
print(done.stderr, end="")
sys.exit(done.returncode)
