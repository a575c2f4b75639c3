# What a run may do: budgets of instructions and bytes, operands whose rows overlap without end, DRAM beyond the host's, and Ctrl-C, at which the
# process ends within 1.5 s, in a loop that would not end.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from sim_builder import Program, complaint, machine
from small import PROGRAM, binary, error

from focus.runtime.run import fxb
from focus.runtime.run.executable import Budget, Executable

folder = Path(sys.argv[1])
x = {"x": np.zeros((40, 32), np.float32)}

# The whole program is this long; one instruction or byte less stops it.
exe = Executable(binary())
count = exe.run(x).report["instructions"]
Executable(binary(), max_instructions=count).run(x)
Executable(binary(), max_instructions=count).time()
# CHECK: the run is stopped after [[N:[0-9]+]] instructions; if the program should take more, raise --max-instructions (max_instructions=)
print(error(Executable(binary(), max_instructions=count - 1).run, x))
# CHECK-NEXT: the run is stopped after [[N]] instructions
print(error(Executable(binary(), max_instructions=count - 1).time))
# CHECK-NEXT: the run is stopped after its operands have read and written 5000 bytes; {{.*}} raise --max-bytes (max_bytes=)
print(error(Executable(binary(), max_bytes=5000).run, x))
# CHECK-NEXT: ACCEPTED
print(error(Executable(binary(), max_bytes=5000).time))
# CHECK-NEXT: max_instructions is 0; a number between 1 and 2^62 expected
print(error(Executable, binary(), max_instructions=0))
# CHECK-NEXT: max_bytes is 1.5; a number between 1 and 2^62 expected
print(error(Executable, binary(), max_bytes=1.5))
# CHECK-NEXT: generous True
print("generous", Budget().instructions > 100 * 453_300_000)        # the longest published program (docs/full-scale.md)

# Rows that lie on one another: as many as an extent can say, of 32768 elements.
p = Program()
p.emit("v.map", op="copy", src=p.agu("vector", 0, 0, "f2"), dst=p.agu("output", 0, 0, "f2"), rows=p.n(2 ** 24 - 1), cols=p.n(32768), scalar=0)
# CHECK-NEXT: operand 'src': 16777215 rows of 65536 bytes are more than vector has, 163840
print(complaint(p.run))
p = Program()
p.emit("load", src=p.agu("dram", 0, 0, "f2"), dst=p.agu("vector", 0, 0, "f2"), rows=p.n(2 ** 24 - 1), cols=p.n(32768), stream="kv")
# CHECK-NEXT: operand 'src': 16777215 rows of 65536 bytes are more than dram has, 34359738368
print(complaint(p.run))

# CHECK-NEXT: small uses 281474976710656 bytes of DRAM; to run it on data, this computer would need as much memory, and has {{[0-9]+}}
wide = machine(dram__capacity_bytes=2 ** 48)
huge = binary(memory_map=fxb.MemoryMap(dram_bytes=2 ** 48))
huge.machine = wide
print(error(Executable(huge).run, x))
# CHECK-NEXT: ACCEPTED
print(error(Executable(huge).time))

# Seven loops of 2^24 trips: stopped by the budget, or by the user.
loops = PROGRAM.replace("loop trips=e2", "ext id=e3 full=16777215 total=16777215 step=0 level=never\n" + "loop trips=e3\n" * 6 + "loop trips=e2").replace(
    "level=l0", "level=l6").replace("signal=s3\nendloop", "signal=s3\nendloop" + "\nendloop" * 6)
binary(loops).save(folder / "endless.fxb")
np.savez(folder / "x.npz", **x)
PATIENCE = 1.5 * float(os.environ.get("FUZZ_SLOWER", "1"))      # seconds; a core that checks addresses looks later whether it is to stop
for mode in (["--timing-only"], ["--inputs", str(folder / "x.npz")], ["--inputs", str(folder / "x.npz"), "--sanitize"]):
    command = [sys.executable, "-P", "-m", "focus.compiler.tools.simulate", str(folder / "endless.fxb"), *mode]
    stopped = subprocess.run([*command, "--max-instructions", "1000000"], capture_output=True, text=True)
    assert stopped.returncode == 1 and "stopped after 1000000 instructions" in stopped.stderr, stopped
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"_sim." not in Path(f"/proc/{running.pid}/maps").read_bytes():           # until the simulator is there, and the run under way
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    time.sleep(0.5)
    assert running.poll() is None, running.communicate()
    running.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, err = running.communicate(timeout=20)
    # CHECK-COUNT-3: interrupted True 130 b''
    print("interrupted", time.monotonic() - begin < PATIENCE, running.returncode, err)
