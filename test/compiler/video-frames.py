# Frames of a real clip at a given rate, and synthetic ones.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
from common import error

from focus.compiler.frontend.video import load_frames, moving_pattern, sample_clip

clip = sample_clip()
frames = load_frames(clip, 8, 4.0)
print(clip.name, frames.shape, frames.dtype)
# CHECK: bikes.mp4 (8, 272, 640, 3) uint8
# 25 frames per second: a quarter of a second later is the 7th frame after (6.25, the first not before it).
native = load_frames(clip, 8, 25.0)
print("same frames", np.array_equal(frames[0], native[0]), np.array_equal(frames[1], native[7]), np.array_equal(native[0], native[1]))
# CHECK-NEXT: same frames True True False
print("later", np.array_equal(load_frames(clip, 1, 1.0, start=7 / 25)[0], native[7]))
# CHECK-NEXT: later True
print(error(load_frames, clip, 100, 4.0).removeprefix(str(clip)))
# CHECK-NEXT: : the clip ends after 40 of 100 frames at 4 frames per second
print(error(load_frames, __file__, 1, 1.0).removeprefix(__file__))
# CHECK-NEXT: : cannot decode video:
print(error(load_frames, "/no/such/clip.mp4", 1, 1.0))
# CHECK-NEXT: /no/such/clip.mp4: cannot decode video:
still, moved = moving_pattern(3, 20, 30), moving_pattern(3, 20, 30, speed=2.0)
print("still", np.array_equal(still[0], still[2]), "moved by two", np.abs(moved[1, :, :-2].astype(int) - moved[0, :, 2:]).max() <= 1)
# CHECK-NEXT: still True moved by two True
