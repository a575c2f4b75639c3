"""The `focus` and `fisa` dialects, defined in Python on the torch-mlir wheel.

In: the ISA table (`focus.runtime.isa`).  Out: `support` (contexts, parsing, diagnostics, the op base class), `focus` (tensor-level and
structural ops, attributes, types), `tile_ops` (one op an instruction, on memrefs) and `fisa` (instructions).  Nothing here imports torch.
"""
