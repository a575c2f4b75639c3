"""Binaries and their runs: container, assembler, verifier, executable, trace, report, energy."""
