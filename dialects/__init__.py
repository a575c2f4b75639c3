"""The `focus` and `fisa` dialects, defined in Python on the torch-mlir wheel.

In: the ISA table (`focus.runtime.spec.isa`).  Out: `support` (contexts, parsing, diagnostics, the base class of all ops); `base` (the focus dialect's
attributes and types), `structure` (kernels, buffers, windows), `focus` (tensor-level ops, and all of these by import), `tile_ops` (one op an
instruction, on memrefs); `fisa` (instructions); `docs` (the generated pages).  Nothing here imports torch.
"""
