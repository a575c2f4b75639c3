# A file cut anywhere, lengthened, or with any bit flipped is refused with one line.
# RUN: %python %s %t.fxb
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
from small import binary, error

from focus.runtime.run import fxb

path = Path(sys.argv[1])
binary().save(path)
whole = path.read_bytes()
fxb.load(path)


def refused(data, what):
    path.write_bytes(data)
    message = error(fxb.load, path)
    assert message.startswith(f"{path}: "), (what, message)


random.seed(0)
header = 8 + int.from_bytes(whole[:8], "little")
for length in [0, 1, 7, 8, 9, header - 1, header, header + 1, len(whole) - 1, *random.sample(range(len(whole)), 60)]:
    refused(whole[:length], f"cut to {length}")
refused(whole + b"\0", "lengthened")
for bit in [*range(64), *random.sample(range(64, header * 8), 700), *random.sample(range(header * 8, len(whole) * 8), 300)]:
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    refused(damaged, f"bit {bit}")
