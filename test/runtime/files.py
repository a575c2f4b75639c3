# Output files appear whole or not at all; links, pipes and devices stay what they are.
# RUN: rm -rf %t && mkdir %t && %python %s %t | filecheck %s
import os
import sys
import threading
from pathlib import Path

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write

os.chdir(sys.argv[1])


def write(path, text="new"):
    with atomic_write(path) as temporary:
        temporary.write_text(text)


Path("target").write_text("old")
os.symlink("target", "link")
write("link")
# CHECK: True new
print(os.path.islink("link"), Path("target").read_text())

os.mkfifo("pipe")
read = []
reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
reader.start()
write("pipe")
reader.join(10)
# CHECK-NEXT: True ['new']
print(Path("pipe").is_fifo(), read)

ends = os.pipe()
write(f"/dev/fd/{ends[1]}")
# CHECK-NEXT: b'new'
print(os.read(ends[0], 9))

try:
    with atomic_write("target") as temporary:
        temporary.write_text("half")
        raise FocusError("broken")
except FocusError as e:
    # CHECK-NEXT: broken new
    print(e, Path("target").read_text())
try:
    write(".")
except FocusError as e:
    # CHECK-NEXT: .: cannot write: is a folder
    print(e)
# CHECK-NEXT: ['link', 'pipe', 'target']
print(sorted(os.listdir(".")))
