"""Passes on tiles: from kernels of loops to placed, scheduled instructions."""
