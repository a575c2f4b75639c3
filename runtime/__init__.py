"""What needs no compiler: ISA table, machine files, `.fxb` container, assembler, simulator, energy, traces and the run API.

In: nothing.  Out: the submodules; import them by name.  Nothing here imports MLIR or torch.
"""
