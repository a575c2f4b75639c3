"""Writes the files the tool tests use into a folder: small.fxb, merged.fxb, their inputs, and broken variants of the small program."""
import sys
from pathlib import Path

import merged
import numpy as np
import small
from safetensors.numpy import save_file

folder = Path(sys.argv[1])
small.binary().save(folder / "small.fxb")
# The same program with its modules numbered in another order, one of them unused.
other = small.binary()
other.modules, other.source = ("store", "unused", "proj"), np.where(other.source == 0, 2, 0).astype(np.uint32)
other.save(folder / "other.fxb")
merged.binary().save(folder / "merged.fxb")
save_file({"x": np.random.default_rng(0).normal(size=(40, 32)).astype(np.float32)}, folder / "small.safetensors")
save_file({"x": merged.inputs().astype(np.float32)}, folder / "merged.safetensors")
np.savez(folder / "small.npz", x=np.zeros((40, 32), np.float32))
# Without the semaphore from load to mm; without the one from store back to load; with an mm that adds to what nobody wrote; as a kernel after one
# that has left its weights where this one does not load any.
small.binary(small.PROGRAM.replace("wait=s1@0,s2", "wait=s1@0")).save(folder / "unordered.fxb")
small.binary(small.PROGRAM.replace("wait=s3 ", "")).save(folder / "overrun.fxb")
small.binary(small.PROGRAM.replace("init=always", "init=never")).save(folder / "unwritten.fxb")
load = "load src=a1 dst=a4 rows=e1 cols=e1 stream=weight ; signal=s1\n"
small.binary(small.PROGRAM.replace(load, load + "drain id=s1 credits=1 end=1\nsync unit=load ; signal=s1\n")).save(folder / "stale.fxb")
